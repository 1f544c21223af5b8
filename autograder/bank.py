"""What proves a grader: wrong implementations with the hint each deserves, and right ones written differently.

``autograder/mutants/<lab>`` defines ``BANK``, a tuple of ``Bank``, one for each graded function. An implementation is
the text of a student's cell: the lab's solution with a few words exchanged (``wrong("...", "...", (old, new))``), or
written out (``wrong("...", "...", '''def ...''')``). Nobody who only has the package gets these files.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from textwrap import dedent

from autograder.authoring import load_recipes, module_of
from autograder.course import Course
from autograder.notebooks import BEGIN, END, BuildError, LabSource, read_lab

Change = tuple[str, str]  # a part of the solution's text that occurs once, and what stands there instead


@dataclass(frozen=True)
class Implementation:
    """``hint`` is the sentence that a student reads whose function does the same; "" for a right one."""

    name: str
    changes: tuple[Change, ...] = ()
    source: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Bank:
    """``equivalent`` are automatic mutants that no case can tell from the solution, by name, with the reason."""

    function: str
    misconceptions: tuple[Implementation, ...]
    alternatives: tuple[Implementation, ...]
    equivalent: Mapping[str, str] = field(default_factory=dict)


def wrong(name: str, hint: str, *how: Change | str) -> Implementation:
    """A misconception: ``how`` is one whole source, or changes of the solution."""
    return _implementation(name, hint, how)


def right(name: str, *how: Change | str) -> Implementation:
    """A valid alternative, in the same notation."""
    return _implementation(name, "", how)


def load_bank(course: Course, lab: str) -> dict[str, Bank]:
    """By function; empty for a lab without a bank. Raises ``BuildError`` where names repeat or are unknown."""
    banks = module_of(course, "mutants", lab, "BANK")
    place = f"autograder/mutants/{lab}"
    functions = {recipe.name for recipe in load_recipes(course, lab) if recipe.kind == "function"}
    for bank in banks:
        if bank.function not in functions:
            raise BuildError(f"{place} has a bank for {bank.function!r}, which is no graded function of the lab")
        names = [one.name for one in (*bank.misconceptions, *bank.alternatives)]
        if repeated := [name for name in names if names.count(name) > 1]:
            raise BuildError(f"{place}: {bank.function} has two implementations called {repeated[0]!r}")
        if silent := [one.name for one in bank.misconceptions if not one.hint]:
            raise BuildError(f"{place}: {silent[0]!r} of {bank.function} has no hint; say what the student should do")
    return {bank.function: bank for bank in banks}


def solution_text(lab: LabSource, function: str) -> str:
    """The cell of the solution, without its markers."""
    cell = next(cell for cell in lab.cells if cell.role == "solution" and cell.name == function)
    return "\n".join(line for line in cell.source.splitlines() if line.strip() not in (BEGIN, END)) + "\n"


def source_of(implementation: Implementation, solution: str, *, place: str) -> str:
    """The whole cell. Raises ``BuildError`` when a change does not fit the solution exactly once."""
    if implementation.source:
        return implementation.source
    text = solution
    for old, new in implementation.changes:
        if text.count(old) != 1:
            found = "not in" if old not in text else f"{text.count(old)} times in"
            raise BuildError(f"{place}: {implementation.name!r} changes {old!r}, which is {found} the solution")
        text = text.replace(old, new)
    return text


def sources(course: Course, lab: str, bank: Bank, implementations: Iterable[Implementation]) -> dict[str, str]:
    """The cells of implementations of one function, by name."""
    solution = solution_text(read_lab(course, lab), bank.function)
    place = f"autograder/mutants/{lab}, {bank.function}"
    return {one.name: source_of(one, solution, place=place) for one in implementations}


def _implementation(name: str, hint: str, how: tuple[Change | str, ...]) -> Implementation:
    if len(how) == 1 and isinstance(how[0], str):
        return Implementation(name, source=dedent(how[0]).strip() + "\n", hint=hint)
    return Implementation(name, changes=tuple(how), hint=hint)
