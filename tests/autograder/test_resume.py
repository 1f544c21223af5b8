"""`qlab grade`, killed at any moment and started again, ends as if nothing had happened; two at once are refused."""

import copy
import fcntl
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import nbformat
import psutil
import pytest
from nbgrader import api

from autograder.build import build
from autograder.classroom import grade_and_publish
from autograder.course import Course, CourseError
from autograder.demo import perfect_submission
from autograder.gradebook import Gradebook
from autograder.lock import grading_lock, lock_holder, lock_path
from autograder.results import ItemResult, Record, WrittenResult, remove_drafts

from .processes import workers_of

LAB = "lab_tiny"
#: Kills itself just before it puts the n-th finished file in its place; n comes first in the arguments.
DYING = """
import os, signal, sys
left = int(sys.argv.pop(1))
def count(event, arguments):
    global left
    if event == "os.rename" and str(arguments[0]).endswith(".part"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
from autograder.cli import main
main()
"""
PLAIN = "from autograder.cli import main; main()"


#: Registers the lab and enters a student, in a fork that is killed just before its n-th commit, for every n there is;
#: then once more undisturbed. Prints how often it was killed.
DYING_GRADEBOOK = """
import os, pickle, signal, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
from autograder.course import load_course
from autograder.gradebook import Gradebook
course = load_course(Path(sys.argv[1]))
record, notebook = pickle.loads(Path(sys.argv[2]).read_bytes())
def enter(dying):
    left = dying
    def count(connection):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    event.listen(Engine, "commit", count)
    with Gradebook(course) as gradebook:
        gradebook.register(record.lab)
        gradebook.save(record, notebook)
    os._exit(0)
def forked(dying):
    process = os.fork()
    if process == 0:
        enter(dying)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
killed = 0
database = course.data / "gradebook.db"
start = database.read_bytes() if database.exists() else None
while True:
    if start is None:
        database.unlink(missing_ok=True)
    else:
        database.write_bytes(start)
    if forked(killed + 1) == 0:
        break
    assert forked(0) == 0, "the next run failed"
    killed += 1
    os.replace(database, database.with_name(f"after-{killed}.db"))
print(killed)
"""


@pytest.fixture
def course(tiny_course) -> Course:
    build(tiny_course)
    tiny_course.secret()
    return tiny_course


@pytest.fixture
def classroom(course, tmp_path) -> Path:
    """Some dozens, for more than one process: right, wrong in several ways, untouched, one that is no notebook."""
    folder = tmp_path / "class"
    solved = perfect_submission(course, LAB)
    changes = [
        ("", ""),
        ("torch.round", "torch.floor"),
        ("torch.round", "torch.ceil"),
        ("if largest else 1.0", ""),
        ("largest / LEVELS", "2 * largest / LEVELS"),
        ('"b"', '"a"'),
        (".to(torch.int8)", ""),
        (".abs()", ""),
        ("import torch\n", "import torch\nimport os\nos._exit(3)\n"),
        ("return largest", "retrun largest"),
    ]
    for number, (before, after) in enumerate(3 * changes):
        notebook = copy.deepcopy(solved)
        for cell in notebook.cells:
            cell.source = cell.source.replace(before, after) if before else cell.source
        hand_in(folder, f"student-{number:02d}", nbformat.writes(notebook))
    hand_in(folder, "untouched", course.release(LAB).read_text())
    hand_in(folder, "unreadable", "no notebook")
    return folder


def hand_in(folder: Path, student: str, content: str) -> None:
    path = folder / student / LAB / f"{LAB}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(content)


@pytest.fixture
def start(tiny_environment) -> Callable[..., subprocess.Popen]:
    """Starts `qlab grade` in a course's folder, where it writes course/ and out/."""

    def started(course: Course, classroom: Path, *, dying: int = 0, jobs: int = 1) -> subprocess.Popen:
        program = [sys.executable, "-c", DYING, str(dying)] if dying else [sys.executable, "-c", PLAIN]
        arguments = ["grade", LAB, "--submissions", str(classroom), "--out", "out", "--jobs", str(jobs)]
        return subprocess.Popen(
            [*program, *arguments],
            cwd=course.root,
            env=tiny_environment(course),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return started


def ended(process: subprocess.Popen) -> int:
    """Its exit status; the pipes from it are closed."""
    process.communicate()
    return process.returncode


def wait_for_the_end_of(processes: list[psutil.Process]) -> None:
    """None of them runs in the end; whether somebody has buried them is not our concern."""
    end_s = time.monotonic() + 60
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                assert time.monotonic() < end_s, process
                time.sleep(0.05)


def everything_written(course: Course) -> dict[str, bytes]:
    """All files of a run but those that hold times (the summary names slow submissions) or the database."""
    apart = {"timings.jsonl", "summary.html", "gradebook.db", "grading.lock"}
    files = [path for folder in ("out", "course") for path in (course.root / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(course.root)): path.read_bytes() for path in files if path.name not in apart}


def gradebook(course: Course, name: str = "gradebook.db") -> list[dict]:
    """Every grade and comment, without the identities that nbgrader draws at random."""
    with api.Gradebook(f"sqlite:///{course.data / name}", course.id) as book:
        rows = [grade for one in book.assignment_submissions(LAB) for grade in one.notebooks[0].grades]
        rows += [comment for one in book.assignment_submissions(LAB) for comment in one.notebooks[0].comments]
        found = [{key: value for key, value in row.to_dict().items() if key != "id"} for row in rows]
        students = [{"student": student.id, "score": student.score} for student in book.students]
    return sorted([*found, *students], key=lambda row: json.dumps(row, sort_keys=True))


@pytest.mark.slow
def test_a_run_killed_three_times_and_started_again_writes_what_an_undisturbed_one_writes(
    course, classroom, start, tmp_path
):
    shutil.copytree(course.root, tmp_path / "undisturbed", symlinks=True)
    undisturbed = replace(course, root=tmp_path / "undisturbed", data=tmp_path / "undisturbed" / "course")
    assert ended(start(undisturbed, classroom)) == 1  # one is no notebook

    records = course.root / "out" / "records"
    for dying, at_least in ((3, 0), (11, 1)):
        assert ended(start(course, classroom, dying=dying)) == -signal.SIGKILL
        assert len(list(records.glob("*.json"))) >= at_least
    running = start(course, classroom, jobs=2)
    while len(list(records.glob("*.json"))) < 12 and running.poll() is None:
        time.sleep(0.01)
    assert running.poll() is None, running.communicate()
    helpers = psutil.Process(running.pid).children(recursive=True)
    workers = workers_of(psutil.Process(running.pid))
    running.kill()
    assert ended(running) == -signal.SIGKILL
    assert 12 <= len(list(records.glob("*.json"))) < len(list(classroom.iterdir()))
    assert len(workers) == 2
    wait_for_the_end_of(helpers)  # sandboxes, and all that was in them

    assert ended(start(course, classroom, jobs=2)) == 1
    assert everything_written(course) == everything_written(undisturbed)
    assert gradebook(course) == gradebook(undisturbed)
    lines = [json.loads(line) for line in (course.root / "out" / "timings.jsonl").read_text().splitlines()]
    times = [line["student"] for line in lines if line["student"] != "unreadable"]
    assert len(times) == len(set(times))


def test_a_second_run_on_the_course_is_refused_in_one_sentence(course, classroom, start):
    with grading_lock(course, "grades lab_other"):
        second = start(course, classroom)
        _, complaint = second.communicate()
    assert second.returncode == 1
    [sentence] = complaint.strip().splitlines()
    assert f"being graded by process {os.getpid()} on " in sentence and "grades lab_other since" in sentence
    assert "wait until it is done, or stop it, and then type this again" in sentence
    assert not (course.root / "out").exists()


def test_the_lock_is_free_after_its_holder_whatever_ended_it(course):
    code = (
        "import os, sys; from pathlib import Path; from autograder.course import load_course;"
        " from autograder.lock import grading_lock\n"
        "with grading_lock(load_course(Path(sys.argv[1])), 'grades'):\n"
        "    print('locked', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(course.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "locked\n"
    assert f"process {holder.pid} " in lock_holder(course)
    with pytest.raises(CourseError, match=f"process {holder.pid} "):
        with grading_lock(course, "grades"):
            pass
    holder.kill()
    holder.communicate()
    assert lock_holder(course) == ""
    with grading_lock(course, "grades"):
        assert str(os.getpid()) in lock_holder(course)


def test_no_program_that_is_started_inside_keeps_the_lock(course):
    with grading_lock(course, "grades"):
        program = [sys.executable, "-c", "print('up', flush=True); input()"]
        child = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False)
        assert child.stdout.readline() == b"up\n"  # the kernel closes what is not inherited some time after the start
    try:
        with grading_lock(course, "grades"):
            pass
    finally:
        child.communicate(b"\n")


def test_a_disk_that_cannot_lock_is_named(course, monkeypatch):
    def fail(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(CourseError, match=r"grading\.lock cannot be locked \(No locks available\): put the course on"):
        with grading_lock(course, "grades"):
            pass


def test_a_course_that_is_busy_is_left_alone(course, classroom, tmp_path):
    with grading_lock(course, "grades"):
        before = sorted(course.data.rglob("*"))
        with pytest.raises(CourseError, match="this course is being graded by"):
            grade_and_publish(course, LAB, classroom, out=tmp_path / "out", jobs=1)
    assert sorted(course.data.rglob("*")) == before
    assert lock_path(course) in before


@pytest.mark.slow
@pytest.mark.parametrize("rebuilt", [False, True])
def test_a_gradebook_whose_writer_was_killed_at_any_commit_is_completed_by_the_next(
    course, tiny_environment, tmp_path, rebuilt
):
    record = Record(
        student="ada",
        lab=LAB,
        score=5.0,
        max_score=11.0,
        written_max_score=3.0,
        graded=True,
        problem="",
        file="x.ipynb",
        submission_hash="",
        lab_hash="",
        draw="",
        functions={"scale_of": ItemResult("scale_of", "function", 4.0, 4.0, ())},
        answers={"answer_1": ItemResult("answer_1", "answer", 1.0, 1.0, ())},
        written={"question_2": WrittenResult("question_2", 3.0, True)},
    )
    if rebuilt:  # the lab changes under a gradebook that has grades: a question goes, another comes
        with Gradebook(course) as book:
            book.register(LAB)
            book.save(record, perfect_submission(course, LAB))
        for path in (course.solution(LAB), course.root / "autograder" / "cases" / f"{LAB}.py"):
            path.write_text(path.read_text().replace("answer_1", "answer_7"))
        build(course)
        record = replace(record, answers={"answer_7": ItemResult("answer_7", "answer", 1.0, 1.0, ())})
    (tmp_path / "entry").write_bytes(pickle.dumps((record, perfect_submission(course, LAB))))
    done = subprocess.run(
        [sys.executable, "-c", DYING_GRADEBOOK, str(course.root), str(tmp_path / "entry")],
        env=tiny_environment(course),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = gradebook(course)
    assert int(done.stdout) > 2 and expected
    for number in range(1, int(done.stdout) + 1):
        assert gradebook(course, f"after-{number}.db") == expected, f"killed before commit {number}"


def test_half_written_files_are_removed_and_nothing_else(tmp_path):
    (tmp_path / ".before.12.part").mkdir()
    (tmp_path / ".before.12.part" / "ada.json").touch()
    for name in (".ada.json.4711.part", "ada.json", ".x.part", "film.part", ".gone.v2.part"):
        (tmp_path / name).touch()
    remove_drafts(tmp_path, tmp_path / "nowhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gone.v2.part", ".x.part", "ada.json", "film.part"]
