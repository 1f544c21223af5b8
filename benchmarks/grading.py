"""qlab and stock nbgrader grade the same class on this machine: submissions a second, and the ratio.

    python -m benchmarks.grading --ordinary 1000 --sizes 100 1000 --sample 6

Each class is made of the demo's kinds of submissions: nine tenths ordinary ones (solved, half done, wrong in one place,
mended before grading), one tenth broken or hostile. No two are alike, and those that are wrong in one place have a
mistake of their own, an automatic mutant of the solution, so that nothing can be gained by remembering results but what
a real class would give. ``nbgrader autograde`` grades a sample of the ordinary ones, one process for all of them, which
is its fastest way; qlab grades everything, gradebook, autograded notebooks and feedback included.
"""

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import nbformat

from autograder.bank import solution_text
from autograder.course import Course, load_course
from autograder.demo import LAB, make_class
from autograder.gradebook import Gradebook
from autograder.mutation import mutants
from autograder.namespaces import prctl
from autograder.notebooks import read_lab
from autograder.results import write_atomically
from benchmarks.machine import describe
from benchmarks.memory import watched_memory

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "grading.json"
MISTAKEN = ("04-truncates", "05-casts-too-early", "06-wrong-scale", "07-forgets-zero-point")
ORDINARY = (
    "01-perfect",
    "03-half-done",
    *MISTAKEN,
    "12-lost-metadata",
    "14-renamed-file",
    "15-deleted-check-cells",
)
READABLE = ORDINARY[:6]  # by nbgrader, which loses the others' metadata
PARTS = ("cases", "mutants", "reference")  # of a course, beside the grader
PR_SET_CHILD_SUBREAPER = 36
LARGE = 100_000  # submissions, for the estimate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000], help="mixed classes, one after the other")
    parser.add_argument("--ordinary", type=int, default=1000, help="students of the class without broken submissions")
    parser.add_argument("--sample", type=int, default=6, help="submissions that nbgrader grades")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, default=RESULT)
    options = parser.parse_args()
    prctl(PR_SET_CHILD_SUBREAPER, 1)  # so that all that a command starts is counted here, when it has ended
    with tempfile.TemporaryDirectory(prefix="qlab-bench-") as name:
        folder = Path(name)
        course = load_course(data=folder / "course")
        names = make_class(course, folder / "kinds")
        broken = [name for name in names if name not in ORDINARY]
        figures: dict[str, Any] = {**describe(), "nbgrader": nbgrader_rate(course, folder, options.sample)}
        print_rate("nbgrader", figures["nbgrader"])
        figures["ordinary"] = qlab_rate(course, folder, [], options.ordinary, options.jobs)
        print_rate("ordinary", figures["ordinary"])
        figures["mixed"] = []
        for size in options.sizes:
            figures["mixed"].append(qlab_rate(course, folder, broken, size, options.jobs))
            print_rate("mixed", figures["mixed"][-1])
    figures["ratio_of_rates"] = round(figures["ordinary"]["a_second"] / figures["nbgrader"]["a_second"], 1)
    figures["ratio_of_core_seconds"] = round(figures["nbgrader"]["cpu_s_each"] / figures["ordinary"]["cpu_s_each"], 1)
    largest = figures["mixed"][-1]
    figures["estimate"] = {"submissions": LARGE, "core_hours": round(LARGE * largest["cpu_s_each"] / 3600, 1)}
    write_atomically(options.json, json.dumps(figures, indent=1) + "\n")
    print(
        f"qlab grades ordinary submissions {figures['ratio_of_rates']:.0f} times as fast as nbgrader autograde,"
        f" and takes a {figures['ratio_of_core_seconds']:.0f}th of the time of a core"
    )
    print(f"{LARGE:,} such submissions would take {figures['estimate']['core_hours']:.0f} hours of one core")


def print_rate(name: str, one: dict[str, Any]) -> None:
    rate = f"{name:9s} {one['students']:6d} submissions in {one['seconds']:7.1f} s: {one['a_second']:.2f} a second"
    if "first_after_s" in one:
        rate += f" ({one['a_second_from_then']:.2f} from the first on, after {one['first_after_s']:.1f} s)"
    memory = f", {one['memory_mib']} MiB" if "memory_mib" in one else ""
    before = f"a core took {one['core_ms_before']} ms, load {one['load_before']}"
    print(f"{rate}, {one['cpu_s_each']:.3f} s of a core each; before: {before}{memory}", flush=True)


def qlab_rate(course: Course, folder: Path, broken: list[str], students: int, jobs: int) -> dict[str, Any]:
    """``qlab grade``, as it is typed, in a course of its own; with ``broken`` kinds, every tenth student has one."""
    submissions, out, root = folder / "submissions", folder / "graded", folder / "course-of-qlab"
    for place in (submissions, out, root):
        shutil.rmtree(place, ignore_errors=True)
    write_class(course, folder / "kinds", submissions, broken, students)
    copy_course(root)
    command = [Path(sys.executable).parent / "qlab", "grade", LAB, "--submissions", submissions, "--out", out]
    core, load = core_ms(), load_before()
    begin, begun, used = time.perf_counter(), time.time(), cpu_s()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--jobs", str(jobs)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        with watched_memory(process.pid) if broken else nullcontext({}) as peaks:  # which takes time of a core, too
            process.wait()
        seconds = time.perf_counter() - begin
        with suppress(ChildProcessError):
            while True:
                os.wait()  # what it leaves to end by itself: multiprocessing's server, with the time of its processes
    ends = sorted(path.stat().st_mtime - begun for path in (out / "records").glob("*.json"))
    if len(ends) != students:
        raise SystemExit(f"qlab grade failed: {(folder / 'log').read_text()[-2000:]}")
    return {
        "students": students,
        "jobs": jobs,
        "core_ms_before": core,
        "load_before": load,
        "seconds": round(seconds, 2),
        "a_second": round(students / seconds, 3),
        "first_after_s": round(ends[0], 2),
        "a_second_from_then": round((students - 1) / (ends[-1] - ends[0]), 3),
        "cpu_s_each": round((cpu_s() - used) / students, 4),
        **({"memory_mib": peaks} if peaks else {}),
    }


def write_class(course: Course, kinds: Path, target: Path, broken: list[str], students: int) -> None:
    """The same class each time: seeded."""
    draw = random.Random(0)
    source = read_lab(course, LAB)
    functions = [name for name in source.items if not name.startswith("answer")]
    mistakes = [(name, mutant.source) for name in functions for mutant in mutants(solution_text(source, name))]
    for number in range(students):
        kind = broken[number // 10 % len(broken)] if broken and number % 10 == 9 else ORDINARY[number % len(ORDINARY)]
        student = target / f"s{number:06d}-{kind[3:]}"
        shutil.copytree(kinds / kind, student)
        for path in student.rglob("*.ipynb"):
            try:
                notebook = nbformat.read(path, as_version=4)
            except nbformat.reader.NotJSONError:
                continue
            wrong = dict([draw.choice(mistakes)]) if kind in MISTAKEN else {}
            for cell in notebook.cells:
                if cell.cell_type == "code" and cell.source.startswith("def "):
                    name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
                    cell.source = f"# {student.name}\n{wrong.get(name, cell.source)}"
            nbformat.write(notebook, path)


def nbgrader_rate(course: Course, folder: Path, sample: int) -> dict[str, Any]:
    """Stock nbgrader on a copy of the course, started once for the sample; its start-up is part of its time."""
    root = folder / "stock"
    copy_course(root)
    stock = load_course(root)
    for number in range(sample):
        target = stock.data / "submitted" / f"s{number}" / LAB
        target.mkdir(parents=True)
        kind = folder / "kinds" / READABLE[number % len(READABLE)] / LAB
        shutil.copy(next(kind.glob("*.ipynb")), target / f"{LAB}.ipynb")
    with Gradebook(stock) as gradebook:
        gradebook.register(LAB)
    programs = Path(sys.executable).parent  # nbgrader starts alembic by name
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "QLAB_FAST": "1",
    }
    core, load = core_ms(), load_before()
    begin, used = time.perf_counter(), cpu_s()
    patience = "--Execute.iopub_timeout=300"  # else it gives up on a busy machine
    command = [sys.executable, "-m", "nbgrader", "autograde", LAB, patience]
    run = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if run.returncode != 0:
        raise SystemExit(f"nbgrader autograde failed: {run.stderr[-2000:]}")
    return {
        "students": sample,
        "core_ms_before": core,
        "load_before": load,
        "seconds": round(seconds, 2),
        "a_second": round(sample / seconds, 3),
        "cpu_s_each": round((cpu_s() - used) / sample, 4),
    }


def copy_course(root: Path) -> None:
    root.mkdir()
    for name in ("course.toml", "nbgrader_config.py"):
        shutil.copy(ROOT / name, root)
    for name in ("solutions", "notebooks", *(f"autograder/{one}" for one in PARTS), "qlab_helpers/reference"):
        shutil.copytree(ROOT / name, root / name)


def core_ms() -> float:
    """How long a core takes for a million additions in Python, while nothing of ours runs.

    Of a virtual machine this changes from minute to minute, and all rates with it.
    """
    taken = []
    for _ in range(5):
        begin, total = time.perf_counter(), 0
        for number in range(1_000_000):
            total += number
        taken.append(time.perf_counter() - begin)
    return round(1e3 * statistics.median(taken), 1)


def load_before() -> float:
    """Of the last minute: what others did; more than the measurement before left behind means a busy machine."""
    return round(os.getloadavg()[0], 2)


def cpu_s() -> float:
    """Of this process and all that have ended: what a busy machine does not distort as it does the time on the wall."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
