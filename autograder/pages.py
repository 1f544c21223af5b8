"""What is published of one graded submission, ready to be written: made where it is graded, written by one process."""

from dataclasses import dataclass

from nbformat import NotebookNode

from autograder.autograded import autograded_text
from autograder.report import feedback_page
from autograder.results import Record


@dataclass(frozen=True)
class Pages:
    """``autograded`` and ``marked`` are None for a submission without a notebook that can be graded.

    ``marked`` is a notebook of the graded cells alone, which is all that the gradebook needs.
    """

    feedback: str
    autograded: str | None = None
    marked: NotebookNode | None = None


def make_pages(record: Record, notebook: NotebookNode | None, *, lab_title: str) -> Pages:
    """``notebook`` is the repaired submission."""
    feedback = feedback_page(record, lab_title=lab_title)
    if notebook is None or not record.graded:
        return Pages(feedback)
    return Pages(feedback, autograded_text(record, notebook), _marked(notebook))


def _marked(notebook: NotebookNode) -> NotebookNode:
    return NotebookNode(
        cells=[
            NotebookNode(
                cell_type=cell.cell_type,
                source=cell.source,
                metadata=NotebookNode(nbgrader=cell.metadata["nbgrader"]),
            )
            for cell in notebook.cells
            if "nbgrader" in cell.metadata
        ]
    )
