"""Grading inside stock nbgrader: what the hidden block of a check cell calls in the student's own kernel.

It trusts that kernel, so it is for courses that cannot use ``qlab grade`` and for showing that both give an honest
submission the same score. It takes the first variant of each hidden case.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from autograder.course import Course, load_course
from autograder.solution import load_solution, silent
from qlab_helpers.checking.call import call, scope_of
from qlab_helpers.checking.compare import judge
from qlab_helpers.checking.reference import Case, Item, Reference, load_reference
from qlab_helpers.checking.scoring import score


def points(lab: str, name: str, namespace: Mapping[str, Any]) -> float:
    """Points of the item ``name``, whose function or answer is in ``namespace``: 0 for a missing or failing one.

    Whatever the cell has shown before is cleared: nbgrader takes any output to stderr, a mere warning, for a failure.
    """
    _clear_output()
    course = load_course()
    outcomes = []
    for folder in (course.visible_reference, course.hidden_reference):
        reference = load_reference(lab, folder)
        item = reference.items[name]
        for case in item.cases:
            outcomes.append(
                (case.weight, name in namespace and _passes(course, reference, item, case, namespace[name]))
            )
    return score(item.points, outcomes)


def _passes(course: Course, reference: Reference, item: Item, case: Case, value: Any) -> bool:
    variant = case.variants[0]
    if item.kind == "answer":
        return bool(judge(reference, item, case, variant, value, {}))
    if not callable(value):
        return False
    solution = load_solution(course, item.lab) if item.uses else {}
    with silent(), _replaced(value, {name: solution[name] for name in item.uses}):
        limit_s = course.limits_of(reference.lab).case_s
        made = call(value, reference, item, case, device=torch.device("cpu"), limit_s=limit_s)
    if made.outcome != "returned":
        return False
    return bool(judge(reference, item, case, variant, made.result, made.observed or {}))


@contextlib.contextmanager
def _replaced(function: Callable, helpers: Mapping[str, Callable]) -> Iterator[None]:
    """``function`` sees ``helpers`` in place of the student's functions of those names."""
    scope = scope_of(function)
    before = {name: scope[name] for name in helpers if name in scope}
    scope.update(helpers)
    try:
        yield
    finally:
        for name in helpers:
            scope.pop(name, None)
        scope.update(before)


def _clear_output() -> None:
    display = sys.modules.get("IPython.display")
    shell = sys.modules["IPython"].get_ipython() if display is not None else None
    if getattr(shell, "kernel", None) is not None:
        display.clear_output()
