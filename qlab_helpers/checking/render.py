"""The report of a check, as HTML for a notebook and as plain text for a terminal.

Names, messages and numbers may come from a student's function: ``values`` bounds them, and all of them are escaped
here. The page has no script, loads nothing, and says in words whatever it says in colour.
"""

from dataclasses import dataclass
from html import escape
from typing import Any

import torch

from qlab_helpers.checking.picture import picture
from qlab_helpers.checking.values import Window, clean, short, value_lines, window
from qlab_helpers.checking.verdict import Verdict

MAX_TEXT = 20_000
#: JupyterLab's colours where it gives them, VS Code's, else our own for light and dark.
STYLE = """
.qlab-check { --ink: #1a1a1a; --back: #ffffff; --soft: #f0f1f3; --line: #b9bec5; --good: #1b7f3b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
.qlab-check { --ink: #e6e6e6; --back: #16181c; --soft: #262a30; --line: #555b63; --good: #5fce86; --bad: #ff8a80; } }
.qlab-check { color: var(--jp-content-font-color1, var(--vscode-editor-foreground, var(--ink)));
 background: var(--jp-layout-color1, var(--vscode-editor-background, var(--back)));
 font: 14px/1.45 system-ui, sans-serif; padding: 8px 12px; max-width: 60em;
 border: 1px solid var(--jp-border-color1, var(--line)); border-left-width: 5px; }
.qlab-check.all { border-left-color: var(--jp-success-color1, var(--good)); }
.qlab-check.some { border-left-color: var(--jp-error-color1, var(--bad)); }
.qlab-check p { margin: 6px 0; }
.qlab-check table { border-collapse: collapse; margin: 6px 0; color: inherit; background: none; font-size: 13px; }
.qlab-check th, .qlab-check td { padding: 2px 8px; text-align: left; background: none; color: inherit;
 border: 1px solid var(--jp-border-color1, var(--line)); white-space: normal; }
.qlab-check caption { text-align: left; font-weight: 600; caption-side: top; color: inherit; padding: 2px 0; }
div.qlab-check table.cases th, div.qlab-check table.cases td { text-align: left !important; }
.qlab-check .numbers th, .qlab-check .numbers td { text-align: right; font-family: monospace; padding: 1px 6px; }
.qlab-check .numbers th { font-weight: 400; background: var(--jp-layout-color2, var(--soft)); }
.qlab-check .numbers mark { color: inherit; background: none; font-weight: 700; text-decoration: underline; }
.qlab-check .numbers td.first { outline: 2px solid var(--jp-error-color1, var(--bad)); }
.qlab-check .pair { display: flex; flex-wrap: wrap; gap: 0 24px; overflow-x: auto; }
.qlab-check .diagnosis { padding: 6px 10px; background: var(--jp-layout-color2, var(--soft)); }
.qlab-check pre { white-space: pre-wrap; margin: 6px 0; padding: 4px 8px; color: inherit;
 background: var(--jp-layout-color2, var(--soft)); }
.qlab-check img { max-width: 100%; background: #ffffff; }
"""


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

    @property
    def headline(self) -> str:
        passed = sum(case.outcome == "passed" for case in self.cases)
        points = f"{_points(self.earned)} of {_points(self.points)} points on the visible cases"
        return f"{points}, {passed} of {len(self.cases)} passed"

    @property
    def failing(self) -> CaseReport | None:
        return next((case for case in self.cases if case.outcome != "passed"), None)


def as_html(report: Report) -> str:
    """Self-contained HTML."""
    if not report.cases:
        return _frame("some" if report.notice else "all", f"<p>{_text(report.notice)}</p>")
    rows = "".join(
        f'<tr><th scope="row">{_text(case.name)}</th><td>{_outcome_html(case)}</td><td>{_text(case.tests)}</td></tr>'
        for case in report.cases
    )
    parts = [
        f"<p><strong>{_text(report.name)}</strong>: {_text(report.headline)}</p>",
        '<table class="cases"><thead><tr><th scope="col">Case</th><th scope="col">Result</th>'
        '<th scope="col">What it tests</th></tr>'
        f"</thead><tbody>{rows}</tbody></table>",
    ]
    if report.diagnosis:
        parts.insert(1, f'<p class="diagnosis"><strong>Diagnosis:</strong> {_text(report.diagnosis)}</p>')
    failing = report.failing
    if failing is not None:
        parts += _failure_html(failing)
    parts += _picture_html(failing or report.cases[0])
    return _frame("all" if failing is None else "some", "".join(parts))


def as_text(report: Report) -> str:
    """Plain text without control sequences."""
    if not report.cases:
        return clean(report.notice, MAX_TEXT)
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
        lines.append(f"  Hint: {case.hint}")
    return clean("\n".join(lines), MAX_TEXT)


def _outcome_html(case: CaseReport) -> str:
    return _text(case.outcome) if case.outcome == "passed" else f"<strong>{_text(case.outcome)}</strong>"


def _failure_html(case: CaseReport) -> list[str]:
    parts = [f"<p><strong>{_text(case.name)}</strong>: {_text(case.message)}</p>"]
    if case.line:
        parts.append(f"<pre>{_text(case.line)}</pre>")
    tables = "".join(_value_html(title, value, case) for title, value in _shown_pair(case))
    if tables:
        parts.append(f'<div class="pair">{tables}</div>')
    parts.append(f"<p><strong>Hint:</strong> {_text(case.hint)}</p>")
    return parts


def _shown_pair(case: CaseReport) -> list[tuple[str, Any]]:
    """What is shown side by side: nothing for a case that did not return."""
    if case.verdict is None or case.verdict.expected is None:
        return []
    return [("Expected", case.verdict.expected), ("Got", case.verdict.got)]


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


def _points(value: float) -> str:
    """Points without needless zeros: 7.5, 10."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _frame(kind: str, body: str) -> str:
    return f'<div class="qlab-check {kind}"><style>{STYLE}</style>{body}</div>'


def _text(text: str) -> str:
    return escape(clean(text, 1000), quote=True)
