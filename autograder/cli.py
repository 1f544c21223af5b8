"""The ``qlab`` command: parsing and printing only; the work is done by the modules it calls.

Exit codes: 0 fine, 1 something you can mend, 2 wrong usage, 3 a bug of ours, 130 interrupted.
"""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

import click
from rich.markup import escape
from rich.table import Table

from autograder.cli_build import build, run, verify
from autograder.cli_lms import collect, export
from autograder.cli_release import release
from autograder.course import CourseError, load_course
from autograder.garbage import no_garbage
from autograder.nursery import warming
from autograder.results import Record, to_dict
from autograder.terminal import complete_lab, console, errors, examples, json_option, printable, progress, status, tell


class Commands(click.Group):
    """With the traceback of an expected error, and the time a command took, for those who ask for it."""

    def invoke(self, context: click.Context) -> object:
        started = time.monotonic()
        try:
            return super().invoke(context)
        except CourseError:
            if context.params["verbose"]:
                errors.print_exception()
            raise
        finally:
            if context.params["verbose"]:
                errors.print(f"took {time.monotonic() - started:.1f} s")


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("qlab --quiet build", "qlab grade --help"),
)
@click.option("--quiet", is_flag=True, help="Print errors, and what --json asks for, alone.")
@click.option("--verbose", is_flag=True, help="Also say where an error came from, and how long it all took.")
@click.version_option(package_name="qlab-kit", prog_name="qlab")
def cli(quiet: bool, verbose: bool) -> None:
    """Build, run and grade quantization labs. Options of all commands stand before the command's name."""
    console.quiet = quiet


for command in (build, run, verify, collect, export, release):
    cli.add_command(command)


@cli.command(
    epilog=examples(
        "qlab grade lab2_linear --submissions submissions --out graded",
        "qlab grade lab2_linear --submissions submissions --student doejane_12345 --fresh",
    )
)
@click.argument("lab", shell_complete=complete_lab)
@click.option(
    "--submissions",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder with <student>/<lab>/*.ipynb or <student>/*.ipynb.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Records, feedback, summary [default: course/graded/LAB].")
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Submissions at a time [default: all cores].")
@click.option("--scheduler", default="", metavar="ADDRESS", help="Grade on a Dask cluster, as tcp://host:8786.")
@click.option("--student", "students", multiple=True, help="Only this student (may be given more than once).")
@click.option("--fresh", is_flag=True, help="Grade everything again, whatever has a record.")
@click.option("--no-sandbox", is_flag=True, help="Run submissions without containment; the record says so.")
@json_option
def grade(
    lab: str,
    submissions: Path,
    out: Path | None,
    jobs: int | None,
    scheduler: str,
    students: Sequence[str],
    fresh: bool,
    no_sandbox: bool,
    json_file: str | None,
) -> None:
    """Grade every submission of LAB: records, nbgrader's gradebook, autograded notebooks, feedback pages."""
    course = load_course()
    course.lab(lab)
    jobs = jobs or os.cpu_count() or 1
    out = out or course.data / "graded" / lab
    # Of a few students chosen from a large folder one process has all.
    with nullcontext() if scheduler else warming(submissions, 1 if students else jobs) as nursery:
        with no_garbage():  # late, as all that takes seconds to import
            from autograder.classroom import grade_and_publish
            from autograder.regrade import as_table, moved_of

        with progress() as bar:
            task = bar.add_task(f"grading {lab}", total=None)
            outcome = grade_and_publish(
                course,
                lab,
                submissions,
                out=out,
                jobs=jobs,
                students=tuple(students),
                resume=not fresh,
                sandboxed=not no_sandbox,
                scheduler=scheduler,
                nursery=nursery,
                on_progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    wanted = outcome.records if json_file is not None else ()
    if not tell([to_dict(one) | {"moved": moved_of(one.student, outcome.moved)} for one in wanted], json_file):
        _print_class(outcome.records)
        if outcome.moved:
            console.print(as_table(outcome.moved))
        records, feedback = outcome.records_folder, outcome.feedback_folder
        console.print(f"records   {escape(str(records))}\nfeedback  {escape(str(feedback))}")
        console.print(f"summary   {escape(str(outcome.summary))}\ngradebook {escape(course.gradebook_url)}")
    if any(record.needs_attention for record in outcome.records):
        raise CourseError(_attention(outcome.records))


@cli.command(epilog=examples("qlab demo --out demo"))
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
@json_option
def demo(out: Path, json_file: str | None) -> None:
    """Make a class of every kind of submission, grade it, and show where everything is."""
    from autograder.build import build as build_course
    from autograder.classroom import grade_and_publish
    from autograder.demo import LAB, make_class

    out = out.resolve()
    course = load_course(data=out / "course")
    changed = build_course(course)
    students = make_class(course, out / "submissions")
    with progress() as bar:
        task = bar.add_task(f"grading {LAB}", total=len(students))
        outcome = grade_and_publish(
            course,
            LAB,
            out / "submissions",
            out=out,
            jobs=os.cpu_count() or 1,
            resume=False,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if tell([to_dict(one) for one in outcome.records], json_file):
        return
    console.print(f"built {len(course.labs)} labs ({len(changed)} generated files changed)")
    _print_class(outcome.records)
    console.print(f"submissions {escape(str(out / 'submissions'))}\nrecords     {escape(str(outcome.records_folder))}")
    console.print(f"feedback    {escape(str(outcome.feedback_folder))}\nsummary     {escape(str(outcome.summary))}")
    console.print(f"gradebook   {escape(course.gradebook_url)}")


@cli.command(epilog=examples("qlab doctor", "qlab doctor --json doctor.json"))
@json_option
def doctor(json_file: str | None) -> None:
    """Say what this machine gives for grading and what that means; fail, with the reason, if grading would not work."""
    from autograder import doctor as examination

    with status("trying what grading needs"):
        checks = examination.examine()
    if not tell(examination.as_dict(checks), json_file):
        console.print(examination.as_table(checks))
    if why := examination.reasons(checks):
        raise CourseError(f"grading would not work here: {'; '.join(why)}")


def main() -> None:
    """Entry point: turns expected errors into one sentence and an exit code."""
    try:
        cli.main(prog_name="qlab", standalone_mode=False)
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
