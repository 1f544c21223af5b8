"""Notebooks of the real lab 2 as students hand them in, and what is to be found in them again."""

import copy
import io
import zipfile

import nbformat
from nbformat import NotebookNode

from autograder.plan import sources_of

LAB = "lab2_linear"
SPLIT = "linear_quantize"


def as_bytes(content: NotebookNode | bytes | str) -> bytes:
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else nbformat.writes(content)).encode()


def zipped(files: dict[str, NotebookNode | bytes | str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, as_bytes(content))
    return target.getvalue()


def sources(notebook: NotebookNode) -> dict[str, str]:
    """Of the graded cells and of the student's own: what the sandbox and a person are to see."""
    marked = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    return {cell.metadata.nbgrader.grade_id: cell.source.rstrip("\n") for cell in marked}


def items(notebook: NotebookNode) -> dict[str, str]:
    names = [grade_id.removeprefix("check_") for grade_id in sources(notebook) if grade_id.startswith("check_")]
    return sources_of(notebook, names)


def cell_of(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    (cell,) = [one for one in notebook.cells if one.metadata.get("nbgrader", {}).get("grade_id") == grade_id]
    return cell


def position(notebook: NotebookNode, grade_id: str) -> int:
    return next(n for n, one in enumerate(notebook.cells) if one is cell_of(notebook, grade_id))


def without_identity(notebook: NotebookNode) -> NotebookNode:
    for number, cell in enumerate(notebook.cells):
        cell.metadata, cell.id = NotebookNode(), f"n{number}"
    return notebook


def with_answers(notebook: NotebookNode) -> NotebookNode:
    for grade_id in ("question_9_2", "question_10"):
        cell_of(notebook, grade_id).source = f"Your answer:\n\nBecause of {grade_id}."
    return notebook


def split_with_metadata(cell: NotebookNode, line: int) -> list[NotebookNode]:
    """As JupyterLab splits: both halves keep the metadata."""
    lines = cell.source.split("\n")
    halves = [copy.deepcopy(cell), copy.deepcopy(cell)]
    halves[0].source, halves[1].source = "\n".join(lines[:line]), "\n".join(lines[line:])
    halves[1].id = f"fresh-{line}"
    return halves
