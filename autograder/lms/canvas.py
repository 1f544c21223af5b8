"""Canvas's "Download Submissions": one flat zip, everything said by the file names.

    doejane_12345_67890_lab-2.ipynb            user 12345, file 67890
    doejane_LATE_12345_67891_lab-2-1.ipynb     late; handed in once before under this name
    anon_a1b2c_67892_lab-2.ipynb               grading is anonymous
    doejane_12345_text.html                    a text entry, no file

The name is the sortable one in lower case without anything but letters and digits. Files are numbered as they are
uploaded, so of two files of one student that with the larger number is the newer.
"""

import re
from collections.abc import Iterable

from autograder.lms.archive import Archive, Entry
from autograder.lms.handed_in import HandedIn, Ignored, attempt_of, is_notebook, safe_name, stem_of

NAMED = re.compile(r"(?P<name>.+?)(?P<late>_(?:LATE|late))?_(?P<user>\d+)_(?P<number>\d+)_(?P<file>.+)", re.DOTALL)
ANONYMOUS = re.compile(r"(?P<late>LATE_)?(?P<name>anon)_(?P<user>[A-Za-z0-9]+)_(?P<number>\d+)_(?P<file>.+)", re.DOTALL)
ENTERED = re.compile(r"(?P<name>.+?)(?:_(?:LATE|late))?_(?P<user>\d+)_(?:text|link)\.html")


def is_canvas(archive: Archive) -> bool:
    return any(_match(entry) or ENTERED.fullmatch(entry.name) for entry in archive.entries)


def read_canvas(archive: Archive, lab: str) -> tuple[list[HandedIn], list[Ignored]]:
    """The notebooks, and everything else with the reason why it is not taken."""
    matched = [(entry, _match(entry)) for entry in archive.entries]
    stems = _stems((found["file"] for _, found in matched if found), lab)
    handed_in, ignored = [], []
    for entry, found in matched:
        if found is None:
            ignored.append(_not_taken(entry))
        elif not is_notebook(found["file"]):
            student = safe_name(f"{found['name']}_{found['user']}")
            ignored.append(Ignored(entry.path, "not a notebook", student))
        else:
            attempt = attempt_of(found["file"], stems)
            handed_in.append(
                HandedIn(
                    name=found["name"],
                    lms_id=found["user"],
                    entry=entry,
                    file=found["file"],
                    order=(int(found["number"]), attempt or 0, entry.path),
                    late=bool(found["late"]),
                    attempt=attempt,
                )
            )
    return handed_in, ignored


def feedback_name(original: str) -> str:
    """The name under which Canvas's "Upload Submissions" takes a page back for the submission ``original``.

    Canvas finds the submission by the first two numbers between underscores, which stay as they are.
    """
    return f"{stem_of(original)}.html"


def _match(entry: Entry) -> re.Match[str] | None:
    return ANONYMOUS.fullmatch(entry.name) or NAMED.fullmatch(entry.name)


def _not_taken(entry: Entry) -> Ignored:
    entered = ENTERED.fullmatch(entry.name)
    if entered:
        student = safe_name(f"{entered['name']}_{entered['user']}")
        return Ignored(entry.path, "typed into Canvas, not a file", student)
    return Ignored(entry.path, "not named as Canvas names submissions")


def _stems(files: Iterable[str], lab: str) -> frozenset[str]:
    return frozenset({lab, *(stem_of(file) for file in files if is_notebook(file))})
