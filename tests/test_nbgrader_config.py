"""nbgrader's own commands find the course where ``qlab`` has it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).parent.parent
LAB = "lab2_linear"


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A course with a tiny lab, after ``nbgrader generate_assignment``."""
    root = tmp_path_factory.mktemp("course")
    for name in ("course.toml", "nbgrader_config.py"):
        shutil.copy(ROOT / name, root)
    source = root / "course" / "source" / LAB / f"{LAB}.ipynb"
    source.parent.mkdir(parents=True)
    marks = {"schema_version": 3, "grade": False, "solution": True, "locked": False, "task": False, "grade_id": "two"}
    solution = "def two():\n    ### BEGIN SOLUTION\n    return 2\n    ### END SOLUTION"
    nbformat.write(new_notebook(cells=[new_code_cell(solution, metadata={"nbgrader": marks})]), source)
    programs = Path(sys.executable).parent  # nbgrader starts alembic by name
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", LAB]
    run = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return root


def test_release_goes_to_notebooks_without_the_solution(released):
    notebook = nbformat.read(released / "notebooks" / LAB / f"{LAB}.ipynb", as_version=4)
    assert "raise NotImplementedError" in notebook.cells[0].source
    assert "return 2" not in notebook.cells[0].source


def test_gradebook_stands_under_course(released):
    assert (released / "course" / "gradebook.db").is_file()


def test_nothing_else_is_written_beside_the_course(released):
    assert sorted(path.name for path in released.iterdir() if path.name != "__pycache__") == [
        "course",
        "course.toml",
        "nbgrader_config.py",
        "notebooks",
    ]
