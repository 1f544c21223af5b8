"""Has anything changed since the last build? Told from hashes alone, without importing what a build needs.

The stamp lies in the course's data folder, which git ignores: it says that these sources, built by this code with these
libraries, gave the files that are there. Any other byte anywhere makes a real build.
"""

import hashlib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from autograder.course import Course
from autograder.results import write_atomically

LIBRARIES = ("torch", "nbgrader", "nbconvert", "jupytext", "nbformat", "safetensors")


def is_fresh(course: Course) -> bool:
    """Is the course exactly as ``remember`` left it?"""
    try:
        return _path(course).read_text(encoding="utf-8").strip() == _stamp(course)
    except OSError:
        return False


def remember(course: Course) -> None:
    """Call it when everything that a build makes is up to date."""
    write_atomically(_path(course), _stamp(course) + "\n")


def _path(course: Course) -> Path:
    return course.data / "build-stamp"


def _stamp(course: Course) -> str:
    digest = hashlib.sha256(repr([(name, version(name)) for name in LIBRARIES]).encode())
    for path in _files(course):
        content = path.read_bytes()
        digest.update(f"{path} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _files(course: Course) -> Iterator[Path]:
    """Sources, what is made of them, and the code that makes it."""
    code = Path(__file__).parent
    yield course.root / "course.toml"
    for folder in sorted({course.root, code.parent}):
        for part in ("solutions", "autograder", "qlab_helpers"):
            yield from (path for path in sorted((folder / part).rglob("*.py")) if "__pycache__" not in path.parts)
    for lab in course.labs:
        yield from (path for path in (course.release(lab.name),) if path.is_file())
        for folder in (course.visible_reference, course.hidden_reference):
            yield from sorted(folder.glob(f"{lab.name}.*"))
    yield from sorted(course.hidden_reference.glob("manifest.json"))
