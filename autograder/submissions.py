"""Find and read what students hand in. Nothing here runs anything of theirs.

Two layouts are known: ``DIR/<student>/<lab>/*.ipynb`` and ``DIR/<student>/*.ipynb``. Links are not followed: one that
points at a solution or at another student's folder would be read with the instructor's rights.
"""

import codecs
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nbformat import NotebookNode

from autograder.course import CourseError
from autograder.wellformed import wellformed

MAX_BYTES = 50 * 2**20
MAX_BRACKETS = 2_000_000  # each may become an object of 64 bytes: a small file must not fill the memory


class UnreadableNotebook(CourseError):
    """A file that cannot be graded; the message names it and says what to do."""


@dataclass(frozen=True)
class Found:
    """One student's submission, or why there is none (``path`` is then None and ``problem`` says it)."""

    student: str
    path: Path | None
    notes: tuple[str, ...] = ()
    problem: str = ""


def find_submissions(folder: Path, lab: str) -> list[Found]:
    """One entry a student folder, sorted by student. Raises ``CourseError`` when there are no student folders."""
    layout = f"<student>/{lab}/*.ipynb or <student>/*.ipynb"
    if not folder.is_dir():
        raise CourseError(f"there is no folder {folder}; name the one that holds {layout}")
    students = sorted(path for path in folder.iterdir() if _is_visible(path) and path.is_dir())
    if not students:
        raise CourseError(f"{folder} has no student folders; name the one that holds {layout}")
    if [path.name for path in students] == [lab]:
        raise CourseError(f"{folder} holds only a folder {lab}; name the folder above the students' folders")
    found = [_find(path, lab) for path in students]
    if all(one.path is None for one in found):
        raise CourseError(f"{folder} has {len(found)} student folders and no notebook in them; expected {layout}")
    return sorted(found, key=lambda one: one.student)


def read_notebook(path: Path) -> tuple[NotebookNode, tuple[str, ...]]:
    """The notebook in format 4 and what was mended to read it. Raises ``UnreadableNotebook``."""
    return parse_notebook(read_bytes(path), name=path.name)


def read_bytes(path: Path) -> bytes:
    """The file, if it is one of a size that a notebook has. Raises ``UnreadableNotebook``."""
    try:
        if path.is_symlink():
            raise UnreadableNotebook(f"{path.name} is a link; put the notebook itself there")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableNotebook(f"{path.name} cannot be read ({error.strerror}); hand it in again") from error
    if len(content) > MAX_BYTES:
        raise UnreadableNotebook(
            f"{path.name} is larger than {MAX_BYTES // 2**20} MB; clear its outputs, save it and hand it in again"
        )
    return content


def parse_notebook(content: bytes, *, name: str) -> tuple[NotebookNode, tuple[str, ...]]:
    """Bytes of a file called ``name`` as a notebook; see ``read_notebook``."""
    text, repairs = _decode(content)
    if not text.strip():
        raise UnreadableNotebook(f"{name} is empty; save the notebook and hand it in again")
    raw = _load_json(text, name)
    if not isinstance(raw, dict) or not ("cells" in raw or "worksheets" in raw):
        raise UnreadableNotebook(f"{name} is JSON but not a notebook; hand in the .ipynb file")
    try:
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


def _find(folder: Path, lab: str) -> Found:
    student = student_name(folder.name)
    notebooks = _notebooks(folder / lab) or _notebooks(folder)
    if not notebooks:
        return Found(student, None, problem=f"no notebook in the folder of {student}; ask for the .ipynb file")
    if len(notebooks) == 1:
        return Found(student, notebooks[0])
    chosen, why = _choose(notebooks, lab)
    return Found(student, chosen, (f"{len(notebooks)} notebooks; graded {why}, {chosen.name}",))


def _choose(notebooks: list[Path], lab: str) -> tuple[Path, str]:
    for path in notebooks:
        if path.stem == lab:
            return path, "the one with the lab's name"
    named = [path for path in notebooks if lab in path.stem] or notebooks
    return max(named, key=lambda path: (path.stat().st_mtime_ns, path.name)), "the newest"


def _notebooks(folder: Path) -> list[Path]:
    if folder.is_symlink() or not folder.is_dir():
        return []
    files = (path for path in folder.iterdir() if path.suffix.lower() == ".ipynb" and _is_visible(path))
    return sorted(path for path in files if path.is_file())


def _is_visible(path: Path) -> bool:
    return not path.name.startswith((".", "~")) and not path.is_symlink()


def _decode(content: bytes) -> tuple[str, tuple[str, ...]]:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace"), ("the file was saved as UTF-16; it was converted",)
    mark = ("a byte order mark before the notebook was skipped",) if content.startswith(codecs.BOM_UTF8) else ()
    try:
        return content.decode("utf-8-sig"), mark
    except UnicodeDecodeError:
        return content.decode("utf-8-sig", "replace"), (*mark, "some characters were not UTF-8 and were replaced")


def _load_json(text: str, name: str) -> Any:
    if text.count("[") + text.count("{") > MAX_BRACKETS:
        raise UnreadableNotebook(f"{name} has far more in it than a notebook; clear its outputs and hand it in again")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        reason = f"not JSON from line {error.lineno} on"
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists in lists in lists
        reason = f"not JSON that can be read: {type(error).__name__}"
    raise UnreadableNotebook(f"{name} is not a Jupyter notebook ({reason}); hand in the .ipynb file itself")
