"""What a student is told before handing in: what is done and what is left to do of each question."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_notebook

from qlab_helpers import preflight
from qlab_helpers.checking.preflight_page import Line, Preflight
from qlab_helpers.notebook_file import read_open_notebook, written_questions

from .small_lab import ANSWERS, DOUBLE, HALVE, SQUARE, notebook, question, states, todo

ROOT = Path(__file__).parent.parent.parent.parent
RELEASES = sorted((ROOT / "notebooks").glob("*/*.ipynb"))
HOSTILE = "<script>alert(1)</script>&\x1b[31m"


def test_each_question_is_listed_with_what_is_left_to_do(looked):
    found = looked(DOUBLE, HALVE, SQUARE, ANSWERS)
    assert states(found) == {
        "answer_1": "recorded",
        "answer_2": "empty",
        "double": "passed",
        "halve": "not written",
        "square": "1 of 2 cases",
        "question_2": "unanswered",
    }
    assert todo(found, "square").startswith("below 0: ")
    assert not found.ready
    assert found.headline == (
        "1 function to write, 1 function failing, 1 answer to give, 1 written question to answer;"
        " 6 of 12 points on the visible cases"
    )


def test_missing_function_is_named_and_its_points_count_as_open(looked):
    found = looked(DOUBLE)
    assert states(found)["square"] == "missing"
    assert todo(found, "square") == "write it"
    assert "4 of 12 points" in found.headline


def test_function_whose_cell_was_not_run_is_told_to_run_it(looked):
    found = looked(DOUBLE, saved=notebook(DOUBLE, SQUARE))
    assert todo(found, "square") == "run its cell"


def test_function_that_still_raises_with_a_text_is_not_written_either(looked):
    found = looked('def halve(x):\n    raise NotImplementedError("write me")')
    assert states(found)["halve"] == "not written"


def test_finished_lab_says_so(looked):
    halve, square = "def halve(x):\n    return x / 2", "def square(x):\n    return x * x"
    sources = (DOUBLE, halve, square, 'answer_1 = "a"\nanswer_2 = "because"')
    found = looked(*sources, saved=notebook(*sources, answer="Because of the clamp."))
    assert found.ready
    assert found.headline == "nothing left to do; 12 of 12 points on the visible cases"
    assert 'class="qlab-check all"' in found.as_html()


def test_what_a_function_prints_or_raises_stays_inside(looked, capsys):
    noisy = "import sys, warnings\ndef double(x):\n    print('noise', file=sys.stderr)\n    raise SystemExit('out')"
    found = looked(noisy)
    captured = capsys.readouterr()
    assert states(found)["double"] == "0 of 1 cases"
    assert "noise" not in captured.out + captured.err and "double" in captured.out


def test_answer_that_is_no_choice_is_not_taken_for_one(looked):
    found = looked('answer_1 = "z"')
    assert states(found)["answer_1"] == "not an answer"
    assert "not one of the choices" in todo(found, "answer_1")


def test_function_that_the_notebook_does_not_have_is_said_not_to_be_graded(looked):
    found = looked(DOUBLE, saved=notebook(HALVE))
    line = next(line for line in found.lines if line.name == "double")
    assert (line.state, line.ready) == ("passed", False)
    assert line.todo.startswith("double is in no cell of the notebook")


def test_function_that_was_changed_since_the_notebook_was_saved_is_named(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = tmp_path / "cell_of_the_session.py"  # so that Python knows its source, as it does of cells
    module.write_text(DOUBLE)
    names: dict[str, object] = {}
    exec(compile(DOUBLE, str(module), "exec"), names)
    for saved, expected in ((DOUBLE, ""), (DOUBLE.replace("2 *", "3 *"), "double differs from what the notebook has")):
        nbformat.write(notebook(saved), tmp_path / "n.ipynb")
        found = preflight("lab_small", namespace=names, path=tmp_path / "n.ipynb", folder=folder)
        assert todo(found, "double").split(":")[0] == expected


@pytest.mark.parametrize(
    ("answer", "answered"),
    [
        (None, False),
        ("", False),
        ("Your answer:\n\n", False),
        ("Your answer:\n\nYOUR ANSWER HERE", False),
        ("Your answer:\n\nIt saturates.", True),
        ("It saturates.\n\nYOUR ANSWER HERE", True),
    ],
)
def test_written_question_is_answered_once_there_is_more_than_its_stub(looked, answer, answered):
    found = looked(DOUBLE, saved=notebook(DOUBLE, answer=answer))
    assert states(found)["question_2"] == ("answered" if answered else "unanswered")


def test_question_that_stands_in_its_cell_is_no_answer(tmp_path):
    """nbgrader's checksum of the released cell tells."""
    made = new_notebook(cells=[question("question_2", "Why is -128 left out?\n\nYOUR ANSWER HERE")])
    nbformat.write(made, tmp_path / "n.ipynb")
    assert [one.answered for one in written_questions(read_open_notebook({}, path=tmp_path / "n.ipynb"))] == [False]
    made.cells[0].source += "\n\nFor symmetry."
    nbformat.write(made, tmp_path / "n.ipynb")
    assert [one.answered for one in written_questions(read_open_notebook({}, path=tmp_path / "n.ipynb"))] == [True]


@pytest.mark.parametrize("path", RELEASES, ids=lambda path: path.stem)
def test_every_written_question_of_a_released_lab_is_found_unanswered(path):
    found = written_questions(read_open_notebook({}, path=path))
    expected = [
        (cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points))
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown" and "nbgrader" in cell.metadata
    ]
    assert [(one.name, one.points) for one in found] == expected
    assert not any(one.answered for one in found)


def test_nobody_is_told_that_nothing_is_left_to_do_where_written_questions_were_not_seen():
    unseen = Preflight("lab", (Line("double", "function", "passed", True, "", 4.0, 4.0),), notes=("not looked at",))
    assert "nothing left to do" not in unseen.headline and not unseen.ready


def test_page_escapes_everything_has_no_script_and_closes_its_tags(left_open):
    line = Line(HOSTILE, "function", HOSTILE, False, HOSTILE, 1.0, 2.0)
    page = Preflight(HOSTILE, (line,), notes=(HOSTILE,), handin=HOSTILE)._repr_html_()
    assert "<script" not in page and "\x1b" not in page and "onerror" not in page
    assert left_open(page) == []
    assert "\x1b" not in str(Preflight(HOSTILE, (line,)))


def test_questions_are_listed_as_the_notebook_has_them(looked):
    found = looked(SQUARE, DOUBLE, saved=notebook(SQUARE, DOUBLE))
    assert [line.name for line in found.lines] == ["square", "double", "question_2", "answer_1", "answer_2", "halve"]


def test_text_has_a_line_for_each_question(looked):
    text = str(looked(DOUBLE, HALVE, SQUARE, ANSWERS))
    assert "  passed        double (4 of 4)\n" in text
    assert "  empty         answer_2: give an answer\n" in text
    assert repr(looked(DOUBLE)).startswith("lab_small: ")
