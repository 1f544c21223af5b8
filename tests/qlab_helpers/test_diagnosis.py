"""A known mistake is told from outputs alone, and nothing is said where two fit."""

import pytest
import torch

from qlab_helpers.checking.codec import encode
from qlab_helpers.checking.diagnosis import UNCERTAIN, Outcome, Seen, diagnose
from qlab_helpers.checking.reference import Item, Reference, Rule, Variant

CASES = 4


def item(rule: Rule, *names: str) -> Item:
    hints = {name: f"Do not {name}." for name in names}
    return Item("f", "function", "lab", 4, ("x",), (rule,), "values", (), (), (), hints)


def seen(stored: list[dict], got: list, passed: list[bool] | None = None) -> list[Seen]:
    """``stored``: for each case what comes out by misconception; ``got``: the student's; None is a passed case."""
    found = []
    for number, (wrong, value) in enumerate(zip(stored, got, strict=True)):
        tensors, trees = {}, {}
        for name, output in wrong.items():
            if isinstance(output, str):
                trees[name] = {"raised": output}
                continue
            tree, more = encode(output, prefix=f"{name}.")
            trees[name] = {"result": tree, "observed": {}}
            tensors |= more
        variant = Variant({"tuple": []}, {"none": True}, {}, trees)
        ok = value is None if passed is None else passed[number]
        outcome = Outcome(raised=value) if isinstance(value, str) else Outcome(result=value)
        found.append(Seen(Reference("lab", {}, tensors), variant, ok, None if ok else outcome))
    return found


def ints(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int8)


INTEGERS = Rule("q", dtype="int8")
TRUNCATES = [{"truncate": ints(1, number)} for number in range(CASES)]


def test_equal_outputs_on_all_cases_are_named_for_certain():
    found = diagnose(item(INTEGERS, "truncate"), seen(TRUNCATES, [ints(1, number) for number in range(CASES)]))
    assert found is not None and found.certain and found.sentence == "Do not truncate."


def test_a_right_function_gets_no_diagnosis():
    assert diagnose(item(INTEGERS, "truncate"), seen(TRUNCATES, [None] * CASES)) is None


def test_outputs_like_no_misconception_get_no_diagnosis():
    assert diagnose(item(INTEGERS, "truncate"), seen(TRUNCATES, [ints(9, 9)] * CASES)) is None


def test_most_cases_alike_are_called_likely_only():
    got = [*[ints(1, number) for number in range(CASES - 1)], ints(7, 7)]
    found = diagnose(item(INTEGERS, "truncate"), seen(TRUNCATES, got))
    assert found is not None and not found.certain and found.sentence == f"{UNCERTAIN} Do not truncate."


def test_half_of_the_cases_alike_are_not_enough():
    got = [ints(1, 0), ints(1, 1), ints(7, 7), ints(7, 7)]
    assert diagnose(item(INTEGERS, "truncate"), seen(TRUNCATES, got)) is None


def test_one_case_alike_is_not_enough():
    assert diagnose(item(INTEGERS, "a"), seen([{"a": ints(1)}, {}], [ints(1), ints(2)])) is None


def test_two_misconceptions_that_fit_equally_well_are_not_named():
    stored = [{"a": ints(1, number), "b": ints(1, number)} for number in range(CASES)]
    got = [ints(1, number) for number in range(CASES)]
    assert diagnose(item(INTEGERS, "a", "b"), seen(stored, got)) is None


def test_a_misconception_that_fails_more_cases_is_another_one():
    stored = [{"a": ints(1), "b": ints(1)}, {"a": ints(2), "b": ints(2)}, {"b": ints(3)}]
    found = diagnose(item(INTEGERS, "a", "b"), seen(stored, [ints(1), ints(2), None]))
    assert found is not None and found.name == "a" and found.certain


def test_a_case_that_did_not_end_matches_nothing():
    cases = seen(TRUNCATES, [ints(1, number) for number in range(CASES)])
    unended = [Seen(one.reference, one.variant, False, None) for one in cases]
    assert diagnose(item(INTEGERS, "truncate"), unended) is None


def test_exceptions_are_compared_by_their_type():
    stored = [{"no bias": "TypeError", "other": "ValueError"}, {"no bias": ints(1), "other": ints(1)}]
    found = diagnose(item(INTEGERS, "no bias", "other"), seen(stored, ["TypeError", ints(1)]))
    assert found is not None and found.name == "no bias" and found.certain


def test_nothing_is_certain_where_every_case_raised():
    stored = [{"no bias": "TypeError"}] * CASES
    found = diagnose(item(INTEGERS, "no bias"), seen(stored, ["TypeError"] * CASES))
    assert found is not None and not found.certain


def test_exceptions_alone_make_no_likeness():
    """One that raises everywhere is not like a misconception that raises in most cases."""
    stored = [*[{"lists only": "TypeError"}] * (CASES - 1), {}]
    assert diagnose(item(INTEGERS, "lists only"), seen(stored, ["TypeError"] * CASES)) is None


def test_floats_are_compared_within_the_tolerance_of_the_rule():
    rule = Rule("scale", rtol=1e-5)
    stored = [{"a": torch.tensor([1.0, 2.0])}, {"a": torch.tensor([3.0])}]
    near = [torch.tensor([1.000001, 2.0]), torch.tensor([3.0])]
    assert diagnose(item(rule, "a"), seen(stored, near)) is not None
    assert diagnose(item(rule, "a"), seen(stored, [torch.tensor([1.01, 2.0]), torch.tensor([3.5])])) is None


@pytest.mark.parametrize("value", [0.5, torch.tensor(0.5), torch.tensor(0.5, dtype=torch.float64)])
def test_a_number_may_come_as_a_float_or_a_tensor(value):
    stored = [{"a": 0.5}, {"a": 0.5}]
    assert diagnose(item(Rule("scale", kind="number", rtol=1e-6), "a"), seen(stored, [value, value])) is not None


def test_a_wrong_dtype_is_a_mistake_of_its_own():
    stored = [{"not cast": torch.tensor([1.0])}, {"not cast": torch.tensor([2.0])}]
    assert diagnose(item(INTEGERS, "not cast"), seen(stored, [torch.tensor([1.0]), torch.tensor([2.0])])) is not None
    assert diagnose(item(INTEGERS, "not cast"), seen(stored, [ints(1), ints(2)])) is None
