"""The commands that talk to a learning management system: ``qlab collect`` and ``qlab export``."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from autograder.course import CourseError, load_course
from autograder.terminal import complete_lab, console, examples, json_option, printable, tell

if TYPE_CHECKING:
    from autograder.lms.export import Exported  # imports nbgrader, which takes seconds

SHOWN = 20  # names in a line


@click.command(epilog=examples("qlab collect lab2_linear submissions.zip --out submissions"))
@click.argument("lab", shell_complete=complete_lab)
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the submissions [default: course/collected].")
@json_option
def collect(lab: str, archive: Path, out: Path | None, json_file: str | None) -> None:
    """Sort ARCHIVE, a zip of submissions from Canvas, Moodle or Gradescope, into folders for `qlab grade`."""
    from autograder.lms.collect import collect as collect_archive

    course = load_course()
    course.lab(lab)
    out = out or course.data / "collected"
    found = collect_archive(archive, lab, out)
    if tell({"folder": str(out), **asdict(found)}, json_file):
        return
    late = [one.student for one in found.students if one.late]
    again = [one.student for one in found.students if one.older]
    _say(f"{found.lms.title()}: {len(found.students)} notebooks, {len(found.without)} students without one")
    _name("late", late)
    _name("handed in more than once, newest taken", again)
    for one in found.without:
        _say(f"no notebook: {one.student} ({one.path}: {one.why})")
    others = [one.path for one in found.ignored if one not in found.without]
    _name("also not taken", others)
    _say(f"folder {out}")


@click.command(
    epilog=examples("qlab export lab2_linear --records graded --lms moodle --roster worksheet.csv --out moodle")
)
@click.argument("lab", shell_complete=complete_lab)
@click.option("--records", required=True, type=click.Path(path_type=Path), help="What `qlab grade --out` wrote.")
@click.option("--lms", required=True, type=click.Choice(["canvas", "moodle", "gradescope"]), help="Where grades go.")
@click.option("--roster", required=True, type=click.Path(path_type=Path), help="The CSV of the class exported there.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the grades and the feedback.")
@click.option(
    "--submissions", type=click.Path(path_type=Path), help="What `qlab collect` wrote; Canvas's feedback needs it."
)
@click.option("--assignment", default="", help="Canvas: the assignment's column, where the lab's name does not tell.")
@click.option("--automatic", is_flag=True, help="The points of the checks alone, without written questions.")
@json_option
def export(
    lab: str,
    records: Path,
    lms: str,
    roster: Path,
    out: Path,
    submissions: Path | None,
    assignment: str,
    automatic: bool,
    json_file: str | None,
) -> None:
    """Write the grades of LAB and a page for each student as Canvas, Moodle or Gradescope takes them.

    Canvas: --roster is the exported gradebook. Moodle: the grading worksheet. Gradescope: the roster. A student who is
    not graded is left out and named, never exported as zero.
    """
    from autograder.lms.export import export as export_grades

    made = export_grades(
        load_course(),
        lab,
        records=records,
        lms=lms,
        roster=roster,
        out=out,
        submissions=submissions,
        assignment=assignment,
        automatic=automatic,
    )
    left_out = {*made.unknown, *(grade.student for grade in made.ungraded)}
    if not tell(asdict(made), json_file):
        _report(made, lms, roster, with_folder=submissions is not None)
    if left_out:
        need = "student needs" if len(left_out) == 1 else "students need"
        raise CourseError(f"{len(left_out)} {need} your attention, named above; the other grades are written")


def _report(made: "Exported", lms: str, roster: Path, *, with_folder: bool) -> None:
    _say(f"{len(made.exported)} grades {made.grades}")
    if made.feedback is not None:
        _say(f"feedback {made.feedback}")
    for note in made.notes:
        _say(note)
    _name("no record, left out", made.without)
    if lms == "canvas" and made.no_page and not with_folder:
        _say("no feedback for Canvas: say --submissions and the folder that `qlab collect` wrote")
    else:
        _name("no page, not in collected.json", made.no_page)
    for grade in made.ungraded:
        _say(f"not graded, left out: {grade.student} ({grade.why})")
    _name(f"not in {roster.name}, or not certainly, left out", made.unknown)


def _name(what: str, names: Iterable[str]) -> None:
    names = list(names)
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        _say(f"{what}: {', '.join(names[:SHOWN])}{more}")


def _say(text: str) -> None:
    console.print(escape(printable(text)), soft_wrap=True, highlight=False)
