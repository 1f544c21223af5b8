"""What passes and what fails of tensors, numbers and texts that a function returns."""

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qlab_helpers.checking.outputs import different
from qlab_helpers.checking.reference import Rule

from .judging import INF, INT8, NAN, judge, tensor_rule


def test_equal_tensors_pass():
    assert judge(INT8, INT8.clone(), tensor_rule(dtype="int8"))


def test_the_first_difference_is_found_in_reading_order():
    got = INT8.clone()
    got[1, 0], got[0, 2] = -128, 4
    verdict = judge(INT8, got, tensor_rule(dtype="int8"))
    assert not verdict
    assert verdict.first_difference == (0, 2)
    assert verdict.message == "q: 2 of 6 values differ"
    assert verdict.detail == "q: 2 of 6 values differ, the first at [0, 2]: expected 3, got 4"
    assert verdict.differs.tolist() == [[False, False, True], [True, False, False]]


def test_a_wrong_dtype_is_named():
    verdict = judge(INT8, INT8.float(), tensor_rule(dtype="int8"))
    assert (verdict.passed, verdict.message) == (False, "q: wrong dtype: expected int8, got float32")


def test_any_dtype_will_do_where_none_is_demanded():
    assert judge(INT8, INT8.double(), tensor_rule())
    assert not judge(torch.tensor([1, 0]), torch.tensor([True, False]), tensor_rule())


def test_a_wrong_shape_is_named():
    verdict = judge(INT8, INT8.t(), tensor_rule())
    assert (verdict.passed, verdict.message) == (False, "q: expected shape (2, 3), got shape (3, 2)")


def test_flat_ignores_the_shape_but_not_the_order():
    scale = torch.tensor([0.5, 0.25, 2.0])
    assert judge(scale.reshape(3, 1, 1, 1), scale, tensor_rule(flat=True))
    assert not judge(scale.reshape(3, 1), scale.flip(0), tensor_rule(flat=True))
    assert not judge(scale, scale[:2], tensor_rule(flat=True))


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        (1.0, 1.0 + 1e-7, True),
        (1.0, 1.1, False),
        (NAN, NAN, True),
        (NAN, 1.0, False),
        (1.0, NAN, False),
        (INF, INF, True),
        (INF, 1.0, False),
        (INF, -INF, False),
        (1.0, INF, False),
        (0.0, -0.0, True),
    ],
)
def test_floats_within_tolerance(expected, got, same):
    assert bool(judge(torch.tensor([expected]), torch.tensor([got]), tensor_rule(rtol=1e-6, atol=1e-9))) is same


def test_exact_floats_have_no_tolerance():
    one = torch.tensor([0.1])
    assert not judge(one, torch.nextafter(one, torch.tensor([1.0])), tensor_rule())


def test_large_integers_are_not_compared_as_floats():
    large = torch.tensor([2**60])
    assert not judge(large, large + 1, tensor_rule())


@given(st.lists(st.floats(width=32), min_size=1, max_size=6), st.lists(st.floats(width=32), min_size=6, max_size=6))
@settings(deadline=None, max_examples=100)
def test_different_agrees_with_torch_isclose(expected, got):
    one, other = torch.tensor(expected).double(), torch.tensor(got[: len(expected)]).double()
    close = torch.isclose(other, one, rtol=0.25, atol=1e-3, equal_nan=True)
    assert torch.equal(~different(one, other, rtol=0.25, atol=1e-3), close)


@pytest.mark.parametrize("got", [3, torch.tensor(3), torch.tensor(3, dtype=torch.int8), numpy.int64(3), numpy.array(3)])
def test_a_scalar_integer_may_come_in_any_form(got):
    assert judge(3, got, Rule("z", kind="integer"))
    assert not judge(4, got, Rule("z", kind="integer"))


@pytest.mark.parametrize("got", [1.0, torch.tensor(1.0), True, torch.tensor(True), torch.tensor([1]), "1", None, [1]])
def test_no_other_form_is_an_integer(got):
    assert not judge(1, got, Rule("z", kind="integer"))


@pytest.mark.parametrize("got", [0.5, torch.tensor(0.5), numpy.float32(0.5), torch.tensor(0.5, requires_grad=True)])
def test_a_number_may_come_in_any_form(got):
    assert judge(0.5, got, Rule("scale", kind="number", rtol=1e-6))


@pytest.mark.parametrize("got", [True, "0.5", None, torch.tensor([0.5]), 0.6, NAN, INF])
def test_a_wrong_number_fails(got):
    assert not judge(0.5, got, Rule("scale", kind="number", rtol=1e-6))


def test_a_text_is_compared_without_case_and_margins():
    rule = Rule("answer", kind="text")
    assert judge("b", " B ", rule)
    assert not judge("b", "a", rule)
    assert not judge("b", 2, rule)


def test_the_wrong_one_of_several_outputs_is_named():
    rules = Rule("q", dtype="int8"), Rule("scale", kind="number"), Rule("zero point", kind="integer")
    assert judge((INT8, 0.5, 3), [INT8, 0.5, torch.tensor(3)], *rules)
    assert judge((INT8, 0.5, 3), (INT8, 0.5, 4), *rules).message == "zero point: wrong number"
    assert (
        judge((INT8, 0.5, 3), (INT8, 0.5), *rules).message
        == "expected 3 values (q, scale, zero point), got a tuple of 2"
    )


def test_a_verdict_is_true_just_if_passed():
    assert bool(judge(3, 3, Rule("z", kind="integer"))) is True
    assert bool(judge(3, None, Rule("z", kind="integer"))) is False


def test_an_unknown_judge_is_our_own_mistake():
    with pytest.raises(ValueError, match="'eye'"):
        judge(1, 1, kind="eye")
