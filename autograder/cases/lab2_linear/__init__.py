"""Cases of lab 2: linear quantization of tensors (``quantize``), of weights and biases (``weights``), integer layers
(``layers``, ``convolution``), folding of batch normalization, input pixels and short answers (``fusion``)."""

from .convolution import CONV2D, SHIFT_CONV2D
from .fusion import ANSWER_5_1, ANSWER_5_2, FUSE, PREPROCESS
from .layers import LINEAR, SHIFT_LINEAR
from .quantize import QUANTIZE, SCALE_AND_ZERO_POINT
from .weights import BIAS, PER_CHANNEL, WEIGHT_SCALE

ITEMS = (
    QUANTIZE,
    ANSWER_5_1,
    ANSWER_5_2,
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
