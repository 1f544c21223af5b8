"""Put back in shape what slipped while editing: a function split over cells, text cells that grew together, code that
was merged into a text cell. What stays whole is left alone.
"""

import re
import textwrap
from collections import Counter
from collections.abc import Collection, Iterator

from nbformat import NotebookNode

from autograder.cells import analyse, kept, leaves_function, normalise

MAX_PIECES = 5  # of one function
Told = list[tuple[str, str]]  # sentence with "{}", and the name that it is about


def mend_pieces(cells: list[NotebookNode], release: list[NotebookNode], items: Collection[str]) -> Told:
    """Changes the list and its cells; returns what was done. ``items``: the functions and answers that are graded."""
    told: Told = []
    _join_code(cells, items, told)
    _split_text(cells, release, told)
    _recover_code(cells, items, told)
    return told


def headings(cell: NotebookNode) -> tuple[str, ...]:
    """The lines of a text cell that are headings."""
    return _headings(cell["source"]) if cell["cell_type"] == "markdown" else ()


@kept(cost=8)
def _headings(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.split("\n") if line.lstrip().startswith("#"))


def unique_headings(cells: list[NotebookNode]) -> set[str]:
    count = Counter(line for cell in cells for line in headings(cell))
    return {line for line, number in count.items() if number == 1}


def _join_code(cells: list[NotebookNode], items: Collection[str], told: Told) -> None:
    position = 0
    while position < len(cells):
        if number := _pieces(cells, position):
            parts = cells[position : position + number]
            source = _joined(parts)
            names = sorted(analyse(source).defines & set(items)) or ["other code"]
            told += [("code that was split over several cells was joined: {}", name) for name in names]
            parts[0].source = source
            parts[0].metadata = next((part for part in parts if "nbgrader" in part.metadata), parts[0]).metadata
            del cells[position + 1 : position + number]
        position += 1


def _pieces(cells: list[NotebookNode], position: int) -> int:
    """How many cells from here on make one that parses, which they do not alone; 0 if this one stands for itself."""
    for number in range(2, min(MAX_PIECES, len(cells) - position) + 1):
        first, last = cells[position], cells[position + number - 1]
        if not _may_belong(first, last):
            return 0
        if not (_is_open(first) or _is_rest(last)):
            continue
        if analyse(_joined(cells[position : position + number])).parses:
            return number
    return 0


def _may_belong(first: NotebookNode, other: NotebookNode) -> bool:
    if first.cell_type != "code" or other.cell_type != "code" or not other.source.strip() or not first.source.strip():
        return False
    ids = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in (first, other)]
    ours = ids[1] is None or ids[0] == ids[1] or (ids[0] is None and _is_rest(other))  # one half may have kept its id
    return ours and not analyse(other.source).check


def _is_open(cell: NotebookNode) -> bool:
    return not analyse(cell.source).parses


def _is_rest(cell: NotebookNode) -> bool:
    """Cannot stand alone, though IPython forgives a cell that is indented as a whole."""
    dedented = textwrap.dedent(cell.source)
    return _is_open(cell) and (not analyse(dedented).parses or leaves_function(dedented))


def _joined(cells: list[NotebookNode]) -> str:
    return "\n".join(cell.source.rstrip("\n") for cell in cells)


def _split_text(cells: list[NotebookNode], release: list[NotebookNode], told: Told) -> None:
    """Where a heading that begins a cell of the release stands inside a cell, and nowhere else, a cell begins."""
    first = {line for cell in release if (line := _first_line(cell)) in headings(cell)}
    wanted = first & unique_headings(release) - {_first_line(cell) for cell in cells}
    for position in reversed(range(len(cells))):
        cell = cells[position]
        if cell.cell_type != "markdown":
            continue
        lines = cell.source.split("\n")
        starts = [number for number, line in enumerate(lines) if number and line.strip() in wanted]
        if not starts:
            continue
        wanted -= {lines[number].strip() for number in starts}
        told += [("text cells that had grown together were parted: {}", lines[number].strip()) for number in starts]
        for begin, end in reversed(list(zip(starts, [*starts[1:], len(lines)], strict=True))):
            cells.insert(position + 1, _text_cell("\n".join(lines[begin:end])))
        cell.source = "\n".join(lines[: starts[0]]).rstrip("\n")


def _recover_code(cells: list[NotebookNode], items: Collection[str], told: Told) -> None:
    """Graded functions that stand in no code cell, but in a text cell."""
    bound = {name for cell in cells if cell.cell_type == "code" for name in analyse(cell.source).defines}
    for position in reversed(range(len(cells))):
        cell = cells[position]
        own = cell.metadata.get("nbgrader", {}).get("grade_id")
        if cell.cell_type == "code" or own in items:  # one with its metadata is turned back as a whole
            continue
        for name, source in _functions(cell.source, set(items) - bound):
            bound.add(name)
            made = _text_cell(source)
            made.cell_type = "code"
            made.update(outputs=[], execution_count=None)
            cells.insert(position + 1, made)
            told.append(("code that stood in a text cell was put into one of its own: {}", name))


def _functions(text: str, names: Collection[str]) -> Iterator[tuple[str, str]]:
    lines = text.split("\n")
    for number, line in enumerate(lines):
        found = re.match(r"(?:async\s+def|def|class)\s+(\w+)|(\w+)\s*=(?!=)", line)
        name = found and (found[1] or found[2])
        if name not in names:
            continue
        end = number + 1
        while end < len(lines) and (not lines[end].strip() or lines[end][0] in " \t)]}"):
            end += 1
        source = "\n".join(lines[number:end]).rstrip()
        if name in analyse(source).defines and analyse(source).parses:
            yield name, source


def _first_line(cell: NotebookNode) -> str:
    return normalise(cell.source).split("\n")[0].strip()


def _text_cell(source: str) -> NotebookNode:
    return NotebookNode(cell_type="markdown", id=None, metadata=NotebookNode(), source=source)
