"""A real Jupyter server with nbgrader's formgrader shows what we entered in the gradebook."""

import json
from urllib.error import HTTPError

import nbformat
import pytest

from autograder.autograded import autograded_text, keep_submission, write_autograded
from autograder.build import build
from autograder.gradebook import Gradebook
from autograder.results import CaseResult, ItemResult, Record, WrittenResult
from autograder.submissions import Found

LAB = "lab_tiny"


def make_record(student, scale):
    case = CaseResult("8 bits", "the scale", True, 1.0, "passed" if scale == 4.0 else "failed", hint="divide by 127")
    functions = {
        "scale_of": ItemResult("scale_of", "function", scale, 4.0, (case,)),
        "quantize": ItemResult("quantize", "function", 6.0, 6.0, (case,)),
    }
    answers = {"answer_1": ItemResult("answer_1", "answer", 1.0, 1.0, (case,))}
    written = {"question_2": WrittenResult("question_2", 3.0, True)}
    return Record(
        student, LAB, scale + 7, 11.0, 3.0, True, "", "x.ipynb", "", "", "", functions, answers, written
    )  # fmt: skip


@pytest.fixture(scope="module")
def formgrader(make_tiny_course, serve_jupyter, tmp_path_factory):
    """Fetches an address of a server in a course with two graded submissions."""
    course = make_tiny_course(tmp_path_factory.mktemp("formgrader") / "tiny")
    build(course)
    notebook = nbformat.read(course.release(LAB), as_version=4)
    question = next(cell for cell in notebook.cells if cell.id == "question_2")
    question.source = "Symmetry is the reason."
    with Gradebook(course) as gradebook:
        gradebook.register(LAB)
        for record in (make_record("ada", 4.0), make_record("bob", 1.5)):
            handed_in = course.root / "inbox" / f"{record.student}.ipynb"
            handed_in.parent.mkdir(exist_ok=True)
            nbformat.write(notebook, handed_in)
            keep_submission(course, record, Found(record.student, handed_in))
            gradebook.save(record, notebook)
            write_autograded(course, record, autograded_text(record, notebook))
    with serve_jupyter(
        course, tmp_path_factory.mktemp("jupyter"), extensions=("nbgrader.server_extensions.formgrader",)
    ) as jupyter:
        yield lambda path: jupyter.fetch(f"formgrader/{path}")


def submissions(formgrader):
    return {entry["student"]: entry for entry in json.loads(formgrader(f"api/submissions/{LAB}"))}


def test_the_assignment_is_listed_with_its_points_and_submissions(formgrader):
    [assignment] = json.loads(formgrader("api/assignments"))
    assert (assignment["name"], assignment["max_score"], assignment["num_submissions"]) == (LAB, 14.0, 2)
    assert assignment["release_path"] == f"notebooks/{LAB}"


def test_submissions_count_as_autograded_with_our_scores(formgrader):
    found = submissions(formgrader)
    assert {name: entry["score"] for name, entry in found.items()} == {"ada": 11.0, "bob": 8.5}
    assert all(entry["autograded"] and entry["needs_manual_grade"] for entry in found.values())


def test_a_failing_student_is_marked_and_a_perfect_one_is_not(formgrader):
    notebooks = {entry["student"]: entry for entry in json.loads(formgrader(f"api/submitted_notebooks/{LAB}/{LAB}"))}
    assert {name: entry["code_score"] for name, entry in notebooks.items()} == {"ada": 11.0, "bob": 8.5}
    assert not notebooks["ada"]["failed_tests"]


def test_the_grading_page_shows_answer_score_fields_and_our_feedback(formgrader):
    notebooks = {entry["student"]: entry for entry in json.loads(formgrader(f"api/submitted_notebooks/{LAB}/{LAB}"))}
    page = formgrader(f"submissions/{notebooks['bob']['id']}/")
    assert "Symmetry is the reason." in page
    assert 'id="question_2"' in page
    assert "1.5 of 4 points" in page
    grades = {
        grade["name"]: grade for grade in json.loads(formgrader(f"api/grades?submission_id={notebooks['bob']['id']}"))
    }
    assert grades["check_scale_of"]["auto_score"] == 1.5
    assert grades["question_2"]["needs_manual_grade"]


@pytest.mark.parametrize("page", ["manage_assignments", f"gradebook/{LAB}/{LAB}", f"manage_submissions/{LAB}"])
def test_the_pages_open(formgrader, page):
    assert "nbgrader formgrade" in formgrader(page)


def test_an_unknown_submission_is_not_found(formgrader):
    with pytest.raises(HTTPError, match="404") as raised:
        formgrader("submissions/none/")
    raised.value.close()
