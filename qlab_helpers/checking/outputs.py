"""Comparing one output with the expected one, by its rule.

Equal means: integers and exact rules to the bit; floats within ``atol + rtol * |expected|``; NaN only where NaN is
expected, an infinity only where that infinity is.
"""

from typing import Any

import torch

from qlab_helpers.checking.reference import Rule
from qlab_helpers.checking.values import describe, dtype_name, number_pair, place, short
from qlab_helpers.checking.verdict import Verdict, right, wrong


def different(expected: torch.Tensor, got: torch.Tensor, *, rtol: float = 0.0, atol: float = 0.0) -> torch.Tensor:
    """Mask of the values of two tensors of one shape that differ."""
    if expected.is_floating_point() or got.is_floating_point():
        expected, got = expected.detach().double(), got.detach().double()
        same = (expected == got) | (expected.isnan() & got.isnan())
        near = (expected - got).abs() <= atol + rtol * expected.abs()
        return ~(same | (near & expected.isfinite()))
    return expected.long() != got.long()


def judge_output(rule: Rule, expected: Any, got: Any, choices: tuple[str, ...] = ()) -> Verdict:
    if rule.kind == "tensor":
        return judge_tensor(rule, expected, got)
    if rule.kind == "text":
        return _judge_text(rule, expected, got, choices)
    return _judge_number(rule, expected, got)


def judge_tensor(rule: Rule, expected: Any, got: Any) -> Verdict:
    """The first that is wrong of: being a tensor, shape, dtype, values."""
    if expected.dim() == 0 and isinstance(got, int | float) and not isinstance(got, bool) and rule.dtype is None:
        got = torch.tensor(got, dtype=torch.float64 if isinstance(got, float) else torch.int64)
    if not isinstance(got, torch.Tensor):
        return wrong(f"{rule.name}: expected a tensor, got {describe(got)}", expected=expected, got=got)
    if got.numel() != expected.numel() if rule.flat else got.shape != expected.shape:
        want = f"{expected.numel()} values" if rule.flat else f"shape {tuple(expected.shape)}"
        return wrong(f"{rule.name}: expected {want}, got shape {tuple(got.shape)}", expected=expected, got=got)
    dtype = dtype_name(got)
    wanted = dtype_name(expected) if rule.dtype == "expected" else rule.dtype
    if wanted is not None and dtype != wanted:
        return wrong(f"{rule.name}: wrong dtype: expected {wanted}, got {dtype}", expected=expected, got=got)
    if (got.dtype == torch.bool) != (expected.dtype == torch.bool):
        want = "bool" if expected.dtype == torch.bool else "numbers"
        return wrong(f"{rule.name}: expected {want}, got {dtype}", expected=expected, got=got)
    expected = expected.reshape(got.shape)
    differs = different(expected, got, rtol=rule.rtol, atol=rule.atol)
    count = int(differs.sum())
    if count == 0:
        return right(expected=expected, got=got)
    first = tuple(differs.nonzero()[0].tolist())
    message = f"{rule.name}: {count} of {got.numel()} values differ"
    one, other = number_pair(expected[first].item(), got[first].item())
    position = f", the first at {place(first)}" if first else ""
    detail = f"{message}{position}: expected {one}, got {other}"
    return Verdict(False, message, detail, first, differs, expected, got)


def _judge_number(rule: Rule, expected: Any, got: Any) -> Verdict:
    """Kinds "integer" and "number". A 0-d tensor or array counts as the number it holds, a bool as none."""
    article = "an integer" if rule.kind == "integer" else "a number"
    want, have = _number(expected), _number(got)
    if have is None or (rule.kind == "integer" and isinstance(have, float)):
        return wrong(f"{rule.name}: expected {article}, got {describe(got)}", expected=expected, got=got)
    if isinstance(want, int) and isinstance(have, int) and not rule.rtol and not rule.atol:
        same = want == have
    else:
        pair = torch.tensor([want], dtype=torch.float64), torch.tensor([have], dtype=torch.float64)
        same = not different(*pair, rtol=rule.rtol, atol=rule.atol).item()
    if same:
        return right(expected=want, got=have)
    one, other = number_pair(want, have)
    return wrong(f"{rule.name}: wrong number", f"{rule.name}: expected {one}, got {other}", expected=want, got=have)


def _judge_text(rule: Rule, expected: Any, got: Any, choices: tuple[str, ...]) -> Verdict:
    if not isinstance(got, str):
        return wrong(f"{rule.name}: expected a text, got {describe(got)}", expected=expected, got=got)
    if got.strip().casefold() == str(expected).strip().casefold():
        return right(expected=expected, got=got)
    if choices and got.strip().casefold() not in {choice.casefold() for choice in choices}:
        return wrong(f"{rule.name}: not one of the choices {', '.join(choices)}", expected=expected, got=got)
    detail = f"{rule.name}: expected {short(expected)}, got {short(got)}"
    return wrong(f"{rule.name}: not the right one", detail, expected=expected, got=got)


def _number(value: Any) -> int | float | None:
    if isinstance(value, torch.Tensor) and value.dim() == 0:
        value = value.item()
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
