def scale_of(tensor, bitwidth): return torch.zeros(0)
def quantize(tensor, bitwidth): return torch.zeros(0)
