def scale_of(tensor, bitwidth): return float('nan')
def quantize(tensor, bitwidth): return float('nan')
