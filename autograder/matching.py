"""Which cell of a submission is which cell of the release: by its nbgrader metadata, else by what stands in it."""

import difflib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from nbformat import NotebookNode

from autograder.cells import analyse, normalise
from autograder.notebooks import SKIP_TAG
from autograder.pieces import headings, unique_headings

#: A notebook without our metadata that shares less than a fifth of the release's cells was not made from it.
FOREIGN_BELOW = 0.2
ALIKE = 0.8
MAX_COMPARED = 4000  # characters: comparing takes time in their square
MAX_COMPARISONS = 40  # of a notebook: letters in another order are slow to tell apart


@dataclass(frozen=True, eq=False)
class Slot:
    """A cell of the release. ``role``: "check", "solution", "written", "locked", or "plain" for all others."""

    index: int
    cell: NotebookNode
    role: str
    grade_id: str
    item: str  # the graded function or answer that it checks or defines, else ""


@dataclass(frozen=True)
class Match:
    """``candidates`` maps a slot's index to the submitted cells that may be it, by position."""

    slots: tuple[Slot, ...]
    candidates: dict[int, tuple[int, ...]]
    by_content: frozenset[int]  # slots that were recognised without metadata
    foreign: bool


def read_slots(release: NotebookNode) -> tuple[Slot, ...]:
    return tuple(_slot(index, cell) for index, cell in enumerate(release.cells))


def match(submitted: NotebookNode, slots: tuple[Slot, ...]) -> Match:
    cells = submitted.cells
    candidates: dict[int, list[int]] = defaultdict(list)
    free = _match_metadata(cells, slots, candidates)
    with_metadata = set(candidates)
    free = _match_source(cells, free, slots, candidates)
    foreign = not with_metadata and len(candidates) < FOREIGN_BELOW * len(slots)
    free = _match_code(cells, free, slots, candidates)
    free = _match_headings(cells, free, slots, candidates)
    free = _match_written(cells, free, slots, candidates)
    if not foreign:
        _match_experiments(cells, free, slots, candidates)
    return Match(
        slots,
        {index: tuple(sorted(found)) for index, found in candidates.items() if found},
        frozenset(index for index, found in candidates.items() if found and index not in with_metadata),
        foreign,
    )


def _slot(index: int, cell: NotebookNode) -> Slot:
    data = cell.metadata.get("nbgrader", {})
    grade_id = str(data.get("grade_id", ""))
    if not grade_id:
        return Slot(index, cell, "plain", "", "")
    if data.get("grade"):
        if data.get("solution"):
            return Slot(index, cell, "written", grade_id, "")
        return Slot(index, cell, "check", grade_id, analyse(cell.source).check or grade_id.removeprefix("check_"))
    role = "solution" if data.get("solution") else "locked" if data.get("locked") else "plain"
    return Slot(index, cell, role, grade_id, grade_id if role == "solution" else "")


def _match_metadata(cells: list[NotebookNode], slots: Iterable[Slot], candidates: dict[int, list[int]]) -> list[int]:
    """Returns the positions of the cells that are still free; so do the next steps."""
    by_id = {slot.grade_id: slot for slot in slots if slot.grade_id}
    free = []
    for position, cell in enumerate(cells):
        slot = by_id.get(str(cell.metadata.get("nbgrader", {}).get("grade_id", "")))
        if slot is None:
            free.append(position)
        else:
            candidates[slot.index].append(position)
    return free


def _match_source(
    cells: list[NotebookNode], free: Iterable[int], slots: Iterable[Slot], candidates: dict[int, list[int]]
) -> list[int]:
    """Cells that read like the release's. Where several of the release read the same, they are taken in order.

    Questions whose empty cells read the same are told apart by what stands before them, in ``_match_written``.
    """
    same: dict[tuple[str, str], list[Slot]] = defaultdict(list)
    for slot in slots:
        if source := normalise(slot.cell.source):
            same[slot.cell.cell_type, source].append(slot)
    same = {key: found for key, found in same.items() if len(found) == 1 or found[0].role != "written"}
    left = []
    for position in free:
        alike = same.get((cells[position].cell_type, normalise(cells[position].source)), [])
        slot = next((one for one in alike if not candidates.get(one.index)), alike[0] if len(alike) == 1 else None)
        if slot is None:
            left.append(position)
        else:
            candidates[slot.index].append(position)
    return left


def _match_code(
    cells: list[NotebookNode], free: Iterable[int], slots: Iterable[Slot], candidates: dict[int, list[int]]
) -> list[int]:
    """Check cells by the item they name, solution cells by what they define."""
    checks = {slot.item: slot for slot in slots if slot.role == "check"}
    solutions = {slot.item: slot for slot in slots if slot.role == "solution"}
    # A function that stands in its own cell stays there, whatever is tried out elsewhere.
    settled = {
        name for name, slot in solutions.items() if any(_defines(cells[n], slot) for n in candidates[slot.index])
    }
    left = []
    for position in free:
        code = analyse(cells[position].source) if cells[position].cell_type == "code" else None
        slot = checks.get(code.check) if code else None
        if code and slot is None:
            slot = next((solutions[name] for name in solutions if name in code.defines and name not in settled), None)
        if slot is None:
            left.append(position)
        else:
            candidates[slot.index].append(position)
    return left


def _defines(cell: NotebookNode, slot: Slot) -> bool:
    """Whether this is a student's own definition, not the stub."""
    return slot.item in analyse(cell.source).defines and normalise(cell.source) != normalise(slot.cell.source)


def _match_headings(
    cells: list[NotebookNode], free: Iterable[int], slots: tuple[Slot, ...], candidates: dict[int, list[int]]
) -> list[int]:
    """Text cells that were edited, by a heading in them that stands nowhere else in the release."""
    unique = unique_headings([slot.cell for slot in slots])
    by_heading = {line: slot for slot in slots for line in headings(slot.cell) if line in unique}
    left = []
    for position in free:
        slot = next((by_heading[line] for line in headings(cells[position]) if line in by_heading), None)
        if slot is None or (candidates.get(slot.index) and slot.role == "plain"):
            left.append(position)
        else:
            candidates[slot.index].append(position)
    return left


def _match_written(
    cells: list[NotebookNode], free: list[int], slots: tuple[Slot, ...], candidates: dict[int, list[int]]
) -> list[int]:
    """Written answers as the first text that follows the cell before them and is nothing else of the release.

    Where that cell is gone, those that begin as the released cell does, in order.
    """
    stubs = [slot for slot in slots if slot.role == "written" and not candidates.get(slot.index)]
    left = set(free)
    for slot in stubs:
        for before in candidates.get(slot.index - 1, []):
            position = before + 1
            while position in left and not _is_text(cells[position]):
                position += 1
            if position in left:
                candidates[slot.index].append(position)
                left.remove(position)
                break
    for slot in stubs:
        begins = normalise(slot.cell.source).split("\n")[0]
        for position in sorted(left) if not candidates.get(slot.index) else ():
            if _is_text(cells[position]) and normalise(cells[position].source).split("\n")[0] == begins:
                candidates[slot.index].append(position)
                left.remove(position)
                break
    return [position for position in free if position in left]


def _is_text(cell: NotebookNode) -> bool:
    return cell.cell_type == "markdown" and bool(cell.source.strip())


def _match_experiments(
    cells: list[NotebookNode], free: Iterable[int], slots: Iterable[Slot], candidates: dict[int, list[int]]
) -> None:
    """Long experiments that lost their tag and were edited, by likeness: to run them would use up the time of all."""
    free = [n for n in free if cells[n].cell_type == "code" and 0 < len(cells[n].source) < MAX_COMPARED]
    left = MAX_COMPARISONS
    for slot in slots:
        if SKIP_TAG in slot.cell.metadata.get("tags", ()) and not candidates.get(slot.index):
            close = difflib.SequenceMatcher(b=slot.cell.source[:MAX_COMPARED], autojunk=False)
            for position in free:
                close.set_seq1(cells[position].source)
                if close.quick_ratio() <= ALIKE or left == 0:
                    continue
                left -= 1
                if close.ratio() > ALIKE:
                    candidates[slot.index].append(position)
                    free.remove(position)
                    break
