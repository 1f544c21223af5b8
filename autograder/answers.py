"""Find the text that answers a written question when it does not stand in the cell that is marked for it.

A person grades it, so nothing is thrown away: what stands in the question's own cell, or in cells below it, is shown in
the cell that is graded.
"""

from collections.abc import Collection, Sequence

from nbformat import NotebookNode

from autograder.cells import normalise


def is_answered(source: str, stub: str) -> bool:
    """Whether there is anything beyond the cell as it was released."""
    return normalise(source) not in ("", normalise(stub))


def written_into(question: NotebookNode, released: NotebookNode) -> str:
    """What a student added at the end of a text cell, below the last line that was there."""
    if question.cell_type != "markdown":
        return ""
    given = {line.strip() for line in released.source.split("\n") if line.strip()}
    lines = question.source.split("\n")
    last = max((number for number, line in enumerate(lines) if line.strip() in given), default=None)
    return "" if last is None else "\n".join(lines[last + 1 :]).strip()


def cells_below(cells: Sequence[NotebookNode], position: int, known: Collection[int]) -> list[NotebookNode]:
    """The student's own text cells straight after ``position``; ``known``: ``id()`` of cells that are the release's."""
    found = []
    for cell in cells[position + 1 :]:
        if id(cell) in known or cell.cell_type != "markdown":
            break
        if cell.source.strip():
            found.append(cell)
    return found


def last_answer(places: Sequence[int], cells: Sequence[NotebookNode], stub: NotebookNode) -> list[NotebookNode]:
    """The cells of the last attempt at an answer: neighbours belong together, unless one begins as the stub does.

    ``places``: where in ``cells`` those stand that may be it, at least one. Untouched copies of the stub do not count.
    """
    begins = normalise(stub.source).split("\n")[0]
    last: list[int] = []
    for place in [one for one in places if is_answered(cells[one].source, stub.source)] or places[-1:]:
        if not last or place != last[-1] + 1 or normalise(cells[place].source).split("\n")[0] == begins:
            last = []
        last.append(place)
    return [cells[place] for place in last]


def joined(parts: Sequence[str]) -> str:
    """Parts of one answer, each once."""
    kept: dict[str, str] = {}
    for part in parts:
        kept.setdefault(normalise(part), part.strip("\n"))
    return "\n\n".join(text for name, text in kept.items() if name)
