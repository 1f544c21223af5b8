"""Grade a class and publish what came of it: gradebook, nbgrader's notebooks, a feedback page each, a summary.

Sandboxes work in parallel; everything that is written for a student is written here, in one thread, as soon as that
student is graded, so an interrupted run leaves whole students behind.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import OperationalError

from autograder.autograded import keep_submission, write_autograded
from autograder.batch import grade_class
from autograder.course import Course, CourseError
from autograder.grade import Graded
from autograder.gradebook import Gradebook
from autograder.report import write_feedback, write_summary
from autograder.results import Record


@dataclass(frozen=True)
class Outcome:
    records: list[Record]  # sorted by student
    records_folder: Path
    feedback_folder: Path
    summary: Path


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
    on_progress: Callable[[int, int], object] | None = None,
) -> Outcome:
    """Grade ``submissions`` and write everything under ``out`` and the course's data folder.

    ``on_progress(done, total)`` is called as students are finished. Raises ``CourseError`` for an unknown or unbuilt
    lab, an empty folder, or a gradebook that cannot be written.
    """
    title = course.lab(lab).title
    feedback = out / "feedback"
    try:
        with Gradebook(course) as gradebook:
            gradebook.register(lab)

            def publish(graded: Graded, done: int, total: int) -> None:
                record = graded.record
                if record.graded and graded.notebook is not None and graded.found.path is not None:
                    keep_submission(course, record, graded.found)
                    gradebook.save(record, graded.notebook)
                    write_autograded(course, record, graded.notebook)
                write_feedback(record, feedback / f"{record.student}.html", lab_title=title)
                if on_progress is not None:
                    on_progress(done, total)

            records = grade_class(
                course,
                lab,
                submissions,
                out=out,
                jobs=jobs,
                on_result=publish,
                resume=resume,
                students=students,
                sandboxed=sandboxed,
            )
    except OperationalError as error:
        raise CourseError(f"the gradebook {course.gradebook_url} cannot be written: {error.orig}") from error
    summary = out / "summary.html"
    links = {record.student: f"feedback/{record.student}.html" for record in records}
    write_summary(records, summary, lab_title=title, links=links)
    return Outcome(records, out / "records", feedback, summary)
