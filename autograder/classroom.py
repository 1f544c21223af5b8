"""Grade a class and publish what came of it: gradebook, nbgrader's notebooks, a feedback page each, a summary.

Submissions are graded in parallel, and their pages made; all of it is written here, in one thread, as soon as a
student is graded, so an interrupted run leaves whole students behind. The next run publishes what has a record once
more, in case the interruption fell between the two.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import OperationalError

from autograder.autograded import keep_submission, write_autograded
from autograder.batch import grade_class
from autograder.bench import Done
from autograder.classreport.given import given_code
from autograder.classreport.page import write_summary
from autograder.classreport.trouble import read_seconds
from autograder.course import Course, CourseError
from autograder.gradebook import Gradebook
from autograder.lock import grading_lock
from autograder.nursery import Nursery
from autograder.regrade import Move, take_moves
from autograder.results import Record, read_record, remove_drafts, write_atomically


@dataclass(frozen=True)
class Outcome:
    records: list[Record]  # sorted by student
    records_folder: Path
    feedback_folder: Path
    summary: Path
    moved: list[Move]  # scores of submissions graded before that are not what they were


def grade_and_publish(
    course: Course,
    lab: str,
    submissions: Path,
    *,
    out: Path,
    jobs: int,
    students: Collection[str] = (),
    resume: bool = True,
    sandboxed: bool = True,
    scheduler: str = "",
    nursery: Nursery | None = None,
    on_progress: Callable[[int, int], object] | None = None,
) -> Outcome:
    """Grade ``submissions`` and write everything under ``out`` and the course's data folder.

    ``jobs`` at a time on this machine, or on the Dask cluster whose ``scheduler`` has this address. The ``nursery``, if
    any, has been started already.
    ``on_progress(done, total)`` is called as students are finished. Raises ``CourseError`` for an unknown or unbuilt
    lab, an empty folder, a gradebook that cannot be written, or a course that another process grades.
    """
    title = course.lab(lab).title
    feedback, summary = out / "feedback", out / "summary.html"

    def publish(gradebook: Gradebook, done: Done) -> None:
        record, pages = done.graded.record, done.pages
        if pages.autograded is not None and done.graded.found.path is not None:
            keep_submission(course, record, done.graded.found)
            gradebook.save(record, pages.marked)
            write_autograded(course, record, pages.autograded)
        write_atomically(feedback / f"{record.student}.html", pages.feedback)

    with grading_lock(course, f"grades {lab}"):
        _remove_drafts(course, lab, out)
        try:
            with Gradebook(course) as gradebook:

                def on_result(done: Done, number: int, total: int) -> None:
                    publish(gradebook, done)
                    if on_progress is not None:
                        on_progress(number, total)

                records = grade_class(
                    course,
                    lab,
                    submissions,
                    out=out,
                    jobs=jobs,
                    on_begun=lambda: gradebook.register(lab),
                    on_result=on_result,
                    resume=resume,
                    students=students,
                    sandboxed=sandboxed,
                    with_pages=True,
                    scheduler=scheduler,
                    nursery=nursery,
                )
        except OperationalError as error:
            raise CourseError(f"the gradebook {course.gradebook_url} cannot be written: {error.orig}") from error
        everybody = _with_the_rest(records, out / "records") if students else records
        links = {record.student: f"feedback/{record.student}.html" for record in everybody}
        write_summary(
            everybody,
            summary,
            lab_title=title,
            links=links,
            given=given_code(course, lab),
            seconds=read_seconds(out / "timings.jsonl", lab),
        )
        return Outcome(records, out / "records", feedback, summary, take_moves(out))


def _with_the_rest(records: list[Record], folder: Path) -> list[Record]:
    """With what earlier runs recorded of the others: the report stays one on the class when some are graded again."""
    known = {record.student: record for record in records}
    for path in folder.glob("*.json"):
        try:
            other = read_record(path)
        except (ValueError, KeyError, TypeError):  # of another version, or damaged; a run of the whole class says so
            continue
        if other.student not in known and other.lab == records[0].lab:
            known[other.student] = other
    return [known[student] for student in sorted(known)]


def _remove_drafts(course: Course, lab: str, out: Path) -> None:
    """Half-written files of a run that was killed; nobody else writes there now."""
    remove_drafts(out, out / "records", out / "feedback", out / "faults", out / "before")
    remove_drafts(course.data, course.source(lab).parent)
    remove_drafts(*course.data.glob(f"autograded/*/{lab}"), *course.data.glob(f"submitted/*/{lab}"))
