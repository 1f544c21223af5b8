"""Everything that is generated from a lab: the released notebook and the reference tensors of its cases.

The same course gives the same bytes every time, so ``build(course, check=True)`` can tell what is out of date.
"""

import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import nbformat
import torch

from autograder.authoring import load_recipes, make_references
from autograder.bank import load_bank
from autograder.course import Course
from autograder.drift import Change, Generated, is_current, write
from autograder.manifest import manifest_entry, manifest_path, read_manifest
from autograder.mistakes import add_mistakes
from autograder.notebooks import (
    BEGIN,
    END,
    BuildError,
    LabSource,
    read_lab,
    source_name,
    source_notebook,
    write_source_notebook,
)
from autograder.release import release
from autograder.solution import load_solution
from qlab_helpers.checking.reference import Reference, load_reference, save_reference

__all__ = ["BuildError", "Change", "build"]


def build(course: Course, *, labs: Sequence[str] | None = None, check: bool = False, jobs: int = 1) -> list[Change]:
    """Make what ``labs`` generate (default: all) and return what was not up to date; ``check`` only looks.

    ``jobs`` labs at a time, each in a process of its own. Raises ``BuildError`` when a lab's source, cases and solution
    do not agree, before anything is written.
    """
    names = [course.lab(name).name for name in labs or [lab.name for lab in course.labs]]
    files = [file for generated in _generate_all(course, names, jobs) for file in generated]
    _check_names_are_unique(course)
    files.append(_manifest(course, names))
    changes = []
    for file in files:
        if is_current(file):
            continue
        if not check:
            write(file)
            load_reference.cache_clear()
        changes.append(Change(file.path.relative_to(course.root).as_posix(), file.made_from, written=not check))
    for name in () if check else names:
        write_source_notebook(course, name)
    return changes


def _generate_all(course: Course, labs: Sequence[str], jobs: int) -> list[list[Generated]]:
    jobs = min(jobs, len(labs))
    if jobs < 2:
        return [_generate(course, lab) for lab in labs]
    # A fork would inherit torch's threads but not what they hold.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,))
    try:  # the last labs first: they take longest
        return list(pool.map(_generate, repeat(course), labs[::-1]))[::-1]
    except BrokenProcessPool as error:
        raise BuildError("a process that builds has ended, as for want of memory: build one lab at a time") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _generate(course: Course, lab: str) -> list[Generated]:
    source = read_lab(course, lab)
    made_from = source_name(course, lab)
    cases = _made_from(course, lab)
    notebook = source_notebook(course, lab)
    released = release(notebook, lab)
    check_no_solution(source, released)
    solution, banks = load_solution(course, lab), load_bank(course, lab)
    visible, hidden = make_references(source, load_recipes(course, lab), solution)
    for reference in (visible, hidden):
        add_mistakes(reference, course, banks, solution)
    return [
        Generated(course.release(lab), released.encode(), made_from),
        *_reference_files(visible, course.visible_reference, cases),
        *_reference_files(hidden, course.hidden_reference, cases),
    ]


def solution_lines(source: LabSource) -> set[str]:
    """The lines between the markers of a lab's solutions, stripped."""
    return _divided(source)[0]


def given_lines(source: LabSource) -> set[str]:
    """The lines of a lab that students get."""
    return _divided(source)[1]


def _divided(source: LabSource) -> tuple[set[str], set[str]]:
    solution, given = set(), set()
    for cell in source.cells:
        inside = False
        for line in map(str.strip, cell.source.splitlines()):
            inside = (inside or line == BEGIN) and line != END
            (solution if inside else given).add(line)
    return solution - {BEGIN}, given


def check_no_solution(source: LabSource, released: str) -> None:
    """Raise ``BuildError`` if the release shows a line of a solution that is not also given elsewhere in the lab."""
    solution, given = _divided(source)
    shown = {line.strip() for cell in nbformat.reads(released, as_version=4).cells for line in cell.source.splitlines()}
    leaked = [line for line in sorted(solution) if _stands_in(line, shown) and not _stands_in(line, given)]
    if leaked or "HIDDEN TESTS" in released:
        line = leaked[0] if leaked else "### BEGIN HIDDEN TESTS"
        raise BuildError(f"the released notebook of {source.lab} shows a line that students may not see: {line}")


def _stands_in(line: str, lines: set[str]) -> bool:
    """As a line of its own, or, if it is long enough to be telling, as part of another."""
    return line in lines or (len(line) >= 20 and any(line in other for other in lines))


def _reference_files(reference: Reference, folder: Path, made_from: str) -> list[Generated]:
    with tempfile.TemporaryDirectory(prefix="qlab-reference-") as draft:
        paths = save_reference(reference, Path(draft))
        return [Generated(folder / path.name, path.read_bytes(), made_from) for path in paths]


def _manifest(course: Course, built: Sequence[str]) -> Generated:
    known = {lab.name for lab in course.labs}
    before = {name: entry for name, entry in read_manifest(course).items() if name in known}
    entries = before | {name: manifest_entry(course, name) for name in built}
    changed = [name for name in built if entries[name] != before.get(name)] or built
    content = json.dumps(entries, indent=1, sort_keys=True) + "\n"
    return Generated(manifest_path(course), content.encode(), ", ".join(_made_from(course, name) for name in changed))


def _made_from(course: Course, lab: str) -> str:
    return f"{source_name(course, lab)} with autograder/cases/{lab}"


def _check_names_are_unique(course: Course) -> None:
    """A check finds its item by name alone, in whichever lab has it."""
    owner: dict[str, str] = {}
    for lab in course.labs:
        if not course.solution(lab.name).is_file():
            continue
        for name in read_lab(course, lab.name).items:
            if name in owner:
                raise BuildError(f"both {owner[name]} and {lab.name} check {name!r}; call one of them something else")
            owner[name] = lab.name
