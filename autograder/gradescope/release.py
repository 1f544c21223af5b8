"""``qlab release --gradescope``: a zip is written only when the lab is proven and the zip itself grades rightly."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from nbformat.v4 import writes_json

from autograder.course import Course
from autograder.demo import perfect_submission
from autograder.gradescope.pack import Package, make_package
from autograder.gradescope.rehearsal import Container
from autograder.handout.release import refuse, require_proven
from autograder.results import write_atomically


def release_autograder(
    course: Course,
    lab: str,
    out: Path,
    *,
    visibility: str = "visible",
    index: str = "",
    jobs: int = 2,
    on_step: Callable[[str], object] = lambda step: None,
) -> Path:
    """Write the zip for Gradescope into ``out``; ``on_step`` is told each step as it begins.

    Raises ``CourseError``, and writes nothing, when the lab's generated files are old, a grader is not proven, or the
    unpacked zip does not give the solution all points and the released notebook none.
    """
    require_proven(course, lab, jobs=jobs, on_step=on_step)
    on_step("the zip grades the solution and the released notebook")
    package = make_package(course, lab, visibility=visibility, index=index)
    refuse(lab, list(_rehearse(package, course, lab)), "run `qlab doctor`")
    write_atomically(out / package.name, package.content)
    (out / package.name).chmod(0o600)
    return out / package.name


def _rehearse(package: Package, course: Course, lab: str) -> Iterator[str]:
    """What is wrong with the zip first, if anything."""
    solved = writes_json(perfect_submission(course, lab)).encode()
    with tempfile.TemporaryDirectory(prefix="qlab-gradescope-") as made:
        container = Container(package.content, Path(made))
        for what, notebook, all_points in (
            ("the solution", solved, True),
            ("the released notebook", course.release(lab).read_bytes(), False),
        ):
            result, log = container.grade({f"{lab}.ipynb": notebook})
            top = sum(test["max_score"] for test in result.get("tests", ()))
            if "score" not in result:
                yield f"{what} is not graded: {result['output']} {log.strip()[-300:]}"
                return
            if result["score"] != (top if all_points else 0):
                yield f"{what} gets {result['score']:g} of {top:g} points from the zip"
