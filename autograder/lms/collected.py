"""collected.json: who handed in what, under which name and id the learning management system knows them.

One file a folder of submissions, for all labs collected into it; ``qlab export`` needs it to give pages back.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autograder.course import CourseError
from autograder.lms.handed_in import Ignored
from autograder.results import write_atomically

FILE = "collected.json"
FORMAT = 1


@dataclass(frozen=True)
class Collected:
    """A student's notebook as it was collected. None stands for what the archive does not tell."""

    student: str  # name of the folder
    name: str  # as the system writes it
    lms: str
    lms_id: str
    email: str
    file: str  # in the student's folder
    original: str  # path in the archive
    late: bool | None
    attempt: int | None
    time: str | None
    older: tuple[str, ...]  # paths in the archive of what was handed in before


def read_collected(folder: Path, lab: str) -> list[Collected]:
    """Empty where nothing was collected. Raises ``CourseError`` for a file that is not ours."""
    students = _load(folder).get(lab, {}).get("students", [])
    try:
        return [Collected(**{**one, "older": tuple(one["older"])}) for one in students]
    except (TypeError, KeyError) as error:
        raise CourseError(f"{folder / FILE} is damaged; remove it and collect again") from error


def write_collected(folder: Path, lab: str, students: Sequence[Collected], ignored: Sequence[Ignored]) -> None:
    labs = _load(folder)
    labs[lab] = {
        "students": [asdict(one) for one in sorted(students, key=lambda one: one.student)],
        "ignored": [asdict(one) for one in ignored],
    }
    content = json.dumps({"format": FORMAT, "labs": labs}, indent=1, sort_keys=True)
    write_atomically(folder / FILE, content + "\n")


def _load(folder: Path) -> dict[str, Any]:
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise CourseError(f"{path} was written by another version of qlab; remove it and collect again")
        return content["labs"]
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError) as error:
        raise CourseError(f"{path} is damaged; remove it and collect again") from error
