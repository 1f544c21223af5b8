"""The command that makes what students are handed out: ``qlab release``."""

import os
from pathlib import Path

import click
from rich.markup import escape

from autograder.course import load_course
from autograder.terminal import console, errors


@click.command()
@click.argument("lab")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the zip [default: dist].")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=None, help="Functions proven at a time [default: all cores]."
)
def release(lab: str, out: Path | None, jobs: int | None) -> None:
    """Make the zip of LAB for students: notebook, notes, helpers, hashes; the same bytes at every build.

    It is refused when generated files are old, a grader is not proven, something secret is inside, or the solved
    notebook does not run from the zip in an empty environment. That takes minutes.

    \b
    qlab release lab2_linear --out dist
    """
    from autograder.handout.release import release as make_release

    course = load_course()
    with errors.status(f"releasing {lab}") as status:
        path = make_release(
            course, lab, out or course.root / "dist", jobs=jobs or os.cpu_count() or 1, on_step=status.update
        )
    console.print(f"release {escape(str(path))} ({path.stat().st_size / 2**20:.1f} MiB)")
