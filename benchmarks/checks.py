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
from benchmarks.harness import Figure, alternate, quartiles
from qlab_helpers.checking.check import check
from qlab_helpers.checking.reference import labs, load_reference

ROOT = Path(__file__).parent.parent


def measure(*, tiny: bool) -> Iterator[Figure]:
    course = load_course()
    names = [lab.name for lab in course.labs if lab.name in labs()]
    calls = 2 if tiny else 40
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
    """The difference of two fresh interpreters: one imports torch, the other the helpers, which import it too."""

    def start(statement: str) -> None:
        subprocess.run([sys.executable, "-c", statement], cwd=ROOT, check=True)

    timings = alternate(
        {"torch": lambda: start("import torch"), "qlab_helpers": lambda: start("import torch, qlab_helpers")},
        rounds=rounds,
        least_s=0,
    )
    pairs = zip(timings["qlab_helpers"].wall_s, timings["torch"].wall_s, strict=True)
    added = [ours - torchs for ours, torchs in pairs]
    return Figure(
        "import qlab_helpers, beyond import torch", statistics.median(added), "s", quartiles=quartiles(added),
        reach=0.3, lower_is_better=True, seconds={name: timing.wall_s for name, timing in timings.items()},
    )  # fmt: skip
