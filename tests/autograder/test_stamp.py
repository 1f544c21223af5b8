"""An unchanged course is told from hashes; a changed byte is noticed, wherever it is."""

import subprocess
import sys

import pytest

from autograder.build import build
from autograder.stamp import is_fresh, remember

LAB = "lab_tiny"


@pytest.fixture
def built(tiny_course):
    build(tiny_course)
    remember(tiny_course)
    return tiny_course


def test_a_course_that_was_never_built_is_not_fresh(tiny_course):
    assert not is_fresh(tiny_course)


def test_a_course_is_fresh_after_its_build(built):
    assert is_fresh(built)


@pytest.mark.parametrize(
    "place",
    [
        "course.toml",
        f"solutions/{LAB}/{LAB}.py",
        f"autograder/cases/{LAB}.py",
        f"notebooks/{LAB}/{LAB}.ipynb",
        f"qlab_helpers/reference/{LAB}.json",
        f"autograder/reference/{LAB}.safetensors",
    ],
)
def test_one_more_byte_is_noticed(built, place):
    path = built.root / place
    path.write_bytes(path.read_bytes() + b"\n")
    assert not is_fresh(built)


def test_a_new_file_of_the_staff_is_noticed(built):
    (built.root / "autograder" / "mutants").mkdir()
    (built.root / "autograder" / "mutants" / f"{LAB}.py").write_text("BANK = ()\n")
    assert not is_fresh(built)


def test_telling_it_imports_no_torch(built):
    code = (
        "import sys; from autograder.course import load_course; from autograder.stamp import is_fresh;"
        "assert is_fresh(load_course()) and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=built.root)
