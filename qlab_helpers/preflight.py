"""``preflight()``: what is still open in a lab, and the file to hand in.

It looks at the functions and answers of the running session, as ``check`` does, and at the notebook's own text: what is
not in the file that is handed in will not be graded, whatever the session holds.
"""

import contextlib
import inspect
import io
import math
import os
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qlab_helpers.checking.check import check, check_answer
from qlab_helpers.checking.frontend import in_notebook
from qlab_helpers.checking.preflight_page import Line, Preflight
from qlab_helpers.checking.reference import REFERENCE, Item, ReferenceMissing, labs, load_reference
from qlab_helpers.checking.values import clean
from qlab_helpers.notebook_file import (
    NotebookUnreadable,
    OpenNotebook,
    grade_ids,
    read_open_notebook,
    write_handin,
    written_questions,
)

RUN_AGAIN = "save the notebook (Ctrl+S), run its cell again and then this one"


def preflight(
    lab: str | None = None,
    *,
    path: Path | str | None = None,
    namespace: Mapping[str, Any] | None = None,
    folder: Path = REFERENCE,
) -> Preflight:
    """List what is missing, failing or unanswered in ``lab``, and write the file to hand in.

    Run it in the last cell of the notebook. ``lab`` is told from the notebook where it is not given; ``path`` names the
    notebook's file where it cannot be found; ``namespace`` holds the functions and answers, by default the names of the
    caller. Nothing that a function does or raises gets out.
    """
    if namespace is None:
        frame = inspect.currentframe()
        namespace = frame.f_back.f_globals if frame is not None and frame.f_back is not None else {}
    if os.environ.get("QLAB_GRADING"):  # grading runs every cell, and would run every check once more
        return Preflight(notice="preflight does nothing while the lab is graded")
    result = _look(lab, path, namespace, folder)
    if not in_notebook():
        print(result)
    return result


def _look(lab: str | None, path: Path | str | None, namespace: Mapping[str, Any], folder: Path) -> Preflight:
    notebook, unread = None, ""
    try:
        notebook = read_open_notebook(namespace, path=path)
    except NotebookUnreadable as error:
        unread = str(error)
    try:
        lab = lab or _guess(notebook, namespace, folder)
        if not lab:
            known = ", ".join(f'preflight("{name}")' for name in labs(folder)) or "none are installed"
            return Preflight(notice=f"which lab is this? Say one of: {known}")
        items = load_reference(lab, folder).items
    except ReferenceMissing as error:
        return Preflight(notice=clean(error))
    lines = [_line(item, notebook, namespace, folder) for item in items.values()]
    if notebook is not None:
        lines += [_written(question.name, question.answered) for question in written_questions(notebook)]
        lines.sort(key=_place_in(notebook))
    return Preflight(
        lab,
        tuple(lines),
        notes=tuple(_notes(notebook, unread)),
        handin=unread if notebook is None else _hand_in(notebook, lab),
    )


def _guess(notebook: OpenNotebook | None, namespace: Mapping[str, Any], folder: Path) -> str:
    """The lab most of whose questions are in the notebook, else in the session; "" if none or two are alike."""
    items = {lab: set(load_reference(lab, folder).items) for lab in labs(folder)}
    marked = {name.removeprefix("check_") for name in grade_ids(notebook)} if notebook else set()
    named = {name for names in items.values() for name in names if notebook and notebook.mentions(name)}
    for names in (marked, named, set(namespace)):
        counts = sorted(((len(names & found), lab) for lab, found in items.items()), reverse=True)
        if counts and counts[0][0] and (len(counts) == 1 or counts[0][0] > counts[1][0]):
            return counts[0][1]
    return ""


def _line(item: Item, notebook: OpenNotebook | None, namespace: Mapping[str, Any], folder: Path) -> Line:
    if item.name not in namespace:
        top = item.points if item.kind == "function" and item.cases else None
        todo = "run its cell" if notebook is not None and notebook.defines(item.name) else "write it"
        return Line(item.name, item.kind, "missing", False, todo, of=top)
    look = _function if item.kind == "function" else _answer
    line = look(item, namespace[item.name], folder)
    stale = _stale(item.name, namespace[item.name], notebook)
    if not stale or line.state in ("not written", "empty"):
        return line
    return Line(item.name, item.kind, line.state, False, stale, line.earned, line.of)


def _function(item: Item, function: Any, folder: Path) -> Line:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        result = check(function, name=item.name, folder=folder)
    cases = result.report.cases
    if not cases:
        written = callable(function)
        state = "no visible cases" if written else "missing"
        return Line(item.name, item.kind, state, written, "" if written else result.report.notice)
    passed = sum(case.outcome == "passed" for case in cases)
    numbers = {"earned": float(result), "of": item.points}
    if passed == len(cases):
        return Line(item.name, item.kind, "passed", True, **numbers)
    failing = result.report.failing
    if not passed and (failing.outcome == "not written" or failing.message.startswith("NotImplementedError")):
        return Line(item.name, item.kind, "not written", False, failing.message, **numbers)
    todo = f"{failing.name}: {failing.message.splitlines()[0] if failing.message else failing.outcome}"
    return Line(item.name, item.kind, f"{passed} of {len(cases)} cases", False, todo, **numbers)


def _answer(item: Item, value: Any, folder: Path) -> Line:
    with contextlib.redirect_stdout(io.StringIO()):
        report = check_answer(item.name, value, folder=folder).report
    notice = report.notice
    if report.recorded:
        return Line(item.name, item.kind, "recorded", True)
    if notice.endswith("still empty"):
        return Line(item.name, item.kind, "empty", False, "give an answer")
    return Line(item.name, item.kind, "not an answer", False, notice)


def _stale(name: str, value: Any, notebook: OpenNotebook | None) -> str:
    """What to do where the notebook does not have what the session has; "" where it does."""
    if notebook is None:
        return ""
    if not notebook.defines(name):
        return f"{name} is in no cell of the notebook, so it would not be graded: {RUN_AGAIN}"
    source = _source(value)
    if source and source not in _plain(notebook.code):
        return f"{name} differs from what the notebook has: {RUN_AGAIN}"
    return ""


def _source(value: Callable | Any) -> str:
    """The code of a function, if Python still knows it."""
    if not inspect.isfunction(value):
        return ""
    try:
        return _plain(textwrap.dedent(inspect.getsource(inspect.unwrap(value))))
    except (OSError, TypeError, ValueError):
        return ""


def _plain(code: str) -> str:
    return "\n".join(line.strip() for line in code.splitlines() if line.strip())


def _written(name: str, answered: bool) -> Line:
    if answered:
        return Line(name, "written", "answered", True)
    return Line(name, "written", "unanswered", False, "write your answer in its cell")


def _place_in(notebook: OpenNotebook) -> Callable[[Line], float]:
    """Sorts questions as the notebook has them; those that it has lost come last, in their old order."""
    places = {name.removeprefix("check_"): place for place, name in enumerate(grade_ids(notebook))}
    return lambda line: places.get(line.name, math.inf)


def _notes(notebook: OpenNotebook | None, unread: str) -> list[str]:
    if notebook is None:
        return ["the notebook itself could not be read, so written questions were not looked at"]
    if not grade_ids(notebook):
        return [
            "the cells of this notebook have lost their names: see yourself whether the written questions are answered"
        ]
    return []


def _hand_in(notebook: OpenNotebook, lab: str) -> str:
    try:
        written = write_handin(notebook, lab, Path.cwd())
    except OSError as error:
        return f"no copy could be written ({error.strerror}): save the notebook and hand in its own file"
    if notebook.path is None:
        return f"{written.name}, now in Colab's folder: open Files at the left, and download it from its menu"
    if notebook.path.resolve() == written.resolve():
        return f"{written.name}, this notebook as it was last saved"
    return f"{written.name}, a copy of {notebook.path.name} as it was last saved"
