"""The command line, as an assistant types it: exit codes, sentences, files."""

import json
import shutil
from pathlib import Path

import nbformat
import pytest

from autograder.cli import printable
from autograder.demo import perfect_submission

TINY = "lab_tiny"


@pytest.fixture
def handed_in(course, tmp_path) -> Path:
    """A folder of two submissions: one perfect, one the untouched release."""
    folder = tmp_path / "class"
    for student, notebook in {
        "ada": perfect_submission(course, TINY),
        "bob": nbformat.read(course.release(TINY), as_version=4),
    }.items():
        path = folder / student / TINY / f"{TINY}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    return folder


def test_class_is_graded_with_a_record_a_student(qlab, handed_in, tmp_path):
    code, _, err = qlab(
        "grade", TINY, "--submissions", handed_in, "--out", tmp_path / "out", "--json", tmp_path / "all"
    )
    assert code == 0, err
    ada, bob = json.loads((tmp_path / "all").read_text())
    assert (ada["student"], ada["lab"], ada["score"], ada["max_score"]) == ("ada", TINY, 11.0, 11.0)
    assert (bob["student"], bob["score"]) == ("bob", 0.0)
    case = ada["functions"]["scale_of"]["cases"][0]
    assert {"name", "visible", "outcome"} <= case.keys() and case["outcome"] == "passed"


def test_feedback_summary_and_autograded_notebook_are_written(qlab, handed_in, tmp_path, course):
    qlab("grade", TINY, "--submissions", handed_in, "--out", tmp_path / "out", "--fresh")
    assert "11 of 11 points" in (tmp_path / "out/feedback/ada.html").read_text()
    assert "feedback/bob.html" in (tmp_path / "out/summary.html").read_text()
    assert course.autograded("ada", TINY).is_file()


def test_the_report_stays_one_on_the_class_when_one_student_is_graded_again(qlab, handed_in, tmp_path):
    qlab("grade", TINY, "--submissions", handed_in, "--out", tmp_path / "out")
    qlab("grade", TINY, "--submissions", handed_in, "--out", tmp_path / "out", "--student", "bob")
    report = (tmp_path / "out/summary.html").read_text()
    assert "feedback/ada.html" in report and "feedback/bob.html" in report


def test_broken_notebook_costs_nobody_else_and_is_named(qlab, handed_in, tmp_path):
    broken = handed_in / "cyd" / TINY / "x.ipynb"
    broken.parent.mkdir(parents=True)
    broken.write_text("{ not json")
    code, out, err = qlab(
        "grade", TINY, "--submissions", handed_in, "--out", tmp_path / "out", "--json", tmp_path / "all"
    )
    assert code == 1
    assert "x.ipynb" in out and "cyd" in err
    records = {record["student"]: record for record in json.loads((tmp_path / "all").read_text())}
    assert records["ada"]["score"] == 11.0 and records["cyd"]["graded"] is False


def test_folder_without_a_notebook_is_named(qlab, handed_in, tmp_path):
    (handed_in / "dee" / TINY).mkdir(parents=True)
    code, _, err = qlab("grade", TINY, "--submissions", handed_in, "--out", tmp_path / "out")
    assert code == 1 and "dee" in err


def test_graded_submissions_are_not_graded_twice(qlab, handed_in, tmp_path):
    command = ("grade", TINY, "--submissions", handed_in, "--out", tmp_path / "out")
    qlab(*command)
    qlab(*command)
    lines = (tmp_path / "out/timings.jsonl").read_text().splitlines()
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("grade", "lab9_missing", "--submissions", "."), ("lab9_missing", TINY)),
        (("run", "lab9_missing"), ("lab9_missing", TINY)),
        (("build", "lab9_missing"), ("lab9_missing", TINY)),
        (("grade", TINY, "--submissions", "no/such/folder"), ("no/such/folder",)),
    ],
)
def test_mistake_is_one_sentence_and_exit_code_1(qlab, arguments, words):
    code, out, err = qlab(*arguments)
    assert code == 1
    assert err.strip().startswith("error:") and len(err.strip().splitlines()) == 1
    assert all(word in err for word in words) and "Traceback" not in out + err


def test_wrong_usage_is_exit_code_2(qlab):
    assert qlab("grade")[0] == 2


def test_bug_is_exit_code_3_and_shows_where(qlab, monkeypatch):
    def bug(*_, **__):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("autograder.build.build", bug)
    code, _, err = qlab("build")
    assert code == 3 and "bug in qlab" in err and "ZeroDivisionError" in err


def test_interrupt_is_exit_code_130(qlab, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("autograder.build.build", interrupt)
    assert qlab("build")[0] == 130


def test_drift_is_exit_code_1_and_says_what_to_type(qlab, course):
    notebook = course.release(TINY)
    before = notebook.read_bytes()
    shutil.copy(notebook, notebook.with_suffix(".kept"))
    try:
        notebook.write_text("changed by hand")
        code, _, err = qlab("build", "--check")
    finally:
        notebook.write_bytes(before)
        notebook.with_suffix(".kept").unlink()
    assert code == 1 and "qlab build" in err


def test_text_of_a_submission_cannot_steer_the_terminal():
    assert printable("\x1b[2J\x1b]0;title\x07ok") == " [2J ]0;title ok"
