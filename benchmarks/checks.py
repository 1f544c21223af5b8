"""How long a student waits: every check of every lab on its solution, and what importing the helpers adds."""

import contextlib
import io
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from autograder.course import load_course
from autograder.solution import load_solution
from benchmarks.harness import Figure, Timing, duration, processor_s
from qlab_helpers.checking.check import check
from qlab_helpers.checking.reference import labs, load_reference

ROOT = Path(__file__).parent.parent


def measure(*, tiny: bool) -> Iterator[Figure]:
    course = load_course()
    names = [lab.name for lab in course.labs if lab.name in labs()]
    calls = 2 if tiny else 20
    p95, p95_cpu, first = {}, {}, {}
    for lab in names[:1] if tiny else names:
        solution = load_solution(course, lab)
        items = [item for item in load_reference(lab).items.values() if item.kind == "function" and item.cases]
        for item in items[:2] if tiny else items:
            load_reference.cache_clear()
            times = [seconds_of_check(solution[item.name], item.name) for _ in range(calls + 1)]
            first[item.name] = times[0][0]
            p95[item.name], p95_cpu[item.name] = map(percentile_95, zip(*times[1:], strict=True))
    slowest, latest = max(p95, key=p95.__getitem__), max(first, key=first.__getitem__)
    yield Figure(
        f"p95 of check(f), the slowest of {len(p95)} functions: {slowest}", p95[slowest], "s", reach=0.3,
        cpu=p95_cpu[slowest], lower_is_better=True, seconds={name: (value,) for name, value in p95.items()},
    )  # fmt: skip
    middle = statistics.median(p95.values()), statistics.median(p95_cpu.values())
    yield Figure("p95 of check(f), the function in the middle", middle[0], "s", cpu=middle[1])
    yield Figure(
        f"the first check, which also reads the cases, at worst: {latest}", first[latest], "s",
        seconds={name: (value,) for name, value in first.items()},
    )  # fmt: skip
    yield import_time(rounds=1 if tiny else 11)


def percentile_95(values: Iterable[float]) -> float:
    """The smallest value that at least 95 % of them do not exceed."""
    ordered = sorted(values)
    return ordered[-(-95 * len(ordered) // 100) - 1]


def seconds_of_check(function: Callable, name: str) -> tuple[float, float]:
    """One check with its report as a notebook would show it: on the clock, and of the processor."""
    begin, cpu_begin = time.perf_counter(), processor_s()
    with contextlib.redirect_stdout(io.StringIO()):
        check(function, name=name, device="cpu")._repr_html_()
    return time.perf_counter() - begin, processor_s() - cpu_begin


def import_time(*, rounds: int) -> Figure:
    """In fresh interpreters: how long the import takes where torch is imported already."""
    program = (
        "import time, torch; clock, cpu = time.perf_counter(), time.process_time(); import qlab_helpers; "
        "print(time.perf_counter() - clock, time.process_time() - cpu)"
    )
    wall, cpu = [], []
    for _ in range(rounds):
        run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
        clock, processor = map(float, run.stdout.split())
        wall.append(clock)
        cpu.append(processor)
    return duration("import qlab_helpers, beyond import torch", Timing(tuple(wall), tuple(cpu)), reach=0.3)
