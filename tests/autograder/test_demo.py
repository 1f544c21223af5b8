"""The demo: a class of every kind, graded in the real sandbox on the real lab 2."""

import pytest

from autograder.classroom import Outcome
from autograder.results import Record


@pytest.fixture(scope="module")
def records(demo: Outcome) -> dict[str, Record]:
    return {record.student: record for record in demo.records}


def test_class_has_at_least_twelve_kinds(records):
    assert len(records) >= 12


@pytest.mark.parametrize(
    "student",
    [
        "01-perfect",
        "10-exits-in-a-cell",
        "12-lost-metadata",
        "13-duplicated-cells",
        "14-renamed-file",
        "15-deleted-check-cells",
    ],
)
def test_what_is_no_fault_of_the_work_costs_nothing(records, student):
    assert records[student].score == records[student].max_score


def test_untouched_release_scores_zero(records):
    assert records["02-untouched"].score == 0


@pytest.mark.parametrize(
    ("student", "function"),
    [
        ("04-truncates", "linear_quantize"),
        ("05-casts-too-early", "linear_quantize"),
        ("06-wrong-scale", "get_quantization_scale_and_zero_point"),
        ("07-forgets-zero-point", "quantized_linear"),
        ("08-infinite-loop", "quantized_conv2d"),
        ("09-crashes-in-a-function", "fuse_conv_bn"),
        ("11-syntax-error", "extra_preprocess"),
    ],
)
def test_one_mistake_costs_one_question(records, student, function):
    record = records[student]
    lost = [item.name for item in record.functions.values() if item.score < item.max_score]
    assert lost == [function]


def test_causes_are_told_apart(records):
    def outcomes(student: str, function: str) -> set[str]:
        return {case.outcome for case in records[student].functions[function].cases}

    assert outcomes("08-infinite-loop", "quantized_conv2d") == {"timed out"}
    assert outcomes("09-crashes-in-a-function", "fuse_conv_bn") == {"crashed"}
    assert outcomes("11-syntax-error", "extra_preprocess") == {"missing"}
    assert "failed" in outcomes("04-truncates", "linear_quantize")


def test_notebook_of_another_course_is_graded_by_its_functions(records):
    record = records["16-other-course"]
    assert all(item.score == item.max_score for item in record.functions.values())


def test_unreadable_file_is_not_a_zero_but_a_problem(records):
    record = records["17-not-a-notebook"]
    assert not record.graded and "not a Jupyter notebook" in record.problem
