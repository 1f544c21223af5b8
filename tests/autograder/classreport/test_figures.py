"""The figures of a class, counted by hand."""

from dataclasses import replace

import pytest

from autograder.classreport.figures import cases, causes, mended, mistakes, questions
from qlab_helpers.checking.diagnosis import UNCERTAIN


@pytest.fixture
def misled(made):
    def build(student: str, name: str, diagnosis: str = "Your function cuts off."):
        return made.record(student, made.item("f", made.case("failed"), misconception=name, diagnosis=diagnosis))

    return build


def test_questions_name_the_case_that_most_students_fail(made):
    class_ = [
        made.record("a", made.item("f", made.case("failed"), made.case("failed", "clamps"))),
        made.record("b", made.item("f", made.case("failed"), made.case("passed", "clamps"))),
        made.record("c", made.item("f", made.case(), made.case("passed", "clamps"))),
    ]
    (question,) = questions(class_)
    assert (question.hardest, question.hardest_failures) == ("ties", 2)
    assert question.mean == pytest.approx((0 + 5 + 10) / 3)
    assert question.percent == 50


def test_questions_tell_all_points_some_none_and_not_written_apart(made):
    answers = [("passed", "passed"), ("passed", "failed"), ("failed", "crashed"), ("missing", "missing")]
    class_ = [
        made.record(f"s{at}", made.item("f", made.case(one), made.case(other, "clamps")))
        for at, (one, other) in enumerate(answers)
    ]
    (question,) = questions(class_)
    assert (question.full, question.part, question.none, question.missing) == (1, 1, 1, 1)
    assert question.students == 4


def test_the_class_counts_misconceptions_the_most_frequent_first(made, misled):
    nearly = f"{UNCERTAIN} Your function cuts off."
    class_ = [misled("a", "no clamp"), misled("b", "cuts off"), misled("c", "cuts off", nearly), made.record("d")]
    assert [(one.name, one.certain, one.near, one.students) for one in mistakes(class_)] == [
        ("cuts off", 1, 1, ("b", "c")),
        ("no clamp", 1, 0, ("a",)),
    ]


def test_a_case_is_counted_among_those_who_wrote_the_function(made):
    outcomes = ("passed", "failed", "failed", "timed out", "missing", "not graded")
    class_ = [made.record(f"s{at}", made.item("f", made.case(one))) for at, one in enumerate(outcomes)]
    (case,) = cases(class_)
    assert (case.passed, case.tried, case.percent) == (1, 4, 25)
    assert case.outcomes == "2 failed, 1 missing, 1 not graded, 1 timed out"


def test_a_repair_of_many_is_one_line_with_all_their_names(made):
    class_ = [
        made.record("a", repairs=("lost metadata",)),
        made.record("b", repairs=("lost metadata", "renamed")),
        made.record("c"),
    ]
    assert [(one.repair, one.students) for one in mended(class_)] == [
        ("lost metadata", ("a", "b")),
        ("renamed", ("b",)),
    ]


def test_causes_count_what_happened_in_words(made):
    outcomes = ("crashed", "timed out", "crashed", "passed")
    record = made.record("a", made.item("f", *(made.case(one, str(at)) for at, one in enumerate(outcomes))))
    assert causes(record) == "2 crashed, 1 timed out"


def test_figures_of_nobody_are_empty():
    assert questions([]) == mistakes([]) == cases([]) == mended([]) == []


def test_answers_are_questions_as_functions_are(made):
    record = made.record("a")
    record = replace(record, answers={"answer_1": made.item("answer_1", made.case(), points=1.0)})
    assert [question.name for question in questions([record])] == ["answer_1"]
