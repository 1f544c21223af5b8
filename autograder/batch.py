"""Many submissions: one warm template, a few threads that wait for it, and a record on disk as each one ends.

What has a record of the same submission, lab, draw and environment is not graded again, so a run that was stopped goes
on where it was; where the lab was built anew, only the questions that this changed are asked again. Records are written
by the main thread alone: a run that is interrupted leaves whole ones.
"""

import json
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from autograder import sandbox
from autograder.course import Course, CourseError
from autograder.grade import Graded, empty_record, grade_opened, open_submission, problem_record
from autograder.materials import Materials, load_materials
from autograder.regrade import lay_aside
from autograder.results import OtherSchema, Record, read_record, write_atomically, write_record
from autograder.submissions import Found, UnreadableNotebook, find_submissions


@dataclass(frozen=True)
class _Done:
    graded: Graded
    seconds: float
    earlier: Record | None
    fault: str = ""  # the traceback of an error of ours


def grade_class(
    course: Course,
    lab: str,
    folder: Path,
    *,
    out: Path,
    jobs: int = 1,
    on_result: Callable[[Graded, int, int], None] | None = None,
    resume: bool = True,
    students: Collection[str] = (),
    sandboxed: bool = True,
    template: sandbox.Template | None = None,
) -> list[Record]:
    """Grade the submissions under ``folder`` (of ``students`` only, if any are named); records sorted by student.

    Writes ``out/records/<student>.json`` as each ends and a line in ``out/timings.jsonl``. ``on_result`` is called in
    this thread with each result, how many are done and how many there are. One submission never stops the run: an
    error of ours gives a record that is not graded and its traceback in ``out/faults``. ``template`` is one that runs
    already; without it one is started for this class. Raises ``CourseError`` for a folder or lab that is not there, and
    for records of another version of qlab unless they are to be replaced (``resume`` false).
    """
    course.lab(lab)
    found = _chosen(find_submissions(folder, lab, other_labs=_others(course, lab)), students, folder)
    if resume:
        _refuse_other_versions(out, found)
    materials = load_materials(course, lab)
    records: dict[str, Record] = {}
    warm = nullcontext(template) if template else sandbox.Template(course.limits, sandboxed=sandboxed)
    with warm as template:

        def work(one: Found) -> _Done:
            start = time.monotonic()
            earlier = _earlier(_record_path(out, one.student))
            try:
                graded, fault = _grade_one(one, materials, template, earlier if resume else None), ""
            except Exception as error:  # noqa: BLE001  (one submission may not stop a class, whatever is wrong in ours)
                problem = f"could not be graded by a fault of the grader ({type(error).__name__}); please report it"
                graded = Graded(one, problem_record(one, materials, problem, template=template), None)
                fault = traceback.format_exc()
            return _Done(graded, time.monotonic() - start, earlier, fault)

        for done in _in_threads(work, found, jobs):
            _keep(done, out)
            records[done.graded.found.student] = done.graded.record
            if on_result is not None:
                on_result(done.graded, len(records), len(found))
    return [records[student] for student in sorted(records)]


def _others(course: Course, lab: str) -> tuple[str, ...]:
    return tuple(one.name for one in course.labs if one.name != lab)


def _chosen(found: list[Found], students: Collection[str], folder: Path) -> list[Found]:
    if not students:
        return found
    missing = sorted(set(students) - {one.student for one in found})
    if missing:
        raise CourseError(f"no folder of {', '.join(missing)} in {folder}; students are named as their folders")
    return [one for one in found if one.student in students]


def _in_threads(work: Callable[[Found], _Done], found: list[Found], jobs: int) -> Iterator[_Done]:
    """Results as they come. Leaving early drops what has not begun; what runs ends with its template."""
    executor = ThreadPoolExecutor(jobs, thread_name_prefix="grade")
    waiting: set[Future[_Done]] = set()
    queue = iter(found)
    try:
        while True:
            # Few at a time: a finished result holds a notebook, and ten thousand of them would not fit.
            while len(waiting) < 2 * jobs and (one := next(queue, None)) is not None:
                waiting.add(executor.submit(work, one))
            if not waiting:
                break
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _grade_one(found: Found, materials: Materials, template: sandbox.Template, earlier: Record | None) -> Graded:
    try:
        opened = open_submission(found, materials)
    except UnreadableNotebook as error:
        return Graded(found, problem_record(found, materials, str(error), template=template), None)
    found = opened.found  # an older attempt, where the newest cannot be graded
    expected = replace(empty_record(found, materials, template=template), submission_hash=opened.submission_hash)
    if earlier is not None and _is_current(earlier, expected):
        return Graded(found, earlier, opened.repaired.notebook, fresh=False)
    return grade_opened(opened, materials=materials, template=template, earlier=earlier)


def _refuse_other_versions(out: Path, found: list[Found]) -> None:
    """A record that cannot be compared with is replaced only when that is asked for."""
    for path in (_record_path(out, one.student) for one in found):
        try:
            read_record(path)
        except OtherSchema as error:
            raise CourseError(
                f"{path} was written by another version of qlab ({error}): add --fresh to grade all of them again and"
                " replace such records, or choose another folder with --out"
            ) from error
        except (OSError, ValueError, KeyError, TypeError):
            pass  # there is none, or half of one, or it was edited: that student is graded


def _earlier(path: Path) -> Record | None:
    """The record of an earlier run; None if there is none that this version can read."""
    try:
        return read_record(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_current(known: Record, expected: Record) -> bool:
    """Whether grading again would give the same. What was not graded is tried again."""
    if not known.graded or known.needs_attention:
        return False
    same = ("student", "lab", "file", "submission_hash", "lab_hash", "draw", "environment")
    return all(getattr(known, name) == getattr(expected, name) for name in same)


def _keep(done: _Done, out: Path) -> None:
    graded = done.graded
    if not graded.fresh:
        return
    if done.earlier is not None:
        lay_aside(done.earlier, graded.record, out)
    write_record(graded.record, _record_path(out, graded.found.student))
    line = {
        "student": graded.found.student,
        "lab": graded.record.lab,
        "seconds": round(done.seconds, 3),
        "questions": list(graded.asked),
    }
    with (out / "timings.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    fault = out / "faults" / f"{graded.found.student}.txt"
    if done.fault:
        write_atomically(fault, done.fault)
    else:
        fault.unlink(missing_ok=True)


def _record_path(out: Path, student: str) -> Path:
    """``student`` comes from a folder's name, made safe by ``submissions.student_name``; here that is checked."""
    if not student or student.startswith(".") or "/" in student or "\\" in student or "\0" in student:
        raise CourseError(f"{student!r} cannot be a student's name; rename the folder")
    return out / "records" / f"{student}.json"
