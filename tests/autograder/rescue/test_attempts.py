"""Several files of one student: which of them is graded, and that this is said."""

import copy
import io
import zipfile
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from autograder import attempts
from autograder.submissions import UnreadableNotebook

from .handed_in import LAB, SPLIT, as_bytes, cell_of, zipped


def changed(notebook: NotebookNode, source: str) -> NotebookNode:
    notebook = copy.deepcopy(notebook)
    cell_of(notebook, SPLIT).source = f"def {SPLIT}(*x):\n    return {source}"
    return notebook


@pytest.mark.parametrize(
    "names",
    [
        (f"{LAB}.ipynb", f"{LAB} (1).ipynb"),
        (f"Copy of {LAB}.ipynb", f"{LAB}.ipynb"),
        ("attempt1/work.ipynb", "attempt2/work.ipynb"),
        (f"{LAB}/first.ipynb", f"{LAB}/again/second.ipynb"),
        ("Lab2 old.ipynb", "LAB 2 - final.ipynb"),
    ],
)
def test_of_several_attempts_the_newest_is_graded_and_that_is_said(hand_in, solved, names):
    opened = hand_in({names[0]: changed(solved, "1"), names[1]: changed(solved, "2")})
    assert cell_of(opened.repaired.notebook, SPLIT).source.endswith("return 2")
    assert opened.repairs == (f"2 notebooks; graded the newest, {Path(names[1]).name}",)


def test_a_newer_notebook_of_another_lab_or_without_the_labs_name_is_not_taken(hand_in, solved):
    opened = hand_in({"lab2.ipynb": solved, "lab1_kmeans.ipynb": changed(solved, "1"), "x.ipynb": changed(solved, "2")})
    assert opened.found.file == "lab2.ipynb"
    assert opened.repairs == ("3 notebooks; graded the one with the lab's name, lab2.ipynb",)


def test_folders_of_other_labs_are_left_alone(hand_in, solved):
    assert hand_in({f"{LAB}/a.ipynb": solved, "lab1_kmeans/b.ipynb": b"{}"}).repairs == ()
    with pytest.raises(UnreadableNotebook, match="nothing of lab2_linear"):
        hand_in({f"{LAB}/a.ipynb": new_notebook(cells=[new_code_cell("x = 1")])})


def test_only_so_many_zips_are_opened_as_a_student_may_have_handed_in(hand_in, solved, monkeypatch):
    monkeypatch.setattr(attempts, "MAX_ARCHIVES", 1)
    with pytest.raises(UnreadableNotebook, match="more than 1 zip files"):
        hand_in({"1.zip": zipped({"notes.txt": b""}), "2.zip": zipped({"a.ipynb": solved})})


def test_a_zip_is_an_attempt_like_others_and_its_newest_notebook_counts(hand_in, solved):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        for name, day, result in (("a.ipynb", 9, "9"), ("b.ipynb", 3, "3")):
            target.writestr(zipfile.ZipInfo(name, (2024, 5, day, 1, 2, 4)), as_bytes(changed(solved, result)))
    opened = hand_in({"old.ipynb": solved, "new.zip": archive.getvalue()})
    assert cell_of(opened.repaired.notebook, SPLIT).source.endswith("return 9")
    assert opened.found.file == "new.zip/a.ipynb"
    assert "3 notebooks; graded the newest, new.zip/a.ipynb" in opened.repairs
    assert "the notebook was taken out of a zip file: new.zip/a.ipynb" in opened.repairs


@pytest.mark.parametrize(
    ("newest", "says"),
    [
        (b"", "is empty"),
        (b'{"cells": [', "is cut off"),
        (b"[1]", "JSON but not a notebook"),
        (b"<!DOCTYPE html>", "a web page"),
        (as_bytes(new_notebook(cells=[new_code_cell("x = 1")])), "nothing of lab2_linear"),
    ],
)
def test_when_the_newest_attempt_is_unreadable_the_one_before_is_graded_and_that_is_said(hand_in, solved, newest, says):
    opened = hand_in({"lab2 a.ipynb": solved, "lab2 b.ipynb": newest})
    assert opened.found.file == "lab2 a.ipynb"
    assert "lab2 b.ipynb" in opened.repairs[1] and says in opened.repairs[1]
    assert opened.repairs[1].endswith("an earlier attempt was graded instead, lab2 a.ipynb")
