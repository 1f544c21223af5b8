"""Ranges whose zero point is no tie of rounding, so that float32 and float64 find the same one."""

from collections.abc import Callable
from typing import TypeVar

MARGIN = 0.02
ATTEMPTS = 2000

T = TypeVar("T")


def zero_point_before_rounding(low: float, high: float, qmin: int, qmax: int) -> float:
    low, high = min(low, 0.0), max(high, 0.0)
    return qmin - low * (qmax - qmin) / (high - low)


def is_telling(low: float, high: float, qmin: int, qmax: int) -> bool:
    """Rounding is far from a tie, and gives another zero point than cutting off, up or down; or there is none to do."""
    part = zero_point_before_rounding(low, high, qmin, qmax) % 1
    # Cutting off an unsigned number rounds down, so the fraction has to be above one half; see to both signs.
    return part == 0 or 0.5 + MARGIN < part < 1 - MARGIN


def redraw(make: Callable[[], T], accept: Callable[[T], bool]) -> T:
    """The first of many draws that is accepted. Raises ``ValueError`` when none is."""
    for _ in range(ATTEMPTS):
        made = make()
        if accept(made):
            return made
    raise ValueError(f"none of {ATTEMPTS} draws keeps away from ties of rounding")
