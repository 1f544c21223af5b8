"""The command that makes what students are handed out: ``qlab release``."""

import hashlib
import os
from pathlib import Path

import click
from rich.markup import escape

from autograder.course import load_course
from autograder.gradescope.answer import VISIBILITIES
from autograder.terminal import complete_lab, console, examples, json_option, status, tell


@click.command(
    epilog=examples("qlab release lab2_linear --out dist", "qlab release lab2_linear --gradescope --out staff")
)
@click.argument("lab", shell_complete=complete_lab)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the zip [default: dist].")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=None, help="Functions proven at a time [default: all cores]."
)
@click.option("--gradescope", is_flag=True, help="Instead the autograder zip for Gradescope, with the answers inside.")
@click.option(
    "--visibility",
    type=click.Choice(VISIBILITIES),
    default="visible",
    show_default=True,
    help="Gradescope: when students see the outcome and the score.",
)
@click.option("--extra-index-url", "index", default="", help="Gradescope: package index beside pip's own, for PyTorch.")
@json_option
def release(
    lab: str,
    out: Path | None,
    jobs: int | None,
    gradescope: bool,
    visibility: str,
    index: str,
    json_file: str | None,
) -> None:
    """Make the zip of LAB for students: notebook, notes, helpers, hashes; the same bytes at every build.

    It is refused when generated files are old, a grader is not proven, something secret is inside, or the solved
    notebook does not run from the zip in an empty environment. That takes minutes.

    With --gradescope it is the autograder zip of LAB for Gradescope: it holds the solution, the hidden cases and the
    course's secret, so it is for the staff alone.
    """
    course = load_course()
    out, jobs = out or course.root / "dist", jobs or os.cpu_count() or 1
    with status(f"releasing {lab}") as step:
        if gradescope:
            from autograder.gradescope.release import release_autograder

            path = release_autograder(
                course, lab, out, visibility=visibility, index=index, jobs=jobs, on_step=step.update
            )
        else:
            from autograder.handout.release import release as make_release

            path = make_release(course, lab, out, jobs=jobs, on_step=step.update)
    content = path.read_bytes()
    about = {"path": str(path), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if tell({**about, "staff only": gradescope}, json_file):
        return
    console.print(f"release {escape(str(path))} ({len(content) / 2**20:.1f} MiB)", soft_wrap=True)
    if gradescope:
        console.print("It holds the answers: upload it to Gradescope, and never give it to students.")
