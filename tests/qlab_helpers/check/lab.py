"""A made-up lab: its numbers, its named tuple, and a function of it written right."""

from collections import namedtuple

import torch

TENSOR = torch.tensor([[-1.5, 0.25, 3.0], [100.0, -200.0, 0.0]])
LEVELS = TENSOR.round().clamp(-128, 127).to(torch.int8)
WIDE = torch.arange(4 * 5 * 40.0).reshape(4, 5, 40)
Codebook = namedtuple("Codebook", ["centroids", "labels"])


def to_int8(tensor):
    return tensor.round().clamp(-128, 127).to(torch.int8)
