"""Feedback and summary pages: what they show, what they must not show, and that hostile text stays text."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from autograder.report import causes, format_points, mistakes, questions, write_feedback, write_summary
from autograder.results import CaseResult, CellResult, ItemResult, Record, WrittenResult
from qlab_helpers.checking.diagnosis import UNCERTAIN

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


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


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


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


@pytest.mark.parametrize("field", ["message", "traceback", "got", "source", "repairs", "cells", "student", "problem"])
def test_hostile_text_of_a_submission_never_becomes_markup(tmp_path, field):
    failed = case("failed", expected="1", got=HOSTILE, message=HOSTILE, traceback=HOSTILE)
    page = feedback(
        tmp_path,
        record(
            failed,
            student=HOSTILE,
            source=HOSTILE,
            repairs=(HOSTILE,),
            cells=(CellResult(3, "failed", HOSTILE),),
            graded=field != "problem",
            problem=HOSTILE,
        ),
    )
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.tags and "img" not in tags.tags
    assert "onerror" not in tags.attributes


def test_pages_forbid_scripts_by_their_content_security_policy(tmp_path):
    assert "default-src 'none'" in feedback(tmp_path, record(case()))


def test_ungraded_submission_is_told_that_it_is_no_zero(tmp_path):
    page = feedback(tmp_path, record(graded=False, problem="lab2_linear.ipynb is not a notebook"))
    assert "could not be graded" in page and "not a notebook" in page and "of 10 points" not in page


def test_summary_links_students_and_names_who_needs_attention(tmp_path):
    records = [record(case()), record(student="bob", graded=False, problem="not a notebook")]
    path = tmp_path / "summary.html"
    write_summary(records, path, lab_title="Linear quantization", links={"ada": "feedback/ada.html"})
    page = path.read_text()
    assert 'href="feedback/ada.html"' in page
    assert "bob: not a notebook" in page


def test_summary_of_an_empty_class_is_still_a_page(tmp_path):
    write_summary([], tmp_path / "summary.html", lab_title="Linear quantization", links={})
    assert "0 submissions" in (tmp_path / "summary.html").read_text()


def test_questions_name_the_case_that_most_students_fail():
    (question,) = questions([record(case("failed")), record(case("failed")), record(case())])
    assert (question.hardest, question.hardest_failures, question.full) == ("ties", 2, 1)
    assert question.mean == pytest.approx(10 / 3)


def test_causes_count_what_happened_in_words():
    assert causes(record(case("crashed"), case("timed out"), case("crashed"), case())) == "2 crashed, 1 timed out"


@pytest.mark.parametrize(("value", "text"), [(10.0, "10"), (7.5, "7.5"), (0.0, "0"), (3.3333, "3.33"), (100.0, "100")])
def test_points_are_written_without_needless_zeros(value, text):
    assert format_points(value) == text


def misled(student: str, name: str, diagnosis: str = "Your function cuts off.") -> Record:
    one = record(case("failed"), student=student)
    item = replace(one.functions["linear_quantize"], misconception=name, diagnosis=diagnosis)
    return replace(one, functions={"linear_quantize": item})


def test_feedback_shows_the_diagnosis_as_text(tmp_path):
    page = feedback(tmp_path, misled("ada", "cuts off", f"Your function cuts off. {HOSTILE}"))
    assert "<strong>Diagnosis:</strong> Your function cuts off." in page and "<script>" not in page


def test_the_class_counts_misconceptions_the_most_frequent_first():
    nearly = f"{UNCERTAIN} Your function cuts off."
    records = [misled("a", "no clamp"), misled("b", "cuts off"), misled("c", "cuts off", nearly), record(case())]
    found = mistakes(records)
    assert [(one.name, one.certain, one.near, one.students) for one in found] == [
        ("cuts off", 1, 1, ("b", "c")),
        ("no clamp", 1, 0, ("a",)),
    ]


def test_the_summary_lists_misconceptions_with_who_has_them(tmp_path):
    write_summary([misled("ada", "cuts off")], tmp_path / "page.html", lab_title="Lab", links={})
    page = (tmp_path / "page.html").read_text()
    assert "<h2>Misconceptions</h2>" in page and "<td>cuts off</td>" in page


def test_a_class_without_misconceptions_has_no_table_of_them(tmp_path):
    write_summary([record(case())], tmp_path / "page.html", lab_title="Lab", links={})
    assert "Misconceptions" not in (tmp_path / "page.html").read_text()
