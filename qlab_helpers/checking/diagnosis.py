"""Which known mistake does a function make? Told from its outputs alone, beside those of the wrong implementations.

At build time every misconception of a function was run on every case, and what came out stands beside the expected
tensors. A function that gives the same on all cases has, as far as anyone can tell, that misconception. A wrong hint
is worse than none: where two fit equally well, nothing is said. Exceptions are compared by their type, which says
little: nothing is certain where every case raised one, and a likeness must show in values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from qlab_helpers.checking.codec import CodecError, Other, decode, encode
from qlab_helpers.checking.outputs import different, judge_output
from qlab_helpers.checking.reference import Item, Reference, Rule, Variant

#: "Looks like" a misconception: of the cases that either of them fails, at least so many come out the same.
SHARE = 2 / 3
LEAST = 2
UNREADABLE = Other("inconsistent layer")
UNCERTAIN = "This looks like a known mistake."


@dataclass(frozen=True)
class Outcome:
    """What a function made of one case: an exception's type, or a result and the observed arguments after the call."""

    raised: str = ""
    result: Any = None
    observed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """One case, and what a function made of it; no ``outcome`` when it did not come to an end."""

    reference: Reference
    variant: Variant
    passed: bool
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Diagnosis:
    """``certain``: all cases come out as with this misconception; else most of those that either fails."""

    name: str
    hint: str
    certain: bool

    @property
    def sentence(self) -> str:
        return self.hint if self.certain else f"{UNCERTAIN} {self.hint}"


def diagnose(item: Item, seen: Sequence[Seen], agreements: Sequence[frozenset[str]] = ()) -> Diagnosis | None:
    """None when every case passes, and when no misconception, or more than one, fits.

    ``agreements`` are those of each case, where they are known already; then no outcome is looked at.
    """
    if all(one.passed for one in seen):
        return None
    agreements = agreements or [agreement(item, one) for one in seen]
    matches = {name: [name in agrees for agrees in agreements] for name in item.misconceptions}
    exact = [name for name, agrees in matches.items() if all(agrees)]
    if exact:
        certain = not all(one.outcome and one.outcome.raised for one in seen)
        return Diagnosis(exact[0], item.misconceptions[exact[0]], certain) if len(exact) == 1 else None
    shares = {name: _share(name, seen, agrees) for name, agrees in matches.items()}
    best = max(shares.values(), default=0.0)
    nearest = [name for name, share in shares.items() if share == best]
    if best < SHARE or len(nearest) > 1:
        return None
    return Diagnosis(nearest[0], item.misconceptions[nearest[0]], False)


def agreement(item: Item, seen: Seen) -> frozenset[str]:
    """The misconceptions with which this one case comes out the same."""
    if seen.outcome is not None and not seen.passed:
        seen = replace(seen, outcome=replace(seen.outcome, result=readable(seen.outcome.result)))
    return frozenset(name for name in item.misconceptions if _matches(item, name, seen))


def _share(name: str, seen: Sequence[Seen], agrees: Sequence[bool]) -> float:
    """Of the cases that the function or the misconception fails, those that give the same values; 0 for too few."""
    failed = [
        same and not (one.outcome and one.outcome.raised)
        for one, same in zip(seen, agrees, strict=True)
        if not one.passed or name in one.variant.wrong
    ]
    return sum(failed) / len(failed) if sum(failed) >= LEAST else 0.0


def _matches(item: Item, name: str, seen: Seen) -> bool:
    tree = seen.variant.wrong.get(name)
    if tree is None or seen.passed or seen.outcome is None:
        return tree is None and seen.passed
    return alike(item, stored_outcome(tree, seen.reference), seen.outcome)


def stored_outcome(tree: Mapping[str, Any], reference: Reference) -> Outcome:
    """The outcome that a build has stored for a misconception, in a ``tree`` of this reference; read once."""
    if "raised" in tree:
        return Outcome(raised=tree["raised"])
    if id(tree) not in reference.outcomes:
        observed = {name: decode(node, reference.tensors) for name, node in tree["observed"].items()}
        reference.outcomes[id(tree)] = Outcome(result=decode(tree["result"], reference.tensors), observed=observed)
    return reference.outcomes[id(tree)]


def alike(item: Item, one: Outcome, other: Outcome) -> bool:
    """Do two outcomes show the same mistake? Values are compared as leniently as the rules compare with right ones.

    The second one's result is to be ``readable``.
    """
    if one.raised or other.raised:
        return one.raised == other.raised
    if item.judge == "codebook":
        return _same_codebook(item, one, other)
    if not _same_result(item.outputs, one.result, other.result):
        return False
    rule = item.outputs[0] if item.outputs else Rule("argument", rtol=1e-5, atol=1e-6)
    return all(_same_value(value, other.observed.get(name), rule) for name, value in one.observed.items())


def readable(value: Any) -> Any:
    """The value as it comes out of a message or a file; a layer that contradicts itself does not."""
    try:
        return decode(*encode(value))
    except CodecError:
        return UNREADABLE


def _same_result(rules: tuple[Rule, ...], one: Any, other: Any) -> bool:
    if len(rules) == 1 and not isinstance(one, tuple | list | torch.nn.Module):
        return _same_output(rules[0], one, other)
    pair = isinstance(one, tuple | list) and isinstance(other, tuple | list)
    if pair and len(one) == len(other) == len(rules):
        return all(map(_same_output, rules, one, other))
    return _same_value(one, other, rules[0] if rules else Rule("result"))


def _same_output(rule: Rule, one: Any, other: Any) -> bool:
    """By the lab's own rule, with the wrong value in the place of the expected one."""
    if rule.kind == "tensor" and isinstance(one, torch.Tensor):
        return bool(judge_output(replace(rule, dtype="expected" if rule.dtype else None), one, other))
    numbers = [_scalar(value) for value in (one, other)]
    if rule.kind in ("number", "integer") and None not in numbers:
        return bool(judge_output(replace(rule, kind="number"), *numbers))
    return _same_value(one, other, rule)


def _same_value(one: Any, other: Any, rule: Rule) -> bool:
    """Any two values: the same tree, and tensors of one shape and dtype with values as near as ``rule`` says."""
    (tree, tensors), (other_tree, others) = encode(one), encode(other)
    if _without_types(tree) != _without_types(other_tree) or tensors.keys() != others.keys():
        return False
    return all(_same_tensor(tensor, others[name], rule) for name, tensor in tensors.items())


def _same_tensor(one: torch.Tensor, other: torch.Tensor, rule: Rule) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return not different(one, other, rtol=rule.rtol, atol=rule.atol).any()


def _same_codebook(item: Item, one: Outcome, other: Outcome) -> bool:
    """The same decoded tensor and the same centroids, in any order; clusters may have other numbers."""
    rule, argument = Rule("codebook", rtol=1e-5, atol=1e-6), item.parameters[0]
    if not _same_value(one.observed.get(argument), other.observed.get(argument), rule):
        return False
    books = [value.result for value in (one, other)]
    if not all(isinstance(book, tuple | list) and len(book) == 2 for book in books):
        return _same_value(*books, rule)
    return all(_same_value(_in_order(a), _in_order(b), rule) for a, b in zip(*books, strict=True))


def _in_order(part: Any) -> Any:
    """Centroids sorted; of labels only how many times each occurs counts, since their numbers are arbitrary."""
    if not isinstance(part, torch.Tensor):
        return part
    flat = part.reshape(-1)
    return flat.sort().values if flat.is_floating_point() else flat.unique(return_counts=True)[1].sort().values


def _without_types(node: Any) -> Any:
    """The tree without what does not matter: the kind of a sequence, where a tensor comes from, a layer's mode."""
    if isinstance(node, list):
        return [_without_types(one) for one in node]
    if not isinstance(node, dict):
        return node
    for kind in ("namedtuple", "tuple", "list"):
        if kind in node:
            return _without_types(node["items"] if kind == "namedtuple" else node[kind])
    return {key: _without_types(value) for key, value in node.items() if key not in ("requires_grad", "training")}


def _scalar(value: Any) -> int | float | None:
    if isinstance(value, torch.Tensor) and value.dim() == 0:
        value = value.item()
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
