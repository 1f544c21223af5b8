"""Files of every kind that a class really hands in: each is graded as if nothing had happened."""

import copy
import json
import re
import subprocess
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbconvert import PythonExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.plan import plan_cells, sources_of

from .handed_in import LAB, SPLIT, as_bytes, sources, with_answers, zipped


def colab(notebook: NotebookNode) -> bytes:
    """As Colab writes it: format 4.0, ids in the metadata, its own keys and outputs, form cells."""
    raw = json.loads(nbformat.writes(notebook))
    raw["nbformat_minor"] = 0
    raw["metadata"] = {
        "colab": {"provenance": [], "collapsed_sections": ["a1"], "gpuType": "T4", "name": "Copy of lab"},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "accelerator": "GPU",
        "widgets": {"application/vnd.jupyter.widget-state+json": {"x": {"model_module": "y"}}},
    }
    for number, cell in enumerate(raw["cells"]):
        cell.pop("id")
        cell["metadata"] |= {"id": f"aB{number}_-x"}
        if cell["cell_type"] == "code":
            cell["metadata"] |= {"cellView": "form", "colab": {"base_uri": "https://localhost:8080/"}, "outputId": "7"}
            data = {"text/plain": ["1"], "application/vnd.google.colaboratory.intrinsic+json": {"type": "string"}}
            cell["outputs"] = [
                {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": 3},
                {"output_type": "stream", "name": "stdout", "text": ["\x1b[?25l   1%\r   2%\n"]},
            ]
    return json.dumps(raw, ensure_ascii=False).encode()


def vs_code(notebook: NotebookNode) -> bytes:
    raw = json.loads(nbformat.writes(notebook))
    raw |= {"nbformat_minor": 2, "metadata": {"orig_nbformat": 4, "language_info": {"name": "python"}}}
    for cell in raw["cells"]:
        cell.pop("id")
        cell["metadata"] |= {"vscode": {"languageId": "python"}, "notebookRunGroups": {"groupValue": "1"}}
        cell["metadata"].pop("nbgrader", None)
        cell["source"] = "".join(cell["source"])
    return json.dumps(raw, indent=1).replace("\n", "\r\n").encode()


def format_3(notebook: NotebookNode) -> bytes:
    return nbformat.writes(notebook, version=3).encode()


def script_of_jupyter(notebook: NotebookNode) -> bytes:
    return PythonExporter().from_notebook_node(notebook)[0].encode()


def script_of_jupytext(notebook: NotebookNode) -> bytes:
    return jupytext.writes(notebook, "py:percent").encode()


def script_of_vs_code(notebook: NotebookNode) -> bytes:
    """It writes "# %%" as jupytext does, magics as nbconvert does, and no metadata."""
    parts = []
    for cell in notebook.cells:
        text = "\n".join(f"# {line}" for line in cell.source.split("\n"))
        parts.append(f"# %% [markdown]\n{text}" if cell.cell_type == "markdown" else f"# %%\n{cell.source}\n")
    return "\r\n".join("\n".join(parts).split("\n")).encode()


FILES = {
    "colab": (f"Copy of {LAB}.ipynb", colab),
    "vs code": (f"{LAB}.ipynb", vs_code),
    "format 3": ("old.ipynb", format_3),
    "byte order mark": ("x.ipynb", lambda notebook: b"\xef\xbb\xbf" + as_bytes(notebook)),
    "utf-16": ("x.ipynb", lambda notebook: nbformat.writes(notebook).encode("utf-16")),
    "utf-16 without a mark": ("x.ipynb", lambda notebook: nbformat.writes(notebook).encode("utf-16-be")),
    "utf-32": ("x.ipynb", lambda notebook: nbformat.writes(notebook).encode("utf-32")),
    "mac line ends": ("x.ipynb", lambda notebook: as_bytes(notebook).replace(b"\n", b"\r")),
    "raw newlines in strings": ("x.ipynb", lambda notebook: re.sub(rb"(?<!\\)\\n", b"\n", as_bytes(notebook))),
    "nul bytes after it": ("x.ipynb", lambda notebook: as_bytes(notebook) + b"\0" * 512),
    "twice in one file": ("x.ipynb", lambda notebook: 2 * as_bytes(notebook)),
    "called txt by the browser": (f"{LAB}.ipynb.txt", as_bytes),
    "called json": ("notebook.json", as_bytes),
    "python export of jupyter": (f"{LAB}.py", script_of_jupyter),
    "python export called ipynb": (f"{LAB}.ipynb", script_of_jupyter),
    "percent script": (f"{LAB}.py", script_of_jupytext),
    "script of vs code": ("lab.py", script_of_vs_code),
    "zip": ("Abgabe.zip", lambda notebook: zipped({f"lab 2/{LAB} (1).ipynb": notebook, "lab 2/data.csv": b"1,2"})),
    "zip in a zip": ("a.zip", lambda notebook: zipped({"b/b.ZIP": zipped({"c/work.ipynb": notebook}), "x.zip": b"PK"})),
    "zip called ipynb": (f"{LAB}.ipynb", lambda notebook: zipped({"work.ipynb": notebook})),
    "zip with a script": ("a.zip", lambda notebook: zipped({"src/lab.py": script_of_jupyter(notebook)})),
    "zip of macos": ("a.zip", lambda notebook: zipped({"w.ipynb": notebook, "__MACOSX/._w.ipynb": b"\0\5\x16\7"})),
    "zip of windows": ("a.zip", lambda notebook: zipped({"my work\\lab.ipynb": notebook})),
    "zip that climbs": ("a.zip", lambda notebook: zipped({"../../../../tmp/qlab-climbs.ipynb": notebook})),
    "in a folder of attempts": ("attempt 2/final/work.ipynb", as_bytes),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_this_kind_gives_every_graded_cell_its_work(hand_in, solved, perfect, kind):
    name, write = FILES[kind]
    opened = hand_in({name: write(with_answers(solved))})
    assert sources(opened.repaired.notebook) == sources(with_answers(copy.deepcopy(perfect)))
    assert opened.repaired.kind == "release"
    quiet = ("colab", "mac line ends", "called txt by the browser", "called json", "in a folder of attempts")
    assert bool(opened.repairs) == (kind not in quiet)
    assert not Path("/tmp/qlab-climbs.ipynb").exists()


def test_what_the_long_cells_of_a_python_export_do_is_not_run(hand_in, solved):
    plan = plan_cells(hand_in({"lab.py": script_of_jupyter(solved)}).repaired)
    skipped = [cell.source for cell in plan_cells(hand_in({"lab.ipynb": solved}).repaired) if cell.run == "skip"]
    assert [cell.source for cell in plan if cell.run == "skip"] == skipped
    assert len(skipped) > 10


def test_magics_in_an_export_become_magics_again(hand_in, solved):
    solved.cells.append(new_code_cell("%matplotlib inline\n!ls -l\nz = 3"))
    solved.cells.append(new_code_cell("%%time\ny = 3"))
    notebook = hand_in({"lab.py": script_of_jupyter(solved)}).repaired.notebook
    assert notebook.cells[-2].source == "%matplotlib inline\n!ls -l\nz = 3"
    assert notebook.cells[-1].source == "%%time\ny = 3"


def test_a_plain_script_is_graded_by_its_functions(hand_in, solved):
    code = "\n".join(cell.source for cell in solved.cells if cell.source.startswith(("def ", "import ", "from ")))
    opened = hand_in({"my_lab.py": code})
    assert opened.repaired.kind == "foreign"
    assert sources_of(opened.repaired.notebook, [SPLIT]) == sources_of(solved, [SPLIT])


def test_nothing_was_started_to_read_a_class(hand_in, solved, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    assert hand_in({"a.zip": zipped({"lab.ipynb": solved})}).found.inside == ("lab.ipynb",)
