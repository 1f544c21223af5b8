"""Many submissions: benches that grade them, and a record on disk as each one ends.

What has a record of the same submission, lab, draw and environment is not graded again, so a run that was stopped goes
on where it was; where the lab was built anew, only the questions that this changed are asked again. Records are written
by the main thread of one process alone: a run that is interrupted leaves whole ones.
"""

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from autograder import sandbox
from autograder.bench import Assignment, Bench, Done
from autograder.course import Course, CourseError
from autograder.nursery import SMALL, Nursery
from autograder.regrade import lay_aside
from autograder.results import OtherSchema, Record, check_schema, read_record, write_atomically, write_record
from autograder.submissions import Found, find_submissions
from autograder.workplaces import Recall, in_processes, in_threads


def grade_class(
    course: Course,
    lab: str,
    folder: Path,
    *,
    out: Path,
    jobs: int = 1,
    on_begun: Callable[[], object] = lambda: None,
    on_result: Callable[[Done, int, int], None] | None = None,
    resume: bool = True,
    students: Collection[str] = (),
    sandboxed: bool = True,
    with_pages: bool = False,
    processes: int | None = None,
    scheduler: str = "",
    template: sandbox.Template | None = None,
    nursery: Nursery | None = None,
) -> list[Record]:
    """Grade the submissions under ``folder`` (of ``students`` only, if any are named); records sorted by student.

    Writes ``out/records/<student>.json`` as each ends and a line in ``out/timings.jsonl``. ``on_result`` is called in
    this thread with each result, how many are done and how many there are; ``on_begun`` before that, while the first
    are graded. One submission never stops the run: an error of ours gives a record that is not graded and its traceback
    in ``out/faults``.

    ``jobs`` submissions are graded at a time: in ``processes`` of their own, by default as many if the class is large
    enough; with 0 or 1 in threads of this one. With a ``scheduler``'s address they go to the workers of that Dask
    cluster instead. ``template`` is one that runs already, for threads; without it they come from the ``nursery``, or
    from one that is started now.

    Raises ``CourseError`` for a folder or lab that is not there, a cluster that cannot be used, and for records of
    another version of qlab unless they are to be replaced (``resume`` false).
    """
    course.lab(lab)
    found = _chosen(find_submissions(folder, lab, other_labs=_others(course, lab)), students, folder)
    if resume:
        _refuse_other_versions(out, found)
    assignment = Assignment(course, lab, sandboxed, with_pages)
    known: dict[str, Record | None] = {}

    def recall(one: Found) -> Record | None:
        known[one.student] = _earlier(_record_path(out, one.student))
        return known[one.student] if resume else None

    if processes is None:
        processes = min(jobs, len(found) // SMALL) if template is None else 0
    work = (
        _on_cluster(assignment, found, recall, scheduler, on_begun)
        if scheduler
        else _here(
            assignment,
            found,
            recall,
            on_begun,
            jobs=jobs,
            processes=processes,
            template=template,
            nursery=nursery,
        )
    )
    records: dict[str, Record] = {}
    with closing(work):
        for done in work:
            _keep(done, out, known.pop(done.graded.found.student))
            records[done.graded.found.student] = done.graded.record
            if on_result is not None:
                on_result(done, len(records), len(found))
    return [records[student] for student in sorted(records)]


def _on_cluster(
    assignment: Assignment, found: list[Found], recall: Recall, scheduler: str, on_begun: Callable[[], object]
) -> Iterator[Done]:
    from autograder.cluster import on_cluster  # late: what it needs is an extra

    return on_cluster(assignment, found, recall, on_begun, address=scheduler)


def _here(
    assignment: Assignment,
    found: list[Found],
    recall: Recall,
    on_begun: Callable[[], object],
    *,
    jobs: int,
    processes: int,
    template: sandbox.Template | None,
    nursery: Nursery | None,
) -> Iterator[Done]:
    with ExitStack() as opened:
        if nursery is None and template is None:
            nursery = opened.enter_context(Nursery())
        if processes > 1:
            assert nursery is not None
            yield from in_processes(assignment, found, recall, on_begun, jobs=processes, nursery=nursery)
        else:
            line = opened.enter_context(nursery.line()) if nursery is not None else None
            bench = opened.enter_context(Bench(assignment, template=template, line=line))
            yield from in_threads(bench, found, recall, on_begun, jobs=jobs)


def _others(course: Course, lab: str) -> tuple[str, ...]:
    return tuple(one.name for one in course.labs if one.name != lab)


def _chosen(found: list[Found], students: Collection[str], folder: Path) -> list[Found]:
    if not students:
        return found
    missing = sorted(set(students) - {one.student for one in found})
    if missing:
        raise CourseError(f"no folder of {', '.join(missing)} in {folder}; students are named as their folders")
    return [one for one in found if one.student in students]


def _refuse_other_versions(out: Path, found: list[Found]) -> None:
    """A record that cannot be compared with is replaced only when that is asked for."""
    for path in (_record_path(out, one.student) for one in found):
        try:
            check_schema(path)
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


def _keep(done: Done, out: Path, earlier: Record | None) -> None:
    graded = done.graded
    if not graded.fresh:
        return
    if earlier is not None:
        lay_aside(earlier, graded.record, out)
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
