"""The table of grades in the form that each system takes, made from its own roster.

What is not ours stays as it was exported, and a student without a grade is left out: an empty or zero cell might be
read as a grade.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass

from autograder.course import CourseError
from autograder.lms.roster import Person, Roster, squashed

CANVAS_COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Integration ID", "Root Account", "Section")
ASSIGNMENT = re.compile(r".*\(\d+\)\s*", re.DOTALL)  # "Lab 2 (4711)"
PLAIN_COLUMNS = ("Name", "First Name", "Last Name", "Student", "SID", "Student ID", "ID", "Email", "Login", "Section")


@dataclass(frozen=True)
class Sheet:
    """``people`` are the rows of the roster that are students; ``top`` what the system says is the most, if it does."""

    people: tuple[Person, ...]
    top: float | None
    column: int | None  # where the grades go, in the roster


def read_sheet(lms: str, roster: Roster, *, names: tuple[str, ...], assignment: str = "") -> Sheet:
    """``names`` are those of the lab, to find its column by. Raises ``CourseError`` for a roster of something else."""
    return {"canvas": _read_canvas, "moodle": _read_moodle, "gradescope": _read_plain}[lms](roster, names, assignment)


def write_sheet(lms: str, roster: Roster, sheet: Sheet, grades: Mapping[int, float], *, max_points: float) -> str:
    """The CSV with a grade for each row in ``grades``."""
    write = {"canvas": _write_canvas, "moodle": _write_moodle, "gradescope": _write_plain}[lms]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(write(roster, sheet, grades, max_points))
    return out.getvalue()


def number(points: float) -> str:
    """Points without needless zeros: 7.5, 10, 0.3333."""
    return f"{points:.4f}".rstrip("0").rstrip(".")


def _read_canvas(roster: Roster, names: tuple[str, ...], assignment: str) -> Sheet:
    _demand(roster, ("Student", "ID", "Section"), "Canvas's gradebook", "Grades, Export")
    column = _assignment_column(roster, names, assignment)
    people, top = [], None
    for number_, row in enumerate(roster.rows):
        if "points possible" in row[0].casefold():
            top = _float(row[column])
        elif roster.get(row, "ID") or roster.get(row, "SIS Login ID", "SIS User ID"):
            name = roster.get(row, "Student")
            others = (roster.get(row, "SIS User ID"), roster.get(row, "SIS Login ID"), name, squashed(name))
            people.append(Person(number_, name, (roster.get(row, "ID"),), others))
    people = [one for one in people if one.label.casefold() != "student, test"]  # Canvas's own make-believe student
    return Sheet(tuple(people), top, column)


def _read_moodle(roster: Roster, names: tuple[str, ...], assignment: str) -> Sheet:
    _demand(
        roster,
        ("Identifier", "Grade", "Last modified (grade)"),
        "Moodle's grading worksheet",
        "Download grading worksheet, with Moodle set to English",
    )
    people, tops = [], []
    for number_, row in enumerate(roster.rows):
        participant = re.search(r"(\d+)\s*$", roster.get(row, "Identifier"))
        if participant:
            name = roster.get(row, "Full name") or roster.get(row, "Identifier")
            others = (roster.get(row, "Email address"), roster.get(row, "ID number"), name)
            people.append(Person(number_, name, (participant[1],), others))
            tops.append(_float(roster.get(row, "Maximum grade")))
    known = [top for top in tops if top is not None]
    return Sheet(tuple(people), min(known, default=None), roster.column("Grade"))


def _read_plain(roster: Roster, names: tuple[str, ...], assignment: str) -> Sheet:
    if roster.column("SID", "Student ID", "Email", "ID") is None:
        raise CourseError(
            f"{roster.name} has no column SID or Email; export the roster from Gradescope and name that CSV"
        )
    people = []
    for number_, row in enumerate(roster.rows):
        name = roster.get(row, "Name") or f"{roster.get(row, 'First Name')} {roster.get(row, 'Last Name')}".strip()
        sid, email = roster.get(row, "SID", "Student ID", "ID"), roster.get(row, "Email", "Email address")
        people.append(Person(number_, name or sid or email, (sid, email), (name, squashed(name))))
    return Sheet(tuple(people), None, None)


def _write_canvas(roster: Roster, sheet: Sheet, grades: Mapping[int, float], top: float) -> list[list[str]]:
    """Canvas reads the columns up to Section by their place, so they keep their order; it needs no others."""
    kept = [column for column, title in enumerate(roster.header) if title.strip() in CANVAS_COLUMNS]
    rows = [[*(roster.header[column] for column in kept), roster.header[sheet.column]]]
    for number_, row in enumerate(roster.rows):
        if "points possible" in row[0].casefold():
            rows.append([*(row[column] for column in kept), row[sheet.column]])
        elif number_ in grades:
            rows.append([*(row[column] for column in kept), number(grades[number_])])
    return rows


def _write_moodle(roster: Roster, sheet: Sheet, grades: Mapping[int, float], top: float) -> list[list[str]]:
    """All columns stay: Moodle compares "Last modified (grade)" to see whether somebody graded there since."""
    rows = [list(roster.header)]
    for number_, row in enumerate(roster.rows):
        if number_ in grades:
            rows.append([*row[: sheet.column], number(grades[number_]), *row[sheet.column + 1 :]])
    return rows


def _write_plain(roster: Roster, sheet: Sheet, grades: Mapping[int, float], top: float) -> list[list[str]]:
    """The columns of Gradescope's own table of scores."""
    titles = {title.casefold() for title in PLAIN_COLUMNS}
    kept = [column for column, title in enumerate(roster.header) if title.strip().casefold() in titles]
    rows = [[*(roster.header[column] for column in kept), "Total Score", "Max Points"]]
    for number_, row in enumerate(roster.rows):
        if number_ in grades:
            rows.append([*(row[column] for column in kept), number(grades[number_]), number(top)])
    return rows


def _assignment_column(roster: Roster, names: tuple[str, ...], assignment: str) -> int:
    """The one that is named, else the one that has the lab's name or title in it, else the only one."""
    section = roster.column("Section") or 0
    columns = [n for n, title in enumerate(roster.header) if n > section and ASSIGNMENT.fullmatch(title)]
    known = ", ".join(roster.header[column] for column in columns) or "none"
    if assignment:
        found = [n for n in columns if assignment in (roster.header[n], roster.header[n].rsplit(" (", 1)[0])]
    else:
        keys = [squashed(name).replace("_", "") for name in names]
        titles = {n: squashed(roster.header[n]).replace("_", "") for n in columns}
        found = [n for n in columns if any(key in titles[n] for key in keys)] or columns
    if len(found) == 1:
        return found[0]
    raise CourseError(
        f"which column of {roster.name} is this lab's? Say --assignment and one of: {known}"
        if columns
        else f"{roster.name} has no assignments; create the assignment in Canvas and export the gradebook again"
    )


def _demand(roster: Roster, titles: tuple[str, ...], what: str, where: str) -> None:
    missing = [title for title in titles if roster.column(title) is None]
    if missing:
        raise CourseError(f"{roster.name} is not {what}: it has no column {missing[0]}; export it again ({where})")


def _float(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None  # "(read only)", or left empty
