"""Cases of ``PowerOfTwoObserver``: a type, tensors to show, scales to approximate, and limits of the exponent."""

import math
from functools import partial

import torch

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

shown = partial(CaseRecipe, observe=("tensors",))

#: Steps on either side of zero, of weights and of activations.
WEIGHT_STEPS, ACTIVATION_STEPS = 127.0, 127.5


def reaching(draw: Draw, largest: float, sign: int = 1, shape: tuple[int, ...] = (3, 4)) -> torch.Tensor:
    """Values of either sign up to half of ``largest``, and one, anywhere, of that size."""
    values = (draw.floats(shape, -0.5, 0.5) * largest).reshape(-1)
    values[draw.integer(0, len(values) - 1)] = sign * largest
    return values.reshape(shape)


def largest_for(draw: Draw, exponent: int, steps: float) -> float:
    """A largest value whose scale lies clearly nearest to 2**-exponent; twice or half of it has another."""
    return 2.0 ** (-exponent + float(draw.floats((1,), -0.35, 0.35))) * steps


def near_a_border(draw: Draw, dtype: str, steps: float, factor: float) -> tuple:
    """A largest value whose scale lies ``factor`` beside the border between two powers of two."""
    border = 2.0 ** (-draw.integer(3, 6) - 0.5)
    return dtype, [reaching(draw, border * steps * factor)], [], ()


def approximated(scales: list[float], limits: tuple = (), dtype: str = "qint8") -> tuple:
    """``scale_approximate`` alone."""
    return dtype, [], scales, limits


POWER_OF_TWO = ItemRecipe(
    "PowerOfTwoObserver",
    outputs=(
        Rule("scale", dtype="float32", flat=True),
        Rule("zero point", dtype="int64", flat=True),
        Rule("approximated scales"),
    ),
    uses=("symmetric_qparams",),
    driver="observe_power_of_two",
    cases=(
        shown(
            "weights",
            lambda draw: ("qint8", [reaching(draw, largest_for(draw, 6, WEIGHT_STEPS))], [], ()),
            tests="int8 weights: a power of two for the scale, zero point 0.",
            hint="The scale of the symmetric range, for integers from -127 to 127, then approximated.",
        ),
        shown(
            "activations",
            lambda draw: ("quint8", [reaching(draw, largest_for(draw, 4, ACTIVATION_STEPS))], [], ()),
            tests="uint8 activations: a power of two for the scale, zero point 128.",
            hint="The scale of the symmetric range, for integers from 0 to 255, then approximated.",
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
            "weights, 127 steps",
            lambda draw: near_a_border(draw, "qint8", WEIGHT_STEPS, 1.002),
            tests="int8 weights whose scale is just above the border between two powers, with 127 steps on each side.",
            hint="-128 is left out, whatever self.quant_min says: the integers go from -127 to 127.",
        ),
        shown(
            "nothing but zeros",
            lambda draw: ("quint8", [torch.zeros(2, 3)], [], ()),
            tests="Zeros have the scale 1.0; the zero point is 128, as of all activations.",
            hint="A scale of 0 can neither be approximated nor divided by.",
        ),
        shown(
            "never observed",
            lambda draw: ("qint8", [], [], ()),
            tests="Weights, asked for before any was seen: scale 1.0 and, as always for weights, zero point 0.",
            hint="The range is from inf to -inf then; the zero point depends on the type only.",
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
            lambda draw: approximated(
                [2.0 ** -(draw.integer(6, 11) + 0.25), 0.5, 1e-9, 7.0], (draw.integer(3, 5),), "quint8"
            ),
            tests="The largest exponent is given to scale_approximate.",
            hint="8 is only the default of max_shift_amount.",
            visible=False,
        ),
        shown(
            "weights, largest below zero",
            lambda draw: ("qint8", [reaching(draw, largest_for(draw, 5, WEIGHT_STEPS), -1)], [], ()),
            tests="The weight that is farthest from zero is negative.",
            hint="A symmetric range is given by the larger magnitude of both ends.",
            visible=False,
        ),
        shown(
            "activations, largest below zero",
            lambda draw: ("quint8", [reaching(draw, largest_for(draw, 3, ACTIVATION_STEPS), -1)], [], ()),
            tests="Activations before a ReLU: the one that is farthest from zero is negative.",
            hint="The range is symmetric for activations, too.",
            visible=False,
        ),
        shown(
            "weights, several tensors",
            lambda draw: (
                "qint8",
                [reaching(draw, top * 2.0**-6 * WEIGHT_STEPS) for top in (0.3, 1.0, 0.2)],
                [],
                (),
            ),
            tests="The range is that of all tensors.",
            hint="forward is inherited; self.min_val and self.max_val are the range of all that was seen.",
            visible=False,
        ),
        shown(
            "weights just above a border",
            lambda draw: near_a_border(draw, "qint8", WEIGHT_STEPS, 1.002),
            tests="With 127 steps on either side of zero the scale is just above the border between two powers.",
            hint="-128 is left out: the integers go from -127 to 127.",
            visible=False,
        ),
        shown(
            "weights just below a border",
            lambda draw: near_a_border(draw, "qint8", WEIGHT_STEPS, 0.998),
            tests="With 127 steps on either side of zero the scale is just below the border between two powers.",
            hint="-128 is left out: the integers go from -127 to 127.",
            visible=False,
        ),
        shown(
            "activations just above a border",
            lambda draw: near_a_border(draw, "quint8", ACTIVATION_STEPS, 1.002),
            tests="With 127.5 steps on either side of zero the scale is just above the border between two powers.",
            hint="The integers go from 0 to 255, so 255 steps cover the whole range.",
            visible=False,
        ),
        shown(
            "activations just below a border",
            lambda draw: near_a_border(draw, "quint8", ACTIVATION_STEPS, 0.998),
            tests="With 127.5 steps on either side of zero the scale is just below the border between two powers.",
            hint="The integers go from 0 to 255, so 255 steps cover the whole range.",
            visible=False,
        ),
        shown(
            "infinite activation",
            lambda draw: ("quint8", [torch.tensor([draw.integer(1, 9), math.inf])], [], ()),
            tests="An infinite range has the scale 1.0.",
            hint="Neither 0 nor infinity nor NaN is a scale.",
            visible=False,
        ),
        shown(
            "weight that is not a number",
            lambda draw: ("qint8", [torch.tensor([draw.integer(1, 9), math.nan])], [], ()),
            tests="A range of NaN has the scale 1.0.",
            hint="Neither 0 nor infinity nor NaN is a scale.",
            visible=False,
        ),
    ),
)
