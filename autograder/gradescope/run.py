"""What runs on Gradescope for one submission: `python -m autograder.gradescope.run`, started by run_autograder.

Gradescope's paths lie under /autograder; ``AUTOGRADER_ROOT`` names another folder, for trying it elsewhere. Whatever
happens, results.json says what became of the submission: a score, or one sentence why there is none. What the staff
should know besides goes to standard output, which Gradescope shows to them alone.
"""

import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.course import CourseError, load_course
from autograder.grade import grade_opened, problem_record
from autograder.gradescope.answer import answer, no_answer
from autograder.gradescope.walls import best_template
from autograder.lms.handed_in import safe_name
from autograder.materials import load_materials
from autograder.opening import open_submission
from autograder.results import Record, write_atomically
from autograder.sandbox import Template
from autograder.submissions import Found, UnreadableNotebook, find_submissions

FAULT = "a fault of the autograder ({}), not yours; the staff have to grade it again"


@dataclass(frozen=True)
class Places:
    """Gradescope's folders and files."""

    root: Path

    @property
    def source(self) -> Path:
        return self.root / "source"

    @property
    def submission(self) -> Path:
        return self.root / "submission"

    @property
    def metadata(self) -> Path:
        return self.root / "submission_metadata.json"

    @property
    def results(self) -> Path:
        return self.root / "results" / "results.json"


def main() -> int:
    places = Places(Path(os.environ.get("AUTOGRADER_ROOT", "/autograder")))
    started = time.monotonic()
    try:
        settings = json.loads((places.source / "settings.json").read_text(encoding="utf-8"))
        record = grade(places, settings["lab"])
        result = answer(record, visibility=settings["visibility"], seconds=time.monotonic() - started)
        _tell_staff(record)
    except CourseError as error:
        print(f"not graded: {error}")
        result = no_answer(FAULT.format("it could not start"))
    except Exception as error:  # noqa: BLE001  (whatever is wrong in ours, the student is told that it is ours)
        traceback.print_exc(file=sys.stdout)
        result = no_answer(FAULT.format(type(error).__name__))
    write_atomically(places.results, json.dumps(result, indent=1) + "\n")
    return 0


def grade(places: Places, lab: str) -> Record:
    """As ``qlab grade`` grades it. Raises ``CourseError`` where the submission cannot be kept from the answers."""
    course = load_course(places.source / "course")
    student = student_of(places.metadata)
    secrets = [places.source, places.submission, places.metadata, places.results.parent]
    with tempfile.TemporaryDirectory(prefix="qlab-gradescope-") as made:  # for this user alone
        found = find_submission(places.submission, Path(made) / student, lab, [one.name for one in course.labs])
        materials = load_materials(course, lab)
        try:
            opened = open_submission(found, materials)
        except UnreadableNotebook as error:
            return problem_record(found, materials, str(error), template=Template(materials.limits))  # not started
        with best_template(materials.limits, secrets=secrets) as template:
            return grade_opened(opened, materials=materials, template=template).record


def student_of(metadata: Path) -> str:
    """The name that ``qlab collect`` gives them, as far as Gradescope tells; it decides the draw of hidden cases."""
    try:
        users = json.loads(metadata.read_text(encoding="utf-8"))["users"]
        names = sorted(_name(user) for user in users)
        return safe_name(names[0])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return "student"


def _name(user: Mapping[str, Any]) -> str:
    number = str(user.get("sid") or user.get("email") or user.get("id") or "").strip()
    name = str(user.get("name") or "").strip()
    return f"{name}_{number}" if name and number else name or number


def find_submission(submission: Path, folder: Path, lab: str, labs: list[str]) -> Found:
    """What was handed in, copied to where ``qlab grade`` would find it; links stay links and are not followed."""
    if submission.is_dir():
        shutil.copytree(submission, folder, symlinks=True)
    else:
        folder.mkdir()
    try:
        [found] = find_submissions(folder.parent, lab, other_labs=[one for one in labs if one != lab])
    except CourseError:
        return Found(folder.name, None, problem=f"there is no notebook in it; hand in {lab}.ipynb")
    return found


def _tell_staff(record: Record) -> None:
    print(f"student {record.student}, draw {record.draw}, lab {record.lab_hash}")
    print(f"score {record.score} of {record.max_score}" if record.graded else f"not graded: {record.problem}")
    for name, what in record.environment["sandbox"].items():
        print(f"{name}: {what}")


if __name__ == "__main__":
    sys.exit(main())
