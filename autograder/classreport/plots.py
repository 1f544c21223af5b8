"""Histograms as boxes for the template to draw as SVG: no library's picture can be hovered without its script."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

WIDTH, HEIGHT = 1120.0, 260.0  # of the whole drawing, pixels
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 42.0, 44.0  # margins for numbers and names
BINS = 20  # at most
NICE = (1, 2, 2.5, 5, 10)
NAMED = 12  # students named when a bar is hovered


@dataclass(frozen=True)
class Bin:
    low: float
    high: float
    students: tuple[str, ...]


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    count: int
    title: str


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Histogram:
    bins: tuple[Bin, ...]
    bars: tuple[Bar, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    middle: float | None  # where the median stands
    summary: str
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    ground: float = HEIGHT - BOTTOM


def histogram(values: Mapping[str, float], *, top: float, unit: str, middle: float | None = None) -> Histogram:
    """How many students have how much, from 0 to ``top``. A value at a border belongs to the bar on its right, ``top``
    to the last one."""
    step = _step(top / BINS) if top > 0 else 1.0
    number = max(1, math.ceil(top / step - 1e-9))
    inside: list[list[str]] = [[] for _ in range(number)]
    for student, value in sorted(values.items()):
        inside[min(number - 1, max(0, math.floor(value / step + 1e-9)))].append(student)
    bins = tuple(Bin(at * step, (at + 1) * step, tuple(students)) for at, students in enumerate(inside))
    most = max(1, *(len(one.students) for one in bins)) if bins else 1
    wide, high = (WIDTH - LEFT - RIGHT) / number, HEIGHT - TOP - BOTTOM
    bars = []
    for at, one in enumerate(bins):
        tall = high * len(one.students) / most
        title = _title(one, unit, last=at == number - 1)
        bars.append(Bar(LEFT + at * wide + 1, HEIGHT - BOTTOM - tall, max(wide - 2, 1), tall, len(one.students), title))
    every = math.ceil(number / 10)
    across = tuple(Tick(LEFT + at * wide, _number(at * step)) for at in range(0, number + 1, every))
    rise = max(1, round(_step(most / 4)))
    up = tuple(Tick(HEIGHT - BOTTOM - high * count / most, str(count)) for count in range(0, most + 1, rise))
    place = None if middle is None else LEFT + min(1.0, middle / (number * step)) * wide * number
    fullest = max(bins, key=lambda one: len(one.students))
    summary = f"Histogram of {len(values)} students, in steps of {_number(step)} {unit}; "
    summary += f"most, {len(fullest.students)}, have {_number(fullest.low)} to {_number(fullest.high)} {unit}."
    return Histogram(bins, tuple(bars), across, up, place, summary)


def _title(one: Bin, unit: str, *, last: bool) -> str:
    names = ", ".join(one.students[:NAMED])
    more = f" and {len(one.students) - NAMED} more" if len(one.students) > NAMED else ""
    to = "to" if last else "to under"
    students = f"{len(one.students)} student{'' if len(one.students) == 1 else 's'}"
    return f"{_number(one.low)} {to} {_number(one.high)} {unit}: {students}" + (f" ({names}{more})" if names else "")


def _step(least: float) -> float:
    """The next larger of 1, 2, 2.5, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(nice * power for nice in NICE if nice * power >= least * (1 - 1e-9))


def _number(value: float) -> str:
    return f"{value:.10g}"
