"""Submissions that were slow, or that ended Python, ran out of time or memory.

Records hold no times: they are the same on every run. The clock of the runs is beside them, in ``timings.jsonl``.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from autograder.judging import ENDED_PYTHON
from autograder.results import CaseResult, CellResult, Record

SLOW = 3.0  # times as long as the middle one of the class ...
SLOW_S = 10.0  # ... and at least so long
SEVERE = ("timed out", "out of memory")


@dataclass(frozen=True)
class Trouble:
    """``seconds`` is None where no run's clock is known."""

    student: str
    what: str  # "2 cases timed out, 1 cell crashed"
    questions: tuple[str, ...]
    seconds: float | None
    slow: bool


def read_seconds(file: Path, lab: str) -> dict[str, float]:
    """How long grading each student took, on the machine that graded: the newest of the runs that asked most.

    A run that went on with some questions says little; lines that cannot be read are left out.
    """
    found: dict[str, tuple[int, float]] = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    for line in lines:
        try:
            about = json.loads(line)
            if about["lab"] == lab:
                asked, seconds = len(about["questions"]), float(about["seconds"])
                if asked >= found.get(about["student"], (0, 0.0))[0]:
                    found[about["student"]] = asked, seconds
        except (ValueError, KeyError, TypeError):
            continue
    return {student: seconds for student, (_, seconds) in found.items()}


def troubles(records: Sequence[Record], seconds: Mapping[str, float]) -> list[Trouble]:
    """The slowest first."""
    usual = median(seconds.values()) if seconds else 0.0
    found = []
    for record in records:
        time = seconds.get(record.student)
        slow = time is not None and time >= max(SLOW * usual, SLOW_S)
        items = [item for item in record.items.values() if any(map(_is_severe, item.cases))]
        cells = [cell for cell in record.cells if _is_severe(cell)]
        kinds = Counter(_in_words(case) for item in items for case in item.cases if _is_severe(case))
        what = [f"{count} {'case' if count == 1 else 'cases'} {words}" for words, count in sorted(kinds.items())]
        what += [f"cell {cell.index + 1} {cell.outcome}" for cell in cells]
        if what or slow:
            found.append(Trouble(record.student, ", ".join(what), tuple(item.name for item in items), time, slow))
    return sorted(found, key=lambda one: (-(one.seconds or 0.0), one.student))


def _is_severe(one: CaseResult | CellResult) -> bool:
    """A case that raised an exception is called crashed, too; that is a usual mistake and no trouble."""
    if isinstance(one, CellResult):
        return one.outcome in (*SEVERE, "crashed")
    return one.outcome in SEVERE or (one.outcome == "crashed" and one.message.startswith(ENDED_PYTHON))


def _in_words(case: CaseResult) -> str:
    return case.outcome if case.outcome in SEVERE else ENDED_PYTHON
