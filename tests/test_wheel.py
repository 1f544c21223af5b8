"""What a student installs: all of the package's own data, none of the course staff's."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from autograder.leaks import STAFF_ONLY

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of this checkout, with something in every folder that a wheel must not have."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("autograder", "qlab_helpers", "solutions", "notebooks", "tests"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in STAFF_ONLY:
        for name in ("__init__.py", "lab0.json", "lab0.safetensors"):
            (copy / folder).mkdir(exist_ok=True)
            (copy / folder / name).touch()
    return copy


@pytest.fixture(scope="module")
def wheel(checkout):
    """Names of the files in the wheel."""
    return build_wheel(checkout)


def test_wheel_has_no_hidden_cases_solutions_or_tests(wheel):
    tops = {name.split("/")[0] for name in wheel if ".dist-info" not in name}
    assert tops == {"qlab_helpers", "autograder"}
    assert not [name for name in wheel if name.startswith(STAFF_ONLY)]


@pytest.mark.parametrize("package", ["qlab_helpers", "autograder"])
def test_wheel_has_every_other_file_of_the_packages(checkout, wheel, package):
    files = {path.relative_to(checkout).as_posix() for path in (checkout / package).rglob("*") if path.is_file()}
    assert {name for name in files if not name.startswith(STAFF_ONLY)} <= set(wheel)


def test_students_repository_builds_without_the_autograder(tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "qlab_helpers", tmp_path / "qlab_helpers")
    assert "qlab_helpers/__init__.py" in build_wheel(tmp_path)


def build_wheel(checkout: Path) -> list[str]:
    """Names of the files in the wheel that ``python -m build`` makes of ``checkout``, with what is installed here."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"]
    run = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = (checkout / "dist").glob("qlab_kit-*.whl")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()
