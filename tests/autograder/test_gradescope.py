"""The autograder zip for Gradescope, unpacked and run as Gradescope does; results judged by its documentation."""

import json
import os
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import jsonschema
import pytest
from nbformat.v4 import new_notebook, writes_json

from autograder.course import Course, CourseError, Limits
from autograder.demo import perfect_submission
from autograder.gradescope import walls
from autograder.gradescope.answer import VISIBILITIES, answer
from autograder.gradescope.pack import make_package
from autograder.gradescope.rehearsal import Container
from autograder.gradescope.release import release_autograder
from autograder.gradescope.run import Places, find_submission, grade, main, student_of
from autograder.gradescope.walls import STRANGER
from autograder.machine import Kernel
from autograder.results import CaseResult, ItemResult, Record

LAB = "lab_tiny"
SCHEMA = json.loads((Path(__file__).parent / "gradescope_results.schema.json").read_text())
JANE = {"name": "Jane Doe", "email": "jane@example.edu", "id": 12}
#: Starts its arguments as root of a container that Docker made: without the right to make namespaces, and with a Python
#: that everybody may read, wherever the one of these tests lies.
AS_IN_DOCKER = (
    sys.executable,
    "-c",
    """
import os, sys, tempfile
from pathlib import Path
from autograder import namespaces as ns
python = Path(sys.base_prefix).resolve()
closed = [folder for folder in (python, *python.parents) if not folder.stat().st_mode & 1]
if closed:
    ns.unshare(ns.CLONE_NEWNS)
    ns.make_mounts_private()
    stand = Path(tempfile.mkdtemp())
    stand.chmod(0o755)
    inside = stand / python.relative_to(closed[-1])
    inside.mkdir(parents=True, exist_ok=True)
    ns.mount(str(python), str(inside), "none", ns.MS_BIND)
    ns.mount(str(stand), str(closed[-1]), "none", ns.MS_BIND | ns.MS_REC)
ns.prctl(ns.PR_CAPBSET_DROP, 21)  # CAP_SYS_ADMIN
os.execvp(sys.argv[1], sys.argv[1:])
""",
)
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture(scope="module")
def package(course):
    return make_package(course, LAB)


@pytest.fixture(scope="module")
def container(package) -> Iterator[Container]:
    """Not in a folder of pytest's, which nobody else may enter."""
    with TemporaryDirectory(prefix="qlab-container-") as root:
        Path(root).chmod(0o755)
        yield Container(package.content, Path(root))


def solved_but(course: Course, scale_of: str = "") -> bytes:
    """The solved notebook, with another cell in the place of that of ``scale_of``."""
    notebook = perfect_submission(course, LAB)
    for cell in notebook.cells:
        if scale_of and "def scale_of" in cell.source:
            cell.source = scale_of
    return writes_json(notebook).encode()


@pytest.fixture
def solved(course) -> bytes:
    return solved_but(course)


def check(result: dict) -> dict:
    jsonschema.validate(result, SCHEMA)
    return result


def by_name(result: dict) -> dict[str, dict]:
    return {test["name"]: test for test in result["tests"]}


def test_setup_and_run_autograder_stand_executable_at_the_root(package):
    with zipfile.ZipFile(BytesIO(package.content)) as archive:
        for name in ("setup.sh", "run_autograder"):
            assert archive.getinfo(name).external_attr >> 16 & 0o111
            assert archive.read(name).startswith(b"#!/usr/bin/env bash\n")


def test_name_and_readme_say_that_it_is_for_the_staff(package):
    assert package.name == "lab_tiny-v1-gradescope-staff-only.zip"
    with zipfile.ZipFile(BytesIO(package.content)) as archive:
        assert "never give it to students" in archive.read("README.md").decode()
        assert archive.read("course/course/secret") == b"of the tests\n"


def test_what_a_submission_may_read_there_holds_no_answer(package):
    with zipfile.ZipFile(BytesIO(package.content)) as archive:
        code = [name for name in archive.namelist() if name.startswith("code/")]
    assert "code/autograder/gradescope/run.py" in code and "code/qlab_helpers/__init__.py" in code
    assert not [name for name in code if "/reference/" in name or "/cases/" in name or "/mutants/" in name]


def test_same_course_gives_the_same_bytes(package, course):
    for path in (course.root / "course.toml", course.release(LAB)):
        os.utime(path, (2_000_000_000, 2_000_000_000))
    assert make_package(course, LAB).content == package.content


def test_requirements_are_those_of_students_and_graders_with_one_version_each(course):
    with zipfile.ZipFile(BytesIO(make_package(course, LAB, index="https://example.org/cpu").content)) as archive:
        first, *lines = archive.read("requirements.txt").decode().splitlines()
    assert first == "--extra-index-url https://example.org/cpu"
    names = {line.partition("==")[0] for line in lines}
    assert {"torch", "nbgrader", "jupytext", "safetensors"} <= names and not {"pytest", "ruff"} & names
    assert all("==" in line and "+" not in line for line in lines)


def test_scores_are_those_of_qlab_grade_and_hidden_cases_show_no_values(container, course, solved, qlab, tmp_path):
    """Solved and half done, each by the name that `qlab collect` would give."""
    half = solved_but(
        course, "def scale_of(tensor, bitwidth):\n    raise ValueError(f'seen {tensor.tolist()} {bitwidth}')"
    )
    notebooks = {"solved": solved, "half": half}
    for name, notebook in notebooks.items():
        path = tmp_path / "class" / f"{name}_{name}@example.edu" / f"{LAB}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(notebook)
    code, _, err = qlab(
        "grade", LAB, "--submissions", tmp_path / "class", "--out", tmp_path / "out", "--json", tmp_path / "all"
    )
    assert code == 0, err
    records = {record["student"].partition("_")[0]: record for record in json.loads((tmp_path / "all").read_text())}
    assert [records[name]["score"] for name in notebooks] == [11.0, 7.0]
    for name, notebook in notebooks.items():
        users = [{"name": name, "email": f"{name}@example.edu"}]
        result, log = container.grade({f"{LAB}.ipynb": notebook}, users=users)
        record, tests = records[name], by_name(check(result))
        assert result["score"] == record["score"]
        items = {**record["functions"], **record["answers"]}
        assert {one: tests[one]["score"] for one in items} == {one: items[one]["score"] for one in items}
        assert result["extra_data"]["draw"] == record["draw"]
        assert result["extra_data"]["sandbox"] == record["environment"]["sandbox"]
    visible, _, hidden = by_name(result)["scale_of"]["output"].partition("4 bits (hidden)")
    assert "seen [[" in visible
    assert "raised ValueError" in hidden and "seen" not in hidden + log and "[" not in hidden


def test_broken_notebook_has_one_sentence_and_no_score(container):
    result, log = container.grade({f"{LAB}.ipynb": b'{"cells": ['}, users=[JANE])
    assert "lab_tiny.ipynb is cut off at line 1" in result["output"] and "that is no zero" in result["output"]
    assert "score" not in result and "tests" not in result
    assert "student Jane Doe_jane@example.edu" in log


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "there is no notebook in it; hand in lab_tiny.ipynb"),
        ({"essay.txt": b"hello"}, "there is no notebook in it"),
        ({f"{LAB}.ipynb": b"<!doctype html>"}, "a web page"),
        ({"notes.html": b"<!doctype html>"}, "a web page made from the notebook"),
        ({f"{LAB}.ipynb": b'{"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}'}, "nothing of lab_tiny"),
    ],
)
def test_what_cannot_be_read_is_named_without_a_sandbox(container, tmp_path, files, words):
    for name, content in files.items():
        (tmp_path / "submission").mkdir(exist_ok=True)
        (tmp_path / "submission" / name).write_bytes(content)
    (tmp_path / "source").symlink_to(container.source)
    record = grade(Places(tmp_path), LAB)
    result = answer(record, visibility="visible", seconds=1)
    assert words in result["output"] and "score" not in result and "tests" not in result


def test_zip_of_a_submission_and_files_in_folders_are_found(solved, tmp_path):
    with zipfile.ZipFile(tmp_path / "work.zip", "w") as archive:
        archive.writestr(f"work/{LAB}.ipynb", solved)
    (tmp_path / "one").mkdir()
    (tmp_path / "work.zip").rename(tmp_path / "one" / "work.zip")
    (tmp_path / "two" / "repository" / "work").mkdir(parents=True)
    (tmp_path / "two" / "repository" / "work" / f"{LAB}.ipynb").write_bytes(solved)
    for name in ("one", "two"):
        found = find_submission(tmp_path / name, tmp_path / f"{name}-copy" / "jane", LAB, [LAB])
        assert (found.student, found.file.endswith(f"{LAB}.ipynb")) == ("jane", True)


def test_a_fault_of_ours_is_called_ours_and_has_no_score(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AUTOGRADER_ROOT", str(tmp_path))
    assert main() == 0
    result = json.loads((tmp_path / "results" / "results.json").read_text())
    assert "a fault of the autograder (FileNotFoundError), not yours" in result["output"] and "score" not in result
    assert "Traceback" in capsys.readouterr().out


def test_case_that_was_not_graded_leaves_no_score_at_all():
    case = CaseResult("8 bits", "tests it", True, 1.0, "not graded")
    item = ItemResult("scale_of", "function", 0.0, 4.0, (case,))
    record = Record(
        student="jane", lab=LAB, score=7.0, max_score=11.0, written_max_score=0.0, graded=True, problem="",
        file="l.ipynb", submission_hash="", lab_hash="", draw="", functions={"scale_of": item},
        environment={"sandbox": {}},
    )  # fmt: skip
    result = answer(record, visibility="visible", seconds=1)
    assert "scale_of could not be graded by a fault of the grader" in result["output"]
    assert "score" not in result and "tests" not in result


def test_results_stand_before_anything_runs(container, solved):
    """A container that is stopped or short of memory leaves them, and no score."""
    result, log = container.grade({f"{LAB}.ipynb": solved}, variables={"QLAB_PYTHON": "/bin/false"})
    assert "ended before it had finished" in result["output"] and "score" not in result
    assert "exit code 1" in log


@pytest.mark.parametrize("metadata", ["not json", "{}", '{"users": []}', '{"users": [{}]}', '{"users": 3}'])
def test_metadata_that_tells_nothing_stops_nothing(metadata, tmp_path):
    (tmp_path / "metadata.json").write_text(metadata)
    assert student_of(tmp_path / "metadata.json") in ("student", "unnamed")


def test_student_has_the_name_that_collect_gives(tmp_path):
    """Theirs in a group is the first of the alphabet, whoever handed in."""
    (tmp_path / "metadata.json").write_text(json.dumps({"users": [{"name": "Zoe", "email": "z@example.edu"}, JANE]}))
    assert student_of(tmp_path / "metadata.json") == "Jane Doe_jane@example.edu"


@pytest.mark.parametrize("visibility", VISIBILITIES)
def test_visibility_is_one_that_gradescope_knows(visibility):
    assert visibility in SCHEMA["$defs"]["visibility"]["enum"]


@pytest.mark.slow
def test_command_proves_the_lab_and_tries_the_zip(qlab, course, tmp_path):
    """The course is built and has no bank, so its proof is short."""
    code, out, err = qlab("release", LAB, "--gradescope", "--visibility", "after_due_date", "--out", tmp_path / "staff")
    assert code == 0, err
    assert "never give it to students" in " ".join(out.split())
    [path] = (tmp_path / "staff").iterdir()
    assert path.name == "lab_tiny-v1-gradescope-staff-only.zip" and path.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("settings.json"))["visibility"] == "after_due_date"


def test_zip_that_does_not_give_the_solution_all_points_is_refused(course, tmp_path, monkeypatch):
    monkeypatch.setattr("autograder.handout.release.verify", lambda *_, **__: [])
    monkeypatch.setattr("autograder.gradescope.release.perfect_submission", lambda course, lab: new_notebook())
    with pytest.raises(CourseError, match="lab_tiny is not released: the solution is not graded: .*nothing of"):
        release_autograder(course, LAB, tmp_path / "staff")
    assert not (tmp_path / "staff").exists()


# Where the engine refuses namespaces


@ROOT_ONLY
def test_without_namespaces_another_user_runs_it_who_can_read_no_answer_and_write_no_result(container, course):
    spy = f"""
import os, socket
found = []
for path in ({str(container.source)!r}, {str(container.source / "course/course/secret")!r},
             {str(container.root / "results/results.json")!r}, {str(container.root / "submission_metadata.json")!r}):
    try:
        os.listdir(path) if os.path.isdir(path) else open(path).read()
        found.append(path)
    except OSError: pass
for path in ({str(container.root / "results/results.json")!r}, {str(container.root / "qlab/code/new.py")!r}):
    try:
        open(path, "w").close()
        found.append("writes " + path)
    except OSError: pass
for process in [name for name in os.listdir("/proc") if name.isdigit()]:
    try:
        if open(f"/proc/{{process}}/status").read().split("Uid:")[1].split()[0] == "0":
            os.kill(int(process), 0)
            found.append("may kill " + process)
    except OSError: pass
try:
    socket.socket(socket.AF_INET)
    found.append("network")
except OSError: pass
def scale_of(tensor, bitwidth):
    raise ValueError("found " + repr(found) + f" as {{os.getuid()}}")
"""
    result, log = container.grade({f"{LAB}.ipynb": solved_but(course, spy)}, launcher=AS_IN_DOCKER)
    tests = by_name(check(result))
    assert f"found [] as {STRANGER}" in tests["scale_of"]["output"], log
    assert (tests["quantize"]["score"], result["score"]) == (6.0, 7.0)
    standing = result["extra_data"]["sandbox"]
    assert standing["namespaces"].startswith("none") and str(STRANGER) in standing["user"]
    assert "no sandbox: " in log


@ROOT_ONLY
def test_without_namespaces_answers_that_all_can_read_stop_the_grading(container, solved, tmp_path, monkeypatch):
    monkeypatch.setattr(walls, "_can_read", lambda path, user: True)
    with pytest.raises(CourseError, match="can be read by others than root, so nothing is graded"):
        walls.close([tmp_path])


@ROOT_ONLY
def test_what_another_user_can_read_is_tried():
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "secret"
        path.write_text("x")
        path.chmod(0o644)
        assert walls._can_read(path, STRANGER)
        path.chmod(0o600)
        assert not walls._can_read(path, STRANGER)


def test_with_neither_namespaces_nor_root_nothing_is_graded(monkeypatch):
    monkeypatch.setattr(walls, "try_kernel", lambda: Kernel({"user": "no", "seccomp": ""}, 0))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CourseError, match="user namespace: no; only root could give it walls of another kind"):
        with walls.best_template(Limits(), secrets=[]):
            pass
