"""Cases of the scales of weights, of weights with a scale for each output channel, and of biases (Question 6)."""

from functools import partial

import torch

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

from . import homework
from .margins import limits, near_steps

scales = partial(CaseRecipe, observe=("weight",))


channels = partial(CaseRecipe, observe=("tensor",))


biases = partial(CaseRecipe, observe=("bias",))


def with_extreme(draw: Draw, shape: tuple[int, ...], extreme: float) -> torch.Tensor:
    """Values within 1 of zero, and one, anywhere, that is ``extreme``."""
    values = draw.floats(shape, -1, 1).reshape(-1)
    values[draw.integer(0, len(values) - 1)] = extreme
    return values.reshape(shape)


def weight(draw: Draw, shape: tuple[int, ...], bitwidth: int, sizes: list[float] | None = None) -> torch.Tensor:
    """Each output channel has a largest weight (of either sign) of its own, and its quotients keep away from ties."""
    largest = limits(bitwidth)[1]
    tops = torch.tensor(sizes) if sizes else draw.floats(shape[:1], 0.25, 2)
    steps = (tops.double() / largest).reshape(-1, *[1] * (len(shape) - 1))
    values = near_steps(draw, shape, steps, 1 - largest, largest - 1).reshape(shape[0], -1)
    for row, top in zip(values, tops, strict=True):
        row[draw.integer(0, len(row) - 1)] = top * (2 * draw.integer(0, 1) - 1)
    return values.reshape(shape)


def bias_arguments(draw: Draw, shape: tuple[int, ...], input_scale: float, high: int) -> tuple:
    """``shape`` is that of the weight's scale. Quotients up to ``high`` keep away from ties."""
    weight_scale = draw.floats(shape, 0.004, 0.02, step=1 / 65536)
    values = near_steps(draw, shape[:1], weight_scale.reshape(-1).double() * input_scale, -high, high)
    return values, weight_scale, input_scale


def parameter(values: torch.Tensor, *others) -> tuple:
    return values.requires_grad_(), *others


WEIGHT_SCALE = ItemRecipe(
    "get_quantization_scale_for_weight",
    outputs=(Rule("scale", kind="number", rtol=1e-6),),
    cases=(
        scales(
            "largest weight positive",
            lambda draw: (with_extreme(draw, (4, 6), 1.75), 8),
            tests="The largest weight is 1.75; at 8 bits it becomes 127.",
            hint="The largest weight belongs to the largest integer, and zero to zero.",
        ),
        scales(
            "largest weight negative",
            lambda draw: (with_extreme(draw, (4, 6), -2.5), 8),
            tests="The weight that is farthest from zero is negative.",
            hint="The range is symmetric: what counts is how far from zero a weight is.",
        ),
        scales(
            "all zeros",
            lambda draw: (torch.zeros(3, 4), 8),
            tests="A weight of zeros is treated as if its largest weight were 5e-7.",
            hint="A scale of 0 could not be divided by; the function's text names the least range.",
        ),
        scales(
            "two bits",
            lambda draw: (with_extreme(draw, (2, 9), draw.integer(9, 40) / 8), 2),
            tests="At 2 bits the largest integer is 1, and the scale is the largest weight.",
            hint="Work out q_max for 2 bits: the range depends on the bit width.",
        ),
        scales(
            "four bits",
            lambda draw: (with_extreme(draw, (3, 2, 3, 3), -draw.integer(9, 40) / 8).requires_grad_(), 4),
            tests="At 4 bits the largest integer is 7; the weight is a parameter.",
            hint="Take the largest integer of the bit width, not the number of integers, and detach before numpy().",
            visible=False,
        ),
        scales(
            "negative weights only",
            lambda draw: (-draw.floats((5, 3), 0.5, 3), 8),
            tests="All weights are negative.",
            hint="Take magnitudes first, their maximum then: the largest negative weight is nearest to zero.",
            visible=False,
        ),
        scales(
            "tiny weights",
            lambda draw: (draw.floats((4, 4), -3, 3) * 1e-8, 8),
            tests="Weights far below 5e-7 give the same scale as zeros.",
            hint="The least range holds for all weights that are smaller, not for zeros only.",
            visible=False,
        ),
    ),
)

PER_CHANNEL = ItemRecipe(
    "linear_quantize_weight_per_channel",
    outputs=(
        Rule("quantized weight", dtype="int8"),
        Rule("scale", dtype="float32", rtol=1e-6, flat=True),
        Rule("zero point", kind="integer"),
    ),
    uses=("linear_quantize", "get_quantization_scale_for_weight"),
    cases=(
        channels(
            "homework's layer",
            lambda draw: (homework.weight(), homework.BITS),
            tests="The weight of the homework's fully connected layer at 2 bits.",
            hint="Quantize each row by its own scale.",
        ),
        channels(
            "fully connected layer",
            lambda draw: (weight(draw, (4, 6), 8), 8),
            tests="A weight of four output and six input channels at 8 bits: four scales.",
            hint="The output channels are along the first dimension of a weight.",
        ),
        channels(
            "convolution",
            lambda draw: (weight(draw, (5, 3, 3, 3), 8), 8),
            tests="Five filters of 3x3x3 weights at 8 bits have five scales.",
            hint="Give the scale as many dimensions as the weight, so that it broadcasts along the filters.",
        ),
        channels(
            "channel of zeros",
            lambda draw: (weight(draw, (3, 7), 8).index_fill(0, torch.tensor([1]), 0.0), 8),
            tests="A channel whose weights are all zero has a scale above zero and becomes zeros.",
            hint="get_quantization_scale_for_weight knows what to do with zeros; use it for each channel.",
        ),
        channels(
            "square matrix",
            lambda draw: (weight(draw, (6, 6), 4), 4),
            tests="As many input as output channels, at 4 bits: the scales still belong to the rows.",
            hint="A scale of shape (6,) would broadcast along the columns.",
            visible=False,
        ),
        channels(
            "channels of very different size",
            lambda draw: (weight(draw, (4, 2, 3, 3), 8, sizes=[1e-4, 3.0, 0.02, 50.0]), 8),
            tests="The smallest channel keeps its precision beside one that is 500,000 times as large.",
            hint="One scale for all would turn the smaller channels into zeros.",
            visible=False,
        ),
        channels(
            "depthwise convolution",
            lambda draw: (weight(draw, (6, 1, 3, 3), 8).requires_grad_(), 8),
            tests="A parameter with one input channel.",
            hint="The number of scales is the first number of the weight's shape; never write into a parameter.",
            visible=False,
        ),
        channels(
            "transposed kernels",
            lambda draw: (weight(draw, (5, 2, 3, 4), 8).transpose(2, 3), 8),
            tests="The weight of a convolution that is not contiguous in memory.",
            hint="view() refuses such a tensor; reshape() and select() do not.",
            visible=False,
        ),
    ),
)


def homework_bias() -> tuple:
    weight_scale = homework.weight_scale()
    return homework.bias(), weight_scale, homework.input_scale()


def huge_biases(draw: Draw) -> tuple:
    """Scales that are powers of two, and integers that float32 holds, so that every way of dividing is exact."""
    steps = torch.tensor([3 * 2.0**29, -(2.0**31), 2.0**33, -(2.0**34), 128.0 * draw.integer(1, 99)])
    return steps * 2.0**-12, torch.full((5, 1), 2.0**-9), 2.0**-3


BIAS = ItemRecipe(
    "linear_quantize_bias_per_output_channel",
    outputs=(
        Rule("quantized bias", dtype="int32"),
        Rule("scale", dtype="float32", rtol=1e-6, flat=True),
        Rule("zero point", kind="integer"),
    ),
    uses=("linear_quantize",),
    cases=(
        biases(
            "homework's layer",
            lambda draw: homework_bias(),
            tests="The bias of the homework's fully connected layer.",
            hint="A bias is added to sums of products of input and weight: which scale do those have?",
            expected=lambda: (
                homework.quantized_bias(),
                homework.weight_scale().reshape(-1) * homework.input_scale(),
                0,
            ),
        ),
        biases(
            "fully connected layer",
            lambda draw: bias_arguments(draw, (5, 1), 0.0173, 20_000),
            tests="Five biases, a weight scale of shape (5, 1), and integers far beyond 127.",
            hint="Biases are quantized at 32 bits and stored as torch.int32.",
        ),
        biases(
            "convolution",
            lambda draw: bias_arguments(draw, (6, 1, 1, 1), 0.25, 5_000),
            tests="A weight scale of shape (6, 1, 1, 1).",
            hint="A bias has one dimension: bring the scale into one row, or the division broadcasts to a cube.",
        ),
        biases(
            "large integers",
            lambda draw: bias_arguments(draw, (4, 1), 0.0009765625, 60_000),
            tests="Integers beyond 16 bits.",
            hint="Look at the bit width and at the dtype that you pass on.",
            visible=False,
        ),
        biases(
            "input scale above one",
            lambda draw: parameter(*bias_arguments(draw, (7, 1, 1, 1), 3.7, 900)),
            tests="A parameter, and an input scale that is larger than one.",
            hint="The scale of a product is the product of the scales; detach a parameter before numpy().",
            visible=False,
        ),
        biases(
            "saturates at 32 bits",
            huge_biases,
            tests="Integers close to the ends of 32 bits are kept, those beyond become the ends.",
            hint="linear_quantize saturates at the bit width that you pass on: a bias has 32 bits.",
            visible=False,
        ),
        biases(
            "one channel",
            lambda draw: bias_arguments(draw, (1, 1), 0.0421, 3_000),
            tests="A layer with a single output.",
            hint="The result is still a tensor with one dimension.",
            visible=False,
        ),
    ),
)
