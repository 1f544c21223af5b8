"""The one step that a class is graded by: a submission that was found, in; its record and its pages, out.

A bench has all that this takes, its own warm template among it, and writes nothing. So it may stand anywhere: in the
process that writes, in another one beside it, or on another machine; what comes back is the same, byte for byte.
"""

import gc
import hashlib
import socket
import time
import traceback
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from autograder import sandbox
from autograder.course import Course, CourseError
from autograder.grade import Graded, empty_record, grade_opened, open_submission, problem_record
from autograder.materials import load_materials
from autograder.pages import Pages, make_pages
from autograder.results import Record
from autograder.submissions import Found, UnreadableNotebook

GARBAGE = (20_000, 20, 20)  # looked for so seldom, once a few submissions


@dataclass(frozen=True)
class Assignment:
    """What a bench is to grade. ``with_pages``: what is published is made there too."""

    course: Course
    lab: str
    sandboxed: bool = True
    with_pages: bool = False
    fingerprint: str = ""  # of lab and secret; "" is any


@dataclass(frozen=True)
class Done:
    """``fault`` is the traceback of an error of ours. With ``pages`` the graded notebook is not there any more."""

    graded: Graded
    pages: Pages | None = None
    seconds: float = 0.0
    fault: str = ""


class Bench:
    """Use as a context manager. ``finish`` may be called from several threads."""

    def __init__(
        self, assignment: Assignment, *, template: sandbox.Template | None = None, line: socket.socket | None = None
    ) -> None:
        """``template`` is one that runs already; it is not ended then. Else ``line`` may lead to a nursery."""
        self.assignment = assignment
        self._template = template
        self._line = line

    def __enter__(self) -> Self:
        """Raises ``CourseError`` when this machine has another lab or secret, or none, or cannot contain anything."""
        wanted = self.assignment
        self.materials = load_materials(wanted.course, wanted.lab)
        found = fingerprint(self.materials.lab_hash, self.materials.secret)
        if wanted.fingerprint not in ("", found):
            raise CourseError(
                f"{wanted.course.root} is not the same on all machines: let it be one folder that they share, or copy"
                f" it with {wanted.course.data} and run `qlab build` there"
            )
        with ExitStack() as opened:
            made = self._template or opened.enter_context(
                sandbox.Template(wanted.course.limits_of(wanted.lab), sandboxed=wanted.sandboxed, line=self._line)
            )
            self.template, self._opened = made, opened.pop_all()
        # All that has been imported and read stays: looking it through for garbage, again and again, would take nearly
        # half of this process's time; and what is remembered, a sixth.
        self._garbage = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GARBAGE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        gc.set_threshold(*self._garbage)
        gc.unfreeze()
        self._opened.__exit__(kind, error, trace)

    def finish(self, found: Found, earlier: Record | None) -> Done:
        """Never raises: an error of ours gives a record that is not graded, and the traceback."""
        start = time.monotonic()
        try:
            done = self._with_pages(self._grade(found, earlier))
        except Exception as error:  # noqa: BLE001  (one submission may not stop a class, whatever is wrong in ours)
            done = self.give_up(found, type(error).__name__, traceback.format_exc())
        return replace(done, seconds=time.monotonic() - start)

    def give_up(self, found: Found, reason: str, fault: str) -> Done:
        """For a submission that could not be graded for a reason that is ours."""
        problem = f"could not be graded by a fault of the grader ({reason}); please report it"
        record = problem_record(found, self.materials, problem, template=self.template)
        return replace(self._with_pages(Graded(found, record, None)), fault=fault)

    def _with_pages(self, graded: Graded) -> Done:
        if not self.assignment.with_pages:
            return Done(graded)
        title = self.assignment.course.lab(self.assignment.lab).title
        pages = make_pages(graded.record, graded.notebook, lab_title=title)
        # Without the notebook, of which all that is needed has been made: it need not travel.
        return Done(replace(graded, notebook=None), pages)

    def _grade(self, found: Found, earlier: Record | None) -> Graded:
        try:
            opened = open_submission(found, self.materials)
        except UnreadableNotebook as error:
            return Graded(found, problem_record(found, self.materials, str(error), template=self.template), None)
        found = opened.found  # an older attempt, where the newest cannot be graded
        if earlier is not None:
            expected = empty_record(found, self.materials, template=self.template)
            if _is_current(earlier, replace(expected, submission_hash=opened.submission_hash)):
                return Graded(found, earlier, opened.repaired.notebook, fresh=False)
        return grade_opened(opened, materials=self.materials, template=self.template, earlier=earlier)


def fingerprint(lab_hash: str, secret: bytes) -> str:
    """Tells whether two machines grade by the same; it does not reveal the secret."""
    return hashlib.sha256(lab_hash.encode() + hashlib.sha256(secret).digest()).hexdigest()


def _is_current(known: Record, expected: Record) -> bool:
    """Whether grading again would give the same. What was not graded is tried again."""
    if not known.graded or known.needs_attention:
        return False
    same = ("student", "lab", "file", "submission_hash", "lab_hash", "draw", "environment")
    return all(getattr(known, name) == getattr(expected, name) for name in same)
