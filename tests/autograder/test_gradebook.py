"""Our scores in nbgrader's gradebook and folders, read back with nbgrader's own classes."""

import subprocess
import sys
import zipfile
from dataclasses import replace

import nbformat
import pytest
from nbgrader import api
from nbgrader.converters import GenerateAssignment, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import determine_grade
from sqlalchemy import text
from traitlets.config import Config

from autograder.autograded import autograded_text, keep_submission, write_autograded
from autograder.build import build
from autograder.course import CourseError
from autograder.gradebook import Gradebook
from autograder.results import CaseResult, ItemResult, Record, WrittenResult
from autograder.submissions import Found

LAB = "lab_tiny"


@pytest.fixture
def course(tiny_course):
    build(tiny_course)
    return tiny_course


@pytest.fixture
def submission(course):
    """The released notebook with a written answer and nothing else."""
    notebook = nbformat.read(course.release(LAB), as_version=4)
    cell(notebook, "question_2").source = "Symmetry."
    return notebook


def cell(notebook, grade_id):
    return next(one for one in notebook.cells if one.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def item(name, score, max_score, *outcomes, kind="function"):
    cases = tuple(
        CaseResult(f"case {number}", "it", True, 1.0, outcome, hint="<b>look</b>")
        for number, outcome in enumerate(outcomes)
    )
    return ItemResult(name, kind, score, max_score, cases)


def make_record(student="ada", *, scale=4.0, answered=True, graded=True, outcomes=("passed",)):
    return Record(
        student=student,
        lab=LAB,
        score=scale + 1.5,
        max_score=11.0,
        written_max_score=3.0,
        graded=graded,
        problem="",
        file="x.ipynb",
        submission_hash="",
        lab_hash="",
        draw="",
        functions={
            "scale_of": item("scale_of", scale, 4.0, *outcomes),
            "quantize": item("quantize", 1.5, 6.0, "failed"),
        },
        answers={"answer_1": item("answer_1", 0.0, 1.0, "failed", kind="answer")},
        written={"question_2": WrittenResult("question_2", 3.0, answered)},
    )


def save(course, record, notebook):
    with Gradebook(course) as gradebook:
        gradebook.register(LAB)
        gradebook.save(record, notebook)


def publish(course, record, notebook):
    return write_autograded(course, record, autograded_text(record, notebook))


def read(course, student="ada"):
    """Grades by cell, as nbgrader's dictionaries."""
    with api.Gradebook(course.gradebook_url, course.id) as book:
        notebook = book.find_submission_notebook(LAB, LAB, student)
        grades = {grade.name: grade.to_dict() | {"score": grade.score} for grade in notebook.grades}
        comments = {comment.name: comment.comment for comment in notebook.comments}
        return grades, comments, notebook.to_dict()


def change(course, grade_id, student="ada", **values):
    """What a person enters in formgrader."""
    with api.Gradebook(course.gradebook_url, course.id) as book:
        grade = book.find_grade(grade_id, LAB, LAB, student)
        for name, value in values.items():
            setattr(grade, name, value)
        book.db.commit()


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


def test_nbgrader_reads_our_scores_from_the_autograded_notebook(course, submission):
    path = publish(course, make_record(), submission)
    assert path == course.data / "autograded" / "ada" / LAB / f"{LAB}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    scores = {
        name: determine_grade(cell(notebook, name)) for name in ("check_scale_of", "check_quantize", "question_2")
    }
    assert scores == {"check_scale_of": (4.0, 4.0), "check_quantize": (1.5, 6.0), "question_2": (None, 3.0)}


def test_feedback_in_the_notebook_is_text_not_markup(course, submission):
    path = publish(course, make_record(outcomes=("failed",)), submission)
    output = cell(nbformat.read(path, as_version=4), "check_scale_of").outputs[0]
    assert "&lt;b&gt;look&lt;/b&gt;" in output.data["text/html"]
    assert output.data["text/plain"] == "4.0"


def test_the_repaired_notebook_itself_is_left_alone(course, submission):
    before = nbformat.writes(submission)
    publish(course, make_record(), submission)
    assert nbformat.writes(submission) == before


def test_a_handed_in_timestamp_follows_the_submission(course, submission, tmp_path):
    handed_in = tmp_path / "ada" / "lab.ipynb"
    handed_in.parent.mkdir()
    nbformat.write(submission, handed_in)
    (handed_in.parent / "timestamp.txt").write_text("2030-01-02 03:04:05.000000 UTC\n")
    kept = keep_submission(course, make_record(), Found("ada", handed_in))
    save(course, make_record(), submission)
    autograded = publish(course, make_record(), submission)
    with api.Gradebook(course.gradebook_url, course.id) as book:
        assert book.find_submission(LAB, "ada").timestamp.isoformat() == "2030-01-02T03:04:05"
    assert kept.read_bytes() == handed_in.read_bytes()
    assert autograded.with_name("timestamp.txt").read_text() == kept.with_name("timestamp.txt").read_text()


def test_of_a_zip_file_nbgrader_gets_the_notebook_in_it(course, submission, tmp_path):
    with zipfile.ZipFile(tmp_path / "work.zip", "w") as archive:
        archive.writestr("lab.ipynb", nbformat.writes(submission))
    kept = keep_submission(course, make_record(), Found("ada", tmp_path / "work.zip", inside=("lab.ipynb",)))
    assert [cell.source for cell in nbformat.read(kept, 4).cells] == [cell.source for cell in submission.cells]


def test_nbgraders_export_has_our_scores(course, submission, tmp_path, tiny_environment):
    save(course, make_record(), submission)
    save(course, make_record("bob", scale=0.25), submission)
    target = tmp_path / "grades.csv"
    command = [sys.executable, "-m", "nbgrader", "export", "--to", str(target)]
    environment = tiny_environment(course)
    run = subprocess.run(command, cwd=course.root, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    rows = [line.split(",") for line in target.read_text().splitlines()]
    students = {row[rows[0].index("student_id")]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
    assert {name: (row["score"], row["max_score"]) for name, row in students.items()} == {
        "ada": ("5.5", "14.0"),
        "bob": ("1.75", "14.0"),
    }


def test_nbgraders_own_feedback_page_has_our_scores(course, submission):
    save(course, make_record(), submission)
    publish(course, make_record(), submission)
    config = Config()
    config.CourseDirectory.root = str(course.data)
    config.CourseDirectory.assignment_id = LAB
    config.CourseDirectory.db_url = course.gradebook_url
    GenerateFeedback(coursedir=CourseDirectory(config=config), config=config).start()
    page = (course.data / "feedback" / "ada" / LAB / f"{LAB}.html").read_text()
    assert "Score: 5.5 / 14.0" in page
