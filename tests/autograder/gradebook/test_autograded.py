"""nbgrader's folders: what was handed in, the autograded notebook, and what nbgrader makes of them."""

import subprocess
import sys
import zipfile

import nbformat
from nbgrader import api
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import determine_grade
from traitlets.config import Config

from autograder.autograded import keep_submission
from autograder.submissions import Found

from .tiny_records import LAB, cell, make_record, publish, save


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
