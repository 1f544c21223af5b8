"""The points to hand over: those of a record, and what people gave in formgrader.

A grade that is not complete is no grade: what the grader could not grade, or a written answer that nobody has marked
yet, makes it None and says why. It is never a zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nbgrader import api
from sqlalchemy import make_url

from autograder.course import Course
from autograder.results import ItemResult, Record


@dataclass(frozen=True)
class Mark:
    """What a person gave for one cell. ``waits``: formgrader still asks somebody to look at it."""

    points: float | None
    extra: float
    waits: bool


@dataclass(frozen=True)
class Grade:
    """``points`` is None where there is no grade to hand over, and ``why`` says the reason."""

    student: str
    points: float | None
    max_points: float
    why: str = ""


def read_marks(course: Course, lab: str) -> dict[str, dict[str, Mark]]:
    """Student -> grade id -> mark, from nbgrader's gradebook; empty where there is none."""
    path = Path(make_url(course.gradebook_url).database or "")
    if not path.exists():
        return {}
    with api.Gradebook(course.gradebook_url, course.id) as book:
        try:
            submissions = book.assignment_submissions(lab)
        except api.MissingEntry:
            return {}
        return {
            submission.student.id: {
                grade.name: Mark(grade.manual_score, grade.extra_credit or 0.0, bool(grade.needs_manual_grade))
                for notebook in submission.notebooks
                for grade in notebook.grades
            }
            for submission in submissions
        }


def grade_of(record: Record, marks: Mapping[str, Mark], *, automatic: bool = False) -> Grade:
    """``automatic`` leaves out written questions and everything that people gave."""
    items = [*record.functions.values(), *record.answers.values()]
    top = record.max_score + (0 if automatic else record.written_max_score)
    if not record.graded:
        return Grade(record.student, None, top, record.problem)
    doubtful = [item.name for item in items if any(case.outcome == "not graded" for case in item.cases)]
    if doubtful:
        return Grade(record.student, None, top, f"{', '.join(doubtful)} could not be graded; run qlab grade again")
    if automatic:
        return Grade(record.student, record.score, top)
    waiting = _waiting(record, marks)
    if waiting:
        return Grade(record.student, None, top, f"{', '.join(waiting)} not marked in formgrader yet")
    points = sum(_item_points(item, marks) for item in items) + sum(_points(marks.get(name)) for name in record.written)
    return Grade(record.student, round(points, 4), top)


def _waiting(record: Record, marks: Mapping[str, Mark]) -> list[str]:
    """Written answers without a mark, and cells that changed since a person marked them."""
    found = [name for name, mark in marks.items() if mark.waits and mark.points is not None]
    for name, written in record.written.items():
        mark = marks.get(name)
        if written.answered and (mark is None or mark.points is None):
            found.append(name)
    return found


def _item_points(item: ItemResult, marks: Mapping[str, Mark]) -> float:
    mark = marks.get(f"check_{item.name}")
    if mark is None or mark.points is None:
        return item.score + _points(mark)
    return _points(mark)


def _points(mark: Mark | None) -> float:
    return 0.0 if mark is None else (mark.points or 0.0) + mark.extra
