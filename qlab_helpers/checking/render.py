"""The report of a check, as HTML for a notebook and as plain text for a terminal.

Names, messages and numbers may come from a student's function: ``values`` bounds them, and all of them are escaped
here. The page has no script, loads nothing, and says in words whatever it says in colour.
"""

from dataclasses import dataclass
from html import escape
from typing import Any

import torch

from qlab_helpers.checking.picture import picture
from qlab_helpers.checking.style import frame
from qlab_helpers.checking.values import Window, clean, short, value_lines, window
from qlab_helpers.checking.verdict import Verdict

MAX_TEXT = 20_000


@dataclass(frozen=True, eq=False)
class CaseReport:
    """A visible case. ``outcome`` is "passed", "failed", "raised", "timed out" or "not written"."""

    name: str
    tests: str
    hint: str
    outcome: str
    message: str = ""
    line: str = ""  # the student's line that failed
    verdict: Verdict | None = None
    original: Any = None  # the first argument
    expected: Any = None


@dataclass(frozen=True, eq=False)
class Report:
    """``notice`` is a sentence that takes the place of the cases, when there was nothing to check; ``diagnosis`` one
    that says which known mistake it is."""

    name: str
    points: float = 0.0
    earned: float = 0.0
    cases: tuple[CaseReport, ...] = ()
    notice: str = ""
    diagnosis: str = ""
    recorded: bool = False  # an answer that can be graded
    so_far: str = ""  # points in the lab

    @property
    def headline(self) -> str:
        passed = sum(case.outcome == "passed" for case in self.cases)
        points = f"{points_text(self.earned)} of {points_text(self.points)} points on the visible cases"
        return f"{points}, {passed} of {len(self.cases)} passed"

    @property
    def failing(self) -> CaseReport | None:
        return next((case for case in self.cases if case.outcome != "passed"), None)

    @property
    def hint(self) -> str:
        """That of the failing case; "" where a diagnosis says more, and before there is anything to hint at."""
        if self.failing is None or self.failing.outcome == "not written" or self.diagnosis:
            return ""
        return self.failing.hint


def as_html(report: Report) -> str:
    """Self-contained HTML."""
    if not report.cases:
        kind = "note" if report.recorded else "some" if report.notice else "all"
        return frame(kind, f"<p>{_text(report.notice)}</p>{_so_far_html(report)}")
    rows = "".join(
        f'<tr><th scope="row">{_text(case.name)}</th><td>{_outcome_html(case)}</td><td>{_text(case.tests)}</td></tr>'
        for case in report.cases
    )
    parts = [
        f"<p><strong>{_text(report.name)}</strong>: {_text(report.headline)}</p>",
        '<table class="cases" aria-label="Cases"><thead><tr><th scope="col">Case</th><th scope="col">Result</th>'
        '<th scope="col">What it tests</th></tr>'
        f"</thead><tbody>{rows}</tbody></table>",
    ]
    if report.diagnosis:
        parts.insert(1, f'<p class="diagnosis"><strong>Diagnosis:</strong> {_text(report.diagnosis)}</p>')
    failing = report.failing
    if failing is not None:
        parts += _failure_html(failing, report.hint)
    parts += _picture_html(failing or report.cases[0])
    parts.append(_so_far_html(report))
    return frame("all" if failing is None else "some", "".join(parts))


def as_text(report: Report) -> str:
    """Plain text without control sequences."""
    if not report.cases:
        return clean("\n".join(filter(None, (report.notice, report.so_far))), MAX_TEXT)
    wide = max(len(case.outcome) for case in report.cases)
    lines = [f"{report.name}: {report.headline}"]
    lines += [f"  {case.outcome:<{wide}}  {case.name}: {case.tests}" for case in report.cases]
    if report.diagnosis:
        lines += ["", f"Diagnosis: {report.diagnosis}"]
    case = report.failing
    if case is not None:
        lines += ["", f"{case.name}: {case.message}"]
        lines += [f"  {line}" for line in (case.line,) if line]
        for title, value in _shown_pair(case):
            first, *rest = value_lines(value, case.verdict.differs)
            lines += [f"  {title}: {first}", *(f"    {one}" for one in rest)]
        lines += [f"  Hint: {report.hint}"] if report.hint else []
    if report.so_far:
        lines += ["", report.so_far]
    return clean("\n".join(lines), MAX_TEXT)


def _outcome_html(case: CaseReport) -> str:
    return _text(case.outcome) if case.outcome == "passed" else f"<strong>{_text(case.outcome)}</strong>"


def _failure_html(case: CaseReport, hint: str) -> list[str]:
    parts = [f"<p><strong>{_text(case.name)}</strong>: {_text(case.message)}</p>"]
    if case.line:
        parts.append(f"<pre>{_text(case.line)}</pre>")
    tables = "".join(_value_html(title, value, case) for title, value in _shown_pair(case))
    if tables:
        parts.append(f'<div class="pair">{tables}</div>')
    return [*parts, f"<p><strong>Hint:</strong> {_text(hint)}</p>"] if hint else parts


def _shown_pair(case: CaseReport) -> list[tuple[str, Any]]:
    """What is shown side by side: nothing for a case that did not return."""
    if case.verdict is None or case.verdict.expected is None:
        return []
    return [("Expected", case.verdict.expected), ("Your result", case.verdict.got)]


def _window(value: Any, case: CaseReport) -> Window | None:
    if not isinstance(value, torch.Tensor) or value.dim() == 0:
        return None
    return window(value.detach(), case.verdict.differs)


def _value_html(title: str, value: Any, case: CaseReport) -> str:
    shown = _window(value, case)
    if shown is None:
        return f"<p>{title}: <code>{_text(short(value))}</code></p>"
    head = "".join(f'<th scope="col">{_text(one)}</th>' for one in shown.columns)
    rows = []
    for number, (name, cells) in enumerate(zip(shown.rows, shown.cells, strict=True)):
        line = "".join(_cell_html(text, (number, column), shown) for column, text in enumerate(cells))
        rows.append(f'<tr><th scope="row">{_text(name)}</th>{line}</tr>')
    part = "" if shown.whole else ", in part"
    return (
        f'<table class="numbers"><caption>{title}: {_text(shown.title)}{part}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _cell_html(text: str, at: tuple[int, int], shown: Window) -> str:
    if at not in shown.marked:
        return f"<td>{_text(text)}</td>"
    first = ' class="first"' if at == shown.first else ""
    return f'<td{first} title="differs"><mark>{_text(text)}</mark></td>'


def _picture_html(case: CaseReport) -> list[str]:
    verdict = case.verdict
    expected = case.expected if verdict is None or verdict.expected is None else verdict.expected
    made = picture(case.original, None if verdict is None else verdict.got, expected)
    if made is None:
        return []
    source, alternative = made
    return [f'<p><img src="{source}" alt="{_text(f"{case.name}. {alternative}")}"></p>']


def _so_far_html(report: Report) -> str:
    return f'<p class="so-far">{_text(report.so_far)}</p>' if report.so_far else ""


def points_text(value: float) -> str:
    """Points without needless zeros: 7.5, 10."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _text(text: str) -> str:
    return escape(clean(text, 1000), quote=True)
