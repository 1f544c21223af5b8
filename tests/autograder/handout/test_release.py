"""What students are handed out: the same bytes at every build, nothing secret inside, and it runs by itself."""

import hashlib
import json
import os
import shutil
import zipfile
from io import BytesIO
from pathlib import Path

import nbformat
import pytest

from autograder.build import build
from autograder.course import Course, CourseError
from autograder.demo import perfect_submission
from autograder.handout.bundle import Bundle, make_bundle, unpacked
from autograder.handout.rehearsal import rehearse
from autograder.handout.release import release
from autograder.handout.wheel import NEEDED

LAB = "lab_tiny"
WHEEL = "qlab_kit-0.1.0-py3-none-any.whl"
ROOT = Path(__file__).parents[3]


def publishable(course: Course) -> Course:
    """With what the students' package is made of, built."""
    for name in NEEDED:
        shutil.copy(ROOT / name, course.root)
    build(course)
    return course


@pytest.fixture
def course(tiny_course) -> Course:
    return publishable(tiny_course)


@pytest.fixture(scope="module")
def bundle(make_tiny_course, tmp_path_factory) -> Bundle:
    return make_bundle(publishable(make_tiny_course(tmp_path_factory.mktemp("handout") / "tiny")), LAB)


def test_zip_has_notebook_helpers_notes_and_manifest_in_one_folder(bundle):
    with zipfile.ZipFile(BytesIO(bundle.content)) as archive:
        names = archive.namelist()
    assert names == [
        f"lab_tiny-v1/{name}"
        for name in (
            "README.md",
            "lab_tiny.ipynb",
            "manifest.json",
            "qlab_kit-0.1.0-py3-none-any.whl",
            "requirements.txt",
        )
    ]


def test_manifest_has_the_hash_of_every_other_file(bundle):
    manifest = json.loads(bundle.files["manifest.json"])
    assert manifest["version"] == "v1"
    assert manifest["sha256"] == {
        name: hashlib.sha256(content).hexdigest() for name, content in bundle.files.items() if name != "manifest.json"
    }


def test_a_later_build_of_another_copy_has_the_same_bytes(bundle, course, monkeypatch):
    for path in (course.root / "course.toml", course.release(LAB), course.root / "LICENSE"):
        os.utime(path, (2_000_000_000, 2_000_000_000))
        path.chmod(0o600)
    mask = os.umask(0o077)
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    try:
        assert make_bundle(course, LAB).content == bundle.content
    finally:
        os.umask(mask)


def test_the_wheel_holds_the_helpers_and_nothing_of_the_staff(bundle):
    inside = [name.split(".whl/")[1] for name in unpacked(bundle.files) if ".whl/" in name]
    assert {name.split("/")[0] for name in inside} == {"qlab_helpers", "qlab_kit-0.1.0.dist-info"}
    assert "qlab_helpers/reference/lab_tiny.json" in inside


def test_solved_notebook_runs_with_the_helpers_of_the_zip_and_without_the_course(bundle, course):
    solved = perfect_submission(course, LAB)
    code = """
import importlib.util, qlab_helpers
assert "qlab-rehearsal-" in qlab_helpers.__file__, qlab_helpers.__file__
assert importlib.util.find_spec("autograder") is None
"""
    solved.cells.append(nbformat.v4.new_code_cell(code))
    rehearse(bundle, solved, LAB)


def test_what_stops_it_in_an_empty_environment_is_named(bundle, course):
    solved = perfect_submission(course, LAB)
    solved.cells.append(nbformat.v4.new_code_cell("import autograder"))
    with pytest.raises(CourseError, match=r"does not run from its own zip: .*No module named 'autograder'"):
        rehearse(bundle, solved, LAB)


@pytest.mark.slow
def test_a_release_is_written_and_says_each_step(course, tmp_path):
    steps = []
    path = release(course, LAB, tmp_path / "dist", on_step=steps.append)
    assert path == tmp_path / "dist" / "lab_tiny-v1.zip"
    assert len(steps) == 4
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


def refused(course: Course, out: Path, words: str) -> None:
    with pytest.raises(CourseError, match=words):
        release(course, LAB, out)
    assert not out.exists()


def test_old_generated_files_are_refused(course, tmp_path):
    course.solution(LAB).write_text(course.solution(LAB).read_text().replace("The scale maps", "A scale maps"))
    refused(course, tmp_path / "dist", "is not released, .*run `qlab build`")


def test_a_grader_that_is_not_proven_is_refused(course, tmp_path):
    bank = course.root / "autograder" / "mutants" / f"{LAB}.py"
    bank.parent.mkdir()
    bank.write_text(
        "from autograder.bank import Bank, right, wrong\n"
        'BANK = (Bank("quantize", misconceptions=(wrong("none", "Nothing is wrong.", ("torch.round(tensor", '
        '"torch.round(1 * tensor")),), alternatives=()),)\n'
    )
    build(course)
    refused(course, tmp_path / "dist", "run `qlab verify lab_tiny`")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("#    largest = tensor.abs().max().item()", "shows a line of the solution"),
        ("# of the tests", "holds the course's secret"),
    ],
)
def test_what_nobody_may_see_is_refused(course, tmp_path, line, words):
    (course.root / "qlab_helpers" / "notes.py").write_text(f"{line.lstrip('# ') if 'largest' in line else line}\n")
    refused(course, tmp_path / "dist", words)
