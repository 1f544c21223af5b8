"""What cannot be graded is refused aloud, and an archive that means harm does none."""

import io
import os
import zipfile

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from autograder.submissions import UnreadableNotebook

from .handed_in import as_bytes, zipped


def page(_: NotebookNode) -> bytes:
    """The first lines of what nbconvert writes."""
    return b'<!DOCTYPE html>\n\n<html lang="en">\n<head><meta charset="utf-8" />\n'


def locked(notebook: NotebookNode) -> bytes:
    content = bytearray(zipped({"lab.ipynb": notebook}))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + flags] |= 1
    return bytes(content)


def odd_compression(notebook: NotebookNode) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("lab.ipynb", as_bytes(notebook))
    return target.getvalue()


REFUSED = {
    "web page": ("lab.html", page, "web page made from the notebook"),
    "web page called ipynb": ("lab.ipynb", page, "not a Jupyter notebook but a web page"),
    "pdf called ipynb": ("lab.ipynb", lambda _: b"%PDF-1.7\n\x80", "a PDF"),
    "empty": ("lab.ipynb", lambda _: b"", "is empty"),
    "nul bytes": ("lab.ipynb", lambda _: b"\0" * 4096, "is empty"),
    "cut off": ("lab.ipynb", lambda notebook: as_bytes(notebook)[:20_000], "is cut off at line"),
    "other json": ("lab.ipynb", lambda _: b'{"name": "ada"}', "JSON but not a notebook"),
    "json list": ("lab.json", lambda _: b"[]", "JSON but not a notebook"),
    "merge conflict": (
        "lab.ipynb",
        lambda notebook: as_bytes(notebook).replace(
            b' "cells": [', b'<<<<<<< HEAD\n"cells": [\n=======\n>>>>>>> x\n', 1
        ),
        "merge conflict",
    ),
    "other course": ("lab.ipynb", lambda _: new_notebook(cells=[new_code_cell("x = 1")]), "nothing of lab2_linear"),
    "no cells": ("lab.ipynb", lambda _: new_notebook(), "nothing of lab2_linear"),
    "zip without a notebook": ("lab.zip", lambda _: zipped({"report.docx": b"x"}), "holds no notebook"),
    "empty zip": ("lab.zip", lambda _: zipped({}), "not a zip file"),
    "zip cut off": ("lab.zip", lambda notebook: zipped({"lab.ipynb": notebook})[:-40], "damaged zip file"),
    "zip with a password": ("lab.zip", locked, "locked with a password"),
    "zip of a rare kind": ("lab.zip", odd_compression, "compressed in a way that is not read"),
    "no zip": ("lab.zip", lambda _: b"hello", "is not a zip file"),
    "zips too deep": ("lab.zip", lambda n: zipped({"b.zip": zipped({"c.zip": zipped({"l.ipynb": n})})}), "no notebook"),
    "other archive": ("lab.rar", lambda _: b"Rar!", "kind of archive"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_graded_is_refused_in_one_sentence_that_says_what_to_hand_in(hand_in, solved, kind):
    name, write, says = REFUSED[kind]
    with pytest.raises(UnreadableNotebook, match=says) as error:
        hand_in({name: write(solved)})
    text = str(error.value)
    assert name in text and "hand" in text and "\n" not in text
    assert text.count(";") == 1


def test_a_zip_bomb_costs_neither_memory_nor_the_class(hand_in, monkeypatch):
    monkeypatch.setattr("autograder.submissions.MAX_BYTES", 100_000)
    with pytest.raises(UnreadableNotebook, match="larger than"):
        hand_in({"bomb.zip": zipped({"lab.ipynb": b" " * 200_000})})
    monkeypatch.setattr("autograder.archives.MAX_INNER_BYTES", 100_000)
    with pytest.raises(UnreadableNotebook, match="holds no notebook"):
        hand_in({"bomb.zip": zipped({"inner.zip": zipped({"lab.ipynb": os.urandom(200_000)})})})
    monkeypatch.setattr("autograder.archives.MAX_MEMBERS", 20)
    with pytest.raises(UnreadableNotebook, match="far larger than a notebook"):
        hand_in({"bomb.zip": zipped({f"{number}.ipynb": b"" for number in range(21)})})
    monkeypatch.setattr("autograder.archives.MAX_ARCHIVE_BYTES", 1000)
    with pytest.raises(UnreadableNotebook, match="far larger than a notebook"):
        hand_in({"bomb.zip": zipped({"lab.ipynb": os.urandom(2000)})})


def test_a_size_that_an_archive_states_is_not_believed(hand_in, monkeypatch):
    """The directory says one byte; a megabyte follows."""
    monkeypatch.setattr("autograder.submissions.MAX_BYTES", 100_000)
    content = bytearray(zipped({"lab.ipynb": b" " * 1_000_000}))
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = (1).to_bytes(4, "little")
    with pytest.raises(UnreadableNotebook):
        hand_in({"bomb.zip": bytes(content)})


def test_a_link_in_a_zip_is_not_followed(hand_in, tmp_path, solved):
    (tmp_path / "secret.ipynb").write_bytes(as_bytes(solved))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        link = zipfile.ZipInfo("lab.ipynb")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, str(tmp_path / "secret.ipynb"))
    with pytest.raises(UnreadableNotebook, match="holds no notebook"):
        hand_in({"lab.zip": target.getvalue()})


def test_names_in_a_zip_cannot_steer_a_terminal(hand_in, solved):
    opened = hand_in({"a.zip": zipped({"x/\x1b[2J\u202elab.ipynb": solved})})
    assert opened.found.file == "a.zip/?[2J?lab.ipynb"
