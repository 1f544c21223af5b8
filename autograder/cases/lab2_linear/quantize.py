"""Cases of ``linear_quantize`` (Question 4) and ``get_quantization_scale_and_zero_point`` (Question 5.3)."""

from functools import partial

import torch

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

from . import homework
from .margins import is_clear, limits, near_steps, redraw

quantize = partial(CaseRecipe, observe=("fp_tensor",))


def per_row(draw: Draw) -> tuple:
    """One scale for each of four rows, (4, 1), as weights have; it is no power of two."""
    scale = draw.floats((4, 1), 0.01, 0.1, step=1 / 4096)
    return near_steps(draw, (4, 6), scale.double(), -127, 127), 8, scale, 0


def per_filter(draw: Draw) -> torch.Tensor:
    return draw.floats((5, 1, 1, 1), 0.01, 0.5, step=1 / 4096)


def ties(draw: Draw) -> tuple:
    """All halves from -6.5 to 6.5 times a power of two, (2, 7), and an even zero point."""
    halves = torch.arange(-6.5, 7.0)[draw.permutation(14)].reshape(2, 7)
    return halves * 0.25, 8, 0.25, 2 * draw.integer(1, 20)


def between(draw: Draw, shape: tuple[int, ...], low: float, high: float, bitwidth: int) -> tuple[torch.Tensor, int]:
    """Values in a range around [low, high] that ends anywhere.

    The zero point before rounding is no tie; cutting it off gives another one than rounding, unless it is clipped.
    """

    def make() -> tuple[torch.Tensor, int]:
        width = (high - low) / 8
        first, last = (float(draw.floats((1,), end - width, end + width)) for end in (low, high))
        values = draw.floats(shape, first, last).reshape(-1)
        place = draw.permutation(len(values))[:2]
        values[place] = torch.tensor([first, last])
        return values.reshape(shape), bitwidth

    def clear(made: tuple[torch.Tensor, int]) -> bool:
        smallest, largest = made[0].double().min(), made[0].double().max()
        low_end, high_end = limits(bitwidth)
        exact = low_end - smallest * (high_end - low_end) / (largest - smallest)
        clipped = not low_end < exact < high_end
        return clipped or (is_clear(exact) and bool(exact.round() != exact.trunc()))

    return redraw(make, clear)


def constant(draw: Draw, sign: int) -> tuple[torch.Tensor, int]:
    return torch.full((3, 4), sign * draw.integer(1, 50) / 8), 8


QUANTIZE = ItemRecipe(
    "linear_quantize",
    outputs=(Rule("quantized tensor", dtype="expected"),),
    cases=(
        quantize(
            "homework's 5x5 tensor",
            lambda draw: (homework.tensor(), homework.BITS, 1 / 3, -1),
            tests="The homework's tensor at 2 bits with scale 1/3 and zero point -1.",
            hint="Solve r = S(q - Z) for q; round to the nearest integer, do not cut the fraction off.",
            expected=homework.quantized_tensor,
        ),
        quantize(
            "saturates at 8 bits",
            lambda draw: (torch.tensor([[-100.0, -20.0, -12.8, 0.0], [12.7, 20.0, 100.0, 1000.0]]), 8, 0.1, 0),
            tests="Values far outside of the range become -128 or 127: 20 at scale 0.1 becomes 127, not -56.",
            hint="An int8 that grows past 127 starts again at -128: what has to come first, the clamp or the cast?",
        ),
        quantize(
            "four bits",
            lambda draw: (near_steps(draw, (5, 6), 0.125, -14, 14), 4, 0.125, 0),
            tests="At 4 bits the result lies in [-8, 7], although it is stored as int8.",
            hint="The range depends on the bit width: get_quantized_range gives it.",
        ),
        quantize(
            "scale for each row",
            per_row,
            tests="The scale may be a tensor that broadcasts, here one number for each row.",
            hint="A division of tensors broadcasts; do not turn the scale into one number.",
        ),
        quantize(
            "stored as int32",
            lambda draw: (near_steps(draw, (9,), 0.0173, -30000, 30000), 32, 0.0173, 0, torch.int32),
            tests="At 32 bits and with dtype=torch.int32, as for biases, values beyond 127 are kept.",
            hint="Use the dtype that the caller names; torch.int8 is only its default.",
        ),
        quantize(
            "ties",
            ties,
            tests="Quotients that end in exactly .5 go to the even neighbour, as torch.round does it.",
            hint="Adding one half and cutting off rounds otherwise; use torch's own rounding.",
            visible=False,
        ),
        quantize(
            "scale for each filter",
            lambda draw: (
                near_steps(draw, (5, 2, 3, 3), scale := per_filter(draw), -9, 9).requires_grad_(),
                4,
                scale,
                draw.integer(1, 3),
            ),
            tests="A parameter of four dimensions, with one scale for each filter, at 4 bits and with a zero point.",
            hint="The scale, of shape (5, 1, 1, 1), broadcasts as it is; a parameter must not be written into.",
            visible=False,
        ),
        quantize(
            "saturates at 32 bits",
            lambda draw: (torch.tensor([-3e9, -1e12, 3e9, 1e12, float(draw.integer(1, 99))]), 32, 1.0, 0, torch.int32),
            tests="Values beyond what 32 bits hold become the smallest or the largest int32.",
            hint="float32 has no number 2147483647, and its neighbour above no longer fits: where are you clamping?",
            visible=False,
        ),
    ),
)

SCALE_AND_ZERO_POINT = ItemRecipe(
    "get_quantization_scale_and_zero_point",
    outputs=(Rule("scale", kind="number", rtol=1e-6), Rule("zero point", kind="integer")),
    cases=(
        CaseRecipe(
            "homework's 5x5 tensor",
            lambda draw: (homework.tensor(), homework.BITS),
            tests="Values from -0.25 to 0.75 at 2 bits: scale 1/3 and zero point -1.",
            hint="Between 4 integers there are 3 steps, which span the range from the smallest value to the largest.",
            expected=lambda: (1 / 3, -1),
        ),
        CaseRecipe(
            "lopsided range",
            lambda draw: between(draw, (4, 5), -1, 3, 8),
            tests="Values on both sides of zero, more of them above, at 8 bits.",
            hint="The smallest value becomes the smallest integer: put both into r = S(q - Z) and solve for Z.",
        ),
        CaseRecipe(
            "positive values only",
            lambda draw: between(draw, (12,), 4, 9, 8),
            tests="Without a value near zero the zero point would leave the range; it is clipped to its end.",
            hint="The zero point is stored in as many bits as the values: clip it to [q_min, q_max].",
        ),
        CaseRecipe(
            "constant tensor",
            lambda draw: constant(draw, 1),
            tests="All values are equal: the range is widened so that it includes zero.",
            hint="The largest minus the smallest value is 0 here, and nothing can be divided by a scale of 0.",
        ),
        CaseRecipe(
            "all zeros",
            lambda draw: (torch.zeros(2, 3), 4),
            tests="A tensor of zeros has the scale 1 and the zero point 0.",
            hint="Even with zero included this range has no width; treat it on its own.",
        ),
        CaseRecipe(
            "negative values only",
            lambda draw: between(draw, (3, 4), -9, -4, 8),
            tests="All values are negative: the zero point is clipped to the largest integer.",
            hint="Look at both ends of the range when you clip.",
            visible=False,
        ),
        CaseRecipe(
            "constant negative tensor",
            lambda draw: constant(draw, -1),
            tests="All values are equal and negative: the range goes from that value to zero.",
            hint="A range that is widened to include zero has its other end at the value; a scale is never negative.",
            visible=False,
        ),
        CaseRecipe(
            "four bits",
            lambda draw: (between(draw, (2, 3, 4, 5), -5, 2, 4)[0].requires_grad_(), 4),
            tests="A parameter of four dimensions at 4 bits, with more values below zero than above.",
            hint="One scale and one zero point: take minimum and maximum over all dimensions; detach before numpy().",
            visible=False,
        ),
        CaseRecipe(
            "after a ReLU",
            lambda draw: (draw.floats((4, 6), 0, 5).index_fill(0, torch.tensor([1]), 0.0), 8),
            tests="The smallest value is zero: it becomes the smallest integer.",
            hint="If r_min is 0, then Z is q_min.",
            visible=False,
        ),
        CaseRecipe(
            "transposed matrix",
            lambda draw: (between(draw, (7, 3), -2, 1, 6)[0].t(), 6),
            tests="A matrix that is not contiguous in memory, at 6 bits.",
            hint="min() and max() take any tensor; view() does not.",
            visible=False,
        ),
    ),
)
