"""Cases of ``shift_quantized_conv2d_bias`` and ``quantized_conv2d`` (Question 8)."""

from functools import partial

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

from .integers import conv2d_arguments, large_sums, shift_arguments

shift = partial(CaseRecipe, observe=("quantized_bias",))


layer = partial(CaseRecipe, observe=("input", "bias"))


def all_smallest(draw: Draw) -> tuple:
    bias, weight, zero_point = shift_arguments(draw, (4, 8, 3, 3))
    return bias, weight.fill_(-128), zero_point


def large(draw: Draw) -> tuple:
    """Images as large as the kernel: one output for each image and channel."""
    features, weight, *others = large_sums(draw, (3, 135 * 9, 4))
    arguments = [features.reshape(3, 135, 3, 3), weight.reshape(4, 135, 3, 3), *others]
    arguments[8] = arguments[8].reshape(4, 1, 1, 1)
    return *arguments, (1, 1), (0, 0, 0, 0), (1, 1), 1


SHIFT_CONV2D = ItemRecipe(
    "shift_quantized_conv2d_bias",
    outputs=(Rule("shifted bias", dtype="int32"),),
    cases=(
        shift(
            "positive zero point",
            lambda draw: shift_arguments(draw, (4, 2, 3, 3)),
            tests="Four filters of 2x3x3 weights, with a zero point above zero.",
            hint="Add up all weights of one filter; mind the sign of what is taken away.",
        ),
        shift(
            "negative zero point",
            lambda draw: shift_arguments(draw, (3, 3, 3, 3), -128),
            tests="The zero point of features after a ReLU, -128, and a weight of 3x3x3x3.",
            hint="Sum over three dimensions: the one that is left belongs to the output channels.",
        ),
        shift(
            "kernel of one pixel",
            lambda draw: shift_arguments(draw, (6, 4, 1, 1), 17),
            tests="A 1x1 convolution.",
            hint="Do not drop dimensions by squeeze(): what is left must have one number for each filter.",
        ),
        shift(
            "smallest weights",
            all_smallest,
            tests="All weights are -128: sums and products need more than 8 bits.",
            hint="Which dtype do your sum and your product have? int8 starts again at 127 below -128.",
            visible=False,
        ),
        shift(
            "rectangular kernel",
            lambda draw: shift_arguments(draw, (5, 3, 2, 4), -37),
            tests="A kernel that is wider than high.",
            hint="Sum over input channels, rows and columns.",
            visible=False,
        ),
        shift(
            "one input channel",
            lambda draw: shift_arguments(draw, (8, 1, 3, 3), -8, bits=4),
            tests="The weight of a depthwise convolution, at 4 bits.",
            hint="The number of shifted biases is the first number of the weight's shape.",
            visible=False,
        ),
    ),
)

CONV2D = ItemRecipe(
    "quantized_conv2d",
    outputs=(Rule("quantized output", dtype="int8"),),
    cases=(
        layer(
            "scales are powers of two",
            lambda draw: conv2d_arguments(draw, 2, (3, 5), (4, 4), scales=(0.5, 0.0625), padding=(0, 0, 0, 0)),
            tests="A 3x3 convolution without padding; its scales are powers of two.",
            hint="It is the fully connected layer again: scale the sums, shift them, round, clamp, cast.",
        ),
        layer(
            "padding",
            lambda draw: conv2d_arguments(draw, 2, (3, 4), (3, 4)),
            tests="One pixel of padding on each side, and an input zero point that is not 0.",
            hint="Padding stands for the real value 0: which integer stands for it in the input?",
        ),
        layer(
            "padding of four sizes",
            lambda draw: conv2d_arguments(draw, 2, (2, 3), (4, 3), padding=(0, 1, 2, 3)),
            tests="Padding differs on all four sides, given as left, right, top, bottom.",
            hint="torch.nn.functional.pad takes the four numbers in this order.",
        ),
        layer(
            "stride",
            lambda draw: conv2d_arguments(draw, 2, (2, 4), (7, 5), stride=(2, 1)),
            tests="Steps of two rows and one column over a rectangular image.",
            hint="Pass the stride on as it is.",
        ),
        layer(
            "no bias",
            lambda draw: conv2d_arguments(draw, 2, (3, 4), (4, 3), biased=False, bits=4, weight_bits=2),
            tests="The bias is None, and outputs of 4 bits lie in [-8, 7], although the weights have 2 bits.",
            hint="Add a bias only if there is one; feature_bitwidth decides the range of the output.",
        ),
        layer(
            "groups",
            lambda draw: conv2d_arguments(draw, 3, (4, 6), (3, 3), groups=2),
            tests="Two groups: each half of the filters sees its half of the input channels.",
            hint="Pass groups on; the weight has half as many input channels as the input.",
        ),
        layer(
            "dilation",
            lambda draw: conv2d_arguments(draw, 2, (2, 3), (6, 5), dilation=(2, 1), padding=(1, 1, 2, 2)),
            tests="The kernel's rows are two pixels apart.",
            hint="Pass the dilation on as it is.",
            visible=False,
        ),
        layer(
            "four bits",
            lambda draw: conv2d_arguments(draw, 3, (4, 2), (4, 5), bits=4, weight_bits=2),
            tests="Outputs of 4 bits lie in [-8, 7], although the weights have 2 bits.",
            hint="feature_bitwidth decides the range of the output.",
            visible=False,
        ),
        layer(
            "as many images as channels",
            lambda draw: conv2d_arguments(draw, 4, (3, 4), (4, 4), padding=(0, 0, 0, 0)),
            tests="Batch size, channels and image have sizes that broadcast in more than one way.",
            hint="The outputs are (batch, oc, h, w): scale and bias belong to the second dimension.",
            visible=False,
        ),
        layer(
            "zero point at the end of the range",
            lambda draw: conv2d_arguments(draw, 2, (3, 5), (4, 3), zero_points=(-128, -128)),
            tests="Zero points of -128, as after a ReLU, with padding.",
            hint="Padding is filled with the input's zero point, outputs are shifted by the output's.",
            visible=False,
        ),
        layer(
            "rectangular kernel",
            lambda draw: conv2d_arguments(draw, 2, (2, 5), (5, 8), kernel=(1, 3), stride=(1, 3), padding=(1, 0, 0, 0)),
            tests="A kernel of one row, steps of three columns, and padding on the left only.",
            hint="Rows come before columns, except in the padding, which starts with the columns.",
            visible=False,
        ),
        layer(
            "sums beyond 2 to the power of 24",
            large,
            tests="Sums that float32 cannot tell from their neighbours are still exact.",
            hint="Add up in integers of 32 bits; float32 has 24 bits for the digits.",
            visible=False,
        ),
    ),
)
