"""Execute a solved lab from top to bottom, keep the executed notebook, and collect the figures it reports.

Labs report figures with ``qlab_helpers.metrics.report_metrics``, which leaves them in the cell's output under a MIME
type of its own; they are collected here into ``metrics.json``.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

from autograder.course import Course, CourseError
from autograder.notebooks import solved_notebook
from autograder.results import write_atomically
from qlab_helpers.metrics import METRICS_MIME


@dataclass(frozen=True)
class LabRun:
    notebook: Path
    metrics: Path
    seconds: float
    figures: dict[str, Any]


def run_lab(
    course: Course, lab: str, *, fast: bool, out: Path, on_cell: Callable[[int, int], object] | None = None
) -> LabRun:
    """Run the solved notebook of ``lab`` in a kernel of this Python, in an empty folder of its own.

    ``on_cell(done, total)`` is called as each cell begins. Raises ``CourseError`` with the cell and its error when one
    fails; the outputs and figures of what had run by then are kept.
    """
    course.lab(lab)
    notebook = solved_notebook(course, lab)
    out.mkdir(parents=True, exist_ok=True)
    # nbclient would leave out the cells that the grader skips; here they are what we came for.
    client = NotebookClient(notebook, timeout=None, skip_cells_with_tag="", resources={"metadata": {"path": str(out)}})
    total = len(notebook.cells)
    if on_cell is not None:
        client.on_cell_start = lambda cell, cell_index: on_cell(cell_index, total)
    target, metrics = out / f"{lab}.ipynb", out / "metrics.json"
    begin = time.perf_counter()
    complete = False
    with _environment(QLAB_FAST="1" if fast else "0", QLAB_DATA=_absolute(os.environ.get("QLAB_DATA"))):
        try:
            client.execute()
            complete = True
        except CellExecutionError as error:
            raise CourseError(f"{lab} stopped at a cell: {error.ename}: {error.evalue} (see {target})") from error
        except DeadKernelError as error:
            raise CourseError(f"{lab}: the kernel died, perhaps for want of memory (see {target})") from error
        except AssertionError as error:  # nbclient's, once an interrupt has made it end the kernel under itself
            raise KeyboardInterrupt from error
        finally:
            seconds = time.perf_counter() - begin
            figures = collect_metrics(notebook)
            about = {"lab": lab, "fast": fast, "complete": complete, "seconds": round(seconds, 1)}
            write_atomically(target, nbformat.writes(notebook))
            write_atomically(metrics, json.dumps({**about, "figures": figures}, indent=1) + "\n")
    return LabRun(target, metrics, seconds, figures)


def collect_metrics(notebook: NotebookNode) -> dict[str, Any]:
    """All figures reported in the notebook's outputs, later ones over earlier ones."""
    figures: dict[str, Any] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            figures.update(output.get("data", {}).get(METRICS_MIME, {}))
    return figures


def _absolute(folder: str | None) -> str | None:
    return str(Path(folder).expanduser().resolve()) if folder else None


@contextmanager
def _environment(**values: str | None):
    """Set environment variables for the kernel that is started inside; None leaves a variable alone."""
    wanted = {name: value for name, value in values.items() if value is not None}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
