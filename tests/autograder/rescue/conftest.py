"""The real lab 2, as released and as solved, and a student's folder that is opened."""

import copy
import os
from collections.abc import Callable
from types import SimpleNamespace

import nbformat
import pytest
from nbformat import NotebookNode

from autograder.course import load_course
from autograder.demo import perfect_submission
from autograder.opening import Opened, open_submission
from autograder.submissions import find_submissions

from .handed_in import LAB, as_bytes

OTHERS = ("lab1_kmeans",)


@pytest.fixture(scope="session")
def release() -> NotebookNode:
    return nbformat.read(load_course().release(LAB), as_version=4)


@pytest.fixture(scope="session")
def perfect() -> NotebookNode:
    return perfect_submission(load_course(), LAB)


@pytest.fixture
def solved(perfect) -> NotebookNode:
    return copy.deepcopy(perfect)


@pytest.fixture
def hand_in(tmp_path, release) -> Callable[..., Opened]:
    """Put files into a student's folder, the first the oldest, and open what is found there."""

    def run(files: dict[str, NotebookNode | bytes | str]) -> Opened:
        for age, (name, content) in enumerate(reversed(files.items())):
            path = tmp_path / "class" / "ada" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(as_bytes(content))
            os.utime(path, (1_700_000_000 - 60 * age,) * 2)
        (found,) = find_submissions(tmp_path / "class", LAB, other_labs=OTHERS)
        return open_submission(found, SimpleNamespace(release=release, lab=LAB))

    return run
