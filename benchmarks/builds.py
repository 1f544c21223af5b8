"""`qlab build` as a person types it: of a course in which nothing has changed, and of one where nothing is built yet.

There is no peer: nbgrader generates notebooks, and has no cases, tensors and misconceptions to compute.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Figure, alternate, duration

ROOT = Path(__file__).parent.parent
COMMAND = "from autograder.cli import main; main()"
FILES = ("course.toml", "nbgrader_config.py")
SOURCES = ("solutions", "autograder/cases", "autograder/mutants")
GENERATED = ("notebooks", "autograder/reference", "qlab_helpers/reference", "course")


def measure(*, tiny: bool) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="qlab-bench-") as folder:
        root = Path(folder) / "course"
        copy_course(root, one_lab=tiny)
        labs = len(list((root / "solutions").iterdir()))

        def from_nothing() -> None:
            for name in GENERATED:
                shutil.rmtree(root / name, ignore_errors=True)
            build(root)

        rounds = 1 if tiny else 2
        whole = alternate({"build": from_nothing}, rounds=rounds, least_s=0, warm_up=False)
        yield duration(f"qlab build of all {labs} labs from nothing", whole["build"], reach=60.0)
        unchanged = alternate({"build": lambda: build(root)}, rounds=1 if tiny else 9, least_s=0, warm_up=not tiny)
        yield duration("qlab build of an unchanged course", unchanged["build"], reach=2.0)


def copy_course(root: Path, *, one_lab: bool) -> None:
    """What a course is made of, without anything generated."""
    root.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, root)
    for name in SOURCES:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    if one_lab:
        registry = root / "course.toml"
        head, *labs = registry.read_text().split("[[labs]]")
        registry.write_text(head + "[[labs]]" + next(part for part in labs if "lab1_kmeans" in part))


def build(root: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", COMMAND, "build"], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        raise AssertionError(f"qlab build failed: {(run.stdout + run.stderr)[-2000:]}")
