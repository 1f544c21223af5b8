"""Slow and crashed submissions, and the clock of the runs."""

import json
from dataclasses import replace

import pytest

from autograder.classreport.trouble import read_seconds, troubles
from autograder.judging import ENDED_PYTHON
from autograder.results import CellResult


def line(student: str, seconds: float, *questions: str, lab: str = "lab2") -> str:
    return json.dumps({"student": student, "lab": lab, "seconds": seconds, "questions": list(questions)})


def test_the_clock_is_that_of_the_newest_run_that_asked_most(tmp_path):
    lines = [
        line("ada", 9.0, "f", "g"),
        line("ada", 4.0, "f", "g"),
        line("ada", 0.1, "f"),
        line("bob", 2.0),
        line("ada", 99.0, "f", "g", lab="lab1"),
    ]
    (tmp_path / "timings.jsonl").write_text("\n".join(lines) + "\n")
    assert read_seconds(tmp_path / "timings.jsonl", "lab2") == {"ada": 4.0, "bob": 2.0}


@pytest.mark.parametrize("broken", ["{", "[]", "null", '{"lab": "lab2"}', line("eve", 1.0)[:-9], "\x00"])
def test_a_line_that_was_cut_off_costs_only_itself(tmp_path, broken):
    (tmp_path / "timings.jsonl").write_text(f"{broken}\n{line('ada', 1.5, 'f')}\n")
    assert read_seconds(tmp_path / "timings.jsonl", "lab2") == {"ada": 1.5}


def test_without_a_clock_nobody_is_slow(tmp_path, made):
    assert read_seconds(tmp_path / "timings.jsonl", "lab2") == {}
    assert troubles([made.record("ada", made.item("f", made.case()))], {}) == []


def test_slow_is_three_times_the_middle_and_ten_seconds_at_least(made):
    class_ = [made.record(name, made.item("f", made.case())) for name in "abcde"]
    assert [one.student for one in troubles(class_, {"a": 4, "b": 4, "c": 4, "d": 11.9, "e": 12.0})] == ["e"]
    assert troubles(class_, {"a": 1, "b": 1, "c": 1, "d": 1, "e": 9.9}) == []


def test_time_memory_and_the_end_of_python_are_trouble_and_exceptions_are_not(made):
    class_ = [
        made.record("slow", made.item("f", made.case("timed out", "a"), made.case("timed out", "b"))),
        made.record("big", made.item("f", made.case("out of memory"))),
        made.record("gone", made.item("f", made.case("crashed", message=f"{ENDED_PYTHON} (signal 11)"))),
        made.record("usual", made.item("f", made.case("crashed", message="ValueError: shapes"))),
    ]
    assert [(one.student, one.what) for one in troubles(class_, {})] == [
        ("big", "1 case out of memory"),
        ("gone", "1 case ended the Python process"),
        ("slow", "2 cases timed out"),
    ]


def test_a_cell_that_ended_python_is_trouble_and_one_that_raised_is_not(made):
    record = made.record("ada", made.item("f", made.case()))
    cells = (CellResult(3, "crashed", "exit"), CellResult(4, "failed", "NameError"))
    (trouble,) = troubles([replace(record, cells=cells)], {})
    assert trouble.what == "cell 4 crashed"
