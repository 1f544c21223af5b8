"""The commands of those who write labs: ``qlab build``, ``qlab run`` and ``qlab verify``."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from autograder.course import CourseError, load_course
from autograder.results import write_atomically
from autograder.terminal import complete_lab, console, errors, examples, json_option, progress, tell


@click.command(epilog=examples("qlab build", "qlab build lab2_linear --check"))
@click.argument("labs", nargs=-1, shell_complete=complete_lab)
@click.option("--check", "only_check", is_flag=True, help="Change nothing; fail if a generated file is out of date.")
@json_option
def build(labs: Sequence[str], only_check: bool, json_file: str | None) -> None:
    """Make the student notebooks and reference tensors from solutions/ (all labs, or those named)."""
    from autograder.stamp import is_fresh, remember

    course = load_course()
    for lab in labs:
        course.lab(lab)  # also where nothing is to be built
    changes = []
    if not is_fresh(course):
        from autograder.build import build as build_course  # late: it takes seconds to import

        changes = build_course(course, labs=labs or None, check=only_check, jobs=os.cpu_count() or 1)
        if not labs and not (only_check and changes):
            remember(course)
    if not tell({"up to date": not changes, "changes": [str(change) for change in changes]}, json_file):
        for change in changes:
            console.print(escape(str(change)))
        if not changes:
            console.print("everything is up to date")
    if only_check and changes:
        raise CourseError("generated files are out of date: run `qlab build` and commit the result")


@click.command(epilog=examples("qlab run lab2_linear --fast", "qlab run lab2_linear --out runs/today"))
@click.argument("lab", shell_complete=complete_lab)
@click.option("--fast", is_flag=True, help="Less data and fewer epochs (QLAB_FAST=1): minutes on two CPU cores.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results [default: runs/LAB].")
@json_option
def run(lab: str, fast: bool, out: Path | None, json_file: str | None) -> None:
    """Execute the solved notebook of LAB; keep it and the figures it reports (metrics.json)."""
    from autograder.run import run_lab

    course = load_course()
    out = out or course.root / "runs" / (f"{lab}-fast" if fast else lab)
    with progress() as bar:
        task = bar.add_task(lab, total=None)
        result = run_lab(
            course,
            lab,
            fast=fast,
            out=out,
            on_cell=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if tell(asdict(result), json_file):
        return
    table = Table("figure", "value", title=f"{lab}, {result.seconds:.0f} s")
    for name, value in result.figures.items():
        table.add_row(escape(str(name)), f"{value:.4g}" if isinstance(value, float) else escape(str(value)))
    console.print(table)
    console.print(f"notebook {escape(str(result.notebook))}\nfigures  {escape(str(result.metrics))}")


@click.command(
    epilog=examples(
        "qlab verify lab2_linear --json proof.json", "qlab verify lab2_linear --function linear_quantize --matrix"
    )
)
@click.argument("labs", nargs=-1, shell_complete=complete_lab)
@click.option("--function", "functions", multiple=True, help="Only this function (may be given more than once).")
@click.option("--matrix", is_flag=True, help="Show which case kills which mutant.")
@click.option("--svg", type=click.Path(path_type=Path), help="Also write the matrix as a picture.")
@click.option("--minimal", is_flag=True, help="List cases without which the proof would hold as well.")
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Functions at a time [default: all cores].")
@json_option
def verify(
    labs: Sequence[str],
    functions: Sequence[str],
    matrix: bool,
    svg: Path | None,
    minimal: bool,
    jobs: int | None,
    json_file: str | None,
) -> None:
    """Prove the graders of all labs (or those named): right ones pass, wrong ones fail, hints are true."""
    from autograder import matrix as tables
    from autograder.leaks import find_leaks
    from autograder.verify import verify as prove

    course = load_course()
    names = [course.lab(name).name for name in labs] or [lab.name for lab in course.labs]
    with progress() as bar:
        task = bar.add_task("verifying", total=None)
        proofs = prove(
            course,
            names,
            functions=functions,
            minimal=minimal,
            jobs=jobs or os.cpu_count() or 1,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if svg is not None:
        write_atomically(svg, tables.as_svg(proofs))
    if not tell({proof.function: proof.as_dict() for proof in proofs}, json_file):
        for proof in proofs if matrix else ():
            console.print(tables.kill_matrix(proof))
        console.print(tables.overview(proofs))
        if minimal:
            console.print(tables.redundant_cases(proofs))
    problems = [problem for proof in proofs for problem in proof.problems]
    problems += [leak for name in names for leak in find_leaks(course, name)]
    for problem in problems:
        errors.print(f"[red]{escape(problem)}[/red]", soft_wrap=True)
    if problems:
        raise CourseError(f"the graders are not proven: {len(problems)} things to mend, named above")
