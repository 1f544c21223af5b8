"""What the trusted side holds while it grades one lab: the released notebook, the cases, the solution, the secret."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder.course import Course, CourseError, Limits
from autograder.fingerprint import hash_item
from autograder.matching import read_slots
from autograder.messages import count_values, own_message
from autograder.notebooks import read_lab
from autograder.remembered import Remembered
from autograder.solution import load_solution
from qlab_helpers.checking.reference import Case, Item, Reference, load_reference


@dataclass(frozen=True)
class StoredCase:
    """A case, the reference that holds its tensors, and for each variant the arguments as the sandbox gets them."""

    case: Case
    reference: Reference
    messages: tuple[bytes, ...]


@dataclass(frozen=True)
class Materials:
    course: Course
    lab: str
    release: NotebookNode
    items: Mapping[str, Item]  # in the order of the notebook
    cases: Mapping[str, tuple[StoredCase, ...]]  # by item, visible ones first
    written: Mapping[str, float]  # points of the questions that people grade
    solution: Mapping[str, Any]
    largest_case: int  # values in all tensors of the arguments of one case
    lab_hash: str
    item_hashes: Mapping[str, str]  # of what decides each item alone
    secret: bytes
    # Of this lab: verdicts and the solution's answers. Not of another one made by ``replace``, which begins anew.
    remembered: Remembered = field(default_factory=Remembered, init=False, repr=False, compare=False)

    @cached_property
    def limits(self) -> Limits:
        return self.course.limits_of(self.lab)


def load_materials(course: Course, lab: str) -> Materials:
    """Raises ``CourseError`` or ``ReferenceMissing`` when the lab is unknown or not built."""
    course.lab(lab)
    folders = (course.visible_reference, course.hidden_reference)
    # Read anew, not from the cache of load_reference: the course may have been built again since.
    references = [load_reference.__wrapped__(lab, folder) for folder in folders]
    release = _read_release(course, lab)
    slots = read_slots(release)
    source = read_lab(course, lab)
    items, cases, hashes = {}, {}, {}
    for name in (slot.item for slot in slots if slot.role == "check"):
        holders = [reference for reference in references if name in reference.items]
        if not holders:
            raise CourseError(f"{lab} checks {name!r}, which has no cases; run `qlab build`")
        items[name] = holders[0].items[name]
        cases[name] = tuple(_store(case, holder) for holder in holders for case in holder.items[name].cases)
        hashes[name] = hash_item(name, holders, source)
    all_cases = [one for stored in cases.values() for one in stored]
    return Materials(
        course=course,
        lab=lab,
        release=release,
        items=items,
        cases=cases,
        written={slot.grade_id: float(slot.cell.metadata.nbgrader.points) for slot in slots if slot.role == "written"},
        solution=load_solution(course, lab),
        largest_case=max((count_values(message) for one in all_cases for message in one.messages), default=0),
        lab_hash=hash_lab(course, lab),
        item_hashes=hashes,
        secret=course.secret(),
    )


def _read_release(course: Course, lab: str) -> NotebookNode:
    try:
        return nbformat.read(course.release(lab), as_version=4)
    except FileNotFoundError as error:
        raise CourseError(f"there is no released notebook of {lab}; run `qlab build`") from error


def _store(case: Case, reference: Reference) -> StoredCase:
    return StoredCase(case, reference, tuple(own_message(variant.args, reference.tensors) for variant in case.variants))


def hash_lab(course: Course, lab: str) -> str:
    """Of everything that decides a grade: the released notebook, the solution and both references."""
    digest = hashlib.sha256()
    for path in (
        course.release(lab),
        course.solution(lab),  # it answers for the functions that others use
        *_reference_files(course.visible_reference, lab),
        *_reference_files(course.hidden_reference, lab),
    ):
        content = path.read_bytes()
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


def _reference_files(folder: Path, lab: str) -> tuple[Path, Path]:
    return folder / f"{lab}.json", folder / f"{lab}.safetensors"
