"""A class goes from a system's zip through collect, grade and export to what that system documents that it takes.

Canvas's round trip, with a written question marked in between, is in test_commands.py. Here are Moodle's, whose grading
worksheet keeps its columns and whose feedback files lie in the folders of the submissions, and Gradescope's, which
takes neither grades nor pages back: a table and folders for people.
"""

import csv
import json
import zipfile
from pathlib import Path

import nbformat
import pytest

from autograder.course import Course
from autograder.demo import perfect_submission

TINY = "lab_tiny"

WORKSHEET = """\
Identifier,Full name,Email address,Status,Grade,Maximum Grade,Last modified (grade),Feedback comments
Participant 12,Jane Doe,jane@example.edu,Submitted for grading,,11.00,-,
Participant 34,Ann Lee,ann@example.edu,Submitted for grading,,11.00,-,seen
Participant 56,Bo Ek,bo@example.edu,Submitted for grading,,11.00,-,
Participant 78,Cy Fox,cy@example.edu,No submission,,11.00,-,
"""

METADATA = """\
submission_101:
  :submitters:
  - :name: Jane Doe
    :sid: '3031'
    :email: jane@example.edu
  :created_at: 2026-03-01 10:00:00.000000000 Z
submission_102:
  :submitters:
  - :name: Ann Lee
    :sid:
    :email: ann@example.edu
  - :name: Bo Ek
    :sid: '3033'
    :email: bo@example.edu
  :created_at: 2026-03-02 11:30:00.000000000 Z
"""

ROSTER = """\
First Name,Last Name,SID,Email,Role
Jane,Doe,3031,jane@example.edu,Student
Ann,Lee,,ann@example.edu,Student
Bo,Ek,3033,bo@example.edu,Student
"""


@pytest.fixture
def round_trip(qlab, tmp_path):
    """What the three commands said, and the folder that export wrote."""

    def run(lms: str, files: dict[str, str], roster: str) -> tuple[list[tuple[int, str, str]], Path]:
        with zipfile.ZipFile(tmp_path / "submissions.zip", "w") as made:
            for name, content in files.items():
                made.writestr(name, content)
        (tmp_path / "roster.csv").write_text(roster)
        said = [
            qlab("collect", TINY, tmp_path / "submissions.zip", "--out", tmp_path / "in", "--json"),
            qlab("grade", TINY, "--submissions", tmp_path / "in", "--out", tmp_path / "graded", "--json"),
        ]
        command = ["--records", tmp_path / "graded", "--submissions", tmp_path / "in", "--automatic"]
        command += ["--lms", lms, "--roster", tmp_path / "roster.csv", "--out", tmp_path / "out"]
        said.append(qlab("export", TINY, *command, "--json"))
        return said, tmp_path / "out"

    return run


def solved(course: Course) -> str:
    return nbformat.writes(perfect_submission(course, TINY))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pages(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_moodle_worksheet_comes_back_with_grades_and_pages_lie_where_submissions_lay(round_trip, course):
    """Bo typed his answer into Moodle, Cy handed in nothing: neither has a grade, and neither is a zero."""
    files = {
        f"Jane Doe_12_assignsubmission_file_/{TINY}.ipynb": solved(course),
        "Ann Lee_34_assignsubmission_file/my work.ipynb": course.release(TINY).read_text(),
        "Bo Ek_56_assignsubmission_onlinetext_/onlinetext.html": "<p>see my repository</p>",
    }
    (collected, graded, exported), out = round_trip("moodle", files, WORKSHEET)
    assert collected[0] == 0 and [one["student"] for one in json.loads(collected[1])["without"]] == ["Bo Ek_56"]
    scores = {one["student"]: (one["graded"], one["score"]) for one in json.loads(graded[1])}
    assert scores == {"Jane Doe_12": (True, 11.0), "Ann Lee_34": (True, 0.0), "Bo Ek_56": (False, 0.0)}
    assert (graded[0], exported[0]) == (1, 1) and "1 student needs your attention" in exported[2]
    rows = table(out / f"{TINY}-moodle-grades.csv")
    assert list(rows[0]) == WORKSHEET.splitlines()[0].split(",")
    assert {row["Identifier"]: row["Grade"] for row in rows} == {"Participant 12": "11", "Participant 34": "0"}
    assert rows[1]["Feedback comments"] == "seen"
    feedback = pages(out / f"{TINY}-moodle-feedback.zip")
    for folder, words in {
        "Jane Doe_12_assignsubmission_file_": "11 of 11 points",
        "Ann Lee_34_assignsubmission_file_": "0 of 11 points",
        "Bo Ek_56_assignsubmission_file_": "could not be graded",
    }.items():
        assert words in feedback[f"{folder}/feedback.html"]
    assert json.loads(exported[1])["without"] == ["Cy Fox"]


def test_gradescope_group_gets_one_grade_each_and_pages_in_the_folder_of_its_submission(round_trip, course):
    files = {
        "assignment_1_export/submission_metadata.yml": METADATA,
        f"assignment_1_export/submission_101/{TINY}.ipynb": solved(course),
        f"assignment_1_export/submission_102/{TINY}.ipynb": course.release(TINY).read_text(),
    }
    (collected, graded, exported), out = round_trip("gradescope", files, ROSTER)
    assert [collected[0], graded[0], exported[0]] == [0, 0, 0], exported
    students = ["Ann Lee_ann@example.edu", "Bo Ek_3033", "Jane Doe_3031"]
    assert [one["student"] for one in json.loads(collected[1])["students"]] == students
    rows = table(out / f"{TINY}-gradescope-grades.csv")
    assert [(row["First Name"], row["Total Score"], row["Max Points"]) for row in rows] == [
        ("Jane", "11", "11"),
        ("Ann", "0", "11"),
        ("Bo", "0", "11"),
    ]
    feedback = pages(out / f"{TINY}-gradescope-feedback.zip")
    assert list(feedback) == [
        "submission_101/Jane Doe_3031.html",
        "submission_102/Ann Lee_ann@example.edu.html",
        "submission_102/Bo Ek_3033.html",
    ]
    assert "11 of 11 points" in feedback["submission_101/Jane Doe_3031.html"]
