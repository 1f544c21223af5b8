"""A whole lab: the solved notebook in fast mode (``QLAB_FAST=1``), and the same with the homework's own ways in it.

The text of the homework itself cannot run in minutes on two cores, so this is a stand-in: both notebooks show the same
figures on the same data, in a kernel each, start included; ``benchmarks.homework`` says what is exchanged.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from autograder.course import load_course
from autograder.notebooks import solved_notebook
from benchmarks.harness import Figure, alternate, duration, speedup
from benchmarks.peers import need_cifar10

ROOT = Path(__file__).parent.parent
PRELUDE = "from benchmarks import homework\nhomework.install()"
LOOP = "from benchmarks.homework import update_codebook"
ROUNDS = {"lab1_kmeans": 1, "lab2_linear": 2}  # at 8 bits the homework's clustering of a VGG takes minutes
TINY_CELLS = 5  # text and imports only


def measure(*, tiny: bool) -> Iterator[Figure]:
    if not tiny:
        need_cifar10()
    course = load_course()
    for lab, rounds in ROUNDS.items():
        if tiny and lab != "lab2_linear":
            continue
        timings = alternate(
            {
                "qlab": lambda lab=lab: execute(shortened(solved_notebook(course, lab), tiny=tiny)),
                "homework": lambda lab=lab: execute(homework_way(shortened(solved_notebook(course, lab), tiny=tiny))),
            },
            rounds=1 if tiny else rounds,
            least_s=0,
            warm_up=False,
        )
        yield duration(f"{lab} solved, fast mode, from start to end", timings["qlab"])
        yield speedup(f"{lab} solved, fast mode: against the homework's ways", timings, of="qlab", over="homework")


def shortened(notebook: NotebookNode, *, tiny: bool) -> NotebookNode:
    if tiny:
        notebook.cells = notebook.cells[:TINY_CELLS]
    return notebook


def homework_way(notebook: NotebookNode) -> NotebookNode:
    """With a cell before all others, and one behind the definition of update_codebook."""
    notebook.cells.insert(0, nbformat.v4.new_code_cell(PRELUDE))
    places = [number for number, cell in enumerate(notebook.cells) if "def update_codebook(" in cell.source]
    if places:
        notebook.cells.insert(places[0] + 1, nbformat.v4.new_code_cell(LOOP))
    return notebook


def execute(notebook: NotebookNode) -> None:
    """In a kernel of its own, in an empty folder. Raises nbclient's error for a cell that fails."""
    with tempfile.TemporaryDirectory(prefix="qlab-bench-") as folder, _environment():
        client = NotebookClient(
            notebook, timeout=None, skip_cells_with_tag="", resources={"metadata": {"path": folder}}
        )
        client.execute()


@contextmanager
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    found = os.environ.get("QLAB_DATA")
    os.environ.update(QLAB_FAST="1", PYTHONPATH=str(ROOT))
    if found:
        os.environ["QLAB_DATA"] = str(Path(found).expanduser().resolve())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
