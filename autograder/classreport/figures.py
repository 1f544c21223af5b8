"""The figures of a class: points, difficulty, misconceptions, cases, repairs. Pure functions of the records."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from autograder.results import ItemResult, Record
from qlab_helpers.checking.diagnosis import UNCERTAIN

NOT_TRIED = ("missing", "not graded")  # outcomes that say nothing of how hard a case is


@dataclass(frozen=True)
class Question:
    """How the class did on one item: students with every point, with some, with none, without an answer."""

    name: str
    mean: float
    max_score: float
    full: int
    part: int
    none: int
    missing: int
    percent: int
    hardest: str  # the case most often not passed, "" when all pass
    hardest_failures: int

    @property
    def students(self) -> int:
        return self.full + self.part + self.none + self.missing


@dataclass(frozen=True)
class Mistake:
    """A misconception, and who in the class has it for certain or nearly."""

    question: str
    name: str
    certain: int
    near: int
    students: tuple[str, ...]


@dataclass(frozen=True)
class CaseFigure:
    """How many of those who answered passed a case."""

    question: str
    name: str
    tests: str
    visible: bool
    passed: int
    tried: int
    outcomes: str  # "12 failed, 3 crashed"

    @property
    def percent(self) -> int:
        return round(100 * self.passed / self.tried) if self.tried else 0


@dataclass(frozen=True)
class Mended:
    """A repair, and whose submissions had it."""

    repair: str
    students: tuple[str, ...]


def questions(records: Sequence[Record]) -> list[Question]:
    """Per item: the mean, how many have full marks, and the case that fails most."""
    found = []
    for name in _items_of_class(records):
        items = [item for record in records for item in _items(record) if item.name == name]
        failures = Counter(case.name for item in items for case in item.cases if case.outcome != "passed")
        hardest, count = failures.most_common(1)[0] if failures else ("", 0)
        mean = fmean(item.score for item in items)
        top = items[0].max_score
        full = sum(item.score == item.max_score for item in items)
        missing = sum(_is_missing(item) for item in items)
        none = sum(item.score == 0 and item.max_score > 0 and not _is_missing(item) for item in items)
        part = len(items) - full - none - missing
        percent = round(100 * mean / top) if top else 0
        found.append(Question(name, mean, top, full, part, none, missing, percent, hardest, count))
    return found


def mistakes(records: Sequence[Record]) -> list[Mistake]:
    """The misconceptions of a class, the most frequent first."""
    found: dict[tuple[str, str], list[tuple[str, bool]]] = {}
    for record in records:
        for item in record.functions.values():
            if item.misconception:
                certain = not item.diagnosis.startswith(UNCERTAIN)
                found.setdefault((item.name, item.misconception), []).append((record.student, certain))
    ranked = sorted(found.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    return [
        Mistake(*key, sum(sure for _, sure in who), sum(not sure for _, sure in who), tuple(name for name, _ in who))
        for key, who in ranked
    ]


def cases(records: Sequence[Record]) -> list[CaseFigure]:
    """Every case of the lab, in its order. Who has not answered the question at all is not counted."""
    asked: dict[tuple[str, str], list] = {}
    for record in records:
        for item in _items(record):
            for case in item.cases:
                asked.setdefault((item.name, case.name), []).append(case)
    found = []
    for (question, name), results in asked.items():
        tried = [case.outcome for case in results if case.outcome not in NOT_TRIED]
        others = Counter(case.outcome for case in results if case.outcome != "passed")
        about = results[0]
        found.append(
            CaseFigure(question, name, about.tests, about.visible, tried.count("passed"), len(tried), _in_words(others))
        )
    return found


def mended(records: Sequence[Record]) -> list[Mended]:
    """What was repaired, the most frequent first."""
    found: dict[str, list[str]] = {}
    for record in records:
        for repair in dict.fromkeys(record.repairs):
            found.setdefault(repair, []).append(record.student)
    ranked = sorted(found.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    return [Mended(repair, tuple(students)) for repair, students in ranked]


def causes(record: Record) -> str:
    """In a few words, what kept a submission from full marks: "2 crashed, 1 timed out"."""
    return _in_words(
        Counter(case.outcome for item in _items(record) for case in item.cases if case.outcome != "passed")
    )


def _in_words(outcomes: Counter[str]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))


def _is_missing(item: ItemResult) -> bool:
    return bool(item.cases) and all(case.outcome == "missing" for case in item.cases)


def _items(record: Record) -> list[ItemResult]:
    return list(record.items.values())


def _items_of_class(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(item.name for record in records for item in _items(record)))
