"""What became of one comparison."""

from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, eq=False)
class Verdict:
    """True in a condition just if the case is passed.

    ``message`` is safe to show for a hidden case: it may tell dtypes, shapes and how many values differ, never a value.
    All else is for visible cases only.
    """

    passed: bool
    message: str = ""
    detail: str = ""  # the same with values; "" where the message says everything
    first_difference: tuple[int, ...] | None = None
    differs: torch.Tensor | None = None  # mask of the values that differ, in the shape of ``got``
    expected: Any = None  # the output or argument that is wrong, else the first one
    got: Any = None

    def __bool__(self) -> bool:
        return self.passed


def wrong(message: str, detail: str = "", *, expected: Any = None, got: Any = None) -> Verdict:
    return Verdict(False, message, detail, expected=expected, got=got)


def right(*, expected: Any = None, got: Any = None) -> Verdict:
    return Verdict(True, expected=expected, got=got)
