"""Stock ``nbgrader autograde`` on a release of ours: real programs, a real kernel, scores worked out by hand."""

import copy
import subprocess
import sys

import nbformat
import pytest
from nbgrader import api

from autograder.build import build
from autograder.grade import grade_submission
from autograder.gradebook import Gradebook
from autograder.materials import load_materials
from autograder.notebooks import read_lab, solved_notebook
from autograder.sandbox import Template
from autograder.stock import points
from autograder.submissions import Found

LAB = "lab_tiny"
pytestmark = pytest.mark.slow

ONE_SCALE_FOR_ALL = """
def scale_of(tensor, bitwidth):
    return tensor.abs().max().item() / 127
"""
WARNS = """
def quantize(tensor, bitwidth):
    import sys, warnings
    warnings.warn("this is only a warning")
    print("and this is stderr", file=sys.stderr)
    return torch.round(tensor / scale_of(tensor, bitwidth)).clamp(-LEVELS[bitwidth], LEVELS[bitwidth]).to(torch.int8)
"""
EIGHT_BITS_ONLY = """
def quantize(tensor, bitwidth):
    levels = {8: 127}[bitwidth]
    return torch.round(tensor / scale_of(tensor, bitwidth)).clamp(-levels, levels).to(torch.int8)
"""
SUBMISSIONS = {
    "solved": {"question_2": "Symmetry."},
    "half": {"scale_of": ONE_SCALE_FOR_ALL, "quantize": WARNS, "answer_1": 'answer_1 = "a"'},
    "broken": {"scale_of": "def scale_of(:", "quantize": EIGHT_BITS_ONLY},
}


def submission(course, lab, replacements, *, solved=True):
    """The release with all solutions filled in (or none) and ``replacements`` by grade id on top."""
    sources = {cell.id: cell.source for cell in solved_notebook(course, lab).cells} if solved else {}
    notebook = nbformat.read(course.release(lab), as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = replacements.get(cell.id, sources.get(cell.id, cell.source)).strip()
    return notebook


def autograde(course, lab, environment, notebooks):
    for student, notebook in notebooks.items():
        path = course.data / "submitted" / student / lab / f"{lab}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    with Gradebook(course) as gradebook:
        gradebook.register(lab)
    command = [sys.executable, "-m", "nbgrader", "autograde", lab]
    run = subprocess.run(command, cwd=course.root, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return {student: scores(course, lab, student) for student in notebooks}


def scores(course, lab, student):
    with api.Gradebook(course.gradebook_url, course.id) as book:
        grades = book.find_submission_notebook(lab, lab, student).grades
        return {grade.name.removeprefix("check_"): grade.auto_score for grade in grades}


@pytest.fixture(scope="module")
def graded(course, tiny_environment):
    """Scores that stock nbgrader gives, by student and item."""
    notebooks = {student: submission(course, LAB, changes) for student, changes in SUBMISSIONS.items()}
    notebooks["untouched"] = submission(course, LAB, {}, solved=False)
    return autograde(course, LAB, tiny_environment(course), notebooks)


def test_the_solution_has_every_point_and_its_written_answer_waits(graded):
    assert graded["solved"] == {"scale_of": 4.0, "quantize": 6.0, "answer_1": 1.0, "question_2": None}


def test_the_untouched_release_has_none(graded):
    assert graded["untouched"] == {"scale_of": 0.0, "quantize": 0.0, "answer_1": 0.0, "question_2": 0.0}


def test_points_follow_the_weights_of_the_cases_that_pass(graded):
    # passes 8 bits (weight 1), fails 4 bits (1) and all zero (2)
    assert graded["half"]["scale_of"] == 1.0
    assert graded["half"]["answer_1"] == 0.0


def test_neither_a_mistake_in_another_function_nor_a_warning_costs_points(graded):
    assert graded["half"]["quantize"] == 6.0


def test_hidden_cases_count(graded):
    assert graded["broken"]["quantize"] == 3.0


def test_a_syntax_error_costs_only_its_own_question(graded):
    assert (graded["broken"]["scale_of"], graded["broken"]["answer_1"]) == (0.0, 1.0)


def test_our_own_grader_gives_the_same_scores(graded, course):
    materials = load_materials(course, LAB)
    with Template(course.limits, sandboxed=False) as template:
        for student, expected in graded.items():
            path = course.data / "submitted" / student / LAB / f"{LAB}.ipynb"
            record = grade_submission(Found(student, path), materials=materials, template=template).record
            ours = {name: item.score for name, item in (record.functions | record.answers).items()}
            assert ours == {name: expected[name] for name in ours}, student


def test_the_students_namespace_is_as_it_was(tiny_course, monkeypatch):
    build(tiny_course)
    monkeypatch.chdir(tiny_course.root)
    namespace = {}
    exec("import torch\nLEVELS = {2: 1, 4: 7, 8: 127}\n" + ONE_SCALE_FOR_ALL + EIGHT_BITS_ONLY, namespace)
    before = copy.copy(namespace)
    assert points(LAB, "quantize", namespace) == 3.0
    assert namespace == before


def test_a_missing_function_is_zero(tiny_course, monkeypatch):
    build(tiny_course)
    monkeypatch.chdir(tiny_course.root)
    assert points(LAB, "quantize", {}) == 0.0
    assert points(LAB, "quantize", {"quantize": "not a function"}) == 0.0


def test_a_real_lab_has_every_point_when_solved_and_none_when_untouched(copy_course, tiny_environment, tmp_path):
    course = copy_course(tmp_path / "course")
    build(course)
    source = read_lab(course, "lab2_linear")
    notebooks = {
        "solved": submission(course, source.lab, {}),
        "untouched": submission(course, source.lab, {}, solved=False),
    }
    graded = autograde(course, source.lab, tiny_environment(course), notebooks)
    assert {name: graded["solved"][name] for name in source.items} == source.items
    assert {name: graded["untouched"][name] for name in source.items} == dict.fromkeys(source.items, 0.0)
