"""``qlab release``: a lab's zip is written only when the lab is proven, shows nothing it may not, and runs."""

from collections.abc import Callable, Mapping
from pathlib import Path

from autograder.build import build
from autograder.course import Course, CourseError
from autograder.demo import perfect_submission
from autograder.handout.bundle import make_bundle, unpacked
from autograder.handout.rehearsal import rehearse
from autograder.leaks import find_leaks
from autograder.results import write_atomically
from autograder.verify import verify

STEPS = ("generated files are up to date", "graders are proven", "nothing is given away", "it runs from its zip")


def release(
    course: Course, lab: str, out: Path, *, jobs: int = 2, on_step: Callable[[str], object] = lambda step: None
) -> Path:
    """Write the zip of ``lab`` into ``out``; ``on_step`` is told each step as it begins.

    Raises ``CourseError``, and writes nothing, when the lab's generated files are old, a grader is not proven,
    something secret is inside, or the solved notebook does not run from the zip in an empty environment.
    """
    require_proven(course, lab, jobs=jobs, on_step=on_step)
    on_step(STEPS[2])
    bundle = make_bundle(course, lab)
    files = unpacked(bundle.files)
    leaks = [*find_leaks(course, lab, files), *_secret_in(course, files)]
    refuse(lab, leaks, "take it out of what students get")
    on_step(STEPS[3])
    rehearse(bundle, perfect_submission(course, lab), lab)
    write_atomically(out / bundle.name, bundle.content)
    return out / bundle.name


def require_proven(course: Course, lab: str, *, jobs: int, on_step: Callable[[str], object]) -> None:
    """The first two steps of every release. Raises ``CourseError``."""
    course.lab(lab)
    on_step(STEPS[0])
    if changes := build(course, labs=[lab], check=True):
        raise CourseError(f"{lab} is not released, {changes[0]}: run `qlab build` and commit the result")
    on_step(STEPS[1])
    problems = [problem for proof in verify(course, [lab], jobs=jobs) for problem in proof.problems]
    refuse(lab, problems, f"run `qlab verify {lab}`")


def _secret_in(course: Course, files: Mapping[str, bytes]) -> list[str]:
    path = course.data / "secret"
    secret = path.read_bytes().strip() if path.is_file() else b""
    return [f"{name} holds the course's secret" for name, file in files.items() if secret and secret in file]


def refuse(lab: str, problems: list[str], remedy: str) -> None:
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise CourseError(f"{lab} is not released: {problems[0]}{more}; {remedy}")
