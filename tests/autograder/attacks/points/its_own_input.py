def scale_of(tensor, bitwidth): return tensor
def quantize(tensor, bitwidth): return tensor
