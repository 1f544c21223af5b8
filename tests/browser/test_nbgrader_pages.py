"""nbgrader's own pages and buttons on our course, as an assistant and a student click them."""

import copy
import csv
import subprocess
import sys

import nbformat
import pytest
from nbgrader import api
from playwright.sync_api import Page, expect

from autograder.build import build
from autograder.classroom import Outcome, grade_and_publish
from autograder.demo import perfect_submission
from autograder.regrade import Move

LAB = "lab_tiny"
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def handed_in(course, tmp_path_factory):
    """ada and cyd: divide by 127 whatever the bit width, which costs 1 of the 4 points of scale_of; bob: solved."""
    folder = tmp_path_factory.mktemp("class")
    for student in ("ada", "bob", "cyd"):
        notebook = copy.deepcopy(perfect_submission(course, LAB))
        for cell in notebook.cells:
            if cell.id == "question_2":
                cell.source = "So that the levels are symmetric about zero."
            cell.source = "\n".join(line for line in cell.source.splitlines() if "### " not in line)
            if student != "bob":
                cell.source = cell.source.replace("largest / LEVELS[bitwidth]", "largest / 127")
        (folder / student).mkdir()
        nbformat.write(notebook, folder / student / f"{LAB}.ipynb")
    return folder


@pytest.fixture(scope="module")
def grade(course, handed_in, tmp_path_factory):
    """``qlab grade`` of the class."""
    out = tmp_path_factory.mktemp("out")

    def run() -> Outcome:
        return grade_and_publish(course, LAB, handed_in, out=out, jobs=1)

    return run


@pytest.fixture(scope="module")
def graded(grade, jupyter) -> dict[str, float]:
    return {record.student: record.score for record in grade().records}


def table(page: Page, jupyter) -> dict[str, str]:
    """What formgrader's list of submissions shows: student -> score."""
    page.goto(f"{jupyter.base}/formgrader/manage_submissions/{LAB}", wait_until="domcontentloaded")
    expect(page.locator("#main-table td.score").first).to_contain_text("/")
    rows = page.locator("#main-table tr").all()
    return {row.locator(".student-id").inner_text(): row.locator(".score").inner_text() for row in rows}


def open_submission(page: Page, jupyter, student: str) -> None:
    """From the list of submissions, as an assistant goes."""
    page.goto(f"{jupyter.base}/formgrader/manage_students/{student}/{LAB}", wait_until="domcontentloaded")
    page.locator("#main-table .name a").click()
    page.wait_for_function("typeof formgrader !== 'undefined' && formgrader.grades && formgrader.grades.loaded")
    page.wait_for_function("formgrader.comments.loaded")


def type_and_wait(page: Page, field: str, text: str, address: str) -> None:
    """Until the server has what was typed: the page saves a field when it is left."""
    with page.expect_response(lambda answer: address in answer.url and answer.request.method == "PUT") as saved:
        page.locator(field).press_sequentially(text)
        page.locator(field).blur()
    assert saved.value.ok


def test_graded_submissions_are_listed_with_our_scores(graded, page, jupyter):
    assert graded == {"ada": 10.0, "bob": 11.0, "cyd": 10.0}
    assert table(page, jupyter) == {"ada": "10 / 14", "bob": "11 / 14", "cyd": "10 / 14"}


def test_what_an_assistant_types_stays_when_the_class_is_graded_again(graded, grade, course, page, jupyter, screenshot):
    open_submission(page, jupyter, "ada")
    expect(page.get_by_text("So that the levels are symmetric about zero.")).to_be_visible()
    expect(page.locator("#check_scale_of")).to_have_attribute("placeholder", "3")
    type_and_wait(page, "#question_2", "2.5", "/api/grade/")
    type_and_wait(page, "#question_2-comment", "Say which levels.", "/api/comment/")
    page.locator("#question_2").scroll_into_view_if_needed()
    screenshot(page, "formgrader")
    assert table(page, jupyter)["ada"] == "12.5 / 14"

    cases = course.root / "autograder" / "cases" / f"{LAB}.py"
    mended = cases.read_text().replace("draw.floats((5,), -4, 4), 4)", "draw.floats((5,), -4, 4), 8)")
    assert mended != cases.read_text()
    cases.write_text(mended)
    build(course)
    assert grade().moved == [Move("ada", "scale_of", 3.0, 4.0), Move("cyd", "scale_of", 3.0, 4.0)]

    open_submission(page, jupyter, "ada")
    expect(page.locator("#check_scale_of")).to_have_attribute("placeholder", "4")
    expect(page.locator("#question_2")).to_have_value("2.5")
    expect(page.locator("#question_2-comment")).to_have_value("Say which levels.")
    assert table(page, jupyter)["ada"] == "13.5 / 14"


def test_the_autograde_button_gives_the_score_that_qlab_gives(graded, course, page, jupyter):
    with api.Gradebook(course.gradebook_url, course.id) as book:
        before = {grade.name: grade.auto_score for grade in book.find_submission_notebook(LAB, LAB, "cyd").grades}
    ours = table(page, jupyter)["cyd"]
    row = page.locator("#main-table tr").filter(has=page.locator(".student-id", has_text="cyd"))
    row.locator(".autograde a").click()
    expect(page.locator(".modal-title")).to_have_text("Success")
    expect(page.locator(".modal-body")).to_contain_text(f"Successfully autograded '{LAB}' for student 'cyd'")
    assert table(page, jupyter)["cyd"] == ours
    with api.Gradebook(course.gradebook_url, course.id) as book:
        assert {
            grade.name: grade.auto_score for grade in book.find_submission_notebook(LAB, LAB, "cyd").grades
        } == before


def test_nbgraders_export_has_the_points_that_the_page_shows(graded, course, page, jupyter, tiny_environment, tmp_path):
    shown = table(page, jupyter)
    file = tmp_path / "grades.csv"
    command = [sys.executable, "-m", "nbgrader", "export", "--to", str(file)]
    subprocess.run(command, cwd=course.root, env=tiny_environment(course), capture_output=True, check=True)
    with file.open() as lines:
        rows = {row["student_id"]: row for row in csv.DictReader(lines)}
    assert {student: f"{float(row['score']):g} / {float(row['max_score']):g}" for student, row in rows.items()} == shown


@pytest.mark.parametrize(
    ("notebook", "dialog", "says"),
    [
        ("solved", ".nbgrader-SuccessDialog", "Success! Your notebook passes all the tests."),
        ("untouched", ".nbgrader-ErrorDialog", "check(scale_of)"),
    ],
)
def test_the_validate_button_tells_a_solved_notebook_from_an_untouched_one(page, open_notebook, notebook, dialog, says):
    open_notebook(page, notebook)
    page.get_by_role("button", name="Validate").click()
    expect(page.locator(dialog)).to_contain_text(says)
