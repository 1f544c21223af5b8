"""One submission to its record, in the real sandbox on a tiny course: who gets which points, what a record tells."""

import copy
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.build import build
from autograder.demo import perfect_submission
from autograder.draw import draw_cases, draw_id
from autograder.grade import grade_submission
from autograder.judging import judge_case
from autograder.materials import Materials, load_materials
from autograder.results import ItemResult, Record, read_record, to_dict, write_record
from autograder.sandbox import Template
from autograder.session import RawOutcome
from autograder.submissions import Found, find_submissions
from qlab_helpers.checking.packing import pack

LAB = "lab_tiny"
SCALE = "def scale_of(tensor, bitwidth):\n    return tensor.abs().max().item() / LEVELS[bitwidth]"


@pytest.fixture(scope="module")
def materials(make_tiny_course, tmp_path_factory) -> Materials:
    course = make_tiny_course(tmp_path_factory.mktemp("grade") / "tiny")
    build(course)
    return load_materials(course, LAB)


@pytest.fixture(scope="module")
def template(materials):
    with Template(materials.course.limits) as template:
        yield template


@pytest.fixture
def solved(materials) -> NotebookNode:
    return perfect_submission(materials.course, LAB)


@pytest.fixture
def grade(materials, template, tmp_path) -> Callable[..., Record]:
    def run(notebook: NotebookNode | bytes, *, student: str = "ada", file: str = f"{LAB}.ipynb") -> Record:
        path = tmp_path / student / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(notebook if isinstance(notebook, bytes) else nbformat.writes(notebook).encode())
        return grade_submission(Found(student, path), materials=materials, template=template).record

    return run


def cell_of(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    (cell,) = [one for one in notebook.cells if one.metadata.get("nbgrader", {}).get("grade_id") == grade_id]
    return cell


def items(record: Record) -> dict[str, ItemResult]:
    return {**record.functions, **record.answers}


def scores(record: Record) -> dict[str, float]:
    return {name: item.score for name, item in items(record).items()}


def outcomes(item: ItemResult) -> dict[str, str]:
    return {case.name: case.outcome for case in item.cases}


FULL = {"scale_of": 4.0, "quantize": 6.0, "answer_1": 1.0}


def test_the_solved_notebook_gets_everything(grade, solved):
    record = grade(solved)
    assert scores(record) == FULL
    assert (record.score, record.max_score, record.written_max_score) == (11.0, 11.0, 3.0)
    assert record.graded
    assert not record.needs_attention
    assert record.repairs == ()
    assert record.cells == ()


def test_the_untouched_release_gets_nothing_and_is_told_why(grade, materials):
    record = grade(copy.deepcopy(materials.release))
    assert record.score == 0
    assert record.graded
    messages = {case.message for item in items(record).values() for case in item.cases}
    assert messages == {"not written yet", "not answered"}
    assert not record.written["question_2"].answered


def test_a_written_answer_is_seen(grade, solved):
    cell_of(solved, "question_2").source += "\nBecause."
    assert grade(solved).written["question_2"].answered


def test_points_follow_the_weights_of_the_passed_cases(grade, solved):
    cell_of(solved, "scale_of").source = SCALE.replace("/ LEVELS[bitwidth]", "/ 127")
    record = grade(solved)
    # 8 bits (weight 1) passes; 4 bits (1) fails; all zero (2) gives 0 instead of 1 and fails
    assert scores(record) == {**FULL, "scale_of": 1.0}


def test_a_function_is_graded_with_the_reference_helpers_and_the_chain_is_told(grade, solved):
    cell_of(solved, "scale_of").source = "def scale_of(tensor, bitwidth):\n    return 1000.0"
    record = grade(solved)
    assert scores(record) == {**FULL, "scale_of": 0.0}
    assert "With your own: 0" in record.functions["quantize"].chained
    assert record.functions["scale_of"].chained == ""


@pytest.mark.parametrize(
    "again", ["", "\n\ndef scale_of(tensor, bitwidth, factor=1.0):\n    return factor * old(tensor, bitwidth)"]
)
def test_a_function_that_is_right_with_its_own_helpers_is_right(grade, solved, again):
    """Though the solution's helper could not be called so; whether questions share a fork or not."""
    helper, user = cell_of(solved, "scale_of"), cell_of(solved, "quantize")
    helper.source = helper.source.replace("bitwidth)", "bitwidth, factor=1.0)", 1)
    user.source = user.source.replace("scale_of(tensor, bitwidth)", "scale_of(tensor, bitwidth, factor=1.0)")
    assert "factor=1.0" in helper.source and "factor=1.0" in user.source
    if again:
        user.source = f"old = scale_of{again}\n\n{user.source}"
    record = grade(solved)
    assert scores(record) == FULL
    assert record.functions["quantize"].chained == ""


def test_a_syntax_error_costs_only_its_cell(grade, solved):
    cell_of(solved, "scale_of").source = "def scale_of(tensor, bitwidth)\n    return 1"
    record = grade(solved)
    assert scores(record) == {**FULL, "scale_of": 0.0}
    assert set(outcomes(record.functions["scale_of"]).values()) == {"missing"}
    assert "SyntaxError" in record.functions["scale_of"].cases[0].message
    assert [cell.outcome for cell in record.cells] == ["failed"]


def test_an_infinite_loop_costs_one_question(grade, solved):
    cell_of(solved, "scale_of").source = "def scale_of(tensor, bitwidth):\n    while True:\n        pass"
    record = grade(solved)
    assert scores(record) == {**FULL, "scale_of": 0.0}
    assert set(outcomes(record.functions["scale_of"]).values()) == {"timed out"}


def test_a_function_that_kills_its_process_costs_one_question(grade, solved):
    cell_of(solved, "scale_of").source = "def scale_of(tensor, bitwidth):\n    import os\n    os._exit(0)"
    record = grade(solved)
    assert scores(record) == {**FULL, "scale_of": 0.0}
    assert set(outcomes(record.functions["scale_of"]).values()) == {"crashed"}


def test_an_exception_shows_its_traceback_for_visible_cases_and_no_value_for_hidden_ones(grade, solved):
    cell_of(solved, "scale_of").source = "def scale_of(tensor, bitwidth):\n    raise ValueError(tensor.tolist())"
    cases = {case.name: case for case in grade(solved).functions["scale_of"].cases}
    assert "raise ValueError" in cases["8 bits"].traceback
    assert cases["4 bits"].message == "raised ValueError"
    assert cases["4 bits"].traceback == ""


def test_visible_cases_show_expected_and_got_and_hidden_ones_neither(grade, solved):
    cell_of(
        solved, "quantize"
    ).source = "def quantize(tensor, bitwidth):\n    return torch.zeros(3, 4, dtype=torch.int8)"
    cases = {case.name: case for case in grade(solved).functions["quantize"].cases}
    assert cases["8 bits"].expected
    assert cases["8 bits"].got
    assert (cases["2 bits"].expected, cases["2 bits"].got) == ("", "")
    assert cases["2 bits"].hint == "round, then clamp"


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ("lambda: 1", "a value of type function"),
        ("type('x' + str(tensor[0].item()), (), {})()", "a value of type object"),
    ],
)
def test_the_name_of_a_returned_type_carries_no_hidden_value(grade, solved, result, message):
    cell_of(
        solved, "quantize"
    ).source = f"def quantize(tensor, bitwidth):\n    tensor = tensor.flatten()\n    return {result}"
    hidden = [case for case in grade(solved).functions["quantize"].cases if not case.visible]
    assert [case.message.endswith(message) for case in hidden] == [True]


def numbers_of(materials: Materials, *, visible: bool) -> set[str]:
    """Inputs and expected outputs as Python and JSON write them, without the short ones that stand everywhere."""
    found = set()
    for stored in (one for cases in materials.cases.values() for one in cases if one.case.visible is visible):
        for variant in stored.case.variants:
            for tree in (variant.args, variant.expected):
                keys = re.findall(r"'tensor': '([^']*)'", str(tree))
                found.update(str(value) for key in keys for value in stored.reference.tensors[key].flatten().tolist())
                found.update(str(float.fromhex(text)) for text in re.findall(r"'float': '([^']*)'", str(tree)))
                found.update(keys)
    return {text for text in found if len(text) > 4}


@pytest.mark.parametrize("kind", ["solved", "wrong", "raises", "prints"])
def test_no_hidden_value_is_in_a_record(grade, solved, materials, kind):
    body = {
        "solved": None,
        "wrong": "return tensor.abs().max().item()",
        "raises": "raise ValueError(f'{tensor.tolist()} {bitwidth}')",
        "prints": "print(tensor.tolist()); import sys; print(tensor.tolist(), file=sys.stderr); return 1.0",
    }[kind]
    if body:
        cell_of(solved, "scale_of").source = f"def scale_of(tensor, bitwidth):\n    {body}"
    text = json.dumps(to_dict(grade(solved)))
    secret = numbers_of(materials, visible=False) - numbers_of(materials, visible=True)
    assert len(secret) > 20
    assert [value for value in secret if value in text] == []
    assert materials.secret.decode() not in text


def test_a_notebook_without_metadata_scores_like_an_intact_one(grade, solved):
    for cell in solved.cells:
        cell.metadata = NotebookNode()
    record = grade(solved)
    assert scores(record) == FULL
    assert "lost their nbgrader metadata" in record.repairs[0]


def test_duplicated_and_deleted_cells_cost_nothing(grade, solved):
    solved.cells.append(copy.deepcopy(cell_of(solved, "scale_of")))
    solved.cells.insert(0, copy.deepcopy(cell_of(solved, "check_scale_of")))
    solved.cells = [cell for cell in solved.cells if cell.source != "check(quantize)"]
    for number, cell in enumerate(solved.cells):
        cell["id"] = f"c{number}"
    record = grade(solved)
    assert scores(record) == FULL
    assert len(record.repairs) >= 2


def test_a_renamed_file_with_a_byte_order_mark_is_graded(grade, solved):
    record = grade(b"\xef\xbb\xbf" + nbformat.writes(solved).encode(), file="Copy of it (1).ipynb")
    assert scores(record) == FULL
    assert record.file == "Copy of it (1).ipynb"


def test_a_notebook_in_a_zip_file_is_graded_and_the_record_says_where_it_was(materials, template, solved, tmp_path):
    path = tmp_path / "ada" / "work.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("final/my lab.ipynb", nbformat.writes(solved))
    (found,) = find_submissions(tmp_path, LAB)
    record = grade_submission(found, materials=materials, template=template).record
    assert scores(record) == FULL
    assert record.file == "work.zip/my lab.ipynb"
    assert record.repairs == ("the notebook was taken out of a zip file: work.zip/my lab.ipynb",)


def test_a_notebook_with_nothing_of_the_lab_is_not_graded_and_not_a_zero(grade):
    record = grade(new_notebook(cells=[new_code_cell("x = 1"), new_markdown_cell("# Biology")]))
    assert not record.graded
    assert record.needs_attention
    assert record.problem == "nothing of lab_tiny is in lab_tiny.ipynb; hand in the lab's own notebook"


def test_an_earlier_attempt_is_graded_where_the_newest_is_damaged(materials, template, solved, tmp_path):
    earlier = tmp_path / "old.ipynb"
    earlier.write_text(nbformat.writes(solved))
    newest = tmp_path / "new.ipynb"
    newest.write_text(nbformat.writes(solved)[:500])
    found = Found("ada", newest, older=(Found("ada", earlier),))
    record = grade_submission(found, materials=materials, template=template).record
    assert (scores(record), record.file) == (FULL, "old.ipynb")
    assert "new.ipynb is cut off" in record.repairs[0]


def test_a_file_that_is_not_json_is_not_graded_and_not_a_zero(grade):
    record = grade(b"PK\x03\x04")
    assert not record.graded
    assert record.needs_attention
    assert "lab_tiny.ipynb is not a Jupyter notebook" in record.problem
    assert record.max_score == 11.0


def test_an_absent_notebook_is_not_graded(materials, template):
    found = Found("bob", None, problem="no notebook in the folder of bob")
    record = grade_submission(found, materials=materials, template=template).record
    assert (record.graded, record.problem, record.file) == (False, found.problem, "")


def test_a_notebook_of_another_course_is_graded_by_its_functions(grade, solved):
    cells = [new_code_cell(cell_of(solved, name).source) for name in ("quantize", "scale_of")]
    other = new_notebook(cells=[new_code_cell("import torch\ndef broken(:\n"), new_markdown_cell("# HW 3"), *cells])
    record = grade(other)
    assert scores(record) == {**FULL, "answer_1": 0.0}
    assert "found by their names" in record.repairs[0]


def test_the_source_of_each_function_is_in_the_record(grade, solved):
    cell_of(solved, "scale_of").source = f"import math\n\n{SCALE}\n\nprint('hello')"
    assert grade(solved).functions["scale_of"].source == SCALE


def test_a_record_survives_its_file(grade, solved, tmp_path):
    record = grade(solved)
    write_record(record, tmp_path / "record.json")
    assert read_record(tmp_path / "record.json") == record


def test_a_reply_that_is_no_tensor_fails_without_being_believed(materials):
    stored = materials.cases["quantize"][0]
    for reply in (b"", b"junk" * 10, pack({"result": {"evil": 1}}, {}), pack({"observed": {}}, {})):
        result = judge_case(
            materials.items["quantize"], stored, 0, RawOutcome("returned", reply), limits=materials.course.limits
        )
        assert (result.outcome, result.message) == ("failed", "returned something that is not a tensor or number")


def test_what_could_not_be_graded_is_not_a_zero_that_passes_unseen(materials):
    stored = materials.cases["quantize"][0]
    result = judge_case(
        materials.items["quantize"], stored, 0, RawOutcome("not graded"), limits=materials.course.limits
    )
    assert result.outcome == "not graded"
    assert "fault of the grader" in result.message


def test_draws_differ_among_students_and_stay_the_same(materials):
    draws = {name: draw_cases(materials, name) for name in map(str, range(60))}
    assert draws["7"] == draw_cases(materials, "7")
    assert len({draw_id(one) for one in draws.values()}) > 10
    hidden = {one["scale_of"]["4 bits"] for one in draws.values()}
    assert hidden == {0, 1, 2}
    assert {one["scale_of"]["8 bits"] for one in draws.values()} == {0}


def test_draws_depend_on_the_secret(materials):
    other = replace(materials, secret=b"another")
    assert [draw_cases(other, name) for name in "abcdef"] != [draw_cases(materials, name) for name in "abcdef"]
