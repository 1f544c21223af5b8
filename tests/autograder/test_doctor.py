"""`qlab doctor`: what it says is so, grading works exactly where it says, and nothing is changed by asking."""

import importlib.metadata
import json
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest
import torch

from autograder import doctor, machine
from autograder.build import build
from autograder.course import Course, CourseError, load_course
from autograder.doctor import BAD, GOOD, LESS, Check, as_dict, as_table, examine, reasons
from autograder.gradebook import Gradebook
from autograder.lock import grading_lock
from autograder.sandbox import SandboxUnavailable
from qlab_helpers import data, weights

LAB = "lab_tiny"
WALLS = ("user namespace", "pid namespace", "mount namespace", "net namespace")


@pytest.fixture(scope="module")
def built(make_tiny_course, tmp_path_factory) -> Course:
    course = make_tiny_course(tmp_path_factory.mktemp("doctor") / "tiny")
    build(course)
    return course


@pytest.fixture
def course(built, tmp_path) -> Course:
    shutil.copytree(built.root, tmp_path / "tiny", symlinks=True)
    return load_course(tmp_path / "tiny")


@pytest.fixture
def no_trial(monkeypatch) -> None:
    """The sandbox is not started: most tests are about other checks."""
    monkeypatch.setattr(doctor, "_trial", lambda limits: [])


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_a_machine_that_grades_is_found_good_and_nothing_is_changed(course):
    before = sorted(course.root.rglob("*"))
    checks = by_name(examine(lambda: course))
    assert reasons(list(checks.values())) == []
    assert {checks[name].status for name in (*WALLS, "trial submission", LAB, "gradebook")} == {GOOD}
    assert checks["torch"].found == torch.__version__
    assert checks["nbgrader"].found == importlib.metadata.version("nbgrader")
    assert sorted(course.root.rglob("*")) == before


def test_everything_that_was_asked_for_is_in_the_table(course, no_trial):
    names = set(by_name(examine(lambda: course)))
    asked = {*WALLS, "seccomp filter", "Landlock", "cgroup v2", "cores", "memory", "Python", "torch", "CUDA"}
    asked |= {"nbgrader", "alembic", "CIFAR-10", "MNIST", "weights vgg_cifar10", "course", "gradebook"}
    assert asked <= names


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ("darwin", ("contained on Linux only", "docs/container.md", "--no-sandbox if you trust every one of them")),
        ("win32", ("contained on Linux only", "docs/container.md", "WSL 2")),
    ],
)
def test_other_systems_are_told_why_grading_is_refused_and_what_to_do(qlab, monkeypatch, system, words):
    monkeypatch.setattr(sys, "platform", system)
    code, _, err = qlab("doctor")
    assert code == 1
    [sentence] = err.strip().splitlines()
    assert sentence.startswith("error: grading would not work here: system: `qlab grade` refuses to run")
    assert all(word in sentence for word in words)


def test_no_sandbox_is_not_offered_on_windows(course, monkeypatch, no_trial):
    monkeypatch.setattr(sys, "platform", "win32")
    assert "--no-sandbox" not in by_name(examine(lambda: course))["system"].means


def test_the_container_recipe_is_there():
    recipe = (Path(doctor.__file__).parent.parent / "docs" / "container.md").read_text()
    assert all(f"{option}=unconfined" in recipe for option in ("seccomp", "apparmor", "systempaths"))
    assert "qlab doctor" in recipe


def test_json_on_the_screen_and_in_a_file_say_the_same(qlab, no_trial, tmp_path):
    code, out, err = qlab("doctor", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["grading"] is True and report["reasons"] == []
    assert {"name", "status", "found", "means"} == report["checks"][0].keys()
    code, out, _ = qlab("doctor", "--json", str(tmp_path / "report.json"))
    assert code == 0 and "what that means" in out
    written = json.loads((tmp_path / "report.json").read_text())
    assert [check["name"] for check in written["checks"]] == [check["name"] for check in report["checks"]]


def test_a_kernel_without_namespaces_is_exit_code_1_with_the_setting_to_change(qlab, monkeypatch):
    refused = dict.fromkeys(("user", "pid", "mount", "net"), "Operation not permitted") | {"seccomp": ""}
    monkeypatch.setattr(machine, "try_kernel", lambda: machine.Kernel(refused, 0))
    monkeypatch.setattr(machine, "forbidding_settings", lambda: ["sudo sysctl user.max_user_namespaces=10000"])

    class Refused:
        def __init__(self, limits):
            raise SandboxUnavailable("this machine does not allow the namespaces")

    monkeypatch.setattr(doctor, "Template", Refused)
    code, out, err = qlab("doctor", "--json")
    assert code == 1
    assert "user namespace, pid namespace, mount namespace, net namespace: sudo sysctl user.max_user" in err
    assert "trial submission: this machine does not allow the namespaces" in err
    assert json.loads(out)["grading"] is False


def test_layers_that_are_only_extras_fail_nothing(course, monkeypatch, no_trial):
    refused = {"user": "", "pid": "", "mount": "", "net": "", "seccomp": "Invalid argument"}
    monkeypatch.setattr(machine, "try_kernel", lambda: machine.Kernel(refused, 0))
    monkeypatch.setenv("PATH", "/nowhere")
    checks = by_name(examine(lambda: course))
    assert {checks[name].status for name in ("seccomp filter", "Landlock", "alembic")} == {LESS}
    assert reasons(list(checks.values())) == []


def test_what_the_kernel_gives_is_what_unshare_says(course):
    """The namespaces that util-linux can make are those that we find."""
    import subprocess

    kernel = machine.try_kernel()
    user = ["--user", "--map-root-user"]
    for name, flags in {"user": user, "pid": [*user, "--pid", "--fork"], "net": [*user, "--net"]}.items():
        done = subprocess.run(["unshare", *flags, "true"], capture_output=True, check=False)
        assert (done.returncode == 0) == (kernel.refused[name] == ""), name


def test_a_wall_that_cannot_be_had_says_why():
    def fail():
        raise OSError(1, "x")

    def crash():
        raise ZeroDivisionError

    assert machine._try(fail) == "Operation not permitted"
    assert machine._try(crash) == "failed"
    assert machine._try(lambda: None) == ""


def test_the_control_group_is_read_as_the_kernel_writes_it(tmp_path):
    own, mount = tmp_path / "cgroup", tmp_path / "mount"
    (mount / "user.slice" / "one").mkdir(parents=True)
    own.write_text("0::/user.slice/one\n")
    assert machine.cgroup(own, mount) == machine.Cgroup(1, "", False)  # a mount of version 1
    (mount / "cgroup.controllers").write_text("cpu memory\n")
    assert machine.cgroup(own, mount) == machine.Cgroup(2, "/user.slice/one", False)
    (mount / "user.slice" / "one" / "cgroup.procs").touch()
    assert machine.cgroup(own, mount) == machine.Cgroup(2, "/user.slice/one", True)
    assert machine.cgroup(tmp_path / "nothing", mount) == machine.Cgroup(0, "", False)


def test_memory_is_what_a_control_group_leaves(tmp_path):
    limits = tmp_path / "sys/fs/cgroup"
    limits.mkdir(parents=True)
    whole = machine.memory_mib(tmp_path)
    (limits / "memory.max").write_text("max\n")
    assert machine.memory_mib(tmp_path) == whole
    (limits / "memory.max").write_text(f"{512 << 20}\n")
    assert machine.memory_mib(tmp_path) == 512


def test_settings_that_forbid_user_namespaces_are_named_with_their_command(tmp_path):
    folder = tmp_path / "proc/sys/kernel"
    folder.mkdir(parents=True)
    (folder / "apparmor_restrict_unprivileged_userns").write_text("1\n")
    (folder / "unprivileged_userns_clone").write_text("1\n")
    assert machine.forbidding_settings(tmp_path) == ["sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"]


def test_a_course_that_is_not_built_cannot_be_graded(course, no_trial):
    course.release(LAB).unlink()
    check = by_name(examine(lambda: course))[LAB]
    assert (check.status, check.found) == (BAD, "not built") and "qlab build" in check.means


def test_no_course_is_a_reason(no_trial):
    def nowhere() -> Course:
        raise CourseError("no course.toml here; run this inside the course's folder")

    assert "course: no course.toml here; run this inside the course's folder" in reasons(examine(nowhere))


def test_the_gradebook_is_looked_into(course, no_trial):
    with Gradebook(course) as gradebook:
        gradebook.register(LAB)
    path = course.data / "gradebook.db"
    assert by_name(examine(lambda: course))["gradebook"].means == "sound; 0 students"
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO student (id) VALUES ('ada')")
    connection.close()
    assert by_name(examine(lambda: course))["gradebook"].means == "sound; 1 students"
    path.write_bytes(b"no database at all" * 100)
    check = by_name(examine(lambda: course))["gradebook"]
    assert check.status == BAD and "damaged" in check.means


def test_a_run_that_works_now_is_named(course, no_trial):
    with grading_lock(course, "grades lab_tiny"):
        check = by_name(examine(lambda: course))["course data"]
    assert check.status == LESS and "grades lab_tiny since" in check.means


def test_data_sets_and_weights_are_found_where_the_labs_look(course, no_trial, tmp_path, monkeypatch):
    folder = tmp_path / "data"
    for split in ("train", "test"):
        (folder / "cifar10" / split).mkdir(parents=True)
    monkeypatch.setenv("QLAB_DATA", str(folder))
    monkeypatch.chdir(tmp_path / "tiny")
    monkeypatch.setattr(data, "DEFAULT_ROOT", tmp_path / "nowhere")
    checks = by_name(examine(lambda: course))
    assert (checks["CIFAR-10"].status, checks["CIFAR-10"].found) == (GOOD, str(folder))
    assert checks["MNIST"].status == LESS and "QLAB_DATA" in checks["MNIST"].means
    assert checks["weights vgg_cifar10"].status == GOOD

    def damaged(name):
        raise weights.WeightsDamaged("its SHA-256 differs. Install qlab-kit again")

    monkeypatch.setattr(doctor, "load_pretrained", damaged)
    check = by_name(examine(lambda: course))["weights vgg_cifar10"]
    assert check.status == LESS and "SHA-256 differs" in check.means


def test_a_table_shows_every_check_and_takes_no_markup_from_it():
    checks = [Check("one", GOOD, "[red]x", "y"), Check("two", BAD, "z", "do this")]
    table = as_table(checks)
    assert [len(list(column.cells)) for column in table.columns] == [2, 2, 2, 2]
    assert list(table.columns[2].cells)[0] == "\\[red]x"
    assert as_dict(checks)["reasons"] == ["two: do this"]
