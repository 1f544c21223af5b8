"""``check(function)``: what a student runs below each function, on the visible cases of the course."""

import difflib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import torch

from qlab_helpers.checking import render
from qlab_helpers.checking.call import call
from qlab_helpers.checking.compare import judge
from qlab_helpers.checking.diagnosis import Outcome, Seen, diagnose
from qlab_helpers.checking.frontend import in_notebook
from qlab_helpers.checking.progress import note
from qlab_helpers.checking.reference import (
    REFERENCE,
    Case,
    Item,
    Reference,
    ReferenceMissing,
    find_item,
    labs,
    load_reference,
)
from qlab_helpers.checking.scoring import score
from qlab_helpers.checking.values import clean

LIMIT_S = 5.0


class CheckResult(float):
    """The points on the visible cases, as a number; in a notebook it is displayed as the report.

    Its repr is the plain number. nbgrader, when it runs a notebook, reads partial credit from a cell's output.
    """

    report: render.Report

    def __new__(cls, value: float, report: render.Report | None = None) -> Self:
        self = super().__new__(cls, value)
        self.report = report or render.Report("", notice="")
        return self

    def __repr__(self) -> str:
        return float.__repr__(self)

    def __str__(self) -> str:
        return render.as_text(self.report)

    def _repr_html_(self) -> str:
        return render.as_html(self.report)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """The report for a front end without HTML; the points for nbgrader, and where the report was printed.

        nbgrader takes what is no number for full points: its Validate button passes an answer that is recorded.
        """
        if os.environ.get("NBGRADER_EXECUTION"):
            printer.text("recorded" if self.report.recorded else repr(self))
        else:
            printer.text(str(self) if in_notebook() else repr(self))


def check(
    function: Callable,
    *,
    name: str | None = None,
    device: str | torch.device | None = None,
    folder: Path = REFERENCE,
) -> CheckResult:
    """Run ``function`` on the visible cases of the graded function of its name, and show what came out.

    ``name`` says which graded function is meant, where it is not ``function.__name__``. ``device`` is where its
    arguments live, by default the GPU if there is one. Nothing that the function does or raises gets out, and a case
    that takes longer than 5 seconds is stopped. ``folder`` has the cases: those of the course, if none is named.
    """
    name = name or getattr(function, "__name__", "")
    found, problem = _find(name, folder)
    if found is None:
        return _show(CheckResult(0.0, render.Report(name, notice=problem)))
    reference, item = found
    if item.kind != "function":
        problem = f'{name} is an answer, not a function; use check_answer("{name}", {name})'
    elif not callable(function):
        problem = f"check needs the function itself, such as check({name}), and got {clean(type(function).__name__)}"
    elif not item.cases:
        problem = f"{name} has no visible cases; it is tried when the lab is graded"
    if problem:
        return _show(CheckResult(0.0, render.Report(name, notice=problem)))
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    runs = [_run(function, reference, item, case, place) for case in item.cases]
    passed = [(case.weight, seen.passed) for case, (_, seen) in zip(item.cases, runs, strict=True)]
    earned = score(item.points, passed)
    found = diagnose(item, [seen for _, seen in runs])
    report = render.Report(
        name,
        item.points,
        earned,
        tuple(shown for shown, _ in runs),
        diagnosis=found.sentence if found else "",
        so_far=note(item, earned, folder),
    )
    return _show(CheckResult(earned, report))


def check_answer(name: str, value: Any, *, folder: Path = REFERENCE) -> CheckResult:
    """Say whether ``value`` can be graded as the answer ``name``; not whether it is right."""
    found, problem = _find(name, folder)
    if found is None:
        return _show(CheckResult(0.0, render.Report(name, notice=problem)))
    item = found[1]
    if item.kind == "function":
        return _show(CheckResult(0.0, render.Report(name, notice=f"{name} is a function; use check({name})")))
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    problem = _problem(item, value)
    notice = problem or f"{name} is recorded: {clean(value, 60)}. It is judged when the lab is graded."
    so_far = note(item, None if problem else 0.0, folder)
    return _show(CheckResult(0.0, render.Report(name, notice=notice, recorded=not problem, so_far=so_far)))


def _problem(item: Item, value: Any) -> str:
    """Why ``value`` cannot be graded as the answer; "" if it can."""
    kind = item.outputs[0].kind if item.outputs else "text"
    if value is None or value is ... or (isinstance(value, str) and value.strip() in ("", "...")):
        return f"{item.name} is still empty"
    if item.choices and (not isinstance(value, str) or value.strip().casefold() not in map(str.casefold, item.choices)):
        return f"{clean(repr(value), 60)} is not one of the choices: {', '.join(item.choices)}"
    if kind in ("integer", "number") and (isinstance(value, bool) or not hasattr(value, "__float__")):
        return f"{item.name} must be a number, not {clean(repr(value), 60)}"
    if kind == "text" and not isinstance(value, str):
        return f"{item.name} must be a text in quotes, not {clean(repr(value), 60)}"
    return ""


def _run(
    function: Callable, reference: Reference, item: Item, case: Case, device: torch.device
) -> tuple[render.CaseReport, Seen]:
    variant = case.variants[0]
    made = call(function, reference, item, case, device=device, limit_s=LIMIT_S)
    shown = {
        "name": case.name,
        "tests": case.tests,
        "hint": case.hint,
        "original": next(iter(reference.arguments(variant)), None),
        "expected": reference.expected(variant),
    }
    if made.outcome != "returned":
        outcome = Outcome(raised=made.raised) if made.raised else None
        report = render.CaseReport(**shown, outcome=made.outcome, message=made.message, line=made.line)
        return report, Seen(reference, variant, False, outcome)
    observed = made.observed or {}
    verdict = judge(reference, item, case, variant, made.result, observed)
    message = verdict.detail or verdict.message
    report = render.CaseReport(**shown, outcome="passed" if verdict else "failed", message=message, verdict=verdict)
    return report, Seen(reference, variant, bool(verdict), Outcome(result=made.result, observed=observed))


def _find(name: str, folder: Path) -> tuple[tuple[Reference, Item] | None, str]:
    """The item and its reference, or None and a sentence that says what to do."""
    try:
        found = find_item(name, folder)
        if found is not None:
            return found, ""
        known = sorted({item for lab in labs(folder) for item in load_reference(lab, folder).items})
    except ReferenceMissing as error:
        return None, clean(error)
    if not known:
        return None, "this installation of qlab-kit has no checks; install it again, or run `qlab build` in the course"
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return None, f"there is no check called {clean(repr(name), 80)}; " + (
        f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}"
    )


def _show(result: CheckResult) -> CheckResult:
    """A notebook displays the result of a cell's last line; a terminal has to be told."""
    if not in_notebook():
        print(result)
    return result
