"""The picture of a case: original, expected and own result as matrices with their numbers.

It is written as SVG, which takes a millisecond where matplotlib needs half a second for 200 numbers: longer than all
the rest of a check.
"""

import base64
import math
from collections.abc import Iterator
from typing import Any

import torch

MAX_SIDE = 8  # of a matrix that is drawn
MAX_NUMBER = 1e6  # larger ones do not fit into a cell
CELL = 46, 34  # pixels
GAP, TOP, EDGE = 36, 28, 8
LIGHT, DARK = (247, 250, 253), (86, 180, 233)  # colours of the smallest and the largest value; both bear dark ink
WHITE = "#ffffff"
FONT = 'font-family="sans-serif" font-size="12" fill="#222222" text-anchor="middle" dominant-baseline="central"'


def picture(original: Any, got: Any, expected: Any) -> tuple[str, str] | None:
    """(SVG as a data URI, alternative text), or None where there is no result that can be drawn."""
    parts = [("Original", original), ("Expected", expected), ("Your result", got)]
    matrices = [(title, value.detach().cpu()) for title, value in parts if _drawable(value)]
    results = [matrix for title, matrix in matrices if title != "Original"]
    if not results:
        return None
    low, high = _range(results)
    drawn, left = [], EDGE
    for title, matrix in matrices:
        # One colour for one value in both results; the original stays white.
        drawn += _matrix(matrix, title, left, None if title == "Original" else (low, high))
        left += _width(matrix) + GAP
    width = left - GAP + EDGE
    height = TOP + CELL[1] * max(len(matrix) for _, matrix in matrices) + EDGE
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {FONT}>'
        f'<rect width="{width}" height="{height}" fill="{WHITE}"/>{"".join(drawn)}</svg>'
    )
    titles = ", ".join(title.lower() for title, _ in matrices)
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}", f"Matrices of numbers: {titles}"


def _matrix(matrix: torch.Tensor, title: str, left: float, ends: tuple[float, float] | None) -> Iterator[str]:
    """``ends`` are the values of the lightest and the darkest colour; without them all cells are white."""
    wide, high = CELL
    middle = left + _width(matrix) / 2
    left = middle - wide * matrix.shape[1] / 2
    yield f'<text x="{middle:g}" y="{TOP / 2:g}" font-size="14">{title}</text>'
    for row, numbers in enumerate(matrix.tolist()):
        for column, number in enumerate(numbers):
            x, y = left + wide * column, TOP + high * row
            paint = WHITE if ends is None else _colour(number, *ends)
            yield f'<rect x="{x:g}" y="{y:g}" width="{wide}" height="{high}" fill="{paint}" stroke="#bfbfbf"/>'
            digits = 2 if abs(number) < 1000 else 0  # more do not fit
            text = f"{number + 0.0:.{digits}f}" if isinstance(number, float) else str(number)
            yield f'<text x="{x + wide / 2:g}" y="{y + high / 2:g}">{text}</text>'


def _width(matrix: torch.Tensor) -> int:
    return CELL[0] * max(matrix.shape[1], 2)  # room for the title


def _colour(number: float, low: float, high: float) -> str:
    """What is not finite stays white."""
    if not math.isfinite(number):
        return WHITE
    share = (number - low) / (high - low)
    return "#{:02x}{:02x}{:02x}".format(*(round(a + share * (b - a)) for a, b in zip(LIGHT, DARK, strict=True)))


def _drawable(value: Any) -> bool:
    return (
        isinstance(value, torch.Tensor)
        and value.dim() == 2
        and 0 < min(value.shape) <= max(value.shape) <= MAX_SIDE
        and value.dtype != torch.bool
        and not value.is_complex()
        and not bool((value.detach().double().abs() >= MAX_NUMBER).any())
    )


def _range(matrices: list[torch.Tensor]) -> tuple[float, float]:
    values = torch.cat([matrix.double().flatten() for matrix in matrices])
    values = values[values.isfinite()]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    return (low, high) if low < high else (low - 0.5, high + 0.5)
