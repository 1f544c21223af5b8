"""What an earlier record still tells: results that would come out the same again, and grades that have moved since.

A lab that was built again, after a case was mended, makes every record old but few of the results in it: those whose
question has another hash. The others are kept, manual grades and comments in the gradebook are not touched, and whose
grade has moved is told.

The record that a moved grade replaces is laid aside until the run has ended, so that a run that was killed and started
again tells of all that has moved since the last whole one.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from autograder.results import ItemResult, Record, draft_of, read_record, write_atomically, write_record

#: What must be as it was, so that a question's hash says all that matters beside it.
SAME = ("student", "lab", "submission_hash", "environment")


@dataclass(frozen=True)
class Move:
    """A score that is not what it was for the same submission; None where the question is new, or is gone."""

    student: str
    question: str
    before: float | None
    after: float | None


def kept_items(earlier: Record | None, record: Record, hashes: Mapping[str, str]) -> dict[str, ItemResult]:
    """Results of ``earlier`` that hold for ``record``, which is about to be graded; ``hashes`` are its questions'.

    What could not be graded by a fault of ours is tried again.
    """
    if earlier is None or not earlier.graded or not same_submission(earlier, record):
        return {}
    return {
        name: item
        for name, item in earlier.items.items()
        if hashes.get(name) == item.question_hash and not item.needs_attention
    }


def same_submission(earlier: Record, record: Record) -> bool:
    return all(getattr(earlier, name) == getattr(record, name) for name in SAME)


def moves(earlier: Record, record: Record) -> list[Move]:
    """Which scores differ, in the order of the lab. For another submission none: its grade is new, it has not moved."""
    same = all(getattr(earlier, name) == getattr(record, name) for name in ("student", "lab", "submission_hash"))
    if not (same and earlier.graded and record.graded):
        return []
    before, after = _scores(earlier), _scores(record)
    names = dict.fromkeys((*after, *before))
    found = [Move(record.student, name, before.get(name), after.get(name)) for name in names]
    return [move for move in found if move.before != move.after]


def lay_aside(earlier: Record, record: Record, out: Path) -> None:
    """Keep what ``record`` is about to replace, if a score differs and an older one is not kept already."""
    path = out / "before" / f"{record.student}.json"
    if moves(earlier, record) and not path.exists():
        write_record(earlier, path)


def take_moves(out: Path) -> list[Move]:
    """What has moved since the last whole run, sorted by student; call it when a run has ended. Also in moved.json."""
    before, found = out / "before", []
    for path in sorted(before.glob("*.json")):
        try:
            found += moves(read_record(path), read_record(out / "records" / path.name))
        except FileNotFoundError:
            pass  # somebody has removed the record
    write_atomically(out / "moved.json", json.dumps([asdict(move) for move in found], indent=1) + "\n")
    if before.exists():
        done = draft_of(before)
        before.rename(done)  # at once, so that half of it is never told again
        shutil.rmtree(done)
    return found


def moved_of(student: str, found: list[Move]) -> list[dict[str, Any]]:
    """One student's, for the JSON export."""
    return [
        {"question": one.question, "before": one.before, "after": one.after} for one in found if one.student == student
    ]


def as_table(found: list[Move]) -> Table:
    table = Table("student", "question", "before", "after", title="grades that moved")
    for move in found:
        scores = ("-" if score is None else f"{score:.4g}" for score in (move.before, move.after))
        table.add_row(escape(move.student), escape(move.question), *scores)
    return table


def _scores(record: Record) -> dict[str, float]:
    return {name: item.score for name, item in record.items.items()}
