"""What comes out of the wrong implementations of a bank, on every case: the tensors by which a mistake is told."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from autograder.bank import Bank, sources
from autograder.course import Course
from autograder.notebooks import BuildError
from autograder.solution import named_tuples, repeatable, silent
from qlab_helpers.checking.call import SEED, TimeUp, time_limit
from qlab_helpers.checking.codec import Tensors, Tree, encode, rename_tensors
from qlab_helpers.checking.compare import judge
from qlab_helpers.checking.diagnosis import readable
from qlab_helpers.checking.drivers import apply
from qlab_helpers.checking.packing import raw_bytes
from qlab_helpers.checking.reference import Case, Item, Reference, Variant

LIMIT_S = 2.0  # a mistake that never ends is stored as one that nobody's outcome equals
PATIENCE = 60  # what is stored must not depend on how busy the machine is
Namespaces = dict[str, dict[str, Any]]  # of each misconception, by name


def add_mistakes(reference: Reference, course: Course, banks: Mapping[str, Bank], solution: Mapping[str, Any]) -> None:
    """Put hints and outcomes of all misconceptions into ``reference``."""
    for name, bank in banks.items():
        namespaces = wrong_namespaces(course, reference.lab, bank, solution)
        item = reference.items[name]
        cases = tuple(
            replace(
                case,
                variants=tuple(
                    replace(
                        variant,
                        wrong=wrong_outcomes(
                            reference, item, case, variant, namespaces, prefix=f"{name}/{case.name}/{number}/"
                        ),
                    )
                    for number, variant in enumerate(case.variants)
                ),
            )
            for case in item.cases
        )
        hints = {one.name: one.hint for one in bank.misconceptions}
        reference.items[name] = replace(item, cases=cases, misconceptions=hints)


def wrong_namespaces(course: Course, lab: str, bank: Bank, solution: Mapping[str, Any]) -> Namespaces:
    """The lab as it is when only this function is wrong. Raises ``BuildError`` for source that does not run."""
    found = {}
    for name, source in sources(course, lab, bank, bank.misconceptions).items():
        namespace = dict(solution)
        try:
            exec(compile(source, f"<{name}>", "exec"), namespace)
        except Exception as error:  # an author's code may raise anything
            place = f"autograder/mutants/{lab}: {name!r} of {bank.function}"
            raise BuildError(f"{place} does not run: {type(error).__name__}: {error}") from error
        found[name] = namespace
    return found


def wrong_outcomes(
    reference: Reference, item: Item, case: Case, variant: Variant, namespaces: Namespaces, *, prefix: str
) -> dict[str, Tree]:
    """By misconception, what a call gives; without those that pass. New tensors are put into the reference."""
    found: dict[str, Tree] = {}
    own: Tensors = {}
    for number, (name, namespace) in enumerate(namespaces.items()):
        arguments = reference.arguments(variant, types=named_tuples(namespace))
        try:
            result = _call(item, namespace[item.name], arguments)
        except (Exception, TimeUp) as error:  # noqa: BLE001  (that is what this mistake does)
            found[name] = {"raised": type(error).__name__}
            continue
        observed = {one: arguments[item.parameters.index(one)] for one in case.observe}
        if not judge(reference, item, case, variant, result, observed):
            found[name] = _stored(result, observed, f"{prefix}wrong.{number}.", own)
    reference.tensors.update(own)
    return found


def _call(item: Item, function: Any, arguments: tuple) -> Any:
    """As a check and the grader call it."""
    with repeatable(SEED), silent(), time_limit(LIMIT_S, patience=PATIENCE):
        return apply(item.driver, function, arguments)


def _stored(result: Any, observed: Mapping[str, Any], prefix: str, own: Tensors) -> Tree:
    tree, tensors = encode(readable(result), prefix=f"{prefix}result.")
    nodes = {}
    for name, value in observed.items():
        nodes[name], more = encode(value, prefix=f"{prefix}observed.{name}.")
        tensors.update(more)
    names = {key: _known(tensor, own) or key for key, tensor in tensors.items()}
    own.update({key: tensor for key, tensor in tensors.items() if names[key] == key})
    return rename_tensors({"result": tree, "observed": nodes}, names.__getitem__)


def _known(tensor: torch.Tensor, tensors: Tensors) -> str | None:
    """The key under which an equal tensor is stored already: many mistakes leave the same."""
    for key, other in tensors.items():
        if other.dtype == tensor.dtype and other.shape == tensor.shape and raw_bytes(other) == raw_bytes(tensor):
            return key
    return None
