"""A class: the same records at any number of jobs, resumed after any end, never stopped by one submission."""

import copy
import json
import os
import shutil
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import nbformat
import psutil
import pytest

from autograder import bench, workplaces
from autograder.batch import grade_class
from autograder.course import CourseError
from autograder.demo import perfect_submission
from autograder.nursery import Nursery
from autograder.results import read_record
from autograder.sandbox import Template
from autograder.submissions import find_submissions

from .processes import without_servers, workers_of

LAB = "lab_tiny"


@pytest.fixture(scope="module")
def classroom(course, tmp_path_factory) -> Path:
    """ada: solved, bob: untouched, cyd: not a notebook, dan: nothing handed in, eve: wrong, zoe: stops its process."""
    folder = tmp_path_factory.mktemp("class")
    solved = perfect_submission(course, LAB)
    wrong, fatal = copy.deepcopy(solved), copy.deepcopy(solved)
    for cell in wrong.cells:
        cell.source = cell.source.replace("torch.round", "torch.floor")
    fatal.cells[2].source += "\nimport os\nos._exit(3)"
    contents = {
        "eve": nbformat.writes(wrong),
        "ada": nbformat.writes(solved),
        "cyd": "not a notebook",
        "bob": course.release(LAB).read_text(),
        "zoe": nbformat.writes(fatal),
    }
    for student, content in contents.items():
        (folder / student / LAB).mkdir(parents=True)
        (folder / student / LAB / f"{LAB}.ipynb").write_text(content)
    (folder / "dan").mkdir()
    return folder


def read_all(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "records").iterdir()}


@pytest.fixture(scope="module")
def template(course):
    with Template(course.limits) as template:
        yield template


@pytest.fixture(scope="module")
def graded(course, classroom, tmp_path_factory) -> Path:
    """Graded one by one, in a sandbox of its own."""
    out = tmp_path_factory.mktemp("graded")
    grade_class(course, LAB, classroom, out=out, jobs=1)
    return out


def test_every_student_has_a_record_and_they_come_sorted(course, classroom, graded, template):
    seen = []
    records = grade_class(
        course,
        LAB,
        classroom,
        out=graded,
        on_result=lambda one, done, total: seen.append((one.graded.record.student, done, total)),
        template=template,
    )
    assert [record.student for record in records] == ["ada", "bob", "cyd", "dan", "eve", "zoe"]
    assert [record.graded for record in records] == [True, True, False, False, True, True]
    scores = {record.student: record.score for record in records}
    assert scores["ada"] == 11
    assert scores["bob"] == 0
    assert 0 < scores["eve"] < 11
    assert sorted(one[0] for one in seen) == [record.student for record in records]
    assert [one[1:] for one in seen] == [(number, 6) for number in range(1, 7)]


def test_records_are_the_same_at_one_job_and_at_two(course, classroom, graded, tmp_path, template):
    grade_class(course, LAB, classroom, out=tmp_path, jobs=2, template=template)
    assert read_all(tmp_path) == read_all(graded)


@pytest.mark.slow
def test_records_and_pages_are_the_same_from_processes(course, classroom, graded, tmp_path, template):
    pages = {}
    for name, options in (("here", {"template": template}), ("processes", {"processes": 2})):
        found = pages[name] = {}

        def keep(one, number, total, found=found):
            found[one.graded.record.student] = one.pages

        grade_class(course, LAB, classroom, out=tmp_path / name, jobs=2, with_pages=True, on_result=keep, **options)
        assert read_all(tmp_path / name) == read_all(graded)
    assert pages["here"] == pages["processes"]
    assert pages["here"]["ada"].autograded and pages["here"]["cyd"].autograded is None


@pytest.mark.parametrize("processes", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_what_is_to_be_done_meanwhile_is_done_once_before_the_first_result(course, classroom, tmp_path, processes):
    happened = []
    grade_class(
        course,
        LAB,
        classroom,
        out=tmp_path,
        processes=processes,
        jobs=2,
        on_begun=lambda: happened.append("begun"),
        on_result=lambda one, number, total: happened.append(number),
    )
    assert happened == ["begun", *range(1, 7)]


@pytest.mark.slow
def test_a_process_that_dies_costs_nothing_but_time_and_none_is_left(course, classroom, graded, tmp_path):
    before = {child.pid for child in psutil.Process().children(recursive=True)}

    def kill_one(one, number, total):
        if number == 1:
            next(child for child in workers_of(psutil.Process()) if child.pid not in before).kill()

    grade_class(course, LAB, classroom, out=tmp_path, processes=2, jobs=2, on_result=kill_one)
    assert read_all(tmp_path) == read_all(graded)
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert without_servers(left) == []
    assert not workers_of(psutil.Process())


@pytest.mark.slow
def test_a_submission_that_costs_two_processes_is_not_graded_and_says_why(course, classroom, tmp_path):
    def kill_all(found):
        if found.student == "ada":
            for child in workers_of(psutil.Process()):
                child.kill()

    assignment = bench.Assignment(course, LAB)
    found = [one for one in find_submissions(classroom, LAB) if one.student == "ada"]
    with Nursery() as nursery:
        [done] = workplaces.in_processes(assignment, found, kill_all, lambda: None, jobs=1, nursery=nursery)
    assert not done.graded.record.graded
    assert "the process that graded it ended, twice" in done.graded.record.problem


@pytest.mark.slow
def test_a_process_goes_on_while_what_it_has_done_is_still_written(course, classroom, monkeypatch):
    class Noted(SimpleQueue):
        def put(self, item):
            received.append(item)
            super().put(item)

    received = []
    monkeypatch.setattr(workplaces, "SimpleQueue", Noted)
    found = find_submissions(classroom, LAB)[: 1 + workplaces.AHEAD]
    with (
        Nursery() as nursery,
        closing(
            workplaces.in_processes(
                bench.Assignment(course, LAB), found, lambda one: None, lambda: None, jobs=1, nursery=nursery
            )
        ) as work,
    ):
        next(work)  # and whoever asked takes long to write it
        end = time.monotonic() + 60
        while len(received) < len(found) and time.monotonic() < end:
            time.sleep(0.1)
    assert len(received) >= len(found)


@pytest.mark.parametrize(("jobs", "cores"), [(1, [None]), (2, [4, 7]), (3, [4, 7, 4])])
def test_each_process_has_a_core_of_its_own_where_there_are_as_many_as_cores(monkeypatch, jobs, cores):
    monkeypatch.setattr(workplaces.os, "sched_getaffinity", lambda process: {4, 7})
    assert [workplaces._core(number, jobs) for number in range(jobs)] == cores


def test_times_are_kept_beside_the_records_not_in_them(graded):
    lines = [json.loads(line) for line in (graded / "timings.jsonl").read_text().splitlines()]
    assert {line["student"] for line in lines} == {"ada", "bob", "cyd", "dan", "eve", "zoe"}
    assert all(line["seconds"] >= 0 for line in lines)
    assert b"seconds" not in b"".join(read_all(graded).values())


def test_what_is_graded_is_not_graded_again_and_what_is_missing_is(course, classroom, graded, tmp_path, template):
    shutil.copytree(graded / "records", tmp_path / "records")
    (tmp_path / "records" / "ada.json").unlink()
    (tmp_path / "records" / "bob.json").write_text('{"half')
    fresh = {}
    grade_class(
        course,
        LAB,
        classroom,
        out=tmp_path,
        on_result=lambda one, *_: fresh.update({one.graded.record.student: one.graded.fresh}),
        template=template,
    )
    assert {student for student, new in fresh.items() if new} == {"ada", "bob", "cyd", "dan"}
    assert read_all(tmp_path) == read_all(graded)


@pytest.mark.parametrize("change", ["submission", "secret", "limits"])
def test_a_record_of_another_submission_draw_or_environment_is_not_kept(
    course, classroom, graded, tmp_path, change, template
):
    shutil.copytree(graded / "records", tmp_path / "records")
    shutil.copytree(classroom / "ada", tmp_path / "class" / "ada")
    if change == "submission":
        path = tmp_path / "class" / "ada" / LAB / f"{LAB}.ipynb"
        path.write_text(path.read_text() + "\n")
    elif change == "secret":
        course = replace(course, data=tmp_path / "elsewhere")
        course.data.mkdir()
        (course.data / "secret").write_text("another")
    else:
        course = replace(course, limits=replace(course.limits, case_s=2))
    fresh = []
    grade_class(
        course,
        LAB,
        tmp_path / "class",
        out=tmp_path,
        on_result=lambda one, *_: fresh.append(one.graded.fresh),
        template=template,
    )
    assert fresh == [True]


def test_results_carry_the_repaired_notebook_even_when_the_record_is_kept(course, classroom, graded, template):
    notebooks = {}
    grade_class(
        course,
        LAB,
        classroom,
        out=graded,
        on_result=lambda one, *_: notebooks.update({one.graded.record.student: one.graded.notebook}),
        template=template,
    )
    assert notebooks["cyd"] is None
    assert notebooks["dan"] is None
    assert len(notebooks["ada"].cells) == len(nbformat.read(course.release(LAB), as_version=4).cells)


def test_only_the_students_asked_for_are_graded(course, classroom, tmp_path, template):
    records = grade_class(course, LAB, classroom, out=tmp_path, students=["cyd", "dan"], template=template)
    assert [record.student for record in records] == ["cyd", "dan"]
    with pytest.raises(CourseError, match="no folder of nobody"):
        grade_class(course, LAB, classroom, out=tmp_path, students=["nobody"], template=template)


class NoTemplate:
    """Stands for the sandbox where nothing is run."""

    def __init__(self, limits, *, sandboxed=True, line=None) -> None:
        self.layers: dict[str, str] = {}

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        pass


def test_an_error_of_ours_costs_one_submission_and_names_itself(course, classroom, tmp_path, monkeypatch):
    monkeypatch.setattr(bench.sandbox, "Template", NoTemplate)

    def failing(opened, **options):
        if opened.found.student != "zoe":
            raise ZeroDivisionError("in the grader")
        return bench.Graded(
            opened.found, bench.empty_record(opened.found, options["materials"], template=NoTemplate(0)), None
        )

    monkeypatch.setattr(bench, "grade_opened", failing)
    records = {one.student: one for one in grade_class(course, LAB, classroom, out=tmp_path, jobs=2)}
    assert not records["ada"].graded
    assert "ZeroDivisionError" in records["ada"].problem
    assert "in the grader" in (tmp_path / "faults" / "ada.txt").read_text()
    assert records["zoe"].problem == ""


def test_an_interrupt_leaves_finished_records_whole_and_the_next_run_goes_on(
    course, classroom, graded, tmp_path, template
):
    def interrupt(one, done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade_class(course, LAB, classroom, out=tmp_path, jobs=1, on_result=interrupt, template=template)
    finished = read_all(tmp_path)
    assert len(finished) == 2
    assert all(read_record(tmp_path / "records" / name) for name in finished)
    grade_class(course, LAB, classroom, out=tmp_path, jobs=1, template=template)
    assert read_all(tmp_path) == read_all(graded)


def test_a_folder_that_is_not_there_and_an_unknown_lab_are_clear_errors(course, classroom, tmp_path, template):
    with pytest.raises(CourseError, match="there is no folder"):
        grade_class(course, LAB, tmp_path / "nowhere", out=tmp_path, template=template)
    with pytest.raises(CourseError, match="unknown lab"):
        grade_class(course, "lab9", classroom, out=tmp_path, template=template)


def test_a_hostile_folder_name_writes_nothing_outside_the_records(course, classroom, tmp_path, monkeypatch):
    monkeypatch.setattr(bench.sandbox, "Template", NoTemplate)
    folder = tmp_path / "class"
    for name in ("up\\..\\..\\up", "\x1b[31mred", os.fsdecode(b"\xff")):
        (folder / name).mkdir(parents=True)
        (folder / name / "a.ipynb").write_text("no notebook")
    grade_class(course, LAB, folder, out=tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out" / "records").iterdir())
    assert names == ["%1B[31mred.json", "%FF.json", "up%5C..%5C..%5Cup.json"]
