"""A student's feedback page: what it shows, and what it must not show. ``test_hostile.py`` has what may not run."""

from dataclasses import replace
from pathlib import Path

from autograder.report import write_feedback
from autograder.results import CaseResult, ItemResult, Record, WrittenResult


def case(outcome: str = "passed", *, visible: bool = True, **fields) -> CaseResult:
    return CaseResult("ties", "rounds half to even", visible, 1.0, outcome, **fields)


def record(*cases: CaseResult, student: str = "ada", **fields) -> Record:
    score = 10.0 * sum(one.outcome == "passed" for one in cases) / max(1, len(cases))
    item = ItemResult("linear_quantize", "function", score, 10.0, cases, source=fields.pop("source", ""))
    return Record(
        student=student,
        lab="lab2_linear",
        score=score,
        max_score=10.0,
        written_max_score=4.0,
        graded=fields.pop("graded", True),
        problem=fields.pop("problem", ""),
        file="lab2_linear.ipynb",
        submission_hash="0" * 64,
        lab_hash="1" * 64,
        draw="2" * 16,
        functions={"linear_quantize": item},
        written={"question_10": WrittenResult("question_10", 4.0, answered=True)},
        **fields,
    )


def feedback(tmp_path: Path, one: Record) -> str:
    write_feedback(one, tmp_path / "page.html", lab_title="Linear quantization")
    return (tmp_path / "page.html").read_text()


def test_feedback_shows_points_outcome_and_hint(tmp_path):
    page = feedback(tmp_path, record(case(), case("failed", message="3 of 25 differ", hint="Round, do not truncate.")))
    assert "5 of 10 points" in page
    assert "3 of 25 differ" in page
    assert "Round, do not truncate." in page


def test_feedback_shows_expected_and_got_of_a_visible_case_only(tmp_path):
    shown = feedback(tmp_path, record(case("failed", expected="[1, 2]", got="[1, 3]")))
    hidden = feedback(tmp_path, record(case("failed", visible=False, expected="SECRET", got="[1, 3]")))
    assert "[1, 3]" in shown
    assert "SECRET" not in hidden


MATRIX = "(2, 2) int8\n   0   1\n0  1  2{mark}\n1  3  4"


def test_the_first_visible_case_that_fails_is_drawn(tmp_path):
    pair = {"expected": MATRIX.format(mark="*"), "got": MATRIX.format(mark="*").replace("2*", "9*")}
    page = feedback(tmp_path, record(case("failed", visible=False), case("failed", **pair), case("failed", **pair)))
    assert page.count('<svg class="matrix"') == 1
    assert "1 of the 4 values shown differ" in page


def test_values_of_a_hidden_case_are_never_drawn_even_if_a_record_had_them(tmp_path):
    page = feedback(tmp_path, record(case("failed", visible=False, expected=MATRIX, got=MATRIX)))
    assert '<svg class="matrix"' not in page and "int8" not in page


def test_values_that_are_no_matrix_are_shown_as_text(tmp_path):
    page = feedback(tmp_path, record(case("failed", expected="0.25", got="a tensor of shape (3,) and dtype int8")))
    assert '<svg class="matrix"' not in page
    assert "<pre>0.25</pre>" in page and "a tensor of shape (3,)" in page


def test_the_students_own_code_is_shown_open_where_points_are_missing(tmp_path):
    failed = feedback(tmp_path, record(case("failed"), source="def f():\n    return 'mine'"))
    passed = feedback(tmp_path, record(case(), source="def f():\n    return 'mine'"))
    assert "mine" in failed and "<details open><summary>Your code" in failed
    assert "mine" in passed and "<details><summary>Your code" in passed


def test_a_page_is_the_same_each_time(tmp_path):
    one = record(case("failed", expected=MATRIX, got=MATRIX), source="x = 1")
    assert feedback(tmp_path, one) == feedback(tmp_path, one)


def test_ungraded_submission_is_told_that_it_is_no_zero(tmp_path):
    page = feedback(tmp_path, record(graded=False, problem="lab2_linear.ipynb is not a notebook"))
    assert "could not be graded" in page and "not a notebook" in page and "of 10 points" not in page


def misled(student: str, name: str, diagnosis: str = "Your function cuts off.") -> Record:
    one = record(case("failed"), student=student)
    item = replace(one.functions["linear_quantize"], misconception=name, diagnosis=diagnosis)
    return replace(one, functions={"linear_quantize": item})


def test_feedback_shows_the_diagnosis_as_text(tmp_path):
    page = feedback(tmp_path, misled("ada", "cuts off", "Your function cuts off."))
    assert "<strong>Diagnosis:</strong> Your function cuts off." in page
