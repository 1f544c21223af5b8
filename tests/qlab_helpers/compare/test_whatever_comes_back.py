"""Nothing that a function returns raises, floods the message or shows a hidden value."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from qlab_helpers.checking.codec import Other
from qlab_helpers.checking.reference import Rule

from .judging import INF, INT8, NAN, Codebook, conv, homework, judge, tensor_rule

odd = st.recursive(
    st.sampled_from(
        [None, ..., True, 0, 2**70, -1, NAN, INF, "x" * 20_000, Other("<b>" * 500), object(), {}, nn.ReLU()]
    )
    | st.sampled_from([torch.zeros(2**40, 0), torch.zeros(0, 2**40), torch.zeros([1] * 60), torch.zeros([1] * 16)])
    | st.sampled_from([torch.zeros(0), torch.zeros(0, 3), torch.full((2, 3), NAN), torch.tensor(INF), torch.eye(3) > 0])
    | st.sampled_from(
        [INT8, INT8.float(), torch.tensor(3), torch.zeros(2, 3, 1), torch.full((25,), 2**62), nn.Linear(2, 2)]
    )
    | st.sampled_from([nn.Conv2d(4, 6, 3), nn.Conv2d(4, 6, 3, padding="same"), torch.eye(2).to_sparse(), homework()]),
    lambda part: st.lists(part, max_size=4) | st.tuples(part, part) | st.builds(Codebook, part, part),
    max_leaves=6,
)
EXPECTED = [
    (INT8, (tensor_rule(dtype="int8"),), "values"),
    (torch.tensor(2.5), (tensor_rule(rtol=0.1),), "values"),
    (torch.tensor([True, False]), (tensor_rule(flat=True),), "values"),
    (31337, (Rule("z", kind="integer"),), "values"),
    (0.31337, (Rule("z", kind="number", rtol=1e-3),), "values"),
    ("31337", (Rule("z", kind="text"),), "values"),
    ((INT8, 31337), (tensor_rule(), Rule("z", kind="integer")), "values"),
    (None, (), "values"),
    (conv(), (Rule("w", rtol=1e-3),), "layer"),
    (None, (Rule("centroids"), Rule("labels")), "codebook"),
]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(odd, odd, st.sampled_from(EXPECTED))
def test_no_value_raises_or_floods_the_message(got, after, judged):
    expected, rules, kind = judged
    verdict = judge(
        expected, got, *rules, before=[homework()], observe=["x"], observed=[homework()], after=[after], kind=kind
    )
    assert len(verdict.message) < 500 and len(verdict.detail) < 800
    assert "31337" not in verdict.message


@pytest.mark.parametrize(
    ("expected", "got", "rule"),
    [
        (torch.tensor([31337, 1]), torch.tensor([42424, 1]), tensor_rule()),
        (31337, 42424, Rule("z", kind="integer")),
        (0.31337, 0.42424, Rule("z", kind="number")),
        ("31337", "42424", Rule("z", kind="text")),
    ],
)
def test_the_message_for_hidden_cases_has_no_value_and_the_detail_has(expected, got, rule):
    verdict = judge(expected, got, rule)
    assert "31337" not in verdict.message and "42424" not in verdict.message
    assert "31337" in verdict.detail and "42424" in verdict.detail
