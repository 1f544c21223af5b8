"""course.toml as frozen dataclasses, and every path of a course in one place."""

import os
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path


class CourseError(RuntimeError):
    """Something the user can mend; the message says what and how."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use."""

    cell_s: float = 30.0
    case_s: float = 3.0
    notebook_s: float = 120.0
    memory_mib: int = 4096
    output_mib: int = 64
    processes: int = 64


@dataclass(frozen=True)
class Lab:
    name: str  # "lab1_kmeans"
    title: str
    limits: Mapping[str, float] = field(default_factory=dict)  # those that differ from the course's


@dataclass(frozen=True)
class Course:
    """A checked-out course. ``root`` holds course.toml; what grading writes goes under ``data``."""

    id: str
    title: str
    repository: str
    tag: str
    limits: Limits
    labs: tuple[Lab, ...]
    root: Path
    data: Path  # nbgrader's folders and gradebook, the course secret; ignored by git

    def lab(self, name: str) -> Lab:
        for lab in self.labs:
            if lab.name == name:
                return lab
        known = ", ".join(lab.name for lab in self.labs)
        raise CourseError(f"unknown lab {name!r}; course.toml lists: {known}")

    def limits_of(self, lab: str) -> Limits:
        return replace(self.limits, **self.lab(lab).limits)

    def solution(self, lab: str) -> Path:
        return self.root / "solutions" / lab / f"{lab}.py"

    def release(self, lab: str) -> Path:
        return self.root / "notebooks" / lab / f"{lab}.ipynb"

    def source(self, lab: str) -> Path:
        return self.data / "source" / lab / f"{lab}.ipynb"

    def autograded(self, student: str, lab: str) -> Path:
        return self.data / "autograded" / student / lab / f"{lab}.ipynb"

    @property
    def hidden_reference(self) -> Path:
        return self.root / "autograder" / "reference"

    @property
    def visible_reference(self) -> Path:
        return self.root / "qlab_helpers" / "reference"

    @property
    def gradebook_url(self) -> str:
        return f"sqlite:///{(self.data / 'gradebook.db').as_posix()}"

    def secret(self) -> bytes:
        """The key that draws each student's hidden cases; made once, never committed."""
        path = self.data / "secret"
        if not path.exists():
            self.data.mkdir(parents=True, exist_ok=True)
            draft = self.data / f"secret.{os.getpid()}"
            draft.write_text(secrets.token_hex(32))
            draft.chmod(0o600)
            try:
                os.link(draft, path)  # fails if another process was first: then theirs is the secret
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text().strip().encode()


def load_course(start: Path | None = None, *, data: Path | None = None) -> Course:
    """The course whose course.toml is in ``start`` or above it (default: the working directory, then this checkout).

    ``data`` moves everything that grading writes (default ``<root>/course``). Raises ``CourseError``.
    """
    root = _find_root(start)
    try:
        content = tomllib.loads((root / "course.toml").read_text())
        about = content["course"]
        course = Course(
            id=about["id"],
            title=about["title"],
            repository=about["repository"],
            tag=about["tag"],
            limits=Limits(**content.get("limits", {})),
            labs=tuple(Lab(**lab) for lab in content["labs"]),
            root=root,
            data=(data or root / "course").resolve(),
        )
        for lab in course.labs:
            course.limits_of(lab.name)  # a TypeError for one that there is not
        return course
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise CourseError(f"{root / 'course.toml'} is not a course registry: {error}") from error


def _find_root(start: Path | None) -> Path:
    begin = (start or Path.cwd()).resolve()
    for folder in (begin, *begin.parents):
        if (folder / "course.toml").is_file():
            return folder
    checkout = Path(__file__).resolve().parent.parent
    if start is None and (checkout / "course.toml").is_file():
        return checkout
    raise CourseError(f"no course.toml in {begin} or above it; run this inside the course's folder")
