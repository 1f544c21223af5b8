"""Is what a function returned right? The notebook's ``check`` and the grader both ask here.

What is compared may come from a hostile process, so no type, shape, dtype or value of it is taken for granted, nothing
here raises for an odd one, and every message is bounded.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from qlab_helpers.checking.codebooks import judge_codebook
from qlab_helpers.checking.codec import LAYERS, CodecError, Other, decode, encode
from qlab_helpers.checking.outputs import different, judge_output, judge_tensor
from qlab_helpers.checking.reference import Case, Item, Reference, Rule, Variant
from qlab_helpers.checking.values import describe, dtype_name, short
from qlab_helpers.checking.verdict import Verdict, right, wrong

#: For arguments that a function which returns nothing must change: wide enough for any order of summation.
CHANGED = Rule("argument", rtol=1e-5, atol=1e-6)


def judge(
    reference: Reference, item: Item, case: Case, variant: Variant, got: Any, observed: Mapping[str, Any]
) -> Verdict:
    """Judge a stored case. ``observed`` holds, after the call, the arguments that ``case.observe`` names."""
    return compare(
        item,
        case,
        reference.arguments(variant),
        reference.expected(variant),
        reference.observed(variant),
        got,
        observed,
    )


def compare(
    item: Item,
    case: Case,
    arguments: tuple,
    expected: Any,
    expected_observed: Mapping[str, Any],
    got: Any,
    observed: Mapping[str, Any],
) -> Verdict:
    """The same with decoded values; ``arguments`` are those before the call.

    Raises ``ValueError`` when ``item.judge`` names no judge, which is an author's mistake.
    """
    got = _normal(got)
    observed = {name: _normal(observed.get(name)) for name in case.observe}
    if item.judge == "codebook":
        return judge_codebook(item.outputs, arguments, expected, got, observed.get(item.parameters[0]))
    if item.judge == "layer":
        verdict = _judge_layer(item.outputs, expected, got)
    elif item.judge == "values":
        verdict = _judge_values(item, expected, got)
    else:
        raise ValueError(f'{item.name} has the judge {item.judge!r}; there are "values", "codebook" and "layer"')
    for name in case.observe if verdict else ():
        before = arguments[item.parameters.index(name)]
        found = _judge_argument(name, before, expected_observed.get(name), observed[name], _tolerance(item))
        if not found or not item.outputs:  # of a function that returns nothing, the argument is what is shown
            verdict = found
        if not found:
            break
    return verdict


def _normal(value: Any) -> Any:
    """The value as it arrives from another process, wherever it comes from: plain, on the CPU, a copy."""
    if isinstance(value, Other):
        return value
    try:
        return decode(*encode(value))
    except CodecError:  # a layer whose parameters do not fit its options, say
        return Other(f"inconsistent {type(value).__name__}")


def _judge_values(item: Item, expected: Any, got: Any) -> Verdict:
    rules = item.outputs
    if not rules:
        return right()
    if got is None:
        return wrong("the function returns nothing (None)", expected=expected)
    if len(rules) == 1:
        return judge_output(rules[0], expected, got, item.choices)
    names = ", ".join(rule.name for rule in rules)
    if not isinstance(got, tuple | list) or len(got) != len(rules):
        return wrong(f"expected {len(rules)} values ({names}), got {describe(got)}", expected=expected, got=got)
    verdicts = [judge_output(rule, one, other) for rule, one, other in zip(rules, expected, got, strict=True)]
    return next((verdict for verdict in verdicts if not verdict), verdicts[0])


def _judge_layer(rules: tuple[Rule, ...], expected: nn.Module, got: Any) -> Verdict:
    """The first rule is for the weight, the last one for all else that the layer holds."""
    kind = type(expected).__name__
    if type(got) is not type(expected):
        return wrong(f"expected a {kind} layer, got {describe(got)}")
    for option in LAYERS[kind][1]:
        one, other = getattr(expected, option), getattr(got, option)
        if not _same_option(one, other):
            return wrong(f"the layer has the wrong {option}", f"{option}: expected {short(one)}, got {short(other)}")
    wanted, state = expected.state_dict(), got.state_dict()
    if missing := sorted(wanted.keys() - state.keys()):
        return wrong(f"the layer has no {missing[0]}")
    if surplus := sorted(state.keys() - wanted.keys()):
        return wrong(f"the layer should have no {surplus[0]}")
    verdicts = [
        judge_tensor(_renamed(rules[0] if name == "weight" else rules[-1], name), wanted[name], state[name])
        for name in wanted
    ]
    return next((verdict for verdict in verdicts if not verdict), verdicts[0])


def _judge_argument(name: str, before: Any, expected: Any, got: Any, rule: Rule) -> Verdict:
    """An argument after the call. What should not change must be the same to the bit; named tuples go by position."""
    if isinstance(expected, tuple | list) and isinstance(got, tuple | list) and len(expected) == len(got):
        fields = getattr(expected, "_fields", range(len(expected)))
        for field, *parts in zip(fields, before, expected, got, strict=True):
            label = f"{name}.{field}" if isinstance(field, str) else f"{name}[{field}]"
            if not (verdict := _judge_argument(label, *parts, rule)):
                return verdict
        return right(expected=expected, got=got)
    if isinstance(expected, nn.Module) and type(got) is type(expected):
        states = [layer.state_dict() for layer in (before, expected, got)]
        names = [list(state) for state in states]
        if names[1] == names[2]:
            parts = [tuple(state.get(key) for key in names[1]) for state in states]
            labels = [f"{name}.{key}" for key in names[1]]
            verdicts = [_judge_argument(label, *three, rule) for label, *three in zip(labels, *parts, strict=True)]
            return next((verdict for verdict in verdicts if not verdict), right())
        return wrong(f"the argument {name} has other parameters after the call")
    if not isinstance(expected, torch.Tensor):
        same = type(expected) is type(got) and (expected == got or _both_nan(expected, got))
        return right() if same else wrong(f"the argument {name} has the wrong value after the call")
    if not isinstance(got, torch.Tensor):
        return wrong(f"the argument {name} must still be a tensor after the call, and is {describe(got)}")
    exact = Rule(f"the argument {name} after the call", dtype=dtype_name(expected))
    unchanged = isinstance(before, torch.Tensor) and _identical(before, expected)
    if unchanged and not _identical(expected, got):
        verdict = judge_tensor(exact, expected, got)
        message = f"the argument {name} must not be modified"
        return Verdict(False, message, "", verdict.first_difference, verdict.differs, expected, got)
    if not unchanged and isinstance(before, torch.Tensor) and _identical(before, got):
        verdict = judge_tensor(exact, expected, got)
        message = f"the argument {name} must be changed in place, and was left as it was"
        return Verdict(False, message, "", verdict.first_difference, verdict.differs, expected, got)
    return judge_tensor(Rule(exact.name, "tensor", exact.dtype, rule.rtol, rule.atol), expected, got)


def _same_option(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same_option, one, other))
    return type(one) is type(other) and isinstance(one, int | float | str) and one == other


def _tolerance(item: Item) -> Rule:
    return item.outputs[0] if item.outputs else CHANGED


def _renamed(rule: Rule, name: str) -> Rule:
    return Rule(name, "tensor", rule.dtype, rule.rtol, rule.atol, rule.flat)


def _both_nan(one: Any, other: Any) -> bool:
    return isinstance(one, float) and math.isnan(one) and math.isnan(other)


def _identical(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and not different(one, other).any()
