"""What the sandbox is to do with each cell of a repaired notebook, and where a function of it stands."""

from collections.abc import Iterable

from nbformat import NotebookNode

from autograder.cells import analyse, definition
from autograder.notebooks import SKIP_TAG
from autograder.questions import Cell
from autograder.repair import Repaired

MAX_SHOWN = 20_000  # characters of a student's function on the feedback page


def plan_cells(repaired: Repaired) -> tuple[Cell, ...]:
    """What the sandbox is to do with each code cell; markdown is left out, numbers count all cells.

    A check cell is a place to call its function, never run. Any other check call is skipped, and so are long
    experiments and cells that only show something, except for the definitions of one that a graded function was written
    into. The experiments of another course have no tags: of its cells that do more than define, only the definitions
    are run.
    """
    items = {name for cell in repaired.notebook.cells if (name := _checked_item(cell))}
    return tuple(
        Cell(index, cell.source, *_mode(cell, items, repaired.kind))
        for index, cell in enumerate(repaired.notebook.cells)
        if cell.cell_type == "code"
    )


def sources_of(notebook: NotebookNode, items: Iterable[str]) -> dict[str, str]:
    """The student's code of each function or answer, as it stood last before its check; "" if there is none."""
    found = dict.fromkeys(items, "")
    wanted = set(found)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if found.get(checked := _checked_item(cell)):
                wanted.discard(checked)
            for item in analyse(cell.source).defines & wanted:
                found[item] = definition(cell.source, item) or found[item]
    return {item: text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "\n..." for item, text in found.items()}


def _mode(cell: NotebookNode, items: set[str], kind: str) -> tuple[str, str]:
    """``run`` and ``probe`` of the sandbox's cell."""
    if name := _checked_item(cell):
        return "skip", name
    code = analyse(cell.source)
    if code.check:
        return "skip", ""
    if SKIP_TAG in cell.metadata.get("tags", ()):
        return ("definitions" if code.defines & items else "skip"), ""
    return ("definitions" if kind == "foreign" and code.parses and not code.only_defines else "full"), ""


def _checked_item(cell: NotebookNode) -> str:
    data = cell.metadata.get("nbgrader", {})
    if not data.get("grade") or data.get("solution"):
        return ""
    return analyse(cell.source).check or str(data.get("grade_id", "")).removeprefix("check_")
