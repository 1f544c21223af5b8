"""``qlab run``: the solved notebook is executed whole, experiments included, and its figures are collected."""

import json

import nbformat
import pytest

from autograder.build import build
from autograder.course import CourseError
from autograder.run import run_lab

TINY = "lab_tiny"
HOURS = 'raise RuntimeError("hours of training")'
pytestmark = pytest.mark.filterwarnings("ignore:.*TCP without encryption:Warning")


def make_quick(course) -> None:
    """Let the experiment report a figure instead of failing."""
    path = course.solution(TINY)
    report = (
        "import os\nfrom qlab_helpers.metrics import report_metrics\n"
        'report_metrics(accuracy=12.5, fast=os.environ["QLAB_FAST"])'
    )
    path.write_text(path.read_text().replace(HOURS, report))
    build(course)


def test_figures_of_skipped_experiments_are_collected(tiny_course, tmp_path):
    make_quick(tiny_course)
    result = run_lab(tiny_course, TINY, fast=True, out=tmp_path / "out")
    assert result.figures == {"accuracy": 12.5, "fast": "1"}
    written = json.loads(result.metrics.read_text())
    assert written["figures"] == result.figures and written["fast"] is True


def test_executed_notebook_is_kept_with_its_outputs(tiny_course, tmp_path):
    make_quick(tiny_course)
    result = run_lab(tiny_course, TINY, fast=False, out=tmp_path / "out")
    notebook = nbformat.read(result.notebook, as_version=4)
    assert any(cell.get("outputs") for cell in notebook.cells)


def test_failing_cell_is_named_and_what_ran_is_kept(tiny_course, tmp_path):
    build(tiny_course)
    with pytest.raises(CourseError, match="hours of training"):
        run_lab(tiny_course, TINY, fast=True, out=tmp_path / "out")
    assert (tmp_path / "out" / f"{TINY}.ipynb").is_file()
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["complete"] is False
