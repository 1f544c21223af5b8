"""What the tests of a lab's functions start from. A file that asks for ``lab`` names it as ``LAB``."""

import pytest
import torch

from autograder.course import load_course
from autograder.solution import load_solution


@pytest.fixture(scope="module")
def course():
    return load_course()


@pytest.fixture(scope="module")
def lab(request, course):
    """The solved lab as a module."""
    return load_solution(course, request.module.LAB)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
