"""The picture of a failing case on a feedback page: expected and own result side by side, as matrices in colour.

A record has both as text (``value_lines``), made by the trusted side from what came back; the text is read again here,
so that old records have pictures, too. Only visible cases have it.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

TITLE = re.compile(r"(\([\d, ]*\)) (\w+)(, in part)?")
ROW_HEIGHT, CHARACTER, GAP = 24, 7.4, 34  # pixels
CAPTION = 8.0  # of a character of a title
MAX_WIDTH = 820  # of two matrices beside each other; wider ones stand below each other
STRONGEST = 0.6  # opacity of the lowest and the highest value's colour: text on it stays readable


@dataclass(frozen=True)
class Matrix:
    """A tensor as a record shows it; ``marked`` are the cells (row, column) that differ."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    marked: frozenset[tuple[int, int]]


@dataclass(frozen=True)
class Box:
    """A value in the drawing. ``tone`` is "low", "high" or "" for a value that is no number."""

    x: float
    y: float
    text: str
    tone: str
    opacity: float
    differs: bool
    title: str


@dataclass(frozen=True)
class Label:
    x: float
    y: float
    text: str
    anchor: str


@dataclass(frozen=True)
class Drawing:
    """What the template draws as SVG; ``summary`` says in a sentence what is seen."""

    width: float
    height: float
    box_width: float
    box_height: float
    boxes: tuple[Box, ...]
    labels: tuple[Label, ...]
    captions: tuple[Label, ...]
    differs: bool
    summary: str


def read_matrix(text: str) -> Matrix | None:
    """The opposite of ``value_lines``; None for what is no tensor of numbers, or was cut off."""
    title, *lines = text.split("\n")
    if not TITLE.fullmatch(title) or len(lines) < 2:
        return None
    columns = tuple(lines[0].split())
    rows, cells, marked = [], [], set()
    for number, line in enumerate(lines[1:]):
        parts = line.split()
        if not columns or len(parts) < len(columns):
            return None
        values = parts[-len(columns) :]
        marked |= {(number, column) for column, value in enumerate(values) if value.endswith("*")}
        cells.append(tuple(value.removesuffix("*") for value in values))
        rows.append(" ".join(parts[: -len(columns)]))
    if any(_number(value) is None for row in cells for value in row):
        return None
    return Matrix(title, tuple(rows), columns, tuple(cells), frozenset(marked))


def draw_pair(expected: str, got: str) -> Drawing | None:
    """None where one of the two is no matrix."""
    pair = read_matrix(expected), read_matrix(got)
    if pair[0] is None or pair[1] is None:
        return None
    one, other = pair
    longest = max(len(text) for matrix in pair for row in (matrix.columns, *matrix.cells) for text in row)
    wide = max(CHARACTER * longest + 14, 30)
    margin = CHARACTER * max(len(name) for matrix in pair for name in matrix.rows) + 8
    captions = [f"Expected: {one.title}", f"Your result: {other.title}"]
    widths = [
        margin + max(wide * len(matrix.columns), CAPTION * len(caption))
        for matrix, caption in zip(pair, captions, strict=True)
    ]
    heights = [ROW_HEIGHT * (len(matrix.rows) + 2) for matrix in pair]
    beside = sum(widths) + GAP <= MAX_WIDTH
    places = [(0.0, 0.0), (widths[0] + GAP, 0.0) if beside else (0.0, heights[0] + GAP / 2)]
    low, high = _range(pair)
    boxes: list[Box] = []
    labels: list[Label] = []
    names = ("expected", "your result")
    for matrix, name, (left, top) in zip(pair, names, places, strict=True):
        labels += _labels(matrix, left + margin, top + ROW_HEIGHT, wide)
        boxes += _boxes(matrix, name, left + margin, top + 2 * ROW_HEIGHT, wide, low, high)
    differing = len(other.marked)
    count = sum(map(len, other.cells))
    return Drawing(
        width=sum(widths) + GAP if beside else max(widths),
        height=max(heights) if beside else sum(heights) + GAP / 2,
        box_width=wide,
        box_height=ROW_HEIGHT,
        boxes=tuple(boxes),
        labels=tuple(labels),
        captions=tuple(
            Label(left + margin, top + 15, caption, "start")
            for caption, (left, top) in zip(captions, places, strict=True)
        ),
        differs=bool(one.marked or other.marked),
        summary=f"Expected, {one.title}, and your result, {other.title}, as matrices of coloured numbers; "
        f"{differing} of the {count} values shown differ.",
    )


def _labels(matrix: Matrix, left: float, top: float, wide: float) -> list[Label]:
    columns = [Label(left + (at + 0.5) * wide, top + 17, name, "middle") for at, name in enumerate(matrix.columns)]
    rows = [
        Label(left - 6, top + (at + 1) * ROW_HEIGHT + 16, name, "end") for at, name in enumerate(matrix.rows) if name
    ]
    return columns + rows


def _boxes(matrix: Matrix, name: str, left: float, top: float, wide: float, low: float, high: float) -> list[Box]:
    boxes = []
    for row, values in enumerate(matrix.cells):
        for column, text in enumerate(values):
            place = ", ".join(part for part in (matrix.rows[row], matrix.columns[column]) if part)
            differs = (row, column) in matrix.marked
            tone, opacity = _colour(_number(text), low, high)
            title = f"{name} at [{place}]: {text}" + (", differs" if differs else "")
            boxes.append(Box(left + column * wide, top + row * ROW_HEIGHT, text, tone, opacity, differs, title))
    return boxes


def _number(text: str) -> float | None:
    if text in ("True", "False"):
        return float(text == "True")
    try:
        return float(text)
    except ValueError:
        return None


def _range(matrices: Sequence[Matrix]) -> tuple[float, float]:
    """Of all finite values: one colour for one value in both."""
    values = [_number(text) for matrix in matrices for row in matrix.cells for text in row]
    finite = [value for value in values if math.isfinite(value)]
    return (min(finite), max(finite)) if finite else (0.0, 0.0)


def _colour(value: float, low: float, high: float) -> tuple[str, float]:
    """Low values in one colour, high ones in another, the middle of the range without."""
    half = high / 2 - low / 2  # halved first: the range may be all of the floats
    if not math.isfinite(value) or not half:
        return "", 0.0
    place = (value / 2 - low / 2) / half * 2 - 1
    return "low" if place < 0 else "high", round(STRONGEST * abs(place), 3)
