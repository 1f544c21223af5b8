"""An archive of submissions -> ``FOLDER/<student>/<lab>/<file>``, as ``qlab grade`` reads it, and collected.json.

A student's newest notebook is written, older ones are listed. Whoever handed in no notebook gets an empty folder, so
that grading names them. Collecting again replaces what was collected before and touches nothing else.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.course import CourseError
from autograder.lms.archive import Archive, Unreadable, open_archive
from autograder.lms.canvas import is_canvas, read_canvas
from autograder.lms.collected import Collected, read_collected, write_collected
from autograder.lms.gradescope import is_gradescope, read_gradescope
from autograder.lms.handed_in import HandedIn, Ignored, safe_name
from autograder.lms.moodle import is_moodle, read_moodle
from autograder.submissions import MAX_BYTES

#: In this order: Canvas asks for the least, so it comes last.
SYSTEMS = {
    "gradescope": (is_gradescope, read_gradescope),
    "moodle": (is_moodle, read_moodle),
    "canvas": (is_canvas, read_canvas),
}


@dataclass(frozen=True)
class Collection:
    """What became of an archive."""

    lms: str
    students: tuple[Collected, ...]  # sorted by student
    without: tuple[Ignored, ...]  # for each student without a notebook, the first file that was handed in instead
    ignored: tuple[Ignored, ...]  # all that was not taken


def collect(path: Path, lab: str, folder: Path) -> Collection:
    """Raises ``CourseError`` when ``path`` is no archive of one of the systems, or nobody handed in anything."""
    with open_archive(path) as archive:
        lms, read = _system(archive)
        handed_in, ignored = read(archive, lab)
        if not handed_in:
            raise CourseError(
                f"{path.name} is an archive of {lms.title()} without a single notebook; name that of {lab}"
            )
        before = {one.student: one for one in read_collected(folder, lab)}
        students = []
        for student, attempts in _by_student(handed_in).items():
            taken, refused = _take(archive, student, attempts, lms, folder / student / lab, before.get(student))
            ignored += refused
            if taken is not None:
                students.append(taken)
    students.sort(key=lambda one: one.student)
    without = _without(ignored, {one.student for one in students})
    for one in without:
        (folder / one.student / lab).mkdir(parents=True, exist_ok=True)
    write_collected(folder, lab, [*{**before, **{one.student: one for one in students}}.values()], ignored)
    return Collection(lms, tuple(students), tuple(without), tuple(ignored))


def _system(archive: Archive) -> tuple[str, object]:
    for name, (is_from, read) in SYSTEMS.items():
        if is_from(archive):
            return name, read
    raise CourseError(
        f"{archive.name} is no archive of submissions from Canvas, Moodle or Gradescope; "
        "download all submissions of the assignment there, and name that zip as it is"
    )


def _by_student(handed_in: Sequence[HandedIn]) -> dict[str, list[HandedIn]]:
    """Folder name -> hand-ins, the newest first. Two students never share a folder."""
    people: dict[tuple[str, str], list[HandedIn]] = defaultdict(list)
    for one in handed_in:
        people[one.lms_id or one.name, one.student if not one.lms_id else ""].append(one)
    folders: dict[str, list[HandedIn]] = {}
    taken: set[str] = set()
    for attempts in sorted(people.values(), key=lambda found: (found[0].student, found[0].lms_id)):
        attempts.sort(key=lambda one: one.order, reverse=True)
        name = attempts[0].student
        while name.casefold() in taken:  # also on disks that do not tell Doe from doe
            name += "_"
        taken.add(name.casefold())
        folders[name] = attempts
    return folders


def _take(
    archive: Archive, student: str, attempts: Sequence[HandedIn], lms: str, target: Path, before: Collected | None
) -> tuple[Collected | None, list[Ignored]]:
    """Write the newest that can be read."""
    refused: list[Ignored] = []
    for number, one in enumerate(attempts):
        try:
            content = archive.read(one.entry, MAX_BYTES)
        except Unreadable as error:
            refused.append(Ignored(one.entry.path, str(error), student))
            continue
        file = safe_name(one.file)
        _write(content, target / file)
        if before is not None and before.file != file:
            (target / before.file).unlink(missing_ok=True)
        older = tuple(other.entry.path for other in attempts[number + 1 :])
        return _collected(one, student, lms, file, older), refused
    return None, refused


def _collected(one: HandedIn, student: str, lms: str, file: str, older: tuple[str, ...]) -> Collected:
    return Collected(
        student=student,
        name=one.name,
        lms=lms,
        lms_id=one.lms_id,
        email=one.email,
        file=file,
        original=one.entry.path,
        late=one.late,
        attempt=one.attempt,
        time=one.time,
        older=older,
    )


def _write(content: bytes, path: Path) -> None:
    """Links are replaced, not followed."""
    for folder in (path.parent.parent, path.parent):
        if folder.is_symlink():
            raise CourseError(f"{folder} is a link; collect into a folder of its own")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{os.getpid()}.part")
    draft.write_bytes(content)
    os.replace(draft, path)


def _without(ignored: Sequence[Ignored], students: set[str]) -> list[Ignored]:
    found: dict[str, Ignored] = {}
    for one in ignored:
        if one.student and one.student not in students:
            found.setdefault(one.student, one)
    return [found[student] for student in sorted(found)]
