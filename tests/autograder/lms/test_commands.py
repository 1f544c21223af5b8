"""From the archive of a learning management system to the table that it takes back, as an assistant types it."""

import csv
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder.course import Course
from autograder.demo import perfect_submission

TINY = "lab_tiny"
ROSTER = """\
Student,ID,SIS User ID,SIS Login ID,Section,A tiny lab (4711)
    Points Possible,,,,,14
"Doe, Jane",12,s1,jane,Section 1,
"Lee, Ann",34,s2,ann,Section 1,
"Ek, Bo",56,s3,bo,Section 1,
"""


@pytest.fixture
def archive(course, tmp_path) -> Path:
    """Canvas's zip: Jane has everything, Ann handed in the release twice and late, Bo a file that is no notebook."""
    perfect = nbformat.writes(perfect_submission(course, TINY))
    release = course.release(TINY).read_text()
    path = tmp_path / "submissions.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("doejane_12_100_lab_tiny.ipynb", perfect)
        made.writestr("leeann_LATE_34_101_lab_tiny.ipynb", "{ not json")
        made.writestr("leeann_LATE_34_102_lab_tiny-1.ipynb", release)
        made.writestr("ekbo_56_103_lab_tiny.pdf", "%PDF")
    return path


def mark(course: Course, student: str, points: float) -> None:
    """As an assistant does in formgrader."""
    with Gradebook(course.gradebook_url, course.id) as book:
        grade = book.find_grade("question_2", TINY, TINY, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        book.db.commit()


def exported(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["Student"].strip(): row["A tiny lab (4711)"] for row in csv.DictReader(file)}


def test_class_goes_from_canvas_through_grading_back_to_canvas(qlab, archive, course, tmp_path):
    code, out, err = qlab("collect", TINY, archive, "--out", tmp_path / "in")
    assert code == 0, err
    assert "Canvas: 2 notebooks, 1 students without one" in out
    assert "late: leeann_34" in out and "no notebook: ekbo_56 (ekbo_56_103_lab_tiny.pdf: not a notebook)" in out
    assert "more than once, newest taken: leeann_34" in out

    code, _, err = qlab("grade", TINY, "--submissions", tmp_path / "in", "--out", tmp_path / "graded")
    assert code == 1 and "ekbo_56" in err

    (tmp_path / "roster.csv").write_text(ROSTER)
    command = ["export", TINY, "--records", tmp_path / "graded", "--lms", "canvas"]
    command += ["--roster", tmp_path / "roster.csv", "--submissions", tmp_path / "in", "--out", tmp_path / "out"]
    grades = tmp_path / "out" / f"{TINY}-canvas-grades.csv"
    code, out, err = qlab(*command)
    assert code == 1 and "2 students need your attention" in err
    assert "left out: doejane_12 (question_2 not marked in formgrader yet)" in out
    assert exported(grades) == {"Points Possible": "14", "Lee, Ann": "0"}

    mark(course, "doejane_12", 2.5)
    code, out, _ = qlab(*command)
    assert exported(grades) == {"Points Possible": "14", "Doe, Jane": "13.5", "Lee, Ann": "0"}
    assert "not graded, left out: ekbo_56 (no notebook in the folder of ekbo_56" in out
    with zipfile.ZipFile(tmp_path / "out" / f"{TINY}-canvas-feedback.zip") as pages:
        assert pages.namelist() == ["doejane_12_100_lab_tiny.html", "leeann_LATE_34_102_lab_tiny-1.html"]
        assert b"11 of 11 points" in pages.read("doejane_12_100_lab_tiny.html")

    code, _, _ = qlab(*command, "--automatic")
    assert exported(grades) == {"Points Possible": "14", "Doe, Jane": "11", "Lee, Ann": "0"}


def test_archive_of_something_else_is_one_sentence_and_exit_code_1(qlab, tmp_path):
    with zipfile.ZipFile(tmp_path / "holiday.zip", "w") as made:
        made.writestr("beach.jpg", "x")
    code, _, err = qlab("collect", TINY, tmp_path / "holiday.zip", "--out", tmp_path / "in")
    assert code == 1 and "is no archive of submissions from Canvas, Moodle or Gradescope" in err
    code, _, err = qlab("collect", "lab_unknown", tmp_path / "holiday.zip")
    assert code == 1 and "unknown lab" in err


def test_unknown_system_is_wrong_usage(qlab, tmp_path):
    code, _, err = qlab("export", TINY, "--records", "r", "--lms", "sakai", "--roster", "r.csv", "--out", tmp_path)
    assert code == 2 and "'sakai' is not one of" in err


def test_what_a_file_is_called_does_not_steer_the_terminal(qlab, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr("doejane_1_2_l.ipynb", "x")
        made.writestr("ekbo_3_4_\x1b[2J[red]x.pdf", "x")
    _, out, _ = qlab("collect", TINY, tmp_path / "a.zip", "--out", tmp_path / "in")
    assert "\x1b" not in out and "[red]x.pdf" in out
