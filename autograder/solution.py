"""The solution of a lab as Python objects: the namespace that its source leaves behind when it has run."""

import contextlib
import hashlib
import io
import random
import sys
import types
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy
import torch

from autograder.course import Course
from autograder.notebooks import (
    BuildError,
    LabSource,
    SourceCell,
    parse_lab,
    read_lab,
    read_source,
    source_name,
)


def load_solution(course: Course, lab: str) -> dict[str, Any]:
    """Names defined by the solution and given cells of ``lab``, as a student has them after a full run.

    Check cells, the setup cell and cells tagged skip-execution do not run, so no data is loaded and nothing is trained.
    The source runs once in a process; do not change the dictionary. Raises ``BuildError`` for a cell that fails.
    """
    return _run(read_source(course, lab), lab, source_name(course, lab))


def points_of(course: Course, lab: str) -> LabSource:
    """The parsed source: ``items`` and ``written`` give points by name, in the order of the notebook."""
    return read_lab(course, lab)


def named_tuples(namespace: Mapping[str, Any]) -> dict[str, type]:
    """The named tuple classes that a namespace defines, for ``codec.decode``."""
    return {
        name: value
        for name, value in namespace.items()
        if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields")
    }


@contextlib.contextmanager
def repeatable(seed: int) -> Iterator[None]:
    """One thread and seeded generators inside; everything as it was afterwards."""
    threads, python, array = torch.get_num_threads(), random.getstate(), numpy.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.set_num_threads(1)  # the order of a sum depends on the number of threads
            torch.manual_seed(seed)
            random.seed(seed)
            numpy.random.seed(seed % 2**32)
            yield
    finally:
        torch.set_num_threads(threads)
        random.setstate(python)
        numpy.random.set_state(array)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Neither prints nor warnings come out."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


@cache
def _run(text: str, lab: str, place: str) -> dict[str, Any]:
    name = f"qlab_solution_{lab}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    module = types.ModuleType(name)
    sys.modules[name] = module  # dataclasses and type hints look their module up
    module.__dict__["display"] = lambda *values, **options: None
    with silent(), repeatable(0):
        for number, cell in parse_lab(text, lab=lab, place=place).solved_cells:
            _execute(cell, module.__dict__, f"{place}, cell {number}")
    return module.__dict__


def _execute(cell: SourceCell, namespace: dict[str, Any], place: str) -> None:
    # Magics and shell lines are for notebooks; a blank line in their place keeps the numbering of errors.
    lines = ["" if line.startswith(("%", "!")) else line for line in cell.source.splitlines()]
    try:
        exec(compile("\n".join(lines), f"<{place}>", "exec"), namespace)
    except Exception as error:  # an author's code may raise anything
        line = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
        raise BuildError(f"{place}{line} fails: {type(error).__name__}: {error}") from error
