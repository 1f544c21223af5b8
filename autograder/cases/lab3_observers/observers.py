"""Cases of ``MinMaxObserver`` and ``MovingAverageMinMaxObserver``: options of the constructor, and tensors to show."""

import math
from collections.abc import Sequence
from functools import partial

import torch

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

from .clear import is_telling, redraw

OUTPUTS = (
    Rule("scale", kind="number", rtol=1e-5),
    Rule("zero point", kind="integer"),
    Rule("tensor passed on"),
)
UNSIGNED = (0, 255)

shown = partial(CaseRecipe, observe=("tensors",))

Ends = Sequence[tuple[float, float]]


def batch(draw: Draw, shape: tuple[int, ...], ends: tuple[float, float]) -> torch.Tensor:
    """Values within ``ends``, both of which occur, anywhere."""
    values = draw.floats(shape, *ends).reshape(-1)
    values[draw.permutation(len(values))[:2]] = torch.tensor(ends)
    return values.reshape(shape)


def drawn(draw: Draw, ends: Ends) -> list[tuple[float, float]]:
    """Each end moved by at most an eighth of its range."""
    found = []
    for low, high in ends:
        width = (high - low) / 8
        found.append(tuple(float(draw.floats((1,), end - width, end + width)) for end in (low, high)))
    return found


def widest(ends: Ends, constant: float) -> tuple[float, float]:
    return min(low for low, _ in ends), max(high for _, high in ends)


def average(ends: Ends, constant: float) -> tuple[float, float]:
    low, high = ends[0]
    for lower, upper in ends[1:]:
        low, high = low + constant * (lower - low), high + constant * (upper - high)
    return low, high


def batches(
    draw: Draw, ends: Ends, options: tuple = (), *, shape: tuple[int, ...] = (3, 5), remembered=widest
) -> tuple[tuple, list[torch.Tensor]]:
    """Options, and a tensor for each of about these ``ends``; the zero point of the range they leave is no tie."""
    qmin, qmax = options[:2] or (-128, 127)
    constant = options[3] if len(options) > 3 else 0.01

    def telling(found: list[tuple[float, float]]) -> bool:
        return is_telling(*remembered(found, constant), qmin, qmax)

    found = redraw(lambda: drawn(draw, ends), telling)
    return options, [batch(draw, shape, one) for one in found]


averaged = partial(batches, remembered=average)


def one_by_one(draw: Draw, options: tuple, *, remembered=widest) -> tuple[tuple, list[torch.Tensor]]:
    """Tensors of one value."""
    constant = options[3] if len(options) > 3 else 0.01

    def make() -> list[float]:
        return [float(draw.floats((1,), low, high)) for low, high in ((-3, -1), (2, 5), (-1, 1))]

    values = redraw(make, lambda found: is_telling(*remembered([(one, one) for one in found], constant), *options[:2]))
    return options, [torch.tensor([value]) for value in values]


def with_empty(made: tuple[tuple, list[torch.Tensor]], place: int) -> tuple[tuple, list[torch.Tensor]]:
    options, tensors = made
    return options, [*tensors[:place], torch.zeros(0, 5), *tensors[place:]]


def with_nan(made: tuple[tuple, list[torch.Tensor]], place: int) -> tuple[tuple, list[torch.Tensor]]:
    """One value of the tensor at ``place`` is not a number."""
    options, tensors = made
    tensors[place].view(-1)[4] = math.nan
    return options, tensors


def as_parameters(made: tuple[tuple, list[torch.Tensor]]) -> tuple[tuple, list[torch.Tensor]]:
    options, tensors = made
    return options, [tensor.requires_grad_() for tensor in tensors]


MIN_MAX = ItemRecipe(
    "MinMaxObserver",
    outputs=OUTPUTS,
    uses=("affine_qparams", "symmetric_qparams"),
    driver="observe",
    cases=(
        shown(
            "one tensor",
            lambda draw: batches(draw, [(-1, 3)]),
            tests="One tensor, for int8; it is passed on as it is.",
            hint="Note the smallest and the largest value, and return the tensor.",
        ),
        shown(
            "widest tensor first",
            lambda draw: batches(draw, [(-3, 5), (-1, 2), (-2, 1)]),
            tests="Three tensors, of which the first has the smallest and the largest value of all.",
            hint="A tensor with a narrower range changes nothing of what was seen before.",
        ),
        shown(
            "range grows",
            lambda draw: batches(draw, [(-1, 1), (-2, 4), (-5, 2)], UNSIGNED),
            tests="Three tensors for uint8: the second has the largest value of all, the third the smallest.",
            hint="The two ends of the range may come from different tensors; self.qmin and self.qmax are the integers.",
        ),
        shown(
            "symmetric",
            lambda draw: batches(draw, [(-1, 1), (-4, 2)], (*UNSIGNED, True)),
            tests="With symmetric=True the zero point of uint8 is 128.",
            hint="self.symmetric says which of the two functions to ask.",
        ),
        shown(
            "never observed",
            lambda draw: ((), []),
            tests="Asked before any tensor was seen: scale 1.0 and, of affine_qparams, zero point 0.",
            hint="The functions know what to do with a range from inf to -inf: leave it to them.",
        ),
        shown(
            "not a number",
            lambda draw: with_nan(batches(draw, [(-1, 3), (-4, 2), (-2, 6)]), 1),
            tests="Of three tensors the second has a NaN: the range stays undefined, with scale 1.0 and zero point 0.",
            hint="Python's min and max can lose a NaN; those of a tensor keep it, and math.isnan finds it.",
        ),
        shown(
            "not a number, in the last tensor",
            lambda draw: with_nan(batches(draw, [(-1, 3), (-4, 2)], UNSIGNED), 1),
            tests="A NaN in the last tensor makes the range undefined.",
            hint="Python's min and max can lose a NaN; those of a tensor keep it, and math.isnan finds it.",
            visible=False,
        ),
        shown(
            "not a number, symmetric",
            lambda draw: with_nan(batches(draw, [(-1, 3), (-4, 2)], (*UNSIGNED, True)), 0),
            tests="A NaN in the first tensor leaves the range undefined, whatever follows.",
            hint="Once the range is NaN it stays so.",
            visible=False,
        ),
        shown(
            "empty tensor among others",
            lambda draw: with_empty(batches(draw, [(-2, 3), (-4, 1)], UNSIGNED), 1),
            tests="A tensor without values has no smallest one, and is passed by.",
            hint="x.numel() is 0 for it.",
            visible=False,
        ),
        shown(
            "parameters",
            lambda draw: as_parameters(batches(draw, [(-5, 2), (-1, 4)], (-8, 7), shape=(2, 3, 2, 2))),
            tests="Parameters of four dimensions, at 4 bits.",
            hint="One range for all dimensions; .item() makes a number of what depends on a parameter.",
            visible=False,
        ),
        shown(
            "symmetric four bits",
            lambda draw: batches(draw, [(-6, 2), (-1, 4)], (-7, 7, True)),
            tests="Weights at 4 bits, the largest magnitude below zero and in the first tensor.",
            hint="Hand on self.qmin and self.qmax.",
            visible=False,
        ),
        shown(
            "positive values only",
            lambda draw: batches(draw, [(2, 3), (4, 6)], UNSIGNED),
            tests="Without a value below zero the range begins at zero, and the largest value is in the last tensor.",
            hint="affine_qparams puts zero into the range.",
            visible=False,
        ),
        shown(
            "negative values only",
            lambda draw: batches(draw, [(-6, -4), (-3, -2)]),
            tests="Without a value above zero the range ends at zero.",
            hint="affine_qparams puts zero into the range.",
            visible=False,
        ),
        shown(
            "one value at a time",
            lambda draw: one_by_one(draw, UNSIGNED),
            tests="Tensors of one value each.",
            hint="A tensor of one value has a range: that value is its smallest and its largest.",
            visible=False,
        ),
        shown(
            "zeros, then an infinity",
            lambda draw: ((), [torch.zeros(4), torch.tensor([draw.integer(1, 9), math.inf])]),
            tests="Zeros and an infinity: the range is undefined both times, and nothing stops.",
            hint="Leave it to affine_qparams.",
            visible=False,
        ),
    ),
)

MOVING_AVERAGE = ItemRecipe(
    "MovingAverageMinMaxObserver",
    outputs=OUTPUTS,
    uses=("affine_qparams", "symmetric_qparams"),
    driver="observe",
    cases=(
        shown(
            "first tensor",
            lambda draw: averaged(draw, [(-1, 3)]),
            tests="The range of the first tensor is taken as it is.",
            hint="There is no average yet to move from: inf + c * (x - inf) is NaN.",
        ),
        shown(
            "second tensor",
            lambda draw: averaged(draw, [(-1, 3), (-30, 10)]),
            tests="The range of the second tensor moves the average by a hundredth of the difference.",
            hint="Most of the average stays: the constant is the share of what is new.",
        ),
        shown(
            "narrower tensors, unsigned",
            lambda draw: averaged(draw, [(-6, 8), (-2, 1), (-1, 3)], (*UNSIGNED, False, 0.25)),
            tests="With a constant of 0.25, for uint8, two narrower tensors draw both ends of the range in.",
            hint="Both ends move towards those of the tensor, inwards as well as outwards.",
        ),
        shown(
            "symmetric",
            lambda draw: averaged(draw, [(-2, 1), (-6, 3)], (*UNSIGNED, True, 0.5)),
            tests="With symmetric=True the zero point of uint8 is 128.",
            hint="self.symmetric says which of the two functions to ask.",
        ),
        shown(
            "never observed",
            lambda draw: ((), []),
            tests="Asked before any tensor was seen: scale 1.0 and, of affine_qparams, zero point 0.",
            hint="The functions know what to do with a range from inf to -inf.",
        ),
        shown(
            "not a number",
            lambda draw: with_nan(averaged(draw, [(-1, 3), (-4, 2), (-2, 6)], (*UNSIGNED, False, 0.5)), 1),
            tests="Of three tensors the second has a NaN: the range stays undefined, with scale 1.0 and zero point 0.",
            hint="NaN plus anything is NaN; only a range from inf to -inf has seen nothing.",
            visible=False,
        ),
        shown(
            "empty tensor among others",
            lambda draw: with_empty(averaged(draw, [(-2, 3), (-8, 1)], (*UNSIGNED, False, 0.5)), 1),
            tests="A tensor without values has no smallest one, and is passed by.",
            hint="x.numel() is 0 for it.",
            visible=False,
        ),
        shown(
            "empty tensor first",
            lambda draw: with_empty(averaged(draw, [(-2, 3), (-8, 1)], (*UNSIGNED, False, 0.5)), 0),
            tests="The first tensor that has values is taken as it is, whatever came before.",
            hint="Tell by the range whether something was seen, not by counting calls.",
            visible=False,
        ),
        shown(
            "parameters",
            lambda draw: as_parameters(
                averaged(draw, [(-5, 2), (-1, 4), (-2, 6)], (-8, 7, False, 0.125), shape=(2, 3, 2, 2))
            ),
            tests="Three parameters of four dimensions, at 4 bits, with a constant of 0.125.",
            hint="One range for all dimensions; .item() makes a number of what depends on a parameter.",
            visible=False,
        ),
        shown(
            "positive values only",
            lambda draw: averaged(draw, [(2, 3), (4, 12)], (*UNSIGNED, False, 0.25)),
            tests="Without a value below zero the range begins at zero.",
            hint="Average what was seen; affine_qparams puts zero into the range.",
            visible=False,
        ),
        shown(
            "only the last",
            lambda draw: averaged(draw, [(-5, 2), (-1, 4)], (-128, 127, False, 1.0)),
            tests="With a constant of 1 the range is that of the last tensor.",
            hint="Use self.averaging_constant in both ends.",
            visible=False,
        ),
        shown(
            "one value at a time",
            lambda draw: one_by_one(draw, (*UNSIGNED, False, 0.5), remembered=average),
            tests="Tensors of one value each.",
            hint="A tensor of one value has a range: that value is its smallest and its largest.",
            visible=False,
        ),
        shown(
            "zeros, then values",
            lambda draw: averaged(draw, [(0, 0), (-3, 5)], (*UNSIGNED, False, 0.25)),
            tests="The first tensor holds zeros only; the average then moves away from zero.",
            hint="A range of zeros is a range that was seen: the next tensor is not the first.",
            visible=False,
        ),
    ),
)
