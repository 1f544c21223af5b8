"""The ``qlab`` command: parsing and printing only; the work is done by the modules it calls.

Exit codes: 0 fine, 1 something you can mend, 2 wrong usage, 3 a bug of ours, 130 interrupted.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from autograder.cli_lms import collect, export
from autograder.cli_release import release
from autograder.course import CourseError, load_course
from autograder.results import Record, to_dict, write_atomically
from autograder.terminal import console, errors, printable


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="qlab-kit", prog_name="qlab")
def cli() -> None:
    """Build, run and grade quantization labs."""


cli.add_command(collect)
cli.add_command(export)
cli.add_command(release)


@cli.command()
@click.argument("labs", nargs=-1)
@click.option("--check", "only_check", is_flag=True, help="Change nothing; fail if a generated file is out of date.")
def build(labs: Sequence[str], only_check: bool) -> None:
    """Make the student notebooks and reference tensors from solutions/ (all labs, or those named)."""
    from autograder.stamp import is_fresh, remember

    course = load_course()
    if is_fresh(course):
        console.print("everything is up to date")
        return
    from autograder.build import build as build_course  # late: it takes seconds to import

    changes = build_course(course, labs=labs or None, check=only_check)
    if not labs and not (only_check and changes):
        remember(course)
    for change in changes:
        console.print(escape(str(change)))
    if only_check and changes:
        raise CourseError("generated files are out of date: run `qlab build` and commit the result")
    if not changes:
        console.print("everything is up to date")


@cli.command()
@click.argument("lab")
@click.option("--fast", is_flag=True, help="Less data and fewer epochs (QLAB_FAST=1): minutes on two CPU cores.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results [default: runs/LAB].")
def run(lab: str, fast: bool, out: Path | None) -> None:
    """Execute the solved notebook of LAB; keep it and the figures it reports (metrics.json)."""
    from autograder.run import run_lab

    course = load_course()
    out = out or course.root / "runs" / (f"{lab}-fast" if fast else lab)
    with _progress() as progress:
        task = progress.add_task(lab, total=None)
        result = run_lab(
            course,
            lab,
            fast=fast,
            out=out,
            on_cell=lambda done, total: progress.update(task, completed=done, total=total),
        )
    table = Table("figure", "value", title=f"{lab}, {result.seconds:.0f} s")
    for name, value in result.figures.items():
        table.add_row(escape(str(name)), f"{value:.4g}" if isinstance(value, float) else escape(str(value)))
    console.print(table)
    console.print(f"notebook {escape(str(result.notebook))}\nfigures  {escape(str(result.metrics))}")


@cli.command()
@click.argument("lab")
@click.option(
    "--submissions",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder with <student>/<lab>/*.ipynb or <student>/*.ipynb.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Records, feedback, summary [default: course/graded/LAB].")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write all records as one JSON list.")
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Submissions at a time [default: all cores].")
@click.option("--student", "students", multiple=True, help="Only this student (may be given more than once).")
@click.option("--fresh", is_flag=True, help="Grade everything again, whatever has a record.")
@click.option("--no-sandbox", is_flag=True, help="Run submissions without containment; the record says so.")
def grade(
    lab: str,
    submissions: Path,
    out: Path | None,
    json_file: Path | None,
    jobs: int | None,
    students: Sequence[str],
    fresh: bool,
    no_sandbox: bool,
) -> None:
    """Grade every submission of LAB: records, nbgrader's gradebook, autograded notebooks, feedback pages."""
    from autograder.classroom import grade_and_publish
    from autograder.regrade import as_table, moved_of

    course = load_course()
    course.lab(lab)
    out = out or course.data / "graded" / lab
    with _progress() as progress:
        task = progress.add_task(f"grading {lab}", total=None)
        outcome = grade_and_publish(
            course,
            lab,
            submissions,
            out=out,
            jobs=jobs or os.cpu_count() or 1,
            students=tuple(students),
            resume=not fresh,
            sandboxed=not no_sandbox,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    _print_class(outcome.records)
    if outcome.moved:
        console.print(as_table(outcome.moved))
    if json_file is not None:
        content = [to_dict(one) | {"moved": moved_of(one.student, outcome.moved)} for one in outcome.records]
        write_atomically(json_file, json.dumps(content, indent=1) + "\n")
    console.print(f"records   {escape(str(outcome.records_folder))}\nfeedback  {escape(str(outcome.feedback_folder))}")
    console.print(f"summary   {escape(str(outcome.summary))}\ngradebook {escape(course.gradebook_url)}")
    if any(record.needs_attention for record in outcome.records):
        raise CourseError(_attention(outcome.records))


@cli.command()
@click.argument("labs", nargs=-1)
@click.option("--function", "functions", multiple=True, help="Only this function (may be given more than once).")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write the counts as JSON.")
@click.option("--matrix", is_flag=True, help="Show which case kills which mutant.")
@click.option("--svg", type=click.Path(path_type=Path), help="Also write the matrix as a picture.")
@click.option("--minimal", is_flag=True, help="List cases without which the proof would hold as well.")
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Functions at a time [default: all cores].")
def verify(
    labs: Sequence[str],
    functions: Sequence[str],
    json_file: Path | None,
    matrix: bool,
    svg: Path | None,
    minimal: bool,
    jobs: int | None,
) -> None:
    """Prove the graders of all labs (or those named): right ones pass, wrong ones fail, hints are true, nothing leaks.

    \b
    qlab verify --json proof.json
    qlab verify lab2_linear --function linear_quantize --matrix
    """
    from autograder import matrix as tables
    from autograder.leaks import find_leaks
    from autograder.verify import verify as prove

    course = load_course()
    names = [course.lab(name).name for name in labs] or [lab.name for lab in course.labs]
    with _progress() as progress:
        task = progress.add_task("verifying", total=None)
        proofs = prove(
            course,
            names,
            functions=functions,
            minimal=minimal,
            jobs=jobs or os.cpu_count() or 1,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    for proof in proofs if matrix else ():
        console.print(tables.kill_matrix(proof))
    console.print(tables.overview(proofs))
    if minimal:
        console.print(tables.redundant_cases(proofs))
    if svg is not None:
        write_atomically(svg, tables.as_svg(proofs))
    if json_file is not None:
        counts = {proof.function: proof.as_dict() for proof in proofs}
        write_atomically(json_file, json.dumps(counts, indent=1) + "\n")
    problems = [problem for proof in proofs for problem in proof.problems]
    problems += [leak for name in names for leak in find_leaks(course, name)]
    for problem in problems:
        errors.print(f"[red]{escape(problem)}[/red]", soft_wrap=True)
    if problems:
        raise CourseError(f"the graders are not proven: {len(problems)} things to mend, named above")


@cli.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
def demo(out: Path) -> None:
    """Make a class of every kind of submission, grade it, and show where everything is."""
    from autograder.build import build as build_course
    from autograder.classroom import grade_and_publish
    from autograder.demo import LAB, make_class

    out = out.resolve()
    course = load_course(data=out / "course")
    changed = build_course(course)
    console.print(f"built {len(course.labs)} labs ({len(changed)} generated files changed)")
    students = make_class(course, out / "submissions")
    with _progress() as progress:
        task = progress.add_task(f"grading {LAB}", total=len(students))
        outcome = grade_and_publish(
            course,
            LAB,
            out / "submissions",
            out=out,
            jobs=os.cpu_count() or 1,
            resume=False,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    _print_class(outcome.records)
    console.print(f"submissions {escape(str(out / 'submissions'))}\nrecords     {escape(str(outcome.records_folder))}")
    console.print(f"feedback    {escape(str(outcome.feedback_folder))}\nsummary     {escape(str(outcome.summary))}")
    console.print(f"gradebook   {escape(course.gradebook_url)}")


@cli.command()
@click.option(
    "--json", "json_file", is_flag=False, flag_value="-", metavar="[FILE]", help="As JSON, to FILE or the screen."
)
def doctor(json_file: str | None) -> None:
    """Say what this machine gives for grading and what that means; fail, with the reason, if grading would not work."""
    from autograder import doctor as examination

    with errors.status("trying what grading needs"):
        checks = examination.examine()
    report = json.dumps(examination.as_dict(checks), indent=1) + "\n"
    if json_file == "-":
        click.echo(report, nl=False)
    else:
        console.print(examination.as_table(checks))
    if json_file not in (None, "-"):
        write_atomically(Path(json_file), report)
    if why := examination.reasons(checks):
        raise CourseError(f"grading would not work here: {'; '.join(why)}")


def main() -> None:
    """Entry point: turns expected errors into one sentence and an exit code."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        errors.print("interrupted; what was finished is kept")
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except CourseError as error:
        _fail(str(error))
    except OSError as error:  # a full disk, a folder that may not be written
        _fail(f"{error}; nothing that was finished is lost")
    except Exception as error:  # noqa: BLE001  (the last resort: a traceback and where to send it)
        from qlab_helpers.checking.reference import ReferenceMissing  # late: it imports torch

        if isinstance(error, ReferenceMissing):
            _fail(str(error))
        errors.print_exception()
        errors.print("[red]This is a bug in qlab.[/red] Please report it with the lines above.")
        sys.exit(3)


def _fail(sentence: str) -> NoReturn:
    errors.print(f"[red]error:[/red] {escape(printable(sentence))}", soft_wrap=True)
    sys.exit(1)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors, transient=True)


def _print_class(records: Sequence[Record]) -> None:
    from autograder.classreport.figures import causes
    from autograder.webpage import format_points

    table = Table("student", "score", "what happened", "mended")
    for record in records:
        score = f"{format_points(record.score)} / {format_points(record.max_score)}" if record.graded else "not graded"
        happened, mended = record.problem or causes(record), "; ".join(record.repairs)
        table.add_row(*(escape(printable(text)) for text in (record.student, score, happened, mended)))
    console.print(table)


def _attention(records: Sequence[Record]) -> str:
    names = [record.student for record in records if record.needs_attention]
    shown = ", ".join(names[:10]) + (" ..." if len(names) > 10 else "")
    need = "needs" if len(names) == 1 else "need"
    return f"{len(names)} of {len(records)} submissions {need} your attention: {shown}; the others are graded"
