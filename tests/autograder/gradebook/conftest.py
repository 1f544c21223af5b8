import nbformat
import pytest

from autograder.build import build

from .tiny_records import LAB, cell


@pytest.fixture
def course(tiny_course):
    build(tiny_course)
    return tiny_course


@pytest.fixture
def submission(course):
    """The released notebook with a written answer and nothing else."""
    notebook = nbformat.read(course.release(LAB), as_version=4)
    cell(notebook, "question_2").source = "Symmetry."
    return notebook
