"""Feedback for a student and a summary of the class, as self-contained HTML.

Everything that comes from a submission is untrusted text: Jinja2 escapes it, Pygments escapes the code it colours, and
the pages forbid scripts and foreign content by their Content-Security-Policy.
"""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from autograder.results import ItemResult, Record, write_atomically
from qlab_helpers.checking.diagnosis import UNCERTAIN

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Question:
    """How the class did on one item."""

    name: str
    mean: float
    max_score: float
    full: int  # students with every point
    percent: int
    hardest: str  # the case most often not passed, "" when all pass
    hardest_failures: int


@dataclass(frozen=True)
class Mistake:
    """A misconception, and who in the class has it for certain or nearly."""

    question: str
    name: str
    certain: int
    near: int
    students: tuple[str, ...]


def feedback_page(record: Record, *, lab_title: str) -> str:
    """One HTML page for one student."""
    page = _environment().get_template("feedback.html.j2")
    style = Markup(_code_style())
    return page.render(record=record, items=_items(record), lab_title=lab_title, code_style=style, tone=_tone)


def write_feedback(record: Record, path: Path, *, lab_title: str) -> None:
    write_atomically(path, feedback_page(record, lab_title=lab_title))


def write_summary(records: Sequence[Record], path: Path, *, lab_title: str, links: dict[str, str]) -> None:
    """One HTML page for the staff; ``links`` leads from a student to a page, relative to ``path``."""
    graded = [record for record in records if record.graded]
    page = _environment().get_template("summary.html.j2")
    write_atomically(
        path,
        page.render(
            records=records,
            graded=graded,
            median=statistics.median(record.score for record in graded) if graded else 0.0,
            attention=[record for record in records if record.needs_attention],
            questions=questions(graded),
            mistakes=mistakes(graded),
            lab_title=lab_title,
            links=links,
            causes=causes,
        ),
    )


def questions(records: Sequence[Record]) -> list[Question]:
    """Per item: the mean, how many have full marks, and the case that fails most."""
    found = []
    for name in _items_of_class(records):
        items = [item for record in records for item in _items(record) if item.name == name]
        failures = Counter(case.name for item in items for case in item.cases if case.outcome != "passed")
        hardest, count = failures.most_common(1)[0] if failures else ("", 0)
        mean = statistics.fmean(item.score for item in items)
        top = items[0].max_score
        full = sum(item.score == item.max_score for item in items)
        found.append(Question(name, mean, top, full, round(100 * mean / top) if top else 0, hardest, count))
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


def causes(record: Record) -> str:
    """In a few words, what kept a submission from full marks: "2 crashed, 1 timed out"."""
    outcomes = Counter(case.outcome for item in _items(record) for case in item.cases if case.outcome != "passed")
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))


def format_points(value: float) -> str:
    """Points without needless zeros: 7.5, 10."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _items(record: Record) -> list[ItemResult]:
    return [*record.functions.values(), *record.answers.values()]


def _items_of_class(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(item.name for record in records for item in _items(record)))


def _tone(outcome: str) -> str:
    return {"passed": "good", "not graded": "wait"}.get(outcome, "bad")


@cache
def _environment() -> Environment:
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.trim_blocks = True
    environment.filters["points"] = format_points
    environment.filters["python"] = _coloured
    return environment


@lru_cache(maxsize=4096)  # stubs and the code of the text are the same for many
def _coloured(code: str) -> Markup:
    return Markup(highlight(code, *_colours()))


@cache
def _colours() -> tuple[PythonLexer, HtmlFormatter]:
    """Made once: a formatter takes milliseconds to make."""
    return PythonLexer(), HtmlFormatter(cssclass="code")


@cache  # making it takes longer than all the rest of a page
def _code_style() -> str:
    light = HtmlFormatter(style="default").get_style_defs(".code")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".code")
    plain = ".code, .code pre { background: var(--soft); }"
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{plain}"
