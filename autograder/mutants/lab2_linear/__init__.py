"""Wrong and right implementations for lab 2, as its cases are divided: tensors, weights and biases, integer layers,
fusion and pixels."""

from .biases import BIAS
from .convolution import CONV2D
from .fusion import FUSE
from .layers import LINEAR
from .per_channel import PER_CHANNEL
from .pixels import PREPROCESS
from .quantize import QUANTIZE
from .shifts import SHIFT_CONV2D, SHIFT_LINEAR
from .weights import WEIGHT_SCALE
from .zero_point import SCALE_AND_ZERO_POINT

BANK = (
    QUANTIZE,
    SCALE_AND_ZERO_POINT,
    WEIGHT_SCALE,
    PER_CHANNEL,
    BIAS,
    SHIFT_LINEAR,
    LINEAR,
    SHIFT_CONV2D,
    CONV2D,
    FUSE,
    PREPROCESS,
)
