"""Timing things side by side: in turns, so that whatever else the machine does hits all of them alike.

Each round calls every way once, in an order that alternates, and gives one ratio; the median of the rounds' ratios is
reported with its quartiles. Beside the time on the clock stands the processor's time, which a busy machine stretches
much less. A quick way is called several times in its round, and counts with the mean.
"""

import gc
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

#: A way is called again in its round until so much time has passed.
LEAST_S = 0.05


class Unable(RuntimeError):
    """A theme cannot be measured here; the message says what to do."""


@dataclass(frozen=True)
class Timing:
    """Seconds of one call, by round."""

    wall_s: tuple[float, ...]
    cpu_s: tuple[float, ...]  # of all threads and child processes together

    @property
    def median_s(self) -> float:
        return statistics.median(self.wall_s)


@dataclass(frozen=True)
class Figure:
    """One line of the table: a number, the spread of its rounds, and what it should reach."""

    name: str
    value: float
    unit: str  # "times" for a ratio
    quartiles: tuple[float, float] | None = None
    cpu: float | None = None  # the same in processor time
    reach: float | None = None
    lower_is_better: bool = False
    seconds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # by way, each round's

    @property
    def met(self) -> bool | None:
        """None where nothing was promised."""
        if self.reach is None:
            return None
        return self.value <= self.reach if self.lower_is_better else self.value >= self.reach


def alternate(
    ways: Mapping[str, Callable[[], object]], *, rounds: int, least_s: float = LEAST_S, warm_up: bool = True
) -> dict[str, Timing]:
    """Time all ways in turns. ``warm_up`` calls each once before, and does not count it."""
    wall: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    if warm_up:
        for call in ways.values():
            call()
    names = list(ways)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            gc.collect()
            wall_s, cpu_s = _time(ways[name], least_s)
            wall[name].append(wall_s)
            cpu[name].append(cpu_s)
    return {name: Timing(tuple(wall[name]), tuple(cpu[name])) for name in ways}


def _time(call: Callable[[], object], least_s: float) -> tuple[float, float]:
    calls, begin, cpu_begin = 0, time.perf_counter(), processor_s()
    while True:
        call()
        calls += 1
        passed = time.perf_counter() - begin
        if passed >= least_s:
            return passed / calls, (processor_s() - cpu_begin) / calls


def processor_s() -> float:
    """Seconds of processor time so far, of this process and of those that it has started and seen end."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage)


def speedup(name: str, timings: Mapping[str, Timing], *, of: str, over: str, reach: float | None = None) -> Figure:
    """How many times as fast the way ``of`` is as ``over``."""
    ours, theirs = timings[of], timings[over]
    ratios = [slow / fast for slow, fast in zip(theirs.wall_s, ours.wall_s, strict=True)]
    cpu_ratios = [slow / fast for slow, fast in zip(theirs.cpu_s, ours.cpu_s, strict=True) if fast > 0]
    return Figure(
        name,
        statistics.median(ratios),
        "times",
        quartiles=quartiles(ratios),
        cpu=statistics.median(cpu_ratios) if cpu_ratios else None,
        reach=reach,
        seconds={of: ours.wall_s, over: theirs.wall_s},
    )


def duration(name: str, timing: Timing, *, reach: float | None = None) -> Figure:
    """The seconds that something takes."""
    spread = quartiles(timing.wall_s)
    cpu = statistics.median(timing.cpu_s)
    return Figure(
        name, timing.median_s, "s", quartiles=spread, cpu=cpu, reach=reach, lower_is_better=True,
        seconds={"here": timing.wall_s},
    )  # fmt: skip


def quartiles(values: list[float] | tuple[float, ...]) -> tuple[float, float]:
    """The lower and the upper one; of a single value, itself."""
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high
