"""Feedback for a student, as one self-contained HTML page: what was asked, what came of it, the own code, a picture.

Nothing of a submission is shown as markup: all of it is escaped (see ``webpage``), so there is nothing to sanitize.
"""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from markupsafe import Markup

from autograder.drawing import draw_pair
from autograder.results import CaseResult, ItemResult, Record, write_atomically
from autograder.webpage import part, render


def feedback_page(record: Record, *, lab_title: str) -> str:
    """One HTML page for one student."""
    return render(
        "feedback.html.j2",
        styles=("feedback.css",),
        record=record,
        items=list(record.items.values()),
        lab_title=lab_title,
        strip=_strip,
        table_of_cases=_table_of_cases,
        first_failing=_first_failing,
        draw_pair=draw_pair,
    )


def write_feedback(record: Record, path: Path, *, lab_title: str) -> None:
    write_atomically(path, feedback_page(record, lab_title=lab_title))


def _strip(cases: Iterable[CaseResult]) -> Markup:
    return _strip_of(tuple((case.name, case.outcome) for case in cases))


@lru_cache(maxsize=4096)  # these two are most of a page, and the same for many students
def _strip_of(cases: tuple[tuple[str, str], ...]) -> Markup:
    return part("strip.html.j2", cases=cases, tone=_tone)


@lru_cache(maxsize=128)
def _table_of_cases(cases: tuple[CaseResult, ...], failing: CaseResult | None) -> Markup:
    return part("cases.html.j2", cases=cases, failing=failing, tone=_tone)


def _tone(outcome: str) -> str:
    return {"passed": "good", "not graded": "wait"}.get(outcome, "bad")


def _first_failing(item: ItemResult) -> CaseResult | None:
    """The first case with two values that may be shown side by side."""
    return next((case for case in item.cases if case.outcome == "failed" and case.visible and case.expected), None)
