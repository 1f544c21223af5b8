"""A released notebook of two functions, an answer and a question, and the same solved, torn or stripped."""

import copy

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

STUB = "def {name}(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
QUESTION = "### Question 3.1\n\nWhy?\n\nYOUR ANSWER HERE"


def marked(cell: NotebookNode, grade_id: str, *, grade: bool, solution: bool) -> NotebookNode:
    cell.metadata["nbgrader"] = {
        "schema_version": 3,
        "grade_id": grade_id,
        "grade": grade,
        "solution": solution,
        "locked": grade and not solution,
        "task": False,
    }
    if grade:
        cell.metadata.nbgrader["points"] = 4
    return cell


def make_release() -> NotebookNode:
    cells = [
        new_markdown_cell("# The lab"),
        new_code_cell("import math\nimport torch"),
        new_markdown_cell("Double it."),
        marked(new_code_cell(STUB.format(name="double")), "double", grade=False, solution=True),
        marked(new_code_cell("check(double)"), "check_double", grade=True, solution=False),
        new_code_cell("Pair = tuple\nWIDTH = 8"),
        new_markdown_cell("Halve it."),
        marked(new_code_cell(STUB.format(name="halve")), "halve", grade=False, solution=True),
        marked(new_code_cell("check(halve)"), "check_halve", grade=True, solution=False),
        new_code_cell("for step in range(10**9):\n    pass", metadata={"tags": ["skip-execution"]}),
        marked(new_markdown_cell(QUESTION), "question_3_1", grade=True, solution=True),
        marked(new_code_cell('answer_5_1 = "?"'), "answer_5_1", grade=False, solution=True),
        marked(new_code_cell('check_answer("answer_5_1", answer_5_1)'), "check_answer_5_1", grade=True, solution=False),
        new_markdown_cell("The end."),
    ]
    for index, cell in enumerate(cells):
        cell.id = cell.metadata.get("nbgrader", {}).get("grade_id", f"cell-{index}")
    return new_notebook(cells=cells)


RELEASE = make_release()
WORK = {
    "double": "def double(x):\n    return x + x",
    "halve": "def halve(x):\n    return x / 2",
    "answer_5_1": 'answer_5_1 = "c"',
    "question_3_1": QUESTION.replace("YOUR ANSWER HERE", "Because."),
}


def solved() -> NotebookNode:
    notebook = copy.deepcopy(RELEASE)
    for grade_id, source in WORK.items():
        cell_of(notebook, grade_id).source = source
    return notebook


def cell_of(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    (cell,) = [one for one in notebook.cells if one.metadata.get("nbgrader", {}).get("grade_id") == grade_id]
    return cell


def position(notebook: NotebookNode, grade_id: str) -> int:
    return notebook.cells.index(cell_of(notebook, grade_id))


def stripped(notebook: NotebookNode) -> NotebookNode:
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        cell.metadata = NotebookNode()
        del cell["id"]
    return notebook


def contents(notebook: NotebookNode) -> list[tuple]:
    return [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]
