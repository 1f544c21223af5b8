"""nbgrader's gradebook: the only file that writes its database.

Scores of check cells come from our records; everything that a person entered (manual scores, extra credit, comments,
flags) is kept. One writer at a time, one transaction a student: what is not finished leaves no trace.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import nbformat
from alembic.script import ScriptDirectory
from nbformat import NotebookNode
from nbgrader import api
from nbgrader.dbutil import ALEMBIC_DIR
from nbgrader.preprocessors import SaveCells
from nbgrader.utils import compute_checksum, is_grade, is_solution, parse_utc
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.orm import Session

from autograder.autograded import submitted_folder
from autograder.course import Course, CourseError
from autograder.notebooks import write_source_notebook
from autograder.release import stored_cells
from autograder.results import ItemResult, Record, draft_of

Row = TypeVar("Row", bound=api.Base)


@dataclass(frozen=True)
class _Lab:
    """What entering a submission needs of its assignment, read once: nobody changes it while a class is graded."""

    assignment_id: str
    notebook_id: str
    grade_cells: tuple[tuple[str, str], ...]  # id, name
    solution_cells: tuple[tuple[str, str, str], ...]  # id, name, nbgrader's checksum of the cell as released


class Gradebook:
    """Use as a context manager; call ``register`` for a lab before ``save`` for its submissions."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self._labs: dict[str, _Lab] = {}

    def __enter__(self) -> Self:
        self.course.data.mkdir(parents=True, exist_ok=True)
        path = Path(make_url(self.course.gradebook_url).database or "")
        if not path.exists():
            _create(path)
        self._book = api.Gradebook(self.course.gradebook_url, self.course.id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._book.db.rollback()  # nothing is pending unless something failed
        self._book.close()

    def register(self, lab: str) -> None:
        """Enter the lab's assignment and graded cells, or bring them up to date; grades of submissions are kept.

        Raises ``CourseError`` when a cell is gone that a person has graded or commented on.
        """
        self._labs.clear()
        cells = stored_cells(write_source_notebook(self.course, lab), lab)
        if self._is_registered(lab, cells):
            return
        self._book.update_or_create_assignment(lab)
        try:
            notebook = self._book.find_notebook(lab, lab)
        except api.MissingEntry:
            notebook = None
        if notebook is not None and notebook.submissions:
            self._add_and_remove_cells(lab, notebook, _graded_cells(cells))
        self._book.db.remove()  # the next step connects for itself
        SaveCells().preprocess(cells, _resources(self.course, lab))

    def save(self, record: Record, notebook: NotebookNode | None) -> None:
        """Enter the scores of a graded submission. ``notebook`` is the repaired submission, None if not readable.

        A record without a grade (``graded`` false) enters the student only: an unreadable file is not a zero, and an
        earlier grade stays.
        """
        session = self._book.db
        try:
            student = session.get(api.Student, record.student)
            if student is None:
                student = api.Student(id=record.student)
                session.add(student)
            if record.graded and notebook is not None:
                self._enter(record, notebook)
            session.commit()
            session.expunge_all()  # else the session of a large class grows, and each commit with it
        except BaseException:
            session.rollback()
            raise

    def _enter(self, record: Record, notebook: NotebookNode) -> None:
        if record.lab not in self._labs:
            self._labs[record.lab] = self._read_lab(record.lab)
        lab = self._labs[record.lab]
        submitted = self._submitted_notebook(lab, record.student)
        submitted.assignment.timestamp = _timestamp(self.course, record)
        before = _answers(self.course.autograded(record.student, record.lab))
        answers = _cells(notebook)
        grades = {grade.cell_id: grade for grade in submitted.grades}
        for cell_id, name in lab.grade_cells:
            grade = grades.get(cell_id) or self._new(api.Grade(cell_id=cell_id, notebook=submitted))
            changed = name in before and before[name] != _source(answers, name)
            _grade(grade, *_auto_score(record, name), changed=changed)
        comments = {comment.cell_id: comment for comment in submitted.comments}
        for cell_id, name, original in lab.solution_cells:
            comment = comments.get(cell_id) or self._new(api.Comment(cell_id=cell_id, notebook=submitted))
            comment.auto_comment = "No response." if _is_untouched(answers.get(name), original) else None

    def _read_lab(self, name: str) -> _Lab:
        assignment = self._book.find_assignment(name)
        [lab] = assignment.notebooks
        originals = {cell.name: cell.checksum for cell in lab.source_cells}
        return _Lab(
            assignment.id,
            lab.id,
            tuple((cell.id, cell.name) for cell in lab.grade_cells),
            tuple((cell.id, cell.name, originals[cell.name]) for cell in lab.solution_cells),
        )

    def _submitted_notebook(self, lab: _Lab, student: str) -> api.SubmittedNotebook:
        ours = {"assignment_id": lab.assignment_id, "student_id": student}
        found = self._book.db.query(api.SubmittedAssignment).filter_by(**ours).one_or_none()
        submission = found or self._new(api.SubmittedAssignment(**ours))
        if found and found.notebooks:
            return found.notebooks[0]
        return self._new(api.SubmittedNotebook(notebook_id=lab.notebook_id, assignment=submission))

    def _new(self, row: Row) -> Row:
        self._book.db.add(row)
        return row

    def _is_registered(self, lab: str, cells: NotebookNode) -> bool:
        try:
            notebook = self._book.find_notebook(lab, lab)
        except api.MissingEntry:
            return False
        points = {cell.name: cell.max_score for cell in notebook.grade_cells}
        found = {cell.name: (cell.checksum, cell.source, points.get(cell.name)) for cell in notebook.source_cells}
        return found == {
            name: (cell.metadata.nbgrader.checksum, cell.source, _points(cell))
            for name, cell in _graded_cells(cells).items()
        }

    def _add_and_remove_cells(self, lab: str, notebook: api.Notebook, wanted: Mapping[str, NotebookNode]) -> None:
        """nbgrader refuses to add or remove cells once there are submissions; we do both, but lose no one's work."""
        session = self._book.db
        for kind, marks in ((api.GradeCell, is_grade), (api.SolutionCell, is_solution), (api.SourceCell, _is_stored)):
            names = {name for name, cell in wanted.items() if marks(cell)}
            found = session.query(kind).filter(kind.notebook_id == notebook.id).all()
            for cell in found:
                if cell.name not in names:
                    _remove(session, cell, lab)
            for name in names - {cell.name for cell in found}:
                cell = self._new(kind(name=name, notebook=notebook, **_columns(kind, wanted[name])))
                session.flush()  # gives the cell its id
                for submitted in notebook.submissions:
                    if kind is api.GradeCell:
                        self._new(api.Grade(cell_id=cell.id, notebook=submitted))
                    elif kind is api.SolutionCell:
                        self._new(api.Comment(cell_id=cell.id, notebook=submitted))
        session.commit()


def _grade(grade: api.Grade, auto_score: float | None, doubtful: bool, *, changed: bool) -> None:
    """A person looks where there is no score, where ours is in doubt, and where what they graded is not what it was."""
    if grade.manual_score is None:
        grade.needs_manual_grade = auto_score is None or doubtful
    else:
        grade.needs_manual_grade = (
            bool(grade.needs_manual_grade) or doubtful or changed or grade.auto_score != auto_score
        )
    grade.auto_score = auto_score


def _auto_score(record: Record, grade_id: str) -> tuple[float | None, bool]:
    """The score of a cell, None where a person gives it, and whether a case could not be graded by a fault of ours."""
    if grade_id in record.written:
        return (None if record.written[grade_id].answered else 0.0), False
    name = grade_id.removeprefix("check_")
    item: ItemResult | None = record.functions.get(name) or record.answers.get(name)
    if item is None:
        return None, True
    return float(item.score), any(case.outcome == "not graded" for case in item.cases)


def _columns(kind: type[api.Base], cell: NotebookNode) -> dict[str, object]:
    """What a new row must have; nbgrader's own step fills in the rest."""
    if kind is api.GradeCell:
        return {"cell_type": cell.cell_type, "max_score": _points(cell)}
    return {"cell_type": cell.cell_type} if kind is api.SourceCell else {}


def _remove(session: Session, cell: api.BaseCell | api.SourceCell, lab: str) -> None:
    for grade in getattr(cell, "grades", None) or ():
        if grade.manual_score is not None or grade.extra_credit is not None:
            raise CourseError(
                f"{lab} no longer has the cell {cell.name}, which a person has graded for {grade.student.id}:"
                " put the cell back, or clear that grade in formgrader first"
            )
        session.delete(grade)
    for comment in getattr(cell, "comments", None) or ():
        if comment.manual_comment:
            raise CourseError(
                f"{lab} no longer has the cell {cell.name}, which a person has commented for {comment.student.id}:"
                " put the cell back, or clear that comment in formgrader first"
            )
        session.delete(comment)
    session.delete(cell)


def _graded_cells(notebook: NotebookNode) -> dict[str, NotebookNode]:
    return {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}


def _cells(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """Cells by grade id; of a submission, whose metadata may be anything that a JSON object can be."""
    found = {}
    for cell in notebook.cells:
        data = cell.metadata.get("nbgrader")
        if isinstance(data, Mapping) and "grade_id" in data:
            found[data["grade_id"]] = cell
    return found


def _answers(path: Path) -> dict[str, str]:
    """Sources of the submission graded before this one, by grade id."""
    try:
        notebook = nbformat.read(path, as_version=4)
    except FileNotFoundError:
        return {}
    return {name: cell.source for name, cell in _cells(notebook).items()}


def _source(cells: Mapping[str, NotebookNode], name: str) -> str:
    return cells[name].source if name in cells else ""


def _is_untouched(cell: NotebookNode | None, checksum: str) -> bool:
    return cell is None or compute_checksum(cell) == checksum


def _is_stored(cell: NotebookNode) -> bool:
    return True


def _points(cell: NotebookNode) -> float | None:
    return float(cell.metadata.nbgrader.points) if is_grade(cell) else None


def _timestamp(course: Course, record: Record) -> datetime | None:
    """What formgrader compares with: it takes a submission with another timestamp for one not graded yet."""
    try:
        return parse_utc((submitted_folder(course, record.student, record.lab) / "timestamp.txt").read_text().strip())
    except FileNotFoundError:
        return None


def _resources(course: Course, lab: str) -> dict[str, dict[str, str]]:
    return {"nbgrader": {"notebook": lab, "assignment": lab, "student": ".", "db_url": course.gradebook_url}}


def _create(path: Path) -> None:
    """An empty gradebook, as nbgrader makes it; nbgrader itself starts ``alembic`` by name, which takes seconds and may
    not be on PATH."""
    draft = draft_of(path)
    draft.unlink(missing_ok=True)
    engine = create_engine(f"sqlite:///{draft.as_posix()}")
    head = ScriptDirectory(ALEMBIC_DIR).get_current_head()
    with engine.begin() as connection:
        api.Base.metadata.create_all(bind=connection)
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": head})
    engine.dispose()
    os.replace(draft, path)
