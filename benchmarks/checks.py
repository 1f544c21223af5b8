"""How long a student waits: every check of every lab on its solution, and what importing the helpers adds."""

import contextlib
import io
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from autograder.course import load_course
from autograder.solution import load_solution
from benchmarks.harness import Figure, Timing, duration
from qlab_helpers.checking.check import check
from qlab_helpers.checking.reference import labs, load_reference

ROOT = Path(__file__).parent.parent


def measure(*, tiny: bool) -> Iterator[Figure]:
    course = load_course()
    names = [lab.name for lab in course.labs if lab.name in labs()]
    calls = 2 if tiny else 20
    p95, first = {}, {}
    for lab in names[:1] if tiny else names:
        solution = load_solution(course, lab)
        items = [item for item in load_reference(lab).items.values() if item.kind == "function" and item.cases]
        for item in items[:2] if tiny else items:
            load_reference.cache_clear()
            times = [seconds_of_check(solution[item.name], item.name) for _ in range(calls + 1)]
            first[item.name], warm = times[0], sorted(times[1:])
            p95[item.name] = warm[max(0, -(-95 * len(warm) // 100) - 1)]
    slowest, latest = max(p95, key=p95.__getitem__), max(first, key=first.__getitem__)
    yield Figure(
        f"p95 of check(f), the slowest of {len(p95)} functions: {slowest}", p95[slowest], "s", reach=0.3,
        lower_is_better=True, seconds={name: (value,) for name, value in p95.items()},
    )  # fmt: skip
    yield Figure("p95 of check(f), the function in the middle", statistics.median(p95.values()), "s")
    yield Figure(
        f"the first check, which also reads the cases, at worst: {latest}", first[latest], "s",
        seconds={name: (value,) for name, value in first.items()},
    )  # fmt: skip
    yield import_time(rounds=1 if tiny else 11)


def seconds_of_check(function, name: str) -> float:
    """One check with its report as a notebook would show it."""
    begin = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        check(function, name=name, device="cpu")._repr_html_()
    return time.perf_counter() - begin


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
