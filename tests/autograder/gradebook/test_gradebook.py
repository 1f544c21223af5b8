"""Our scores in nbgrader's gradebook and folders, read back with nbgrader's own classes."""

from dataclasses import replace

import nbformat
import pytest
from nbgrader import api
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from sqlalchemy import text
from traitlets.config import Config

from autograder.build import build
from autograder.course import CourseError
from autograder.gradebook import Gradebook

from .tiny_records import LAB, cell, change, make_record, publish, read, save


def registered(url):
    with api.Gradebook(url, "tiny") as book:
        notebook = book.find_notebook(LAB, LAB)
        found = []
        for one in [*notebook.grade_cells, *notebook.solution_cells, *notebook.source_cells]:
            found.append({key: value for key, value in one.to_dict().items() if key != "id"})
        assert book.find_assignment(LAB).course_id == "tiny"
        version = book.db.execute(text("SELECT * FROM alembic_version")).all()
        return sorted(found, key=str), notebook.kernelspec, version


def generate_with_nbgrader(course, url):
    config = Config()
    config.CourseDirectory.root = str(course.data)
    config.CourseDirectory.course_id = course.id
    config.CourseDirectory.assignment_id = LAB
    config.CourseDirectory.db_url = url
    GenerateAssignment(coursedir=CourseDirectory(config=config), config=config).start()


def test_a_lab_is_registered_as_nbgraders_generate_assignment_does(course, tmp_path, tiny_environment, monkeypatch):
    monkeypatch.setenv("PATH", tiny_environment(course)["PATH"])
    url = f"sqlite:///{tmp_path / 'theirs.db'}"
    generate_with_nbgrader(course, url)
    with Gradebook(course) as gradebook:
        gradebook.register(LAB)
    assert registered(course.gradebook_url) == registered(url)


def test_a_new_gradebook_needs_no_alembic_on_the_path(course, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with Gradebook(course) as gradebook:
        gradebook.register(LAB)
    assert len(registered(course.gradebook_url)[0]) == 4 + 4 + 7


def test_scores_points_and_names_arrive(course, submission):
    save(course, make_record(), submission)
    grades, _, notebook = read(course)
    assert {name: grade["score"] for name, grade in grades.items()} == {
        "check_scale_of": 4.0,
        "check_quantize": 1.5,
        "check_answer_1": 0.0,
        "question_2": 0.0,
    }
    assert (notebook["score"], notebook["max_score"], notebook["max_code_score"]) == (5.5, 14.0, 11.0)


def test_a_written_answer_waits_for_a_person(course, submission):
    save(course, make_record(), submission)
    grades, _, _ = read(course)
    assert [name for name, grade in grades.items() if grade["needs_manual_grade"]] == ["question_2"]
    assert grades["question_2"]["auto_score"] is None


def test_an_empty_written_answer_is_a_zero_that_no_one_looks_at(course):
    release = nbformat.read(course.release(LAB), as_version=4)
    save(course, make_record(answered=False), release)
    grades, comments, notebook = read(course)
    assert grades["question_2"]["auto_score"] == 0.0
    assert not notebook["needs_manual_grade"]
    assert comments["question_2"] == "No response."


def test_only_untouched_cells_have_no_response(course, submission):
    cell(submission, "scale_of").source = "def scale_of(): return 1"
    save(course, make_record(), submission)
    _, comments, _ = read(course)
    assert comments == {"scale_of": None, "quantize": "No response.", "answer_1": "No response.", "question_2": None}


def test_a_case_that_we_could_not_grade_calls_a_person(course, submission):
    save(course, make_record(scale=2.0, outcomes=("passed", "not graded")), submission)
    grades, _, _ = read(course)
    assert grades["check_scale_of"]["auto_score"] == 2.0
    assert grades["check_scale_of"]["needs_manual_grade"]


def test_grading_again_keeps_what_a_person_entered(course, submission):
    save(course, make_record(scale=1.0), submission)
    change(course, "question_2", manual_score=2.5, needs_manual_grade=False)
    change(course, "check_quantize", extra_credit=0.5)
    with api.Gradebook(course.gradebook_url, course.id) as book:
        book.find_comment("question_2", LAB, LAB, "ada").manual_comment = "Well said."
        book.find_submission_notebook(LAB, LAB, "ada").flagged = True
        book.db.commit()
    save(course, make_record(scale=4.0), submission)
    grades, comments, notebook = read(course)
    assert (grades["question_2"]["score"], grades["question_2"]["needs_manual_grade"]) == (2.5, False)
    assert grades["check_quantize"]["score"] == 2.0
    assert comments["question_2"] == "Well said."
    assert notebook["flagged"]
    assert notebook["score"] == 4.0 + 2.0 + 2.5


def test_an_overridden_score_is_looked_at_again_only_when_ours_moves(course, submission):
    save(course, make_record(scale=1.0), submission)
    change(course, "check_scale_of", manual_score=3.0)
    save(course, make_record(scale=1.0), submission)
    assert not read(course)[0]["check_scale_of"]["needs_manual_grade"]
    save(course, make_record(scale=2.0), submission)
    grade = read(course)[0]["check_scale_of"]
    assert (grade["needs_manual_grade"], grade["score"], grade["auto_score"]) == (True, 3.0, 2.0)


def test_a_graded_answer_that_was_handed_in_anew_is_looked_at_again(course, submission):
    save(course, make_record(), submission)
    publish(course, make_record(), submission)
    change(course, "question_2", manual_score=1.0, needs_manual_grade=False)
    cell(submission, "question_2").source = "A better answer."
    save(course, make_record(), submission)
    grade = read(course)[0]["question_2"]
    assert (grade["needs_manual_grade"], grade["manual_score"]) == (True, 1.0)


def test_a_submission_that_cannot_be_graded_is_not_a_zero(course, submission):
    save(course, make_record(graded=False), submission)
    with api.Gradebook(course.gradebook_url, course.id) as book:
        assert [student.id for student in book.students] == ["ada"]
        assert book.assignment_submissions(LAB) == []
    save(course, make_record(), submission)
    save(course, make_record(graded=False, scale=0.0), submission)
    assert read(course)[2]["score"] == 5.5


def test_a_failure_half_way_leaves_no_trace_of_a_student(course, submission):
    broken = make_record("eve")
    broken = replace(broken, functions={"scale_of": replace(broken.functions["scale_of"], score="much")})
    with pytest.raises(ValueError):
        save(course, broken, submission)
    with api.Gradebook(course.gradebook_url, course.id) as book:
        assert book.students == []


def test_many_students_stay_apart(course, submission):
    for number in range(5):
        save(course, make_record(f"student-{number}", scale=number / 2), submission)
    assert [read(course, f"student-{number}")[2]["score"] for number in range(5)] == [1.5, 2.0, 2.5, 3.0, 3.5]


def test_changed_points_reach_grades_that_are_there(course, submission):
    save(course, make_record(), submission)
    source = course.solution(LAB)
    source.write_text(source.read_text().replace('check="quantize" points=6', 'check="quantize" points=8'))
    build(course)
    with Gradebook(course) as gradebook:
        gradebook.register(LAB)
    grades, _, notebook = read(course)
    assert grades["check_quantize"]["max_score"] == 8.0
    assert (notebook["score"], notebook["max_score"]) == (5.5, 16.0)


def without_answer(course):
    """Take the answer out of the lab."""
    source, cases = course.solution(LAB), course.root / "autograder" / "cases" / f"{LAB}.py"
    text = source.read_text()
    source.write_text(text[: text.index('# %% solution="answer_1"')] + text[text.index("# %% [markdown] written=") :])
    lines = cases.read_text().splitlines()
    cases.write_text("\n".join(line for line in lines if "answer(" not in line) + "\n")
    build(course)


def test_cells_come_and_go_while_grades_stay(course, submission):
    text = course.solution(LAB).read_text(), (course.root / "autograder" / "cases" / f"{LAB}.py").read_text()
    save(course, make_record(), submission)
    without_answer(course)
    with Gradebook(course) as gradebook:
        gradebook.register(LAB)
    grades, _, notebook = read(course)
    assert set(grades) == {"check_scale_of", "check_quantize", "question_2"}
    assert notebook["score"] == 5.5
    course.solution(LAB).write_text(text[0])
    (course.root / "autograder" / "cases" / f"{LAB}.py").write_text(text[1])
    build(course)
    with Gradebook(course) as gradebook:
        gradebook.register(LAB)
    grades, comments, _ = read(course)
    assert grades["check_answer_1"]["needs_manual_grade"]
    assert "answer_1" in comments


def test_a_cell_with_a_persons_grade_is_not_removed(course, submission):
    save(course, make_record(), submission)
    change(course, "check_answer_1", manual_score=1.0)
    without_answer(course)
    with pytest.raises(CourseError, match="no longer has the cell check_answer_1, which a person has graded for ada"):
        save(course, make_record(), submission)
    assert read(course)[0]["check_answer_1"]["score"] == 1.0


def test_a_fresh_clone_needs_no_build_before_it_grades(tiny_course):
    with Gradebook(tiny_course) as gradebook:
        gradebook.register(LAB)
    assert len(registered(tiny_course.gradebook_url)[0]) == 4 + 4 + 7
    assert tiny_course.source(LAB).is_file()
