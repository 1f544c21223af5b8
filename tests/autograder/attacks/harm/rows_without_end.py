import torch
def ask(tensor, bitwidth):
    return torch.zeros(2**40, 0)
scale_of = quantize = ask
