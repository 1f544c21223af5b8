"""Wrong and right implementations for lab 2, as its cases are divided: tensors, weights and biases, integer layers,
fusion and pixels."""

from .layers import SHIFT_LINEAR
from .quantize import QUANTIZE

BANK = (QUANTIZE, SHIFT_LINEAR)
