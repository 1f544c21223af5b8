"""Numbers that keep away from ties of rounding, so that every correct order of float operations gives the same integer.

float32 errs by less than 0.0001 on values within a few hundred, which is what outputs are before they are rounded.
"""

from collections.abc import Callable
from typing import TypeVar

import torch

from autograder.recipes import Draw

#: Least distance of a value from where rounding changes; saturated values have none to keep.
MARGIN = 0.004
ATTEMPTS = 2000

T = TypeVar("T")


def limits(bitwidth: int) -> tuple[int, int]:
    return -(1 << (bitwidth - 1)), (1 << (bitwidth - 1)) - 1


def is_clear(values: torch.Tensor, bitwidth: int = 32) -> bool:
    """Do all values, moved by the margin, still become the same integers of ``bitwidth`` bits?"""
    low, high = ((values.double() + move).round().clamp(*limits(bitwidth)) for move in (-MARGIN, MARGIN))
    return torch.equal(low, high)


def redraw(make: Callable[[], T], clear: Callable[[T], bool]) -> T:
    """The first of many draws that is clear. Raises ``ValueError`` when none is."""
    for _ in range(ATTEMPTS):
        made = make()
        if clear(made):
            return made
    raise ValueError(f"none of {ATTEMPTS} draws keeps away from ties of rounding")


def near_steps(draw: Draw, shape: tuple[int, ...], scale: float | torch.Tensor, low: int, high: int) -> torch.Tensor:
    """float32 values that divided by ``scale`` are an integer in [low, high] and a fraction up to 0.44 either way."""
    steps = draw.integers(shape, low, high).double() + draw.floats(shape, -0.44, 0.44).double()
    return (steps * scale).float()
