"""Give a handed-in notebook back the identity of its cells, so that an accident does not cost the marks of a lab.

The result carries every graded cell of the release exactly once, in an order in which they can be graded: nbgrader and
its formgrader read it like any other. What a student wrote is kept; what was mended is told.

A notebook that shares next to nothing with the release is "foreign": work done for another course. Its functions are
found by name wherever they stand, and the release's graded cells follow after them.
"""

import copy
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from nbformat import NotebookNode

from autograder.answers import cells_below, is_answered, joined, last_answer, written_into
from autograder.cells import analyse, normalise
from autograder.markdown import harmless, without_lost
from autograder.matching import Match, Slot, match, read_slots
from autograder.notebooks import SKIP_TAG
from autograder.pieces import mend_pieces
from autograder.wellformed import set_cell_ids

GATHERED = "written answers stood in other cells and were gathered in their own: {}"


@dataclass(frozen=True)
class Repaired:
    notebook: NotebookNode
    repairs: tuple[str, ...]
    kind: str  # "release", "foreign", or "unrelated": nothing of the lab is in it


def repair(submitted: NotebookNode, release: NotebookNode) -> Repaired:
    """``release`` is the notebook that students were given. Neither notebook is changed."""
    slots = read_slots(release)
    # What is deeper in a cell is replaced below, not changed, so it need not be copied.
    cells = [NotebookNode({**cell, "metadata": NotebookNode(cell.metadata)}) for cell in submitted.cells]
    told = mend_pieces(cells, release.cells, {slot.item for slot in slots if slot.role == "check"})
    matched = match(NotebookNode(cells=cells), slots)
    work = _Work(matched, cells)
    for sentence, name in told:
        work.tell(sentence, name)
    if matched.foreign:
        work.join_foreign()
    else:
        for slot in matched.slots:
            work.settle(slot)
        work.restore_given()
        work.restore_graded()
        work.order_checks()
        work.gather_answers()
        work.tell_lost_metadata()
    work.make_harmless({cell.source for cell in release.cells})
    owned = work.owned
    for cell in work.cells:
        if "nbgrader" in cell.metadata and id(cell) not in owned:
            del cell.metadata["nbgrader"]  # a copy, or a cell of somebody else's assignment
    notebook = copy.deepcopy({**release, "cells": []})
    result = NotebookNode(notebook)
    result.cells = work.cells
    set_cell_ids(result)
    return Repaired(result, tuple(work.notes()), work.kind)


@dataclass
class _Work:
    """The cells of one submission while they are being put in order."""

    matched: Match
    cells: list[NotebookNode]
    own: dict[int, NotebookNode] = field(default_factory=dict)  # slot -> the cell that is it
    told: dict[str, list[str]] = field(default_factory=dict)  # sentence with "{}" -> names of cells
    kind: str = "release"

    def __post_init__(self) -> None:
        self.submitted = list(self.cells)

    @property
    def owned(self) -> set[int]:
        return {id(cell) for cell in self.own.values()}

    def settle(self, slot: Slot) -> None:
        """Choose the cell that is ``slot``, drop its untouched copies, give it its metadata and locked source back."""
        places = self.matched.candidates.get(slot.index, ())
        found = [self.submitted[position] for position in places]
        if not found:
            return
        if slot.role == "plain":
            for cell in found:
                _set_tags(cell, slot.cell)
            self.own[slot.index] = found[-1]
            return
        if slot.role == "written" and len(parts := last_answer(places, self.submitted, slot.cell)) > 1:
            parts[0].source = joined([cell.source for cell in parts])
            for cell in parts[1:]:
                self.remove(cell)
            found = [cell for cell in found if not any(cell is part for part in parts[1:])]
            self.tell(GATHERED, slot.grade_id)
        chosen = parts[0] if slot.role == "written" else _choose(found, slot)
        if len(found) > 1:
            self.tell(
                "cells were there more than once, the last one that was worked on counts: {}",
                slot.item or slot.grade_id,
            )
        for cell in found:
            if cell is not chosen and normalise(cell.source) in ("", normalise(slot.cell.source)):
                self.remove(cell)
        self._adopt(slot, chosen)

    def _adopt(self, slot: Slot, cell: NotebookNode) -> None:
        code = analyse(cell.source)
        same = normalise(cell.source) == normalise(slot.cell.source) or (code.check and code.check == slot.item)
        if slot.role in ("check", "locked") and not same:
            if code.defines:  # work that was written into a locked cell is not lost
                kept = copy.deepcopy(cell)
                kept.metadata = NotebookNode()
                self.cells.insert(self.position(cell), kept)
            self.tell("locked cells had been changed and were restored: {}", slot.grade_id)
        if slot.role in ("check", "locked"):
            cell.source = slot.cell.source
        if cell.cell_type != slot.cell.cell_type:
            self.tell("cells had become another type and were turned back: {}", slot.grade_id)
            position = self.position(cell)
            changed = copy.deepcopy(slot.cell)
            changed.source = cell.source
            self.cells[position] = cell = changed
        if SKIP_TAG not in cell.metadata.get("tags", ()) or slot.index not in self.matched.by_content:
            _set_tags(cell, slot.cell)  # else it is a long experiment that a function was written into
        cell.metadata["nbgrader"] = copy.deepcopy(slot.cell.metadata["nbgrader"])
        cell["id"] = slot.cell.get("id")
        self.own[slot.index] = cell

    def restore_given(self) -> None:
        """Put given code back of which nothing is left: neither the cell nor any name it defines."""
        bound = self._bound()
        for slot in self.matched.slots:
            if slot.index in self.own or slot.cell.cell_type != "code" or _is_skipped(slot.cell):
                continue
            names = analyse(slot.cell.source).defines
            if slot.role == "locked" or (slot.role == "plain" and names and not names & bound):
                self.insert(slot, self.place(slot))
                self.tell("given cells were missing and were put back: {}", slot.grade_id or _title(slot.cell))

    def restore_graded(self) -> None:
        for slot in self.matched.slots:
            if slot.role in ("check", "written") and slot.index not in self.own:
                self.insert(slot, self.place(slot))
                kind = "check cells" if slot.role == "check" else "cells of written questions"
                self.tell(kind + " were missing and were put back: {}", slot.item or slot.grade_id)

    def order_checks(self) -> None:
        """A check that stands before its function is moved behind it."""
        solutions = {slot.item: slot for slot in self.matched.slots if slot.role == "solution"}
        for slot in self.matched.slots:
            if slot.role != "check":
                continue
            check = self.own[slot.index]
            home = self.own.get(solutions[slot.item].index) if slot.item in solutions else None
            last = self._last_definition(slot.item, home)
            if last is not None and self.position(last) > self.position(check):
                self.remove(check)
                self.cells.insert(self.position(last) + 1, check)
                self.tell("checks stood before their function and were moved behind it: {}", slot.item)

    def join_foreign(self) -> None:
        """The given code that the notebook lacks, the student's cells, which may define it again, the graded cells."""
        bound = self._bound()
        graded = [slot for slot in self.matched.slots if slot.role in ("check", "written")]
        found = [slot.item for slot in graded if slot.item in bound]
        self.kind = "foreign" if found else "unrelated"
        given = []
        for slot in self.matched.slots if found else ():
            names = analyse(slot.cell.source).defines if slot.cell.cell_type == "code" else frozenset()
            if slot.role in ("plain", "locked") and names - bound and not _is_skipped(slot.cell):
                given.append(slot)
        for slot in reversed(given):
            self.insert(slot, 0)
        for slot in graded:
            self.insert(slot, len(self.cells))
        if found:
            self.tell("not made from this lab's notebook; functions and answers were found by their names: {}", *found)
        else:
            self.tell("nothing of this lab is in the notebook; check that it is the right file{}", "")

    def gather_answers(self) -> None:
        """Show answers that were written into or below their question in the cell that is graded."""
        known = {normalise(slot.cell.source) for slot in self.matched.slots}
        ours = {id(self.submitted[place]) for places in self.matched.candidates.values() for place in places}
        ours |= {id(cell) for cell in self.cells if normalise(cell.source) in known}
        for slot in self.matched.slots:
            mine, question = self.own.get(slot.index), self.own.get(slot.index - 1)
            if slot.role != "written":
                continue
            parts = []
            if not is_answered(mine.source, slot.cell.source) and question is not None:
                parts.append(written_into(question, self.matched.slots[slot.index - 1].cell))
            for cell in cells_below(self.cells, self.position(mine), ours | self.owned):
                parts.append(cell.source)
                self.remove(cell)
            if any(parts):
                mine.source = joined([mine.source, *parts])
                self.tell(GATHERED, slot.grade_id)

    def make_harmless(self, released: Collection[str]) -> None:
        """Staff open these cells in nbgrader's formgrader, which would run what is in them, or stop."""
        for cell in self.cells:
            if cell.cell_type != "markdown" or cell.source in released:
                continue
            name = cell.metadata.get("nbgrader", {}).get("grade_id", "other cells")
            plain = harmless(cell.source)
            if plain != cell.source:
                self.tell("HTML and links that a browser could run were put out of action: {}", name)
            cell.source = without_lost(plain, cell.get("attachments", ()))
            if cell.source != plain:
                self.tell("pictures in texts were not in the file: {}", name)

    def tell_lost_metadata(self) -> None:
        lost = [slot for slot in self.matched.slots if slot.grade_id and slot.index in self.matched.by_content]
        if lost:
            names = [slot.item or slot.grade_id for slot in lost]
            self.tell("cells had lost their nbgrader metadata and were recognised by their content: {}", *names)

    def place(self, slot: Slot) -> int:
        """Where a missing cell goes: behind the cell that precedes it in the release, as far as that is there."""
        before = [index for index in self.own if index < slot.index]
        return self.position(self.own[max(before)]) + 1 if before else 0

    def insert(self, slot: Slot, position: int) -> None:
        cell = copy.deepcopy(slot.cell)
        self.cells.insert(position, cell)
        self.own[slot.index] = cell

    def position(self, cell: NotebookNode) -> int:
        return next(index for index, one in enumerate(self.cells) if one is cell)

    def remove(self, cell: NotebookNode) -> None:
        del self.cells[self.position(cell)]

    def tell(self, sentence: str, *names: str) -> None:
        self.told.setdefault(sentence, []).extend(names)

    def notes(self) -> Iterable[str]:
        for sentence, told in self.told.items():
            names = list(dict.fromkeys(told))
            more = f" and {len(names) - 6} more" if len(names) > 6 else ""
            yield sentence.format(", ".join(names[:6]) + more)

    def _bound(self) -> set[str]:
        code = [analyse(cell.source) for cell in self.cells if cell.cell_type == "code"]
        return {name for one in code for name in one.defines}

    def _last_definition(self, item: str, home: NotebookNode | None) -> NotebookNode | None:
        if home is not None and item in analyse(home.source).defines:
            return home
        cells = [cell for cell in self.cells if cell.cell_type == "code" and item in analyse(cell.source).defines]
        return cells[-1] if cells else None


def _choose(found: list[NotebookNode], slot: Slot) -> NotebookNode:
    """The last that differs from the release, preferably one that defines what it should; else the last."""
    changed = [cell for cell in found if normalise(cell.source) not in ("", normalise(slot.cell.source))]
    if slot.role in ("check", "locked"):
        return found[-1]
    defining = [cell for cell in changed if slot.item and slot.item in analyse(cell.source).defines]
    return (defining or changed or found)[-1]


def _set_tags(cell: NotebookNode, release: NotebookNode) -> None:
    if tags := release.metadata.get("tags"):
        cell.metadata["tags"] = list(tags)
    else:
        cell.metadata.pop("tags", None)


def _is_skipped(cell: NotebookNode) -> bool:
    return SKIP_TAG in cell.metadata.get("tags", ())


def _title(cell: NotebookNode) -> str:
    return f"`{normalise(cell.source).split(chr(10))[0][:60]}`"
