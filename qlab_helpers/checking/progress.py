"""``progress(lab)``: the points so far, at the top of a notebook, brought up to date by each check.

The points stand among the names of the running session, as the student's functions do: a new kernel knows neither. The
front end replaces what it has shown under one display id, so that no script is needed; where it cannot, the line below
each check says the same.
"""

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from qlab_helpers.checking.frontend import notebook_shell
from qlab_helpers.checking.reference import REFERENCE, Item, ReferenceMissing, load_reference
from qlab_helpers.checking.render import points_text
from qlab_helpers.checking.style import frame
from qlab_helpers.checking.values import clean

NAME = "_qlab_points"  # among the session's names: lab -> item -> points of a function, or 0 for a recorded answer


@dataclass(frozen=True)
class Progress:
    """Displays itself. ``earned`` holds the points of each function that was checked and 0 for a recorded answer."""

    lab: str
    items: tuple[Item, ...]
    earned: Mapping[str, float]

    @property
    def headline(self) -> str:
        functions = [item for item in self.items if item.kind == "function"]
        answers = [item for item in self.items if item.kind == "answer"]
        reached, top = self.points
        parts = (
            [f"{points_text(reached)} of {points_text(top)} points on the visible cases so far"] if functions else []
        )
        if answers:
            recorded = sum(item.name in self.earned for item in answers)
            parts.append(f"{recorded} of {len(answers)} answers recorded")
        return ", ".join(parts)

    @property
    def points(self) -> tuple[float, float]:
        """Those of the functions, and how many there are."""
        functions = [item for item in self.items if item.kind == "function"]
        return sum(self.earned.get(item.name, 0.0) for item in functions), sum(item.points for item in functions)

    def __repr__(self) -> str:
        return f"{self.lab}: {self.headline}"

    def _repr_html_(self) -> str:
        reached, top = self.points
        rows = "".join(
            f'<tr><th scope="row">{_text(item.name)}</th><td>{_text(self._state(item))}</td></tr>'
            for item in self.items
        )
        head = '<tr><th scope="col">Question</th><th scope="col">So far</th></tr>'
        bar = (
            f'<progress value="{points_text(reached)}" max="{points_text(top)}" aria-label="Points so far"></progress>'
        )
        body = (
            f"<p><strong>{_text(self.lab)}</strong>: {_text(self.headline)}</p>{bar if top else ''}"
            '<details><summary>Each question</summary><table class="cases" aria-label="Questions">'
            f"<thead>{head}</thead><tbody>{rows}</tbody></table></details>"
        )
        done = all(self._is_done(item) for item in self.items)
        return frame("all" if done else "note", body)

    def _is_done(self, item: Item) -> bool:
        earned = self.earned.get(item.name)
        return earned is not None and (item.kind == "answer" or earned >= item.points)

    def _state(self, item: Item) -> str:
        if item.name not in self.earned:
            return (
                "not answered yet" if item.kind == "answer" else f"not checked yet, {points_text(item.points)} points"
            )
        if item.kind == "answer":
            return "recorded"
        return f"{points_text(self.earned[item.name])} of {points_text(item.points)} points"


def progress(lab: str, *, folder: Path = REFERENCE) -> None:
    """Show the points so far in ``lab`` here, from now on. Does nothing outside a notebook and while it is graded."""
    shell = notebook_shell()
    if shell is None or os.environ.get("QLAB_GRADING"):
        return
    points = _session(shell)
    if not isinstance(points.get(lab), dict):
        points[lab] = {}
    try:
        page = _page(lab, points[lab], folder)
    except ReferenceMissing as error:
        print(clean(error))
        return
    _display(page, update=False)


def note(item: Item, earned: float | None, folder: Path) -> str:
    """Put the points of a check, or of a recorded answer, with those so far; None takes them away.

    Returns the sentence for below the check, "" where ``progress`` shows nothing.
    """
    shell = notebook_shell()
    known = _session(shell).get(item.lab) if shell is not None else None
    if not isinstance(known, dict):
        return ""
    known.pop(item.name, None)
    if earned is not None:
        known[item.name] = earned
    page = _page(item.lab, known, folder)
    _display(page, update=True)
    return repr(page)


def _session(shell: Any) -> dict[str, dict[str, float]]:
    names = getattr(shell, "user_ns", {})
    if not isinstance(names.get(NAME), dict):
        names[NAME] = {}
    return names[NAME]


def _page(lab: str, earned: Mapping[str, float], folder: Path) -> Progress:
    items = tuple(item for item in load_reference(lab, folder).items.values() if item.cases or item.kind == "answer")
    points = {name: value for name, value in earned.items() if isinstance(value, int | float)}
    return Progress(lab, items, points)


def _display(page: Progress, *, update: bool) -> None:
    # A notebook has IPython; students need not install it for anything else.
    importlib.import_module("IPython.display").display(page, display_id=f"qlab-progress-{page.lab}", update=update)


def _text(text: str) -> str:
    return escape(clean(text, 1000), quote=True)
