"""qlab and stock nbgrader grade the same class on this machine: submissions a second, and the ratio.

    python benchmarks/grading.py --students 1000 --sample 6

The class is made of the demo's kinds of submissions, mostly ordinary ones (solved, half done, wrong in one place), and
one in ten broken or hostile. ``nbgrader autograde`` grades a sample of the ordinary ones, one process for all of
them, which is its fastest way; qlab grades everything, gradebook, autograded notebooks and feedback included.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autograder.classroom import grade_and_publish
from autograder.course import load_course
from autograder.demo import LAB, make_class
from autograder.gradebook import Gradebook
from autograder.results import write_atomically

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "grading.json"
ORDINARY = (
    "01-perfect",
    "03-half-done",
    "04-truncates",
    "05-casts-too-early",
    "06-wrong-scale",
    "07-forgets-zero-point",
    "12-lost-metadata",
    "14-renamed-file",
    "15-deleted-check-cells",
)
READABLE = ORDINARY[:6]  # by nbgrader, which loses the others' metadata


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=1000)
    parser.add_argument("--sample", type=int, default=6, help="submissions that nbgrader grades")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, default=RESULT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qlab-bench-") as folder:
        kinds = Path(folder) / "kinds"
        course = load_course(data=Path(folder) / "course")
        names = make_class(course, kinds)
        special = [name for name in names if name not in ORDINARY]
        ordinary = [ORDINARY[n % len(ORDINARY)] for n in range(options.students - options.students // 10)]
        broken = [special[n % len(special)] for n in range(options.students // 10)]
        figures = {
            "ordinary": qlab_rate(Path(folder), kinds, ordinary, options.jobs),
            "mixed": qlab_rate(Path(folder), kinds, ordinary + broken, options.jobs),
            "nbgrader": nbgrader_rate(Path(folder), kinds, options.sample),
        }
    figures["ratio_of_rates"] = figures["ordinary"]["a_second"] / figures["nbgrader"]["a_second"]
    figures["machine"] = {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()}
    write_atomically(options.json, json.dumps(figures, indent=1) + "\n")
    for name in ("ordinary", "mixed", "nbgrader"):
        one = figures[name]
        print(f"{name:9s} {one['students']:5d} submissions in {one['seconds']:7.1f} s: {one['a_second']:.2f} a second")
    print(f"qlab grades ordinary submissions {figures['ratio_of_rates']:.0f} times as fast as nbgrader autograde")


def qlab_rate(folder: Path, kinds: Path, chosen: list[str], jobs: int) -> dict[str, float]:
    """Grade one copy of a kind for each student, in a course folder of its own."""
    submissions, out = folder / "submissions", folder / "graded"
    for place in (submissions, out, folder / "course"):
        shutil.rmtree(place, ignore_errors=True)
    for number, kind in enumerate(chosen):
        shutil.copytree(kinds / kind, submissions / f"s{number:05d}-{kind[3:]}")
    course = load_course(data=folder / "course")
    begin = time.perf_counter()
    grade_and_publish(course, LAB, submissions, out=out, jobs=jobs, resume=False)
    seconds = time.perf_counter() - begin
    return {"students": len(chosen), "seconds": round(seconds, 2), "a_second": len(chosen) / seconds, "jobs": jobs}


def nbgrader_rate(folder: Path, kinds: Path, sample: int) -> dict[str, float]:
    """Stock nbgrader on a copy of the course, started once for the sample; its start-up is part of its time."""
    root = folder / "stock"
    root.mkdir()
    for name in ("course.toml", "nbgrader_config.py"):
        shutil.copy(ROOT / name, root)
    for name in ("solutions", "notebooks", "autograder/cases", "autograder/mutants", "autograder/reference"):
        shutil.copytree(ROOT / name, root / name)
    course = load_course(root)
    for number in range(sample):
        target = course.data / "submitted" / f"s{number}" / LAB
        target.mkdir(parents=True)
        kind = kinds / READABLE[number % len(READABLE)] / LAB
        shutil.copy(next(kind.glob("*.ipynb")), target / f"{LAB}.ipynb")
    with Gradebook(course) as gradebook:
        gradebook.register(LAB)
    programs = Path(sys.executable).parent  # nbgrader starts alembic by name
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "QLAB_FAST": "1",
    }
    begin = time.perf_counter()
    command = [sys.executable, "-m", "nbgrader", "autograde", LAB]
    run = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if run.returncode != 0:
        raise SystemExit(f"nbgrader autograde failed: {run.stderr[-2000:]}")
    return {"students": sample, "seconds": round(seconds, 2), "a_second": sample / seconds}


if __name__ == "__main__":
    main()
