"""What one student handed in once, whichever system it came from, and names that are safe to write."""

import re
from dataclasses import dataclass

from autograder.lms.archive import Entry
from autograder.submissions import student_name

MAX_NAME = 120  # characters of a folder's or file's name; file systems allow 255 bytes
NOTEBOOK = ".ipynb"


@dataclass(frozen=True)
class HandedIn:
    """One notebook. What an archive does not tell is None: Canvas and Moodle stamp files with the time of the download.

    ``order`` sorts the hand-ins of one student, the newest last.
    """

    name: str  # of the student, as the system writes it
    lms_id: str
    entry: Entry
    file: str  # name of the file that the student gave
    order: tuple
    email: str = ""
    late: bool | None = None
    attempt: int | None = None
    time: str | None = None  # ISO 8601

    @property
    def student(self) -> str:
        """Name of the student's folder: readable, and the same for every lab."""
        return safe_name(f"{self.name}_{self.lms_id}" if self.lms_id else self.name)


@dataclass(frozen=True)
class Ignored:
    """An entry that is not taken, and why; ``student`` is the folder of whoever handed it in, if that is known."""

    path: str
    why: str
    student: str = ""


def safe_name(text: str) -> str:
    """One path component: no separators, control characters or leading dot, never empty, of bounded length."""
    name = student_name(re.sub(r"\s+", " ", text).strip())
    name = re.sub(r'[<>:"|?*\[\]]', "_", name).rstrip(
        ". "
    )  # Windows refuses most of them, nbgrader globs with the rest
    return _shortened(name) or "unnamed"


def _shortened(name: str) -> str:
    """What is cut is the middle: a student's id is at the end, and so is a file's suffix."""
    if len(name) <= MAX_NAME:
        return name
    return f"{name[: MAX_NAME // 2 - 1]}..{name[-(MAX_NAME // 2) + 1 :]}"


def is_notebook(name: str) -> bool:
    return name.lower().endswith(NOTEBOOK)


def attempt_of(file: str, known_stems: frozenset[str]) -> int | None:
    """The attempt that a "-1", "-2" before the suffix stands for: 2, 3; None when nothing says so.

    A name may end in a number by itself ("lab-2.ipynb"), so the rest must be a name that somebody handed in.
    """
    stem = file[: -len(NOTEBOOK)] if is_notebook(file) else file
    found = re.fullmatch(r"(.+?)-(\d{1,3})", stem)
    if found and found[1] in known_stems:
        return int(found[2]) + 1
    return 1 if stem in known_stems else None


def stem_of(file: str) -> str:
    return file[: -len(NOTEBOOK)] if is_notebook(file) else file
