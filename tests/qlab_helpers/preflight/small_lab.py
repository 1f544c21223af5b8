"""A small lab as a student has it: sources of its cells, its notebook, its session, what is said of it."""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.utils import compute_checksum

from qlab_helpers.checking.preflight_page import Preflight

DOUBLE = "def double(x):\n    return 2 * x"
HALVE = "def halve(x):\n    raise NotImplementedError"
SQUARE = "def square(x):\n    return x * x if x.sum() > 0 else x"
ANSWERS = 'answer_1 = "b"\nanswer_2 = ...'


def mark(cell: nbformat.NotebookNode, name: str, *, written: bool = False) -> nbformat.NotebookNode:
    data = {"schema_version": 3, "grade_id": name, "grade": written, "solution": True, "locked": False, "task": False}
    cell.metadata["nbgrader"] = {**data, **({"points": 3} if written else {})}
    cell.metadata["nbgrader"]["checksum"] = compute_checksum(cell)
    return cell


def question(name: str, prompt: str, answer: str | None = None) -> nbformat.NotebookNode:
    cell = mark(new_markdown_cell(prompt), name, written=True)
    if answer is not None:
        cell.source = answer
    return cell


def notebook(*sources: str, answer: str | None = None) -> nbformat.NotebookNode:
    cells = [mark(new_code_cell(source), source.split("(")[0].removeprefix("def ").split(" ")[0]) for source in sources]
    return new_notebook(cells=[*cells, question("question_2", "Your answer:\n\nYOUR ANSWER HERE", answer)])


def session(*sources: str) -> dict[str, object]:
    names: dict[str, object] = {}
    for source in sources:
        exec(compile(source, "<cell>", "exec"), names)
    return names


def states(found: Preflight) -> dict[str, str]:
    return {line.name: line.state for line in found.lines}


def todo(found: Preflight, name: str) -> str:
    return next(line.todo for line in found.lines if line.name == name)
