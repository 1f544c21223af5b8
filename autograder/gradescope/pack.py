"""The autograder zip of a lab for Gradescope: what grading needs, answers included, so for the staff alone.

At the root stand setup.sh and run_autograder, as Gradescope's specification wants it. ``code/`` are the two packages
without any reference tensor: setup.sh copies them to where a submission may read them. ``course/`` is the lab with its
answers and the course's secret, which only root may read there.
"""

import hashlib
import importlib.metadata
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import autograder
import qlab_helpers
from autograder.course import Course, CourseError
from autograder.gradescope.answer import no_answer
from autograder.handout.bundle import MANIFEST, TEMPLATES, zipped
from autograder.leaks import STAFF_ONLY

EXECUTABLE = ("setup.sh", "run_autograder")
UNFINISHED = (
    "the autograder ended before it had finished, perhaps for want of time or memory; the staff have to see to it"
)


@dataclass(frozen=True)
class Package:
    name: str
    content: bytes


def make_package(course: Course, lab: str, *, visibility: str = "visible", index: str = "") -> Package:
    """The zip, the same bytes for the same course and environment. ``index``: another package index for setup.sh.

    Raises ``CourseError`` if the lab was not built.
    """
    title = course.lab(lab).title
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, autoescape=False
    )  # Markdown
    readme = environment.get_template("gradescope_readme.md.j2")
    files = {
        "setup.sh": (TEMPLATES / "gradescope_setup.sh").read_bytes(),
        "run_autograder": (TEMPLATES / "gradescope_run_autograder.sh").read_bytes(),
        "requirements.txt": "".join(f"{line}\n" for line in _requirements(index)).encode(),
        "settings.json": _json({"lab": lab, "version": course.tag, "visibility": visibility}),
        "unfinished.json": _json(no_answer(UNFINISHED)),
        "README.md": readme.render(course=course, lab=lab, title=title).encode(),
        **_packages(),
        **_lab(course, lab),
    }
    files[MANIFEST] = _json({name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)})
    return Package(f"{lab}-{course.tag}-gradescope-staff-only.zip", zipped(files, executable=EXECUTABLE))


def _packages() -> dict[str, bytes]:
    found = {}
    for package in (qlab_helpers, autograder):
        root = Path(str(package.__file__)).resolve().parent
        for path in sorted(root.rglob("*")):
            name = f"{root.name}/{path.relative_to(root).as_posix()}"
            hidden = name.startswith((*STAFF_ONLY, "qlab_helpers/reference/")) or "__pycache__" in name
            if path.is_file() and not hidden:
                found[f"code/{name}"] = path.read_bytes()
    return found


def _lab(course: Course, lab: str) -> dict[str, bytes]:
    """The part of the course that grading reads."""
    references = [
        folder / f"{lab}{suffix}"
        for folder in (course.visible_reference, course.hidden_reference)
        for suffix in (".json", ".safetensors")
    ]
    paths = [course.root / "course.toml", course.release(lab), course.solution(lab), *references]
    if missing := [path.name for path in paths if not path.is_file()]:
        raise CourseError(f"{lab} has no {', '.join(missing)} yet: run `qlab build`")
    files = {f"course/{path.relative_to(course.root).as_posix()}": path.read_bytes() for path in paths}
    return files | {"course/course/secret": course.secret() + b"\n"}


def _requirements(index: str) -> Iterator[str]:
    """What qlab requires for students and for grading, in the versions that are installed here."""
    if index:
        yield f"--extra-index-url {index}"
    checkout = Path(str(autograder.__file__)).resolve().parent.parent
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for requirement in (*project["dependencies"], *project["optional-dependencies"]["grader"]):
        name = re.split(r"[^A-Za-z0-9._-]", requirement)[0]
        yield f"{name}=={importlib.metadata.version(name).partition('+')[0]}"  # +cpu is no version of another machine


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()
