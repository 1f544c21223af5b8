"""Cases of ``CusQuantObserver`` and ``custom_qconfig``."""

import math
from functools import partial

import torch

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

shown = partial(CaseRecipe, observe=("tensors",))

#: Type and ends of the integers.
WEIGHTS = ("qint8", (-127, 127))
ACTIVATIONS = ("quint8", (0, 255))
FOUR_BITS = ("qint8", (-7, 7))
FOUR_BITS_UNSIGNED = ("quint8", (0, 15))
LOPSIDED = ("qint8", (-128, 127))


def reaching(draw: Draw, largest: float, sign: int = 1) -> torch.Tensor:
    """Values of either sign up to half of ``largest``, and one, anywhere, of that size."""
    values = draw.floats((12,), -0.5, 0.5) * largest
    values[draw.integer(0, 11)] = sign * largest
    return values.reshape(3, 4)


def near(draw: Draw, exponent: int, integers: tuple, sign: int = 1) -> tuple:
    """A case with one tensor, whose scale lies clearly nearest to 2**-exponent; twice or half of it has another."""
    steps = integers[1][1] - integers[1][0]
    scale = 2.0 ** (-exponent + float(draw.floats((1,), -0.35, 0.35)))
    return *integers, [reaching(draw, scale * steps / 2, sign)], [], ()


def behind_relu(draw: Draw, exponent: int) -> tuple:
    dtype, ends, tensors, scales, limits = near(draw, exponent, ACTIVATIONS)
    return dtype, ends, [tensor.clamp(min=0) for tensor in tensors], scales, limits


def near_a_border(draw: Draw, integers: tuple, factor: float) -> tuple:
    """A largest value whose scale lies ``factor`` beside the border between two powers of two."""
    border = 2.0 ** (-draw.integer(3, 6) - 0.5)
    return *integers, [reaching(draw, border * (integers[1][1] - integers[1][0]) / 2 * factor)], [], ()


def moving(draw: Draw, integers: tuple) -> tuple:
    """Wide at first, then narrow: min-max and moving average have the wide one's scale, the last tensor another."""
    steps = integers[1][1] - integers[1][0]
    return *integers, [reaching(draw, top * 2.0**-4 * steps / 2) for top in (1.0, 0.2, 0.2)], [], ()


def approximated(scales: list[float], limits: tuple = ()) -> tuple:
    """``scale_approximate`` alone."""
    return *WEIGHTS, [], scales, limits


OBSERVER = ItemRecipe(
    "CusQuantObserver",
    outputs=(
        Rule("scale", dtype="float32", flat=True),
        Rule("zero point", dtype="int64", flat=True),
        Rule("approximated scales"),
        Rule("fake-quantized tensor", rtol=1e-5, atol=1e-6),
    ),
    driver="observe_custom",
    cases=(
        shown(
            "weights",
            lambda draw: near(draw, 6, WEIGHTS),
            tests="Integers from -127 to 127: a power of two for the scale, zero point 0.",
            hint="The range from -a to a is spread over q_max - q_min steps; then the scale is approximated.",
        ),
        shown(
            "activations",
            lambda draw: near(draw, 4, ACTIVATIONS),
            tests="Integers from 0 to 255: a power of two for the scale, zero point 128.",
            hint="self.quant_min and self.quant_max are the ends of the integers.",
        ),
        shown(
            "four bits",
            lambda draw: near(draw, 3, FOUR_BITS),
            tests="Integers from -7 to 7, as the QConfig may say.",
            hint="The integers need not be those of 8 bits.",
        ),
        shown(
            "four bits, unsigned",
            lambda draw: near(draw, 2, FOUR_BITS_UNSIGNED),
            tests="Integers from 0 to 15: zero point 8.",
            hint="Work the zero point out from self.quant_min and self.quant_max.",
        ),
        shown(
            "nearest exponent",
            lambda draw: approximated([0.3, 0.25, 0.36, 0.7, 0.012, 0.0079, 1.0]),
            tests="scale_approximate rounds -log2(scale) to the nearest integer.",
            hint="0.36 lies nearer to 0.25, but its exponent, 1.47, lies nearer to 1: round the exponent.",
        ),
        shown(
            "small and large scales",
            lambda draw: approximated([1e-10, 0.0001, 0.004, 1.3, 3.0, 1000.0]),
            tests="The exponent is at least 0 and at most 8: the results lie from 1/256 to 1.",
            hint="Clamp the exponent before you raise 2 to it.",
        ),
        shown(
            "limit of 16",
            lambda draw: approximated([1e-10, 0.0001, 0.004, 3.0], (16,)),
            tests="With a max_shift_amount of 16 the results go down to 1/65536.",
            hint="8 is only the default of max_shift_amount.",
        ),
        shown(
            "no scales",
            lambda draw: approximated([0.0, math.inf, math.nan, -0.5]),
            tests="0, infinity, NaN and a negative number are no scales, and become 1.0.",
            hint="Look at the scale before you take its logarithm; no comparison with NaN is true.",
        ),
        shown(
            "nothing but zeros",
            lambda draw: (*ACTIVATIONS, [torch.zeros(2, 3)], [], ()),
            tests="Zeros have the scale 1.0; the zero point is 128, as of all activations.",
            hint="A scale of 0 can neither be approximated nor divided by.",
        ),
        shown(
            "never observed",
            lambda draw: (*WEIGHTS, [], [], ()),
            tests="Weights, asked for before any was seen: scale 1.0 and, as always for weights, zero point 0.",
            hint="The range is from inf to -inf then; the zero point depends on the integers only.",
        ),
        shown(
            "undefined scales",
            lambda draw: approximated([0.0, math.inf, math.nan, -0.25, -math.inf]),
            tests="Scales that are no positive finite numbers become 1.0.",
            hint="Look at the scale before you take its logarithm; no comparison with NaN is true.",
            visible=False,
        ),
        shown(
            "another limit",
            lambda draw: approximated([2.0 ** -(draw.integer(6, 11) + 0.25), 0.5, 1e-9, 7.0], (draw.integer(3, 5),)),
            tests="The largest exponent is given to scale_approximate.",
            hint="8 is only the default of max_shift_amount.",
            visible=False,
        ),
        shown(
            "largest below zero",
            lambda draw: near(draw, 5, WEIGHTS, -1),
            tests="The weight that is farthest from zero is negative.",
            hint="A symmetric range is given by the larger magnitude of both ends.",
            visible=False,
        ),
        shown(
            "activations, largest below zero",
            lambda draw: near(draw, 3, ACTIVATIONS, -1),
            tests="The activation that is farthest from zero is negative.",
            hint="The range is symmetric for activations, too.",
            visible=False,
        ),
        shown(
            "behind a ReLU",
            lambda draw: behind_relu(draw, 4),
            tests="Activations of which none is negative: the range is symmetric all the same.",
            hint="The range from -a to a is 2a wide, whatever its other half holds.",
        ),
        shown(
            "moving range",
            lambda draw: moving(draw, ACTIVATIONS),
            tests="The range moves a little with each tensor.",
            hint="forward is inherited, and keeps the moving range in self.min_val and self.max_val.",
            visible=False,
        ),
        shown(
            "all of int8",
            lambda draw: near(draw, 4, LOPSIDED),
            tests="Integers from -128 to 127: zero point 0.",
            hint="The zero point is the middle of the integers, the upper one of two.",
            visible=False,
        ),
        shown(
            "just above a border",
            lambda draw: near_a_border(draw, WEIGHTS, 1.002),
            tests="With 254 steps the scale is just above the border between two powers.",
            hint="There are q_max - q_min steps.",
            visible=False,
        ),
        shown(
            "just below a border",
            lambda draw: near_a_border(draw, WEIGHTS, 0.998),
            tests="With 254 steps the scale is just below the border between two powers.",
            hint="There are q_max - q_min steps.",
            visible=False,
        ),
        shown(
            "activations just above a border",
            lambda draw: near_a_border(draw, ACTIVATIONS, 1.002),
            tests="With 255 steps the scale is just above the border between two powers.",
            hint="There are q_max - q_min steps.",
            visible=False,
        ),
        shown(
            "activations just below a border",
            lambda draw: near_a_border(draw, ACTIVATIONS, 0.998),
            tests="With 255 steps the scale is just below the border between two powers.",
            hint="There are q_max - q_min steps.",
            visible=False,
        ),
        shown(
            "infinite activation",
            lambda draw: (*ACTIVATIONS, [torch.tensor([draw.integer(1, 9), math.inf])], [], ()),
            tests="An infinite range has the scale 1.0.",
            hint="Neither 0 nor infinity nor NaN is a scale.",
            visible=False,
        ),
        shown(
            "weight that is not a number",
            lambda draw: (*WEIGHTS, [torch.tensor([draw.integer(1, 9), math.nan])], [], ()),
            tests="A range of NaN has the scale 1.0.",
            hint="Neither 0 nor infinity nor NaN is a scale.",
            visible=False,
        ),
    ),
)

QCONFIG = ItemRecipe(
    "custom_qconfig",
    outputs=(Rule("activations", kind="text"), Rule("weights", kind="text")),
    driver="describe_qconfig",
    cases=(
        CaseRecipe(
            "for PTQ",
            lambda draw: ((),),
            tests="Observers of activations and weights, each with its type, scheme and integers.",
            hint="Compare with the table, entry by entry; with_args makes a maker of observers.",
        ),
        CaseRecipe(
            "for QAT",
            lambda draw: ((True,),),
            tests="With is_qat, the same observers, each inside a FakeQuantize.",
            hint="tq.FakeQuantize.with_args takes the observer and what is meant for it.",
        ),
        CaseRecipe(
            "for PTQ, said so",
            lambda draw: ((False,),),
            tests="is_qat=False is the same as the default.",
            hint="Without is_qat nothing is rounded while observing.",
            visible=False,
        ),
    ),
)
