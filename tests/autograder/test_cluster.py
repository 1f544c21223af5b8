"""A class graded by a Dask cluster on this machine: the same records, whichever worker dies, and clear refusals."""

import builtins
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest

from autograder.batch import grade_class
from autograder.bench import Assignment, Bench, fingerprint
from autograder.course import CourseError
from autograder.demo import perfect_submission
from autograder.materials import hash_lab

LAB = "lab_tiny"
STUDENTS = 9
START_S = 240


@pytest.fixture(scope="module")
def classroom(course, tmp_path_factory) -> Path:
    """Solved, wrong in one place, and no notebook, in turn."""
    folder = tmp_path_factory.mktemp("class")
    solved = nbformat.writes(perfect_submission(course, LAB))
    contents = [solved, solved.replace("torch.round", "torch.floor"), "no notebook"]
    for number in range(STUDENTS):
        path = folder / f"student-{number}" / LAB / f"{LAB}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(contents[number % len(contents)])
    return folder


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts a program of Dask's; it is ended with the test."""
    started: list[subprocess.Popen] = []
    checkout = str(Path(__file__).parent.parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([checkout, os.environ.get("PYTHONPATH", "")])}

    def begin(program: str, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", f"distributed.cli.{program}", *arguments]
        with (tmp_path / f"{program}-{len(started)}.log").open("w") as log:
            started.append(
                subprocess.Popen(command, cwd=tmp_path, env={**environment, "OMP_NUM_THREADS": "1"}, stderr=log)
            )
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def cluster(start, tmp_path) -> tuple[str, list[subprocess.Popen]]:
    """The address of a scheduler on loopback, and its three workers, which have one thread each."""
    said = tmp_path / "scheduler.json"
    scheduler = start(
        "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(said)
    )
    end_s = time.monotonic() + START_S
    while not said.exists() or not said.read_text().endswith("}"):
        assert time.monotonic() < end_s and scheduler.poll() is None
        time.sleep(0.1)
    address = json.loads(said.read_text())["address"]
    options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
    workers = [start("dask_worker", address, *options) for _ in range(3)]
    from distributed import Client

    with Client(address, timeout=START_S, set_as_default=False) as client:
        client.wait_for_workers(3, timeout=START_S)
    return address, workers


def read_all(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "records").iterdir()}


@pytest.mark.slow
def test_a_cluster_of_which_a_worker_is_killed_gives_the_records_of_a_run_on_one_machine(
    course, classroom, cluster, tmp_path
):
    address, workers = cluster
    grade_class(course, LAB, classroom, out=tmp_path / "here")

    def kill_one(done, number, total):
        if number == 2:
            workers[0].kill()

    records = grade_class(
        course, LAB, classroom, out=tmp_path / "cluster", scheduler=address, with_pages=True, on_result=kill_one
    )
    assert workers[0].wait() < 0
    assert len(records) == STUDENTS
    assert read_all(tmp_path / "cluster") == read_all(tmp_path / "here")


def test_a_bench_that_sees_another_lab_or_secret_refuses(course):
    """As on a machine that does not share the course's data folder."""
    lab_hash = hash_lab(course, LAB)
    assert fingerprint(lab_hash, course.secret()) != fingerprint(lab_hash, b"another")
    with pytest.raises(CourseError, match="is not the same on all machines: let it be one folder that they share"):
        with Bench(Assignment(course, LAB, fingerprint=fingerprint(lab_hash, b"another"))):
            pass


def test_an_address_where_nobody_answers_is_named(course, classroom, tmp_path, monkeypatch):
    from autograder import cluster

    monkeypatch.setattr(cluster, "CONNECT_S", 1)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(CourseError, match=f"no Dask scheduler answers at {address}: start `dask scheduler`"):
            grade_class(course, LAB, classroom, out=tmp_path, scheduler=address)


def test_without_the_extra_a_sentence_says_what_to_install(course, classroom, tmp_path, monkeypatch):
    original = builtins.__import__

    def without_dask(name, *arguments, **options):
        if name.partition(".")[0] == "distributed":
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_dask)
    with pytest.raises(
        CourseError, match=r"needs Dask, which is not installed here: type `pip install 'qlab-kit\[dask"
    ):
        grade_class(course, LAB, classroom, out=tmp_path, scheduler="tcp://127.0.0.1:8786")
