"""nbgrader's folders of a graded submission: what was handed in, and the autograded notebook with our scores."""

import html
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import writes_json

from autograder.course import Course
from autograder.results import CaseResult, ItemResult, Record, draft_of, write_atomically
from autograder.submissions import Found, UnreadableNotebook, parse_notebook, read_submission


def submitted_folder(course: Course, student: str, lab: str) -> Path:
    return course.data / "submitted" / student / lab


def keep_submission(course: Course, record: Record, found: Found) -> Path:
    """Copy the file that was graded to where nbgrader looks for it, and the ``timestamp.txt`` beside it, if any.

    nbgrader needs a notebook there: of a zip file or a script it gets the notebook that was read from it. Call it
    before ``Gradebook.save``, which reads the timestamp from there. Raises ``UnreadableNotebook``.
    """
    handed_in = found.path
    if handed_in is None:
        raise UnreadableNotebook(found.problem)
    folder = submitted_folder(course, record.student, record.lab)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{record.lab}.ipynb"
    if handed_in.resolve() == target.resolve():
        return target
    draft = draft_of(target)
    if found.inside or handed_in.suffix.lower() != ".ipynb":
        notebook, _ = parse_notebook(read_submission(found), name=found.file)
        draft.write_text(writes_json(notebook), encoding="utf-8")
    else:
        shutil.copyfile(handed_in, draft)
    draft.replace(target)
    timestamp = handed_in.with_name("timestamp.txt")
    if timestamp.is_file() and not timestamp.is_symlink():
        write_atomically(folder / "timestamp.txt", timestamp.read_text(encoding="utf-8", errors="replace"))
    else:
        (folder / "timestamp.txt").unlink(missing_ok=True)
    return target


def autograded_text(record: Record, notebook: NotebookNode) -> str:
    """The repaired submission with each check cell's output replaced by our score and feedback.

    The score is the cell's only result, as plain text: nbgrader reads it as partial credit.
    """
    graded = NotebookNode(notebook, cells=[NotebookNode(cell) for cell in notebook.cells])
    items = {**record.functions, **record.answers}
    for number, cell in enumerate(graded.cells, 1):
        data = cell.metadata.get("nbgrader")
        if cell.cell_type != "code" or not isinstance(data, Mapping) or not data.get("grade"):
            continue
        item = items.get(str(data.get("grade_id", "")).removeprefix("check_"))
        cell.execution_count = number
        cell.outputs = [_output(item, number)] if item is not None else []
    # On one line, by the encoder in C. nbformat's writer indents in Python, copies first and validates once more what
    # was validated when it was read: a tenth of the time that a submission takes on this side.
    return json.dumps(graded, ensure_ascii=False, sort_keys=True) + "\n"


def write_autograded(course: Course, record: Record, text: str) -> Path:
    """Put the ``autograded_text`` where nbgrader looks for it."""
    path = course.autograded(record.student, record.lab)
    write_atomically(path, text)
    timestamp = submitted_folder(course, record.student, record.lab) / "timestamp.txt"
    if timestamp.is_file():  # as nbgrader does: it compares both before it grades again
        write_atomically(path.with_name("timestamp.txt"), timestamp.read_text(encoding="utf-8"))
    else:
        path.with_name("timestamp.txt").unlink(missing_ok=True)
    return path


def _output(item: ItemResult, number: int) -> NotebookNode:
    score = min(max(float(item.score), 0.0), float(item.max_score))
    rows = "".join(_row(case) for case in item.cases)
    page = f"<p><b>{html.escape(item.name)}</b>: {score:g} of {item.max_score:g} points</p><ul>{rows}</ul>"
    data = {"text/plain": repr(score), "text/html": page}
    # Not by nbformat's new_output, which validates each: that took as long as all the rest of this file.
    return NotebookNode(output_type="execute_result", metadata={}, data=data, execution_count=number)


def _row(case: CaseResult) -> str:
    parts = [case.name + ("" if case.visible else " (hidden)"), case.outcome, case.message]
    if case.outcome != "passed":
        parts.append(case.hint)
    return f"<li>{html.escape(': '.join(part for part in parts if part))}</li>"
