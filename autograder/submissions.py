"""Find and read what students hand in. Nothing here runs anything of theirs.

Two layouts are known: ``DIR/<student>/<lab>/*.ipynb`` and ``DIR/<student>/*.ipynb``; ``attempts`` knows what else may
lie there. Links are not followed: one that points at a solution or at another student's folder would be read with the
instructor's rights.
"""

import codecs
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nbformat import NotebookNode

from autograder.archives import SIGNATURE, BadArchive, read_member
from autograder.attempts import find_attempts, shown_name
from autograder.course import CourseError
from autograder.scripts import is_script, read_script
from autograder.wellformed import wellformed

MAX_BYTES = 50 * 2**20
MAX_BRACKETS = 2_000_000  # each may become an object of 64 bytes: a small file must not fill the memory
CONFLICT = (re.compile(r"^<{7} ", re.MULTILINE), re.compile(r"^>{7} ", re.MULTILINE))


class UnreadableNotebook(CourseError):
    """A file that cannot be graded; the message names it and says what to do."""


@dataclass(frozen=True)
class Found:
    """One student's submission, or why there is none (``path`` is then None and ``problem`` says it).

    ``inside`` is the place in the zip file at ``path``; ``older``: what to try when nothing can be graded in this one.
    """

    student: str
    path: Path | None
    notes: tuple[str, ...] = ()
    problem: str = ""
    inside: tuple[str, ...] = ()
    older: tuple["Found", ...] = ()

    @property
    def file(self) -> str:
        """Its name for people; "" when there is none."""
        return shown_name(self.path, self.inside) if self.path else ""


def find_submissions(folder: Path, lab: str, *, other_labs: Collection[str] = ()) -> list[Found]:
    """One entry a student folder, sorted by student. Raises ``CourseError`` when there are no student folders."""
    layout = f"<student>/{lab}/*.ipynb or <student>/*.ipynb"
    if not folder.is_dir():
        raise CourseError(f"there is no folder {folder}; name the one that holds {layout}")
    students = sorted(path for path in folder.iterdir() if _is_visible(path) and path.is_dir())
    if not students:
        raise CourseError(f"{folder} has no student folders; name the one that holds {layout}")
    if [path.name for path in students] == [lab]:
        raise CourseError(f"{folder} holds only a folder {lab}; name the folder above the students' folders")
    found = [_find(path, lab, other_labs) for path in students]
    if all(one.path is None and one.problem == _nothing(one.student) for one in found):
        raise CourseError(f"{folder} has {len(found)} student folders and no notebook in them; expected {layout}")
    return sorted(found, key=lambda one: one.student)


def read_submission(found: Found) -> bytes:
    """The bytes of the file that was found. Raises ``UnreadableNotebook``."""
    if found.path is None:
        raise UnreadableNotebook(found.problem)
    if not found.inside:
        return read_bytes(found.path)
    try:
        content = read_member(found.path, found.inside, max_bytes=MAX_BYTES)
    except BadArchive as error:
        raise UnreadableNotebook(f"{found.file} {error}; hand in the .ipynb file itself") from error
    except OSError as error:
        raise UnreadableNotebook(f"{found.file} cannot be read ({error.strerror}); hand it in again") from error
    return _bounded(content, found.file)


def read_notebook(path: Path) -> tuple[NotebookNode, tuple[str, ...]]:
    """The notebook in format 4 and what was mended to read it. Raises ``UnreadableNotebook``."""
    return parse_notebook(read_bytes(path), name=shown_name(path))


def read_bytes(path: Path) -> bytes:
    """The file, if it is one of a size that a notebook has. Raises ``UnreadableNotebook``."""
    name = shown_name(path)
    try:
        if path.is_symlink():
            raise UnreadableNotebook(f"{name} is a link; put the notebook itself there")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableNotebook(f"{name} cannot be read ({error.strerror}); hand it in again") from error
    return _bounded(content, name)


def parse_notebook(content: bytes, *, name: str) -> tuple[NotebookNode, tuple[str, ...]]:
    """Bytes of a file called ``name`` as a notebook; see ``read_notebook``."""
    _refuse_other_kinds(content, name)
    text, repairs = _decode(content)
    if not text.strip("\0 \t\r\n"):
        raise UnreadableNotebook(f"{name} is empty; save the notebook and hand it in again")
    try:
        if not text.lstrip().startswith(("{", "[")) and (name.lower().endswith(".py") or is_script(text)):
            raw = read_script(text)
            repairs = (*repairs, "a Python script was handed in; the notebook's cells were read from it")
        else:
            raw, mended = _load_json(text, name)
            repairs = (*repairs, *mended)
        if not isinstance(raw, dict) or not ("cells" in raw or "worksheets" in raw):
            raise UnreadableNotebook(f"{name} is JSON but not a notebook; hand in the .ipynb file")
        notebook, mended = wellformed(raw)
    except ValueError as error:
        raise UnreadableNotebook(f"{name} is a damaged notebook: {error}; save it again and hand it in") from error
    return notebook, (*repairs, *mended)


def student_name(folder: str) -> str:
    """A folder's name as a student's: what could steer a terminal or leave a path is percent-encoded."""
    safe = "".join(
        one if one.isprintable() and one not in "/\\" else quote(one, errors="surrogateescape") for one in folder
    )
    return f"%2E{safe[1:]}" if safe.startswith(".") else safe


def _find(folder: Path, lab: str, other_labs: Collection[str]) -> Found:
    student = student_name(folder.name)
    attempts = find_attempts(folder, lab, other_labs=other_labs)
    if not attempts.found:
        return Found(student, None, problem=attempts.problem or _nothing(student))
    first, *others = attempts.found
    notes = [f"{attempts.number} notebooks; graded {attempts.why}, {first.name}"] if attempts.number > 1 else []
    older = tuple(Found(student, one.path, inside=one.inside) for one in others)
    return Found(student, first.path, tuple(notes), inside=first.inside, older=older)


def _nothing(student: str) -> str:
    return f"no notebook in the folder of {student}; ask for the .ipynb file"


def _is_visible(path: Path) -> bool:
    return not path.name.startswith((".", "~")) and not path.is_symlink()


def _bounded(content: bytes, name: str) -> bytes:
    if len(content) > MAX_BYTES:
        raise UnreadableNotebook(
            f"{name} is larger than {MAX_BYTES // 2**20} MB; clear its outputs, save it and hand it in again"
        )
    return content


def _refuse_other_kinds(content: bytes, name: str) -> None:
    start = content[:1000].lstrip(codecs.BOM_UTF8 + b" \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        kind = "a web page"
    elif start.startswith(b"%pdf"):
        kind = "a PDF"
    elif content.startswith(SIGNATURE):
        kind = "a damaged zip file"
    else:
        return
    raise UnreadableNotebook(f"{name} is not a Jupyter notebook but {kind}; hand in the .ipynb file itself")


def _decode(content: bytes) -> tuple[str, tuple[str, ...]]:
    encoding = json.detect_encoding(content)
    if not encoding.startswith("utf-8"):
        shown = encoding[:6].upper()
        return content.decode(encoding, "replace"), (f"the file was saved as {shown}; it was converted",)
    mark = ("a byte order mark before the notebook was skipped",) if content.startswith(codecs.BOM_UTF8) else ()
    try:
        return content.decode("utf-8-sig"), mark
    except UnicodeDecodeError:
        return content.decode("utf-8-sig", "replace"), (*mark, "some characters were not UTF-8 and were replaced")


def _load_json(text: str, name: str) -> tuple[Any, tuple[str, ...]]:
    if text.count("[") + text.count("{") > MAX_BRACKETS:
        raise UnreadableNotebook(f"{name} has far more in it than a notebook; clear its outputs and hand it in again")
    try:
        return json.loads(text), ()
    except json.JSONDecodeError as error:
        if (raw := _first_object(text)) is not None:
            return raw, ("the file had damaged characters in it or something behind the notebook; they were skipped",)
        raise UnreadableNotebook(_why_not_json(text, name, error)) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists in lists in lists
        reason = f"not JSON that can be read: {type(error).__name__}"
    raise UnreadableNotebook(f"{name} is not a Jupyter notebook ({reason}); hand in the .ipynb file itself")


def _first_object(text: str) -> dict[str, Any] | None:
    """What a forgiving reader makes of it: raw control characters in strings, something behind the last bracket."""
    try:
        raw, _ = json.JSONDecoder(strict=False).raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return None
    return raw if isinstance(raw, dict) else None


def _why_not_json(text: str, name: str, error: json.JSONDecodeError) -> str:
    if all(mark.search(text) for mark in CONFLICT):
        return f"{name} holds an unsolved merge conflict of git; solve it, save the notebook and hand it in again"
    begins = text.lstrip().startswith("{")
    if begins and (error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip("\0 \t\r\n"))):
        return f"{name} is cut off at line {text.count(chr(10)) + 1}, so not JSON; save it and hand in the whole file"
    return f"{name} is not a Jupyter notebook (not JSON from line {error.lineno} on); hand in the .ipynb file itself"
