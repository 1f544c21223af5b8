"""What a student is told before handing in, in each kind of notebook, and the file that comes out."""

import json
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.utils import compute_checksum

from qlab_helpers import preflight
from qlab_helpers.checking.codec import encode
from qlab_helpers.checking.preflight_page import Line, Preflight
from qlab_helpers.checking.reference import Case, Item, Reference, Rule, Variant, save_reference
from qlab_helpers.notebook_file import NotebookUnreadable, read_open_notebook, written_questions

ROOT = Path(__file__).parent.parent.parent
RELEASES = sorted((ROOT / "notebooks").glob("*/*.ipynb"))
HOSTILE = "<script>alert(1)</script>&\x1b[31m"

DOUBLE = "def double(x):\n    return 2 * x"
HALVE = "def halve(x):\n    raise NotImplementedError"
SQUARE = "def square(x):\n    return x * x if x.sum() > 0 else x"
ANSWERS = 'answer_1 = "b"\nanswer_2 = ...'


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A lab of three functions and two answers, and another lab; expected values are computed by hand."""
    tensors: dict[str, torch.Tensor] = {}

    def store(value: object, name: str) -> object:
        tree, found = encode(value, prefix=name)
        tensors.update(found)
        return tree

    def case(name: str, x: torch.Tensor, expected: torch.Tensor) -> Case:
        variant = Variant(store((x,), f"{name}.args."), store(expected, f"{name}.expected."))
        return Case(name, f"tests {name}", f"hint of {name}", True, 1.0, (), (variant,))

    def item(name: str, *cases: Case, lab: str = "lab_small", **options: object) -> Item:
        settings = {
            "kind": "function",
            "judge": "values",
            "choices": (),
            "uses": (),
            "outputs": (Rule("y"),),
            **options,
        }
        return Item(name=name, lab=lab, points=4.0, parameters=("x",), cases=cases, **settings)

    text = {"kind": "answer", "outputs": (Rule("answer", kind="text"),)}
    items = [
        item("double", case("two", torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0]))),
        item("halve", case("half", torch.tensor([2.0]), torch.tensor([1.0]))),
        item("square", case("above 0", torch.tensor([3.0]), torch.tensor([9.0])),
             case("below 0", torch.tensor([-3.0]), torch.tensor([9.0]))),
        item("answer_1", **text, choices=("a", "b")),
        item("answer_2", **text),
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("reference")
    save_reference(Reference("lab_small", {one.name: one for one in items}, tensors), path)
    other = item("triple", case("three", torch.tensor([1.0]), torch.tensor([3.0])), lab="lab_other")
    save_reference(Reference("lab_other", {"triple": other}, tensors), path)
    return path


def mark(cell: nbformat.NotebookNode, name: str, *, written: bool = False) -> nbformat.NotebookNode:
    data = {"schema_version": 3, "grade_id": name, "grade": written, "solution": True, "locked": False, "task": False}
    cell.metadata["nbgrader"] = {**data, **({"points": 3} if written else {})}
    cell.metadata["nbgrader"]["checksum"] = compute_checksum(cell)
    return cell


def question(name: str, prompt: str, answer: str | None = None) -> nbformat.NotebookNode:
    cell = mark(new_markdown_cell(prompt), name, written=True)
    if answer is not None:
        cell.source = answer
    return cell


def notebook(*sources: str, answer: str | None = None) -> nbformat.NotebookNode:
    cells = [mark(new_code_cell(source), source.split("(")[0].removeprefix("def ").split(" ")[0]) for source in sources]
    return new_notebook(cells=[*cells, question("question_2", "Your answer:\n\nYOUR ANSWER HERE", answer)])


def session(*sources: str) -> dict[str, object]:
    names: dict[str, object] = {}
    for source in sources:
        exec(compile(source, "<cell>", "exec"), names)
    return names


@pytest.fixture
def looked(folder, tmp_path, monkeypatch):
    """Runs preflight in an empty folder for the sources given, of the session and (by default) the notebook."""
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def run(*sources: str, saved: nbformat.NotebookNode | None = None, **options: object) -> Preflight:
        path = tmp_path / "my notebook.ipynb"
        nbformat.write(saved or notebook(*sources), path)
        return preflight(namespace=session(*sources), path=path, folder=folder, **options)

    return run


def states(found: Preflight) -> dict[str, str]:
    return {line.name: line.state for line in found.lines}


def todo(found: Preflight, name: str) -> str:
    return next(line.todo for line in found.lines if line.name == name)


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


def test_copy_to_hand_in_has_the_labs_name(looked, tmp_path):
    found = looked(DOUBLE)
    written = tmp_path / "work" / "lab_small.ipynb"
    assert nbformat.read(written, as_version=4).cells[0].source == DOUBLE
    assert found.handin == "lab_small.ipynb, a copy of my notebook.ipynb as it was last saved"


def test_file_that_is_there_already_is_not_overwritten(looked, tmp_path):
    mine = tmp_path / "work" / "lab_small.ipynb"
    mine.write_text("the lab as it was given out")
    assert looked(DOUBLE).handin.startswith("lab_small-handin.ipynb, a copy")
    assert mine.read_text() == "the lab as it was given out"
    assert looked(DOUBLE, HALVE).handin.startswith("lab_small-handin.ipynb")
    written = nbformat.read(tmp_path / "work" / "lab_small-handin.ipynb", as_version=4)
    assert written.cells[1].source == HALVE


def test_copy_is_replaced_as_long_as_nobody_has_worked_in_it(looked, tmp_path):
    """Or an old copy under the better name would be handed in."""
    looked(DOUBLE)
    assert looked(DOUBLE, SQUARE).handin.startswith("lab_small.ipynb, a copy")
    written = tmp_path / "work" / "lab_small.ipynb"
    copy = nbformat.read(written, as_version=4)
    assert copy.cells[1].source == SQUARE
    copy.cells[1].source = "my own work"
    nbformat.write(copy, written)
    assert looked(DOUBLE).handin.startswith("lab_small-handin.ipynb, a copy")
    assert nbformat.read(written, as_version=4).cells[1].source == "my own work"


def test_copy_that_is_open_itself_is_what_is_handed_in(looked, folder, tmp_path):
    looked(DOUBLE)
    found = preflight(namespace=session(DOUBLE), path=tmp_path / "work" / "lab_small.ipynb", folder=folder)
    assert found.handin == "lab_small.ipynb, this notebook as it was last saved"


def test_notebook_with_the_right_name_is_handed_in_itself(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nbformat.write(notebook(DOUBLE), tmp_path / "lab_small.ipynb")
    before = (tmp_path / "lab_small.ipynb").read_bytes()
    found = preflight(namespace=session(DOUBLE), path="lab_small.ipynb", folder=folder)
    assert found.handin == "lab_small.ipynb, this notebook as it was last saved"
    assert [one.name for one in tmp_path.iterdir()] == ["lab_small.ipynb"]
    assert (tmp_path / "lab_small.ipynb").read_bytes() == before


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


def test_nobody_is_told_that_nothing_is_left_to_do_where_written_questions_were_not_seen():
    unseen = Preflight("lab", (Line("double", "function", "passed", True, "", 4.0, 4.0),), notes=("not looked at",))
    assert "nothing left to do" not in unseen.headline and not unseen.ready


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


def test_folder_that_cannot_be_written_to_is_no_failure(looked, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("qlab_helpers.notebook_file.os.replace", refuse)
    assert looked(DOUBLE).handin.startswith("no copy could be written (Permission denied)")


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
