"""Cases of ``affine_qparams`` and ``symmetric_qparams``."""

import math

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

from .clear import is_telling, redraw

OUTPUTS = (Rule("scale", kind="number", rtol=1e-5), Rule("zero point", kind="integer"))
INT8, UINT8, INT4, UINT4 = (-128, 127), (0, 255), (-8, 7), (0, 15)


def number(draw: Draw, low: float, high: float) -> float:
    return float(draw.floats((1,), low, high))


def between(draw: Draw, low: float, high: float, integers: tuple[int, int]) -> tuple[float, float, int, int]:
    """A range that begins and ends within an eighth of its width of ``low`` and ``high``."""
    width = (high - low) / 8

    def make() -> tuple[float, float, int, int]:
        return (*(number(draw, end - width, end + width) for end in (low, high)), *integers)

    return redraw(make, lambda made: is_telling(*made))


def too_wide(draw: Draw) -> tuple[float, float]:
    """A range of nearly twice the largest float: with one step only, no way of computing has a finite scale."""
    return -1e308 - 1e305 * draw.integer(1, 500), 1e308 + 1e305 * draw.integer(1, 500)


NEVER = (math.inf, -math.inf)

AFFINE = ItemRecipe(
    "affine_qparams",
    outputs=OUTPUTS,
    cases=(
        CaseRecipe(
            "lopsided range",
            lambda draw: between(draw, -1, 3, INT8),
            tests="A range with zero in it, more of it above, for int8.",
            hint="The range is spread over q_max - q_min steps, and its lower end becomes q_min.",
        ),
        CaseRecipe(
            "positive values only",
            lambda draw: (number(draw, 1, 2), number(draw, 4, 7), *UINT8),
            tests="Both ends lie above zero: the range is widened downwards to zero, which becomes q_min.",
            hint="The range always includes zero: take the smaller of min_val and 0 as its lower end.",
        ),
        CaseRecipe(
            "negative values only",
            lambda draw: (number(draw, -7, -4), number(draw, -2, -1), *INT8),
            tests="Both ends lie below zero: the range is widened upwards to zero, which becomes q_max.",
            hint="Zero may be missing above as well as below.",
        ),
        CaseRecipe(
            "nothing but zeros",
            lambda draw: (0.0, 0.0, *INT8),
            tests="A range without width has the scale 1.0 and the zero point 0.",
            hint="A scale of 0 would divide by zero: look at the width before you use it.",
        ),
        CaseRecipe(
            "never observed",
            lambda draw: (*NEVER, *INT8),
            tests="The range of an observer that saw nothing, inf to -inf, has the scale 1.0 and the zero point 0.",
            hint="math.isfinite says whether an end of the range is a number that can be used.",
        ),
        CaseRecipe(
            "unsigned four bits",
            lambda draw: between(draw, -5, 2, UINT4),
            tests="The integers from 0 to 15, and a range with more of it below zero.",
            hint="Take q_min and q_max as they are given; they are not those of 8 bits.",
            visible=False,
        ),
        CaseRecipe(
            "signed four bits",
            lambda draw: between(draw, -3, 4, INT4),
            tests="The integers from -8 to 7.",
            hint="Take q_min and q_max as they are given.",
            visible=False,
        ),
        CaseRecipe(
            "infinite end",
            lambda draw: (-number(draw, 1, 4), math.inf, *UINT8),
            tests="An infinite end leaves the range undefined: scale 1.0 and zero point 0.",
            hint="A scale must never be infinite; look at both ends of the range.",
            visible=False,
        ),
        CaseRecipe(
            "other infinite end",
            lambda draw: (-math.inf, number(draw, 1, 4), *UINT8),
            tests="A lower end of -inf leaves the range undefined, too.",
            hint="Look at both ends of the range.",
            visible=False,
        ),
        CaseRecipe(
            "not a number",
            lambda draw: (math.nan, math.nan, *INT8),
            tests="A tensor with a NaN in it has a range of NaN: scale 1.0 and zero point 0.",
            hint="No comparison with NaN is true; math.isfinite and math.isnan know it.",
            visible=False,
        ),
        CaseRecipe(
            "too wide",
            lambda draw: (*too_wide(draw), 0, 1),
            tests="The ends are numbers, and the scale of one step between them is none: scale 1.0 and zero point 0.",
            hint="Look at the scale, too: what comes out must be finite.",
            visible=False,
        ),
        CaseRecipe(
            "tiny values",
            lambda draw: (-(2.0**-30) * draw.integer(1, 4), 2.0**-26, *UINT8),
            tests="A range of tiny values has a tiny scale: only a range of no width is undefined.",
            hint="Compare the width with 0 itself, not with a small number, and add nothing to the scale.",
            visible=False,
        ),
    ),
)

SYMMETRIC = ItemRecipe(
    "symmetric_qparams",
    outputs=OUTPUTS,
    cases=(
        CaseRecipe(
            "larger above",
            lambda draw: (-number(draw, 0.5, 1), number(draw, 2, 4), *INT8),
            tests="The upper end is farther from zero, for int8: zero point 0.",
            hint="The range goes as far to the left as to the right, and is spread over all the steps.",
        ),
        CaseRecipe(
            "larger below",
            lambda draw: (-number(draw, 2, 4), number(draw, 0.5, 1), -127, 127),
            tests="The lower end is farther from zero, for integers from -127 to 127.",
            hint="What counts is the larger magnitude of the two ends.",
        ),
        CaseRecipe(
            "unsigned",
            lambda draw: (-number(draw, 0.5, 1), number(draw, 2, 4), *UINT8),
            tests="For uint8 the zero point is 128.",
            hint="Zero stands in the middle of the integers; of two middles take the upper.",
        ),
        CaseRecipe(
            "nothing but zeros",
            lambda draw: (0.0, 0.0, *UINT8),
            tests="A range of zeros has the scale 1.0; its zero point is the middle, as always.",
            hint="A scale of 0 would divide by zero; the zero point does not depend on the range.",
        ),
        CaseRecipe(
            "never observed",
            lambda draw: (*NEVER, *INT8),
            tests="A range from inf to -inf has the scale 1.0.",
            hint="math.isfinite says whether an end of the range is a number that can be used.",
        ),
        CaseRecipe(
            "unsigned four bits",
            lambda draw: (-number(draw, 1, 2), number(draw, 4, 6), *UINT4),
            tests="The integers from 0 to 15: their middle is 8.",
            hint="Work the middle out from q_min and q_max.",
            visible=False,
        ),
        CaseRecipe(
            "signed four bits",
            lambda draw: (-number(draw, 4, 6), number(draw, 1, 2), *INT4),
            tests="The integers from -8 to 7.",
            hint="Work steps and middle out from q_min and q_max.",
            visible=False,
        ),
        CaseRecipe(
            "positive values only",
            lambda draw: (number(draw, 3, 4), number(draw, 5, 7), *UINT8),
            tests="Both ends lie above zero: the range is still symmetric around zero.",
            hint="The width of the range does not matter, only how far it goes from zero.",
            visible=False,
        ),
        CaseRecipe(
            "negative values only",
            lambda draw: (number(draw, -7, -5), number(draw, -4, -3), *INT8),
            tests="Both ends lie below zero.",
            hint="Take magnitudes of both ends first, the larger of them then.",
            visible=False,
        ),
        CaseRecipe(
            "infinite end",
            lambda draw: (-number(draw, 1, 4), math.inf, *UINT8),
            tests="An infinite end leaves the range undefined: the scale is 1.0, the zero point the middle.",
            hint="A scale must never be infinite.",
            visible=False,
        ),
        CaseRecipe(
            "other infinite end",
            lambda draw: (-math.inf, number(draw, 1, 4), *INT8),
            tests="A lower end of -inf leaves the range undefined, too.",
            hint="Look at both ends of the range.",
            visible=False,
        ),
        CaseRecipe(
            "not a number",
            lambda draw: (math.nan, math.nan, *UINT8),
            tests="A tensor with a NaN in it has a range of NaN: the scale is 1.0.",
            hint="No comparison with NaN is true; math.isfinite and math.isnan know it.",
            visible=False,
        ),
        CaseRecipe(
            "too wide",
            lambda draw: (*too_wide(draw), 0, 1),
            tests="The ends are numbers, and the scale of one step between them is none: scale 1.0.",
            hint="Look at the scale, too: what comes out must be finite.",
            visible=False,
        ),
    ),
)
