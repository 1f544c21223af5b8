def scale_of(tensor, bitwidth): return float('inf')
def quantize(tensor, bitwidth): return float('inf')
