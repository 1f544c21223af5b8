"""What a class really hands in, on the real lab 2: each kind is graded as if nothing had happened, or refused aloud."""

import copy
import io
import json
import os
import re
import subprocess
import zipfile
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path
from types import SimpleNamespace

import jupytext
import nbformat
import pytest
from nbconvert import PythonExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.course import load_course
from autograder.demo import perfect_submission
from autograder.opening import Opened, open_submission
from autograder.plan import plan_cells, source_of
from autograder.submissions import UnreadableNotebook, find_submissions

LAB = "lab2_linear"
OTHERS = ("lab1_kmeans",)
SPLIT = "linear_quantize"


@pytest.fixture(scope="module")
def release() -> NotebookNode:
    return nbformat.read(load_course().release(LAB), as_version=4)


@pytest.fixture(scope="module")
def perfect() -> NotebookNode:
    return perfect_submission(load_course(), LAB)


@pytest.fixture
def solved(perfect) -> NotebookNode:
    return copy.deepcopy(perfect)


@pytest.fixture
def hand_in(tmp_path, release) -> Callable[..., Opened]:
    """Put files into a student's folder, the first the oldest, and open what is found there."""

    def run(files: dict[str, NotebookNode | bytes | str]) -> Opened:
        for age, (name, content) in enumerate(reversed(files.items())):
            path = tmp_path / "class" / "ada" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(as_bytes(content))
            os.utime(path, (1_700_000_000 - 60 * age,) * 2)
        (found,) = find_submissions(tmp_path / "class", LAB, other_labs=OTHERS)
        return open_submission(found, SimpleNamespace(release=release, lab=LAB))

    return run


def as_bytes(content: NotebookNode | bytes | str) -> bytes:
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else nbformat.writes(content)).encode()


def zipped(files: dict[str, NotebookNode | bytes | str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, as_bytes(content))
    return target.getvalue()


def sources(notebook: NotebookNode) -> dict[str, str]:
    """Of the graded cells and of the student's own: what the sandbox and a person are to see."""
    marked = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    return {cell.metadata.nbgrader.grade_id: cell.source.rstrip("\n") for cell in marked}


def items(notebook: NotebookNode) -> dict[str, str]:
    names = [grade_id.removeprefix("check_") for grade_id in sources(notebook) if grade_id.startswith("check_")]
    return {name: source_of(notebook, name) for name in names}


def cell_of(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    (cell,) = [one for one in notebook.cells if one.metadata.get("nbgrader", {}).get("grade_id") == grade_id]
    return cell


def position(notebook: NotebookNode, grade_id: str) -> int:
    return next(n for n, one in enumerate(notebook.cells) if one is cell_of(notebook, grade_id))


def without_identity(notebook: NotebookNode) -> NotebookNode:
    for number, cell in enumerate(notebook.cells):
        cell.metadata, cell.id = NotebookNode(), f"n{number}"
    return notebook


def with_answers(notebook: NotebookNode) -> NotebookNode:
    for grade_id in ("question_9_2", "question_10"):
        cell_of(notebook, grade_id).source = f"Your answer:\n\nBecause of {grade_id}."
    return notebook


# -- whole files ----------------------------------------------------------------------------------------------------


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
    assert source_of(opened.repaired.notebook, SPLIT) == source_of(solved, SPLIT)


# -- several files of one student -----------------------------------------------------------------------------------


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


# -- refused --------------------------------------------------------------------------------------------------------


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


# -- cells ----------------------------------------------------------------------------------------------------------


def split_with_metadata(cell: NotebookNode, line: int) -> list[NotebookNode]:
    """As JupyterLab splits: both halves keep the metadata."""
    lines = cell.source.split("\n")
    halves = [copy.deepcopy(cell), copy.deepcopy(cell)]
    halves[0].source, halves[1].source = "\n".join(lines[:line]), "\n".join(lines[line:])
    halves[1].id = f"fresh-{line}"
    return halves


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("where", range(2, 7))
def test_a_function_split_at_any_line_is_whole_again(hand_in, solved, perfect, where, lost):
    at = position(solved, SPLIT)
    lines = cell_of(perfect, SPLIT).source.count("\n") + 1
    solved.cells[at : at + 1] = split_with_metadata(solved.cells[at], max(1, lines - where))
    if lost:
        without_identity(solved)
    opened = hand_in({"lab2.ipynb": solved})
    assert items(opened.repaired.notebook) == items(perfect)
    assert any("joined" in note and SPLIT in note for note in opened.repairs)


def test_a_function_split_into_three_is_whole_again(hand_in, solved, perfect):
    at = position(solved, SPLIT)
    head, rest = split_with_metadata(solved.cells[at], 1)
    middle, tail = split_with_metadata(rest, rest.source.count("\n"))
    solved.cells[at : at + 1] = [head, middle, tail]
    assert items(hand_in({"lab2.ipynb": solved}).repaired.notebook) == items(perfect)


def test_an_indented_line_tried_out_below_a_function_does_not_become_part_of_it(hand_in, solved, perfect):
    at = position(solved, SPLIT)
    solved.cells.insert(at + 1, new_code_cell(f"    print({SPLIT})"))
    opened = hand_in({"lab2.ipynb": solved})
    assert items(opened.repaired.notebook) == items(perfect)
    assert opened.repairs == ()


def test_functions_parted_and_merged_differently_are_all_found(hand_in, solved, perfect):
    """Two solution cells and the check between them in one cell, as Jupyter merges them: the first's metadata."""
    first = position(solved, "get_quantization_scale_for_weight")
    second = position(solved, "linear_quantize_weight_per_channel")
    merged = [cell for cell in solved.cells[first : second + 1] if cell.cell_type == "code"]
    merged[0].source = "\n".join(cell.source for cell in merged)
    gone = [id(cell) for cell in merged[1:]]
    solved.cells = [cell for cell in solved.cells if id(cell) not in gone]
    opened = hand_in({"lab2.ipynb": solved})
    assert items(opened.repaired.notebook) == items(perfect)
    assert opened.repairs


def test_code_that_was_merged_into_a_text_cell_is_graded(hand_in, solved, perfect):
    at = position(solved, SPLIT)
    text = new_markdown_cell("Write it.\n\n" + solved.cells[at].source + "\n\nDone.")
    solved.cells[at] = text
    opened = hand_in({"lab2.ipynb": solved})
    assert items(opened.repaired.notebook) == items(perfect)
    assert any("stood in a text cell" in note for note in opened.repairs)


def test_deleted_duplicated_and_reordered_cells_lose_no_work(hand_in, solved, perfect):
    with_answers(solved)
    solved.cells = [cell for cell in solved.cells if not cell.source.startswith("check")][::-1]
    solved.cells += copy.deepcopy(solved.cells[:20])
    for number, cell in enumerate(solved.cells):
        cell.id = f"c{number}"
    opened = hand_in({"lab2.ipynb": solved})
    assert items(opened.repaired.notebook) == items(perfect)
    assert "Because of question_10." in cell_of(opened.repaired.notebook, "question_10").source


# -- written answers ------------------------------------------------------------------------------------------------

ANSWER = "The clamp does it."


def merged_with_question(notebook: NotebookNode, at: int) -> None:
    question, answer = notebook.cells[at - 1 : at + 1]
    question.source += f"\n\nYour answer:\n\n{ANSWER}"
    notebook.cells.remove(answer)


def merged_with_next_question(notebook: NotebookNode, at: int) -> None:
    answer, following = notebook.cells[at : at + 2]
    answer.source = f"Your answer:\n\n{ANSWER}\n\n{following.source}"
    notebook.cells.remove(following)


def in_a_cell_below(notebook: NotebookNode, at: int) -> None:
    notebook.cells.insert(at + 1, new_markdown_cell(ANSWER))


def instead_of_the_cell(notebook: NotebookNode, at: int) -> None:
    notebook.cells[at] = new_markdown_cell(ANSWER)


def below_an_edited_question(notebook: NotebookNode, at: int) -> None:
    notebook.cells[at - 1].source = "So.\n\n### Question 9.2 (4 points)\n\nThe int8 model: why?"
    notebook.cells[at] = new_markdown_cell(ANSWER)


def written_into_the_question(notebook: NotebookNode, at: int) -> None:
    notebook.cells[at - 1].source += f"\n\n{ANSWER}"


def split_in_two(notebook: NotebookNode, at: int) -> None:
    notebook.cells[at].source = f"Your answer:\n\nI think.\n{ANSWER}"
    notebook.cells[at : at + 1] = split_with_metadata(notebook.cells[at], 3)


def behind_a_cell_of_code(notebook: NotebookNode, at: int) -> None:
    notebook.cells[at : at + 1] = [new_code_cell("2 + 2"), new_markdown_cell(ANSWER)]


WRITTEN = [
    merged_with_question,
    merged_with_next_question,
    in_a_cell_below,
    instead_of_the_cell,
    below_an_edited_question,
    written_into_the_question,
    split_in_two,
    behind_a_cell_of_code,
]


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("change", WRITTEN)
def test_a_written_answer_is_found_by_its_question(hand_in, solved, release, change, lost):
    for grade_id in ("question_9_2", "question_10"):
        cell_of(solved, grade_id).source = cell_of(release, grade_id).source
    change(solved, position(solved, "question_9_2"))
    if lost:
        without_identity(solved)
    opened = hand_in({"lab2.ipynb": solved})
    assert ANSWER in cell_of(opened.repaired.notebook, "question_9_2").source
    assert ANSWER not in cell_of(opened.repaired.notebook, "question_10").source
    assert len(opened.repaired.notebook.cells) <= len(solved.cells) + 2
    assert opened.repairs


def test_text_of_the_lab_is_not_taken_for_an_answer(hand_in, release):
    for notebook in (copy.deepcopy(release), without_identity(copy.deepcopy(release))):
        repaired = hand_in({"lab2.ipynb": notebook}).repaired.notebook
        assert sources(repaired) == sources(release)


def test_nothing_was_started_to_read_a_class(hand_in, solved, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    assert hand_in({"a.zip": zipped({"lab.ipynb": solved})}).found.inside == ("lab.ipynb",)


def test_metadata_that_cannot_be_copied_or_written_harms_nobody(hand_in, solved):
    raw = json.loads(nbformat.writes(solved))
    raw["cells"][1]["metadata"] = {"nbgrader": {"grade_id": "x", "deep": "DEEP"}, "tags": ["\ud800"]}
    text = json.dumps(raw).replace('"DEEP"', "[" * 900 + "]" * 900)
    repaired = hand_in({"lab2.ipynb": text}).repaired
    assert nbformat.writes(repaired.notebook).encode()


def test_cells_that_are_slow_to_tell_from_an_experiment_are_not_all_compared(hand_in, solved, monkeypatch):
    """The same letters in another order, as often as somebody likes."""
    compared = []
    real = SequenceMatcher.ratio
    monkeypatch.setattr(SequenceMatcher, "ratio", lambda self: compared.append(1) or real(self))
    monkeypatch.setattr("autograder.matching.MAX_COMPARISONS", 5)
    long = next(cell for cell in solved.cells if "tags" in cell.metadata)
    source = "#" + "".join(sorted(long.source.replace("\n", "")))
    solved.cells = [cell for cell in solved.cells if cell is not long]
    solved.cells += [new_code_cell(source, id=f"x{number}") for number in range(50)]
    hand_in({"lab2.ipynb": solved})
    assert len(compared) == 5
