"""A lab's source file (jupytext percent format) -> notebooks with nbgrader's metadata.

The source marks cells with short keys, which become nbgrader metadata of schema 3 here:

    # %% setup=true                           installs qlab-kit where it is missing; written by ``setup_cell``
    # %% solution="linear_quantize"           students fill it in between BEGIN SOLUTION and END SOLUTION
    # %% check="linear_quantize" points=8     exactly ``check(linear_quantize)``
    # %% check="answer_5_1" points=1          exactly ``check_answer("answer_5_1", answer_5_1)``
    # %% [markdown] written="question_3_1" points=4    graded by hand; model answer in a solution region
    # %% tags=["skip-execution"]              long: run by students, never by the grader
"""

import re
from dataclasses import dataclass
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode, ValidationError, validate
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.course import Course, CourseError
from autograder.results import write_atomically
from autograder.setup_cell import colab_badge, setup_code

BADGE = "{{ colab_badge }}"
SKIP_TAG = "skip-execution"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
KEYS = ("solution", "check", "written", "setup", "points", "tags")
GRADE_ID = re.compile(r"[A-Za-z_]\w{0,50}")  # also a cell id of the notebook, which may have 64 characters
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
#: Appended to a check cell of the source notebook. nbgrader removes it from the release and puts it back before it
#: grades; the value of the last line is then the cell's score.
HIDDEN = """
### BEGIN HIDDEN TESTS
from autograder.stock import points
points("{lab}", "{name}", globals())
### END HIDDEN TESTS"""


class BuildError(CourseError):
    """A lab's source or cases are inconsistent; the message names the place and what is expected there."""


@dataclass(frozen=True)
class SourceCell:
    """One cell of the source. ``role`` is "plain", "setup", "solution", "check" or "written"."""

    kind: str  # "code" or "markdown"
    source: str
    role: str = "plain"
    name: str = ""  # of the item or written question; "" for plain and setup
    points: float = 0.0
    tags: tuple[str, ...] = ()

    @property
    def grade_id(self) -> str:
        return f"check_{self.name}" if self.role == "check" else self.name


@dataclass(frozen=True)
class LabSource:
    lab: str
    cells: tuple[SourceCell, ...]

    @property
    def items(self) -> dict[str, float]:
        """Points of each automatically graded item, in the order of the notebook."""
        return {cell.name: cell.points for cell in self.cells if cell.role == "check"}

    @property
    def written(self) -> dict[str, float]:
        """Points of each question that a person grades, in the order of the notebook."""
        return {cell.name: cell.points for cell in self.cells if cell.role == "written"}

    @property
    def solved_cells(self) -> tuple[tuple[int, SourceCell], ...]:
        """What defines the solved lab, each with its number from 1: given code and solutions, no long experiments."""
        return tuple(
            (number, cell)
            for number, cell in enumerate(self.cells, 1)
            if cell.kind == "code" and cell.role in ("plain", "solution") and SKIP_TAG not in cell.tags
        )


def read_lab(course: Course, lab: str) -> LabSource:
    """The parsed source of ``lab``. Raises ``BuildError`` for a cell that breaks the format."""
    return parse_lab(read_source(course, lab), lab=lab, place=source_name(course, lab))


def read_source(course: Course, lab: str) -> str:
    """The text of the lab's source. Raises ``CourseError`` when the lab is unknown or has none."""
    course.lab(lab)
    try:
        return course.solution(lab).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BuildError(
            f"there is no {source_name(course, lab)}; write it or take {lab} out of course.toml"
        ) from error


def source_name(course: Course, lab: str) -> str:
    """What messages call the source: its path in the course."""
    return course.solution(lab).relative_to(course.root).as_posix()


def parse_lab(text: str, *, lab: str, place: str) -> LabSource:
    """Parse the source ``text``; ``place`` names it in errors."""
    try:
        raw = jupytext.reads(text, fmt="py:percent").cells
    except (ValidationError, ValueError) as error:
        raise BuildError(f"{place} is not a jupytext percent notebook: {str(error).splitlines()[0]}") from error
    cells = tuple(_cell(cell, f"{place}, cell {number}") for number, cell in enumerate(raw, 1))
    names = [cell.grade_id for cell in cells if cell.name]
    for name in names:
        if names.count(name) > 1:
            raise BuildError(f"{place} has {names.count(name)} cells for {name!r}; give each a name of its own")
    return LabSource(lab, cells)


def source_notebook(course: Course, lab: str) -> NotebookNode:
    """What nbgrader makes the release from: solutions, and hidden blocks in the check cells."""
    return _notebook(course, read_lab(course, lab), hidden=True)


def write_source_notebook(course: Course, lab: str) -> NotebookNode:
    """Put the source notebook where nbgrader looks for it; git ignores that folder, so a fresh clone has none."""
    notebook = source_notebook(course, lab)
    text, path = nbformat.writes(notebook) + "\n", course.source(lab)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text)
    return notebook


def solved_notebook(course: Course, lab: str) -> NotebookNode:
    """The notebook of a student who knows every answer: solutions, no hidden blocks."""
    return _notebook(course, read_lab(course, lab), hidden=False)


def _cell(raw: NotebookNode, place: str) -> SourceCell:
    meta = raw.metadata
    unknown = sorted(set(meta) - set(KEYS) - {"lines_to_next_cell"})
    if unknown:
        raise BuildError(f"{place} has the key {unknown[0]!r}; known keys are {', '.join(KEYS)}")
    roles = [key for key in ("setup", "solution", "check", "written") if meta.get(key)]
    if len(roles) > 1:
        raise BuildError(f"{place} is marked {' and '.join(roles)}; a cell has one of them")
    role = roles[0] if roles else "plain"
    name = str(meta[role]) if role not in ("plain", "setup") else ""
    if name and not GRADE_ID.fullmatch(name):
        raise BuildError(f"{place} is called {name!r}; a name is a Python name of at most 51 characters")
    cell = SourceCell(
        raw.cell_type, raw.source.rstrip(), role, name, _points(meta, role, place), tuple(meta.get("tags", ()))
    )
    _check_form(cell, place)
    return cell


def _points(meta: dict[str, Any], role: str, place: str) -> float:
    points = meta.get("points", 0)
    graded = role in ("check", "written")
    if graded != ("points" in meta):
        raise BuildError(f"{place} {'needs' if graded else 'may not have'} points=; check and written cells have them")
    if isinstance(points, bool) or not isinstance(points, int | float) or (graded and not 0 < points < 1e6):
        raise BuildError(f"{place} has points={points!r}; points are a number above 0")
    return float(points)


def _check_form(cell: SourceCell, place: str) -> None:
    expected_kind = {"plain": cell.kind, "written": "markdown"}.get(cell.role, "code")
    if cell.kind != expected_kind:
        raise BuildError(f"{place} is a {cell.kind} cell marked {cell.role}; it must be a {expected_kind} cell")
    calls = (f"check({cell.name})", f'check_answer("{cell.name}", {cell.name})')
    if cell.role == "check" and cell.source not in calls:
        raise BuildError(f"{place} must be exactly `{calls[0]}` or `{calls[1]}`")
    if cell.role in ("check", "solution") and SKIP_TAG in cell.tags:
        raise BuildError(f"{place} is graded, so it may not be tagged {SKIP_TAG}")
    marks = [line.strip() for line in cell.source.splitlines() if "BEGIN SOLUTION" in line or "END SOLUTION" in line]
    if cell.role in ("solution", "written"):
        if not marks or marks != [BEGIN, END] * (len(marks) // 2):
            raise BuildError(f"{place} needs its solution between `{BEGIN}` and `{END}`, each on a line of its own")
    elif marks:
        raise BuildError(f'{place} has a solution region but no solution="name" or written="name"')


def _notebook(course: Course, lab: LabSource, *, hidden: bool) -> NotebookNode:
    notebook = new_notebook(metadata={"kernelspec": dict(KERNEL), "language_info": {"name": "python"}})
    notebook.nbformat_minor = 5
    notebook.cells = [_notebook_cell(course, lab.lab, cell, number, hidden) for number, cell in enumerate(lab.cells, 1)]
    first = next((cell for cell in notebook.cells if cell.cell_type == "markdown"), None)
    if first is not None:
        first.source = first.source.replace(BADGE, colab_badge(course, lab.lab)).strip()
    validate(notebook)
    return notebook


def _notebook_cell(course: Course, lab: str, cell: SourceCell, number: int, hidden: bool) -> NotebookNode:
    make = new_code_cell if cell.kind == "code" else new_markdown_cell
    source = cell.source
    if cell.role == "setup":
        source = "\n\n".join(part for part in (setup_code(course, lab), source) if part)
    elif cell.role == "check" and hidden:
        source += HIDDEN.format(lab=lab, name=cell.name)
    metadata: dict[str, Any] = {"tags": list(cell.tags)} if cell.tags else {}
    if cell.name:
        metadata["nbgrader"] = _nbgrader(cell)
    # jupytext and nbformat make up a random id for every cell; the build must give the same bytes every time.
    return make(source, id=cell.grade_id or f"cell-{number:03d}", metadata=metadata)


def _nbgrader(cell: SourceCell) -> dict[str, Any]:
    graded = cell.role in ("check", "written")
    metadata = {
        "schema_version": 3,
        "grade_id": cell.grade_id,
        "grade": graded,
        "solution": cell.role in ("solution", "written"),
        "locked": cell.role == "check",
        "task": False,
    }
    if graded:
        metadata["points"] = int(cell.points) if cell.points.is_integer() else cell.points
    return metadata
