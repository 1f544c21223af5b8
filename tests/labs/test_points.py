"""Points of every lab: what the headings say, what the cells give, and what the mark schemes add up to."""

import re

import pytest

from autograder.course import load_course
from autograder.notebooks import read_lab

LABS = [lab.name for lab in load_course().labs]
NUMBERS = ("", "one", "two", "three", "four", "five", "six")


@pytest.mark.parametrize("lab_name", LABS)
def test_points_in_the_headings_are_those_of_the_cells(course, lab_name):
    cells = read_lab(course, lab_name).cells
    text = "\n".join(cell.source for cell in cells if cell.kind == "markdown")
    headings = [float(points) for points in re.findall(r"^### .*\((\d+) points?\)$", text, re.MULTILINE)]
    assert headings == [cell.points for cell in cells if cell.role in ("check", "written")]


@pytest.mark.parametrize("lab_name", LABS)
def test_mark_schemes_add_up(course, lab_name):
    written = [cell for cell in read_lab(course, lab_name).cells if cell.role == "written"]
    assert [promised(cell.source) for cell in written] == [cell.points for cell in written]


def promised(source: str) -> int:
    """Points of a mark scheme, which lists them or gives the same for each of several things."""
    scheme = source.split("=== BEGIN MARK SCHEME ===")[1]
    listed = sum(int(points) for points in re.findall(r"^- (\d+) points?:", scheme, re.MULTILINE))
    each = re.findall(r"^(\d+) points? for each of (\w+)", scheme, re.MULTILINE)
    return listed + sum(int(points) * NUMBERS.index(count) for points, count in each)
