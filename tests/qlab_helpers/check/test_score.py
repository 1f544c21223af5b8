"""What a check counts: points of a function, answers that are recorded, and names that no check has."""

import copy
import pickle

import pytest
import torch
from nbformat.v4 import new_code_cell, new_output
from nbgrader.utils import determine_grade, get_partial_grade

from qlab_helpers import check, check_answer

from .lab import to_int8

# Points


def test_a_right_function_gets_all_points(folder):
    result = check(to_int8, folder=folder)
    assert float(result) == 8.0
    assert "8 of 8 points" in str(result) and "2 of 2 passed" in str(result)


def test_points_are_the_passed_share_of_the_weights(folder):
    def wraps(tensor):
        return tensor.round().to(torch.int64).to(torch.int8) if tensor.numel() > 1 else to_int8(tensor)

    assert float(check(wraps, name="to_int8", folder=folder)) == 2.0  # weights 3 and 1: a quarter of 8 points


def test_nbgrader_reads_the_points_from_the_displayed_text(folder):
    result = check(to_int8, folder=folder)
    output = new_output("execute_result", data={"text/plain": repr(result), "text/html": result._repr_html_()})
    assert get_partial_grade(output, 8.0) == 8.0
    cell = new_code_cell("check(to_int8)", outputs=[output])
    cell.metadata["nbgrader"] = {"grade": True, "solution": False, "locked": True, "points": 8, "grade_id": "check"}
    assert determine_grade(cell) == (8.0, 8.0)


def test_ipython_displays_the_points_as_plain_text_and_the_report_as_html(folder):
    formatter = pytest.importorskip("IPython.core.formatters").DisplayFormatter()
    data, _ = formatter.format(check(to_int8, folder=folder))
    assert data["text/plain"] == "8.0"
    assert data["text/html"].startswith("<div")


def test_a_result_can_be_copied_and_pickled(folder):
    result = check(to_int8, folder=folder)
    assert str(copy.deepcopy(result)) == str(pickle.loads(pickle.dumps(result))) == str(result)


# Names


def test_an_unknown_name_is_answered_with_names_near_it(folder):
    def to_int(tensor):
        return tensor

    assert "there is no check called 'to_int'; did you mean to_int8" in str(check(to_int, folder=folder))


def test_what_is_no_function_is_told(folder):
    assert "check needs the function itself, such as check(to_int8)" in str(check(3, name="to_int8", folder=folder))
    assert 'use check_answer("answer_1", answer_1)' in str(check("b", name="answer_1", folder=folder))


def test_an_installation_without_checks_says_what_to_do(tmp_path):
    assert "install it again" in str(check(to_int8, folder=tmp_path))


# Answers


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("answer_1", "b", "answer_1 is recorded: b"),
        ("answer_1", " A", "answer_1 is recorded"),
        ("answer_1", "c", "'c' is not one of the choices: a, b"),
        ("answer_1", 1, "1 is not one of the choices"),
        ("answer_1", None, "answer_1 is still empty"),
        ("answer_1", ..., "answer_1 is still empty"),
        ("answer_1", " ", "answer_1 is still empty"),
        ("answer_2", 16, "answer_2 is recorded: 16"),
        ("answer_2", torch.tensor(16), "answer_2 is recorded: 16"),
        ("answer_2", "16", "answer_2 must be a number, not '16'"),
        ("answer_2", True, "answer_2 must be a number"),
        ("answer_3", 1, "did you mean answer_2"),
        ("to_int8", 1, "to_int8 is a function; use check(to_int8)"),
    ],
)
def test_an_answer_is_recorded_but_not_judged(folder, name, value, says):
    result = check_answer(name, value, folder=folder)
    assert says in str(result)
    assert float(result) == 0.0
