"""Which lab, notebook and names are looked at, in each kind of notebook."""

import json
import sys
from types import ModuleType

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from qlab_helpers import preflight
from qlab_helpers.notebook_file import NotebookUnreadable, read_open_notebook

from .small_lab import DOUBLE, notebook, session, states


def test_lab_is_told_from_the_notebook_or_asked_for(looked, folder):
    assert looked(DOUBLE).lab == "lab_small"
    assert looked("x = 1", saved=new_notebook()).notice == (
        'which lab is this? Say one of: preflight("lab_other"), preflight("lab_small")'
    )
    assert looked("def triple(x):\n    return 3 * x", saved=new_notebook()).lab == "lab_other"
    assert "no reference tensors for 'lab7'" in looked("x = 1", lab="lab7").notice


def test_notebook_without_metadata_is_looked_at_by_its_functions_and_says_what_it_cannot_tell(looked):
    plain = new_notebook(cells=[new_code_cell(DOUBLE), new_code_cell("check(double)")])
    found = looked(DOUBLE, saved=plain)
    assert found.lab == "lab_small" and states(found)["double"] == "passed"
    assert "see yourself whether the written questions are answered" in found.notes[0]


def test_notebook_of_the_jupyter_session_is_found(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nbformat.write(notebook(DOUBLE), tmp_path / "open.ipynb")
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "open.ipynb"))
    assert "copy of open.ipynb" in preflight(namespace=session(DOUBLE), folder=folder).handin
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "renamed away.ipynb"))
    names = {**session(DOUBLE), "__vsc_ipynb_file__": str(tmp_path / "open.ipynb")}
    assert "copy of open.ipynb" in preflight(namespace=names, folder=folder).handin


def in_colab(monkeypatch, answer: object) -> None:
    def blocking_request(kind: str, request: str = "", timeout_sec: float = 5) -> object:
        assert kind == "get_ipynb"
        if isinstance(answer, Exception):
            raise answer
        return answer

    message = ModuleType("google.colab._message")
    message.blocking_request = blocking_request
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    monkeypatch.setitem(sys.modules, "google.colab._message", message)


def test_in_colab_the_notebook_on_the_screen_is_read_and_written_as_a_file(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = json.loads(nbformat.writes(notebook(DOUBLE)))
    content["cells"][0]["source"] = DOUBLE.splitlines(keepends=True)
    in_colab(monkeypatch, {"ipynb": content})
    found = preflight(namespace=session(DOUBLE), folder=folder)
    assert states(found)["double"] == "passed" and states(found)["question_2"] == "unanswered"
    assert found.handin.startswith("lab_small.ipynb, now in Colab's folder: open Files")
    assert nbformat.read(tmp_path / "lab_small.ipynb", as_version=4).cells[0].source == DOUBLE


@pytest.mark.parametrize("answer", [None, {}, {"ipynb": []}, TimeoutError("no answer"), RuntimeError("gone")])
def test_colab_that_does_not_answer_leaves_a_plain_way_out(folder, tmp_path, monkeypatch, answer):
    monkeypatch.chdir(tmp_path)
    in_colab(monkeypatch, answer)
    found = preflight(namespace=session(DOUBLE), folder=folder)
    assert states(found)["double"] == "passed"  # the session is looked at all the same
    assert "written questions were not looked at" in found.notes[0]
    assert found.handin and not list(tmp_path.iterdir())


def test_notebook_that_cannot_be_found_is_asked_for(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    found = preflight(namespace=session(DOUBLE), folder=folder)
    assert 'save it (Ctrl+S) and give its name, such as preflight(path="lab.ipynb")' in found.handin
    assert states(found)["double"] == "passed"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cells": 1}', "[" * 100_000])
def test_file_that_is_no_notebook_is_refused_with_the_next_step(tmp_path, content):
    (tmp_path / "n.ipynb").write_text(content)
    with pytest.raises(NotebookUnreadable, match="n.ipynb is not a notebook: save it again"):
        read_open_notebook({}, path=tmp_path / "n.ipynb")


@pytest.mark.parametrize(
    "cell", [None, 3, {}, {"cell_type": "code", "source": [1]}, {"cell_type": "markdown", "metadata": []}]
)
def test_strange_cells_do_not_stop_it(folder, tmp_path, monkeypatch, cell):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": [cell]}))
    assert preflight("lab_small", namespace={}, path="n.ipynb", folder=folder).lines


def test_names_of_the_caller_are_looked_at_by_default(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = session(DOUBLE)
    names.update(preflight=preflight, folder=folder)
    exec("found = preflight('lab_small', folder=folder)", names)
    assert states(names["found"])["double"] == "passed"


def test_while_a_lab_is_graded_nothing_is_run_or_written(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QLAB_GRADING", "1")
    found = preflight("lab_small", namespace=session("def double(x):\n    raise SystemExit"), folder=folder)
    assert not found.lines and not list(tmp_path.iterdir()) and not capsys.readouterr().out
