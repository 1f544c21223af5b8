"""Records of the tiny lab, written to its gradebook and read back with nbgrader's own classes."""

from nbgrader import api

from autograder.autograded import autograded_text, write_autograded
from autograder.gradebook import Gradebook
from autograder.results import CaseResult, ItemResult, Record, WrittenResult

LAB = "lab_tiny"


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
