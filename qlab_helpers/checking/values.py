"""Values as short plain text: everything that a check shows of a student's results passes through here.

Text is bounded and has no control characters, so that nothing a function returns or raises can flood or steer a
terminal. Escaping for HTML is left to ``render``.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from qlab_helpers.checking.codec import Other

MAX_ROWS, MAX_COLUMNS = 10, 10  # of a tensor that is shown whole
AROUND_ROWS, AROUND_COLUMNS = 2, 4  # of a larger one: to each side of the first difference


@dataclass(frozen=True)
class Window:
    """What is shown of a tensor: its cells as text, with the names of their rows and columns."""

    title: str  # "(5, 5) int8"
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    marked: frozenset[tuple[int, int]]  # cells that differ
    first: tuple[int, int] | None  # the first of them
    whole: bool


def clean(text: Any, limit: int = 300) -> str:
    """One bounded text without control characters other than line breaks. Never raises."""
    try:
        text = str(text)
    except Exception:  # noqa: BLE001  (a student's __str__ may raise anything)
        return "<no text>"
    shown = text[: limit + 1].replace("\t", " ")
    shown = "".join(one if one.isprintable() or one == "\n" else "?" for one in shown)
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def describe(value: Any) -> str:
    """What kind of thing a value is, without its numbers: "a tensor of shape (5, 5) and dtype int8"."""
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)} and dtype {dtype_name(value)}"
    if value is None or (isinstance(value, Other) and value.type_name == "ellipsis"):
        return "nothing (None)" if value is None else "..."
    if isinstance(value, tuple | list):
        return f"a {'list' if isinstance(value, list) else 'tuple'} of {len(value)}"
    if isinstance(value, nn.Module):
        return f"a {type(value).__name__} layer"
    if isinstance(value, Other):
        return f"a value of type {clean(value.type_name, 60)}"
    return {bool: "a bool", int: "an integer", float: "a float", str: "a text"}.get(type(value), "another value")


def short(value: Any, limit: int = 300) -> str:
    """A value on one line, for messages and records: small tensors with their numbers, others by their kind."""
    if isinstance(value, torch.Tensor):
        if value.dim() == 0:
            return number(value.item())
        if not 0 < value.numel() <= 16:  # one without elements may have billions of empty rows
            return describe(value)
        return clean(_nested(value.tolist()), limit)
    if isinstance(value, bool | int | float):
        return number(value)
    if isinstance(value, str):
        return clean(repr(value), limit)
    if isinstance(value, tuple | list) and len(value) <= 8:
        return clean("(" + ", ".join(short(item, limit) for item in value) + ")", limit)
    return describe(value)


def number(value: Any) -> str:
    """Integers in full, floats with the nine digits that tell any two float32 numbers apart; -0.0 is a 0."""
    return f"{value + 0.0:.9g}" if isinstance(value, float) else clean(value, 40)


def number_pair(first: float, second: float) -> tuple[str, str]:
    """Two numbers as text that differs if they do."""
    pair = number(first), number(second)
    return pair if pair[0] != pair[1] else (clean(repr(first), 40), clean(repr(second), 40))


def dtype_name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def place(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]"


def window(tensor: torch.Tensor, differs: torch.Tensor | None = None) -> Window:
    """The whole of a small tensor; of a larger one, the rows and columns around its first difference.

    A tensor of more than two dimensions is shown with all but the last as rows. ``differs`` is a mask of its shape.
    """
    matrix = tensor.reshape(-1, tensor.shape[-1] if tensor.dim() else 1) if tensor.numel() else tensor.reshape(0, 0)
    height, width = matrix.shape
    mask = differs.reshape(matrix.shape) if differs is not None and differs.shape == tensor.shape else None
    found = mask.nonzero()[:1].tolist() if mask is not None else []
    row, column = found[0] if found else (0, 0)
    rows, columns = _span(row, height, MAX_ROWS, AROUND_ROWS), _span(column, width, MAX_COLUMNS, AROUND_COLUMNS)
    part = matrix[rows.start : rows.stop, columns.start : columns.stop]
    marks = mask[rows.start : rows.stop, columns.start : columns.stop].nonzero().tolist() if mask is not None else []
    return Window(
        title=f"{tuple(tensor.shape)} {dtype_name(tensor)}",
        rows=tuple(_row_name(one, tensor.shape) for one in rows),
        columns=tuple(map(str, columns)),
        cells=tuple(tuple(_cell(value) for value in line) for line in part.tolist()),
        marked=frozenset((one, other) for one, other in marks),
        first=(row - rows.start, column - columns.start) if found else None,
        whole=len(rows) == height and len(columns) == width,
    )


def value_lines(value: Any, differs: torch.Tensor | None = None) -> list[str]:
    """A value as lines of plain text: a tensor's ``window`` with a star behind each number that differs."""
    if not isinstance(value, torch.Tensor) or value.dim() == 0 or value.numel() == 0:
        return [short(value)]
    shown = window(value.detach(), differs)
    table = [["", *(f"{one} " for one in shown.columns)]]
    for number, (name, cells) in enumerate(zip(shown.rows, shown.cells, strict=True)):
        marks = ["*" if (number, column) in shown.marked else " " for column in range(len(cells))]
        table.append([name, *(text + mark for text, mark in zip(cells, marks, strict=True))])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rows = ["  ".join(text.rjust(wide) for text, wide in zip(row, widths, strict=True)).rstrip() for row in table]
    return [shown.title + ("" if shown.whole else ", in part"), *rows]


def _span(centre: int, length: int, whole: int, around: int) -> range:
    if length <= whole:
        return range(length)
    start = min(max(centre - around, 0), length - 2 * around - 1)
    return range(start, start + 2 * around + 1)


def _row_name(row: int, shape: torch.Size) -> str:
    """The index of a row in all dimensions but the last: "0, 1"."""
    parts = []
    for size in reversed(shape[:-1]):
        parts.append(row % size)
        row //= size
    return ", ".join(map(str, reversed(parts)))


def _cell(value: Any) -> str:
    return f"{value + 0.0:.6g}" if isinstance(value, float) else str(value)


def _nested(values: Any) -> str:
    return f"[{', '.join(map(_nested, values))}]" if isinstance(values, list) else number(values)
