"""Finding and reading what students hand in: layouts, choices among files, damage of every kind."""

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbformat import v3
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from autograder import submissions, wellformed
from autograder.course import CourseError
from autograder.submissions import UnreadableNotebook, find_submissions, read_notebook, student_name

LAB = "lab2_linear"


def put(path: Path, content: str | bytes | None = None, *, age_s: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        content = nbformat.writes(new_notebook(cells=[new_code_cell("x = 1"), new_markdown_cell("# Title")]))
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    stamp = 1_700_000_000 - age_s
    os.utime(path, (stamp, stamp))
    return path


def sources(path: Path) -> list[str]:
    return [cell.source for cell in read_notebook(path)[0].cells]


def test_both_folder_layouts_are_found_sorted_by_student(tmp_path):
    put(tmp_path / "bob" / LAB / f"{LAB}.ipynb")
    put(tmp_path / "ada" / "work.ipynb")
    found = find_submissions(tmp_path, LAB)
    assert [(one.student, one.path.name) for one in found] == [("ada", "work.ipynb"), ("bob", f"{LAB}.ipynb")]
    assert all(not one.notes and not one.problem for one in found)


def test_of_several_notebooks_the_one_with_the_labs_name_is_graded_and_that_is_noted(tmp_path):
    put(tmp_path / "ada" / LAB / f"{LAB}.ipynb", age_s=100)
    put(tmp_path / "ada" / LAB / "scratch.ipynb")
    (found,) = find_submissions(tmp_path, LAB)
    assert found.path.name == f"{LAB}.ipynb"
    assert found.notes == (f"2 notebooks; graded the one with the lab's name, {LAB}.ipynb",)


def test_of_several_copies_the_newest_is_graded_and_that_is_noted(tmp_path):
    put(tmp_path / "ada" / f"{LAB} (1).ipynb", age_s=50)
    put(tmp_path / "ada" / f"Copy of {LAB}.ipynb", age_s=10)
    put(tmp_path / "ada" / "holiday.ipynb")
    (found,) = find_submissions(tmp_path, LAB)
    assert found.notes == (f"3 notebooks; graded the newest, Copy of {LAB}.ipynb",)


def test_notebooks_of_the_same_age_are_chosen_by_name(tmp_path):
    for name in ("b.ipynb", "c.ipynb", "a.ipynb"):
        put(tmp_path / "ada" / name)
    assert find_submissions(tmp_path, LAB)[0].path.name == "c.ipynb"


def test_a_student_without_a_notebook_has_a_problem_and_the_others_are_found(tmp_path):
    put(tmp_path / "ada" / LAB / f"{LAB}.ipynb")
    put(tmp_path / "bob" / "report.pdf", b"%PDF")
    ada, bob = find_submissions(tmp_path, LAB)
    assert ada.path is not None
    assert bob.path is None
    assert bob.problem == "no notebook in the folder of bob; ask for the .ipynb file"


def test_checkpoints_hidden_files_and_links_are_not_submissions(tmp_path):
    secret = put(tmp_path / "solutions" / "solved.ipynb")
    put(tmp_path / "class" / "ada" / ".ipynb_checkpoints" / "work.ipynb")
    put(tmp_path / "class" / "ada" / ".work.ipynb")
    put(tmp_path / "class" / "bob" / "work.ipynb")
    put(tmp_path / "class" / ".git" / "x.ipynb")
    (tmp_path / "class" / "ada" / f"{LAB}.ipynb").symlink_to(secret)
    (tmp_path / "class" / "eve").symlink_to(secret.parent)
    ada, bob = find_submissions(tmp_path / "class", LAB)
    assert (ada.student, ada.path) == ("ada", None)
    assert bob.path.name == "work.ipynb"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (None, "there is no folder"),
        ([], "has no student folders"),
        (["work.ipynb"], "has no student folders"),
        ([f"{LAB}/work.ipynb"], "holds only a folder lab2_linear"),
        (["ada/notes.txt", "bob/notes.txt"], "2 student folders and no notebook"),
    ],
)
def test_a_folder_without_submissions_is_one_clear_error(tmp_path, files, says):
    folder = tmp_path / "class"
    if files is not None:
        folder.mkdir()
        for name in files:
            put(folder / name)
    with pytest.raises(CourseError, match=says) as error:
        find_submissions(folder, LAB)
    assert "\n" not in str(error.value)


def test_folder_names_that_steer_a_terminal_or_leave_a_path_are_encoded():
    assert student_name("Ada Lovelace-é") == "Ada Lovelace-é"
    assert student_name("\x1b[2J") == "%1B[2J"
    assert student_name("..\\x") == "%2E.%5Cx"
    assert student_name(os.fsdecode(b"\xff")).isascii()


def test_a_byte_order_mark_is_skipped_and_noted(tmp_path):
    plain = put(tmp_path / "plain.ipynb")
    marked = put(tmp_path / "marked.ipynb", b"\xef\xbb\xbf" + plain.read_bytes())
    assert sources(marked) == sources(plain)
    assert "byte order mark" in read_notebook(marked)[1][0]


def test_utf16_is_converted_and_noted(tmp_path):
    plain = put(tmp_path / "plain.ipynb")
    wide = put(tmp_path / "wide.ipynb", plain.read_text().encode("utf-16"))
    assert sources(wide) == sources(plain)
    assert "UTF-16" in read_notebook(wide)[1][0]


def test_bad_utf8_is_replaced_and_noted(tmp_path):
    path = put(tmp_path / "latin.ipynb", put(tmp_path / "a.ipynb").read_bytes().replace(b"# Title", b"# caf\xe9"))
    notebook, repairs = read_notebook(path)
    assert notebook.cells[1].source == "# caf\ufffd"
    assert repairs == ("some characters were not UTF-8 and were replaced",)


def test_format_3_is_converted_as_nbformat_converts_it(tmp_path):
    old = v3.new_notebook(
        worksheets=[
            v3.new_worksheet(
                cells=[
                    v3.new_heading_cell("Title", level=2),
                    v3.new_code_cell(input="x = 1\ny = 2"),
                    v3.new_text_cell("markdown", source="text"),
                ]
            )
        ]
    )
    path = put(tmp_path / "old.ipynb", json.dumps(old))
    notebook, repairs = read_notebook(path)
    expected = nbformat.read(path, as_version=4)
    assert [(c.cell_type, c.source) for c in notebook.cells] == [(c.cell_type, c.source) for c in expected.cells]
    assert "old notebook format" in repairs[0]


def test_missing_fields_are_filled_in_and_noted(tmp_path):
    raw = {"cells": [{"cell_type": "code", "source": ["x = 1\n", "y = 2"]}, "junk", {"cell_type": "odd"}]}
    notebook, repairs = read_notebook(put(tmp_path / "bare.ipynb", json.dumps(raw)))
    assert [cell.source for cell in notebook.cells] == ["x = 1\ny = 2", ""]
    assert "filled in" in repairs[0]


def test_whatever_is_read_is_a_valid_notebook_for_nbformat(tmp_path):
    odd = {
        "metadata": {"kernelspec": 3, "widgets": {"x": 1}},
        "cells": [
            {
                "cell_type": "code",
                "id": "a b",
                "source": "x\r\n\ud800",
                "execution_count": -3,
                "metadata": {"tags": ["a", "a", 3], "collapsed": "yes", "colab": {}},
                "outputs": [{"output_type": "stream"}, {"output_type": "error"}, 7, {"output_type": "display_data"}],
            },
            {"cell_type": "markdown", "id": "same", "metadata": {}, "source": "", "attachments": {"a": 3}},
            {"cell_type": "markdown", "id": "same", "metadata": {}, "source": ""},
        ],
    }
    notebook, _ = read_notebook(put(tmp_path / "odd.ipynb", json.dumps(odd)))
    nbformat.validate(notebook)
    assert notebook.cells[0].source == "x\n?"
    assert json.dumps(notebook).encode()


def test_pictures_and_text_of_outputs_are_kept_and_html_is_not(tmp_path):
    bundle = {"text/plain": "plot", "image/png": "aGk=", "text/html": "<script>1</script>"}
    cell = new_code_cell("plot()", outputs=[new_output("display_data", bundle), new_output("stream", text="hi")])
    notebook, _ = read_notebook(put(tmp_path / "a.ipynb", nbformat.writes(new_notebook(cells=[cell]))))
    shown, stream = notebook.cells[0].outputs
    assert set(shown.data) == {"text/plain", "image/png"}
    assert stream.text == "hi"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04 zip", "a damaged zip file"),
        (b'{"cells": [', "not JSON"),
        (b"[1, 2]", "JSON but not a notebook"),
        (b'{"cells": {}}', "no list of cells"),
        (b"[" * 100_000, "RecursionError"),
        (b'{"cells": [], "x": ' + b"9" * 5000 + b"}", "ValueError"),
    ],
)
def test_what_is_not_a_notebook_is_one_sentence_that_names_the_file(tmp_path, content, says):
    with pytest.raises(UnreadableNotebook, match=says) as error:
        read_notebook(put(tmp_path / "hers.ipynb", content))
    assert "hers.ipynb" in str(error.value)
    assert "hand" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "MAX_BYTES", 1000)
    with pytest.raises(UnreadableNotebook, match="larger than"):
        read_notebook(put(tmp_path / "a.ipynb", b" " * 1001))
    monkeypatch.setattr(submissions, "MAX_BRACKETS", 10)
    with pytest.raises(UnreadableNotebook, match="far more in it"):
        read_notebook(put(tmp_path / "b.ipynb", b"[[[[[[[[[[[]]]]]]]]]]]"))
    monkeypatch.setattr(wellformed, "MAX_CELLS", 1)
    with pytest.raises(UnreadableNotebook, match="2 cells"):
        read_notebook(put(tmp_path / "c.ipynb", b'{"cells": [{}, {}]}'))
    monkeypatch.setattr(wellformed, "MAX_CODE", 10)
    with pytest.raises(UnreadableNotebook, match="12 characters of code"):
        read_notebook(put(tmp_path / "d.ipynb", b'{"cells": [{"cell_type": "code", "source": "x = 1 + 2345"}]}'))


def test_a_missing_file_and_a_link_are_refused(tmp_path):
    with pytest.raises(UnreadableNotebook, match="cannot be read"):
        read_notebook(tmp_path / "gone.ipynb")
    (tmp_path / "link.ipynb").symlink_to(put(tmp_path / "real.ipynb"))
    with pytest.raises(UnreadableNotebook, match="is a link"):
        read_notebook(tmp_path / "link.ipynb")
