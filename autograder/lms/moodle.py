"""Moodle's "Download all submissions": a folder a student, or without folders the same as a prefix of each file.

    Jane Doe_123456_assignsubmission_file_/lab.ipynb      Moodle 3.1 to 4.0
    Jane Doe_123456_assignsubmission_file/lab.ipynb       from 4.1
    Jane Doe_123456_assignsubmission_file_lab.ipynb       "in folders" switched off
    Jane Doe_123456_assignsubmission_onlinetext_/...      typed into Moodle

The number is the participant's in this assignment, the one of the grading worksheet. Only the last attempt is in the
archive, and nothing tells when it was handed in.
"""

import re

from autograder.lms.archive import Archive, Entry
from autograder.lms.handed_in import HandedIn, Ignored, is_notebook, safe_name

STUDENT = re.compile(
    r"(?P<name>.+?)_(?P<user>\d+)_assignsubmission_(?P<kind>[a-z]+)(?:_(?P<file>.*))?", re.DOTALL | re.IGNORECASE
)


def is_moodle(archive: Archive) -> bool:
    return any(_match(entry) for entry in archive.entries)


def read_moodle(archive: Archive, lab: str) -> tuple[list[HandedIn], list[Ignored]]:
    """The notebooks, and everything else with the reason why it is not taken."""
    handed_in, ignored = [], []
    for entry in archive.entries:
        found = _match(entry)
        if found is None:
            ignored.append(Ignored(entry.path, "not named as Moodle names submissions"))
            continue
        name, user, kind, file = found
        if kind != "file":
            ignored.append(Ignored(entry.path, "typed into Moodle, not a file", safe_name(f"{name}_{user}")))
        elif not is_notebook(file):
            ignored.append(Ignored(entry.path, "not a notebook", safe_name(f"{name}_{user}")))
        else:
            # One attempt of several notebooks: the lab's own, else the one that is less deep, else by name.
            order = (lab in file, -entry.path.count("/"), entry.path)
            handed_in.append(HandedIn(name=name, lms_id=user, entry=entry, file=file, order=order))
    return handed_in, ignored


def feedback_name(full_name: str, participant: str, original: str = "") -> str:
    """Where Moodle's "Upload multiple feedback files in a zip" looks for the page of a student.

    Moodle splits the folder's name at underscores, so a full name has none. ``original`` is the path of the submission,
    whose own prefix is used where it is known.
    """
    for part in original.split("/"):
        found = STUDENT.fullmatch(part)
        if found:
            return f"{found['name']}_{found['user']}_assignsubmission_file_/feedback.html"
    name = re.sub(r"[_/\\]", " ", full_name).strip() or "Participant"
    return f"{name}_{participant}_assignsubmission_file_/feedback.html"


def _match(entry: Entry) -> tuple[str, str, str, str] | None:
    """Student, number, kind of submission and the student's own name of the file."""
    for depth, part in enumerate(entry.parts):
        found = STUDENT.fullmatch(part)
        if found:
            inside = entry.parts[depth + 1 :]
            return found["name"], found["user"], found["kind"].lower(), inside[-1] if inside else found["file"] or part
    return None
