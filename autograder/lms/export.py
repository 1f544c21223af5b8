"""Records -> what a learning management system takes: a table of grades, and a zip with a page for each student."""

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.course import Course, CourseError
from autograder.lms import canvas, gradescope, moodle
from autograder.lms.collected import FILE, Collected, read_collected
from autograder.lms.grades import Grade, grade_of, read_marks
from autograder.lms.roster import Roster, match_students, read_roster
from autograder.lms.sheets import Sheet, number, read_sheet, write_sheet
from autograder.report import write_feedback
from autograder.results import Record, read_record, write_atomically

SYSTEMS = ("canvas", "moodle", "gradescope")
EARLIEST = (1980, 1, 1, 0, 0, 0)  # of a file in a zip: the same pages give the same zip


@dataclass(frozen=True)
class Exported:
    """Files written, and everybody who is not in them."""

    grades: Path
    feedback: Path | None
    exported: tuple[Grade, ...]
    ungraded: tuple[Grade, ...]  # with the reason why there is no grade
    unknown: tuple[str, ...]  # students with a record whom the roster does not have
    without: tuple[str, ...]  # people of the roster without a record
    no_page: tuple[str, ...]  # students whose page the system has no place for
    notes: tuple[str, ...]


def export(
    course: Course,
    lab: str,
    *,
    records: Path,
    lms: str,
    roster: Path,
    out: Path,
    submissions: Path | None = None,
    assignment: str = "",
    automatic: bool = False,
) -> Exported:
    """Write ``out/<lab>-<lms>-grades.csv`` and ``out/<lab>-<lms>-feedback.zip``.

    ``submissions`` is the folder that ``qlab collect`` filled; Canvas takes pages only under the names in its
    collected.json. ``automatic`` hands over the points of the checks alone. Raises ``CourseError``.
    """
    about = course.lab(lab)
    found = read_records(records, lab)
    table = read_roster(roster)
    sheet = read_sheet(lms, table, names=(lab, about.title), assignment=assignment)
    collected = {one.student: one for one in read_collected(submissions, lab)} if submissions else {}
    if submissions and not collected:
        raise CourseError(
            f"{submissions / FILE} does not know {lab}; run `qlab collect {lab}` or leave --submissions out"
        )
    matched = match_students(found, sheet.people, collected, lms=lms)
    marks = {} if automatic else read_marks(course, lab)
    grades = {
        student: grade_of(record, marks.get(student, {}), automatic=automatic) for student, record in found.items()
    }
    points = {
        row: grades[student].points for student, row in matched.rows.items() if grades[student].points is not None
    }
    top = max(grade.max_points for grade in grades.values())
    path = out / f"{lab}-{lms}-grades.csv"
    write_atomically(path, write_sheet(lms, table, sheet, points, max_points=top))
    pages = _pages({student: found[student] for student in matched.rows}, records, about.title)
    names = {student: _page_name(lms, student, table, sheet, row, collected) for student, row in matched.rows.items()}
    placed = {name: pages[student] for student, name in names.items() if name}
    zipped = out / f"{lab}-{lms}-feedback.zip"
    _write_zip(placed, zipped)
    return Exported(
        grades=path,
        feedback=zipped if placed else None,
        exported=tuple(grades[student] for student in matched.rows if grades[student].points is not None),
        ungraded=tuple(grade for grade in grades.values() if grade.points is None),
        unknown=matched.unknown,
        without=matched.without,
        no_page=tuple(student for student, name in names.items() if not name),
        notes=tuple(_notes(lms, sheet, grades, top)),
    )


def read_records(folder: Path, lab: str) -> dict[str, Record]:
    """The records of a lab, by student; ``folder`` is what ``qlab grade`` wrote to, or its folder records.

    Raises ``CourseError`` when there are none, or one is damaged or of another lab.
    """
    inner = folder / "records"
    paths = sorted((inner if inner.is_dir() else folder).glob("*.json"))
    found = {}
    for path in paths:
        try:
            record = read_record(path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise CourseError(f"{path} is not a record of this version; grade {lab} again") from error
        if record.lab != lab:
            raise CourseError(f"{path} is a record of {record.lab}, not of {lab}; name the folder of {lab}'s records")
        found[record.student] = record
    if not found:
        raise CourseError(f"{folder} has no records; name the folder that `qlab grade {lab} --out` wrote")
    return found


def _pages(found: Mapping[str, Record], records: Path, title: str) -> dict[str, bytes]:
    """The pages that grading wrote; those that are gone are made again."""
    folder = (records if (records / "records").is_dir() else records.parent) / "feedback"
    pages = {}
    with tempfile.TemporaryDirectory() as temporary:
        for number_, (student, record) in enumerate(found.items()):
            path = folder / f"{student}.html"
            if not path.is_file() or path.is_symlink():
                path = Path(temporary) / f"{number_}.html"
                write_feedback(record, path, lab_title=title)
            pages[student] = path.read_bytes()
    return pages


def _page_name(
    lms: str, student: str, roster: Roster, sheet: Sheet, row: int, collected: Mapping[str, Collected]
) -> str:
    """Where the page belongs in the zip; "" where that is not known."""
    about = collected.get(student)
    if about is not None and about.lms != lms:
        about = None
    original = about.original if about else ""
    if lms == "canvas":
        return canvas.feedback_name(original.rsplit("/", 1)[-1]) if original else ""
    if lms == "moodle":
        person = next(one for one in sheet.people if one.row == row)
        return moodle.feedback_name(roster.get(roster.rows[row], "Full name"), person.ids[0], original)
    return gradescope.feedback_name(student, original)


def _write_zip(pages: Mapping[str, bytes], path: Path) -> None:
    """Whole or not at all; without pages there is no zip, and none is left from before."""
    if not pages:
        path.unlink(missing_ok=True)
        return
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
        for name in sorted(pages):
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(entry, pages[name])
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    draft.write_bytes(content.getvalue())
    os.replace(draft, path)


def _notes(lms: str, sheet: Sheet, grades: Mapping[str, Grade], top: float) -> list[str]:
    if sheet.top is None or abs(sheet.top - top) < 1e-9:
        return []
    system = lms.title()
    note = f"{system} says {number(sheet.top)} points, the grades are out of {number(top)}; change it in {system}"
    above = [grade.student for grade in grades.values() if grade.points is not None and grade.points > sheet.top]
    if lms == "moodle" and above:
        note += f", which would skip {len(above)} grades above its maximum without a word"
    return [note]
