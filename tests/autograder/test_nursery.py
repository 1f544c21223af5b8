"""Warm processes forked from a nursery: as apart from the grader and from each other as those that start anew."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from autograder.nursery import Nursery, warming
from autograder.sandbox import Template

ENVIRONMENT = "return open('/proc/self/environ').read() + repr(sorted(os.environ.items()))"


@pytest.fixture(scope="module")
def nursery():
    os.environ["QLAB_TEST_TOKEN"] = "of the grader"
    with Nursery() as made:
        yield made
    del os.environ["QLAB_TEST_TOKEN"]


@pytest.fixture
def hatched(nursery, box):
    with nursery.line() as line, Template(box.limits, line=line) as warm:
        yield warm


def ended(process: psutil.Process) -> bool:
    try:
        process.wait(timeout=20)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def test_what_it_forks_grades_behind_the_same_walls_as_one_that_starts_anew(box, hatched):
    with Template(box.limits) as anew:
        assert hatched.layers == anew.layers
    assert box.is_fine(box.run(box.honest, template=hatched))


def test_nothing_of_the_grader_s_environment_is_in_it(box, hatched):
    source = f"import os\ndef attack(x):\n    {ENVIRONMENT}"
    output = box.run(source, template=hatched, probes=(box.question("attack"),))
    assert "QLAB_TEST_TOKEN" not in box.value(output.items["attack"][0])


def test_a_submission_holds_no_socket_but_its_own(box, nursery, hatched):
    source = """
import os, stat
def is_socket(name):
    try: return stat.S_ISSOCK(os.fstat(int(name)).st_mode)
    except OSError: return False  # the folder's own, which is closed again
def attack(x): return [name for name in os.listdir("/proc/self/fd") if is_socket(name)]
"""
    with nursery.line() as line, Template(box.limits, line=line):
        output = box.run(source, template=hatched, probes=(box.question("attack"),))
    assert box.value(output.items["attack"][0]) == ["3"]


def test_one_that_dies_is_replaced_and_its_neighbour_goes_on(box, nursery, hatched):
    with nursery.line() as line, Template(box.limits, line=line) as neighbour:
        for process in psutil.Process(hatched._process.pid).children(recursive=True):
            process.kill()
        assert box.is_fine(box.run(box.honest, template=hatched))
        assert hatched.generation == 2
        assert box.is_fine(box.run(box.honest, template=neighbour))
        assert neighbour.generation == 1


def test_without_a_nursery_any_more_a_warm_process_starts_by_itself(box):
    with Nursery() as gone:
        line = gone.line()
        gone._process.kill()
        gone._process.wait()
        with line, Template(box.limits, line=line) as warm:
            assert box.is_fine(box.run(box.honest, template=warm))


def test_it_and_what_it_forked_end_with_a_grader_that_is_killed(tmp_path):
    code = (
        "import time\nfrom autograder.course import Limits\nfrom autograder.nursery import Nursery\n"
        "from autograder.sandbox import Template\n"
        "with Nursery() as nursery, nursery.line() as line, Template(Limits(), line=line):\n"
        "    print('ready', flush=True)\n    time.sleep(600)\n"
    )
    grader = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    with grader:
        assert grader.stdout.readline() == "ready\n"
        started = psutil.Process(grader.pid).children(recursive=True)
        assert len(started) >= 3  # the nursery, and the warm process in its namespace
        grader.send_signal(signal.SIGKILL)
    assert all(map(ended, started))


@pytest.mark.parametrize(("students", "jobs", "prepared"), [(24, 2, True), (24, 1, False), (23, 2, False)])
def test_processes_for_a_class_are_prepared_where_it_is_large_enough_for_them(
    tmp_path, monkeypatch, students, jobs, prepared
):
    for number in range(students):
        (tmp_path / f"s{number}").mkdir()
    asked = []
    monkeypatch.setattr("autograder.nursery.forkserver.ensure_running", lambda: asked.append(True))
    with warming(tmp_path, jobs):
        pass
    assert bool(asked) is prepared
