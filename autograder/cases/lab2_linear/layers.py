"""Cases of ``shift_quantized_linear_bias`` and ``quantized_linear`` (Question 7)."""

from functools import partial

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

from . import homework
from .integers import large_sums, linear_arguments, shift_arguments

shift = partial(CaseRecipe, observe=("quantized_bias",))


layer = partial(CaseRecipe, observe=("input", "bias"))


def all_largest(draw: Draw) -> tuple:
    """Weights of 127 only: their sum, and each product with the zero point, is far beyond 8 bits."""
    bias, weight, zero_point = shift_arguments(draw, (3, 50))
    return bias, weight.fill_(127), zero_point


def transposed(draw: Draw) -> tuple:
    features, weight, *others = linear_arguments(draw, (4, 9, 5))
    return features, weight.t().contiguous().t(), *others


def far_outputs(draw: Draw) -> tuple:
    """With a hundredth of the output scale nearly all outputs saturate."""
    *others, output_scale = linear_arguments(draw, (3, 8, 6), scales=(0.5, 0.0625), zero_points=(-20, 30))
    return *others, output_scale / 128


SHIFT_LINEAR = ItemRecipe(
    "shift_quantized_linear_bias",
    outputs=(Rule("shifted bias", dtype="int32"),),
    cases=(
        shift(
            "homework's layer",
            lambda draw: (homework.quantized_bias(), homework.quantized_weight(), homework.input_zero_point()),
            tests="The bias of the homework's fully connected layer at 2 bits.",
            hint="Multiply out the sum of (q - Z) w: which part does not depend on the input?",
            expected=homework.shifted_bias,
        ),
        shift(
            "positive zero point",
            lambda draw: shift_arguments(draw, (4, 7)),
            tests="Four outputs and seven inputs, with a zero point above zero.",
            hint="Add up the weights of one output, which are one row; mind the sign of what is taken away.",
        ),
        shift(
            "negative zero point",
            lambda draw: shift_arguments(draw, (5, 3), -128),
            tests="The zero point of features after a ReLU, -128.",
            hint="Taking a negative amount away makes the bias larger where the weights are positive.",
        ),
        shift(
            "zero point of zero",
            lambda draw: shift_arguments(draw, (3, 4), 0),
            tests="With a zero point of 0 the bias stays what it is.",
            hint="Nothing is to be taken away here.",
            visible=False,
        ),
        shift(
            "largest weights",
            all_largest,
            tests="All weights are 127: sums and products need more than 8 bits.",
            hint="Which dtype do your sum and your product have? int8 starts again at -128 after 127.",
            visible=False,
        ),
        shift(
            "many inputs",
            lambda draw: shift_arguments(draw, (6, 512), -100),
            tests="Sums over 512 weights.",
            hint="Add up along the dimension of the inputs, in a type that holds the sum.",
            visible=False,
        ),
        shift(
            "four bits",
            lambda draw: shift_arguments(draw, (7, 12), -8, bits=4),
            tests="A weight of 4 bits, stored as int8.",
            hint="The bit width changes nothing in the formula.",
            visible=False,
        ),
    ),
)

LINEAR = ItemRecipe(
    "quantized_linear",
    outputs=(Rule("quantized output", dtype="int8"),),
    cases=(
        layer(
            "homework's layer",
            lambda draw: homework.linear_arguments(),
            tests="The homework's fully connected layer at 2 bits.",
            hint="Scale the sums, shift them by the output zero point, then round and clamp to the range.",
            expected=homework.output,
        ),
        layer(
            "scales are powers of two",
            lambda draw: linear_arguments(draw, (3, 8, 5), scales=(0.5, 0.0625)),
            tests="Eight bits with scales that are powers of two, so that the sums are only shifted.",
            hint="Real values are scale times integer: write r = S q for input, weight and output, and solve for q.",
        ),
        layer(
            "zero points of zero",
            lambda draw: linear_arguments(draw, (4, 6, 3), zero_points=(0, 0)),
            tests="Both zero points are 0; only the scales matter, and each output has its own.",
            hint="The outputs are (batch, oc) and the weight's scale is (oc, 1): how must it lie to fit?",
        ),
        layer(
            "both zero points",
            lambda draw: linear_arguments(draw, (2, 10, 4)),
            tests="Input and output have zero points of different sign.",
            hint="The bias holds the input's zero point already; the output's is added after scaling.",
        ),
        layer(
            "no bias",
            lambda draw: linear_arguments(draw, (3, 7, 4), biased=False),
            tests="The bias is None.",
            hint="Add a bias only if there is one.",
        ),
        layer(
            "four bits",
            lambda draw: linear_arguments(draw, (5, 12, 3), bits=4, weight_bits=2),
            tests="Outputs of 4 bits lie in [-8, 7], although the weights have 2 bits.",
            hint="feature_bitwidth decides the range of the output.",
        ),
        layer(
            "as many rows as outputs",
            lambda draw: linear_arguments(draw, (6, 9, 6)),
            tests="Batch size and number of outputs are equal: the scales still belong to the outputs.",
            hint="A scale of shape (oc, 1) multiplies rows, which are images, if there are as many of them.",
            visible=False,
        ),
        layer(
            "saturates",
            far_outputs,
            tests="Most outputs are far beyond 8 bits and become -128 or 127.",
            hint="Clamp before you cast: a cast to int8 wraps around.",
            visible=False,
        ),
        layer(
            "sums beyond 2 to the power of 24",
            lambda draw: large_sums(draw, (3, 1200, 5)),
            tests="Sums that float32 cannot tell from their neighbours are still exact.",
            hint="Add up in integers of 32 bits; float32 has 24 bits for the digits.",
            visible=False,
        ),
        layer(
            "two bits",
            lambda draw: linear_arguments(draw, (5, 20, 7), bits=2, zero_points=(1, -1)),
            tests="Outputs of 2 bits lie in [-2, 1].",
            hint="feature_bitwidth decides the range of the output.",
            visible=False,
        ),
        layer(
            "transposed weight",
            transposed,
            tests="A weight that is not contiguous in memory.",
            hint="view() refuses such a tensor; reshape() does not.",
            visible=False,
        ),
        layer(
            "output zero point at the end of the range",
            lambda draw: linear_arguments(draw, (4, 16, 3), zero_points=(-128, -128)),
            tests="The zero point of an output after a ReLU: all that is negative becomes -128.",
            hint="The clamp that keeps the range is all the ReLU that is needed; shift before you clamp.",
            visible=False,
        ),
    ),
)
