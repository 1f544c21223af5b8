"""Arguments after the call: left as they were, or changed in place as asked."""

from collections import namedtuple

import torch
from torch import nn

from qlab_helpers.checking.reference import Rule

from .judging import INT8, Codebook, judge, tensor_rule


def test_a_modified_input_fails():
    before = torch.tensor([1.0, 2.0])
    verdict = judge(
        INT8, INT8, tensor_rule(), before=[before], observe=["x"], observed=[before], after=[torch.tensor([1.0, 2.5])]
    )
    assert (verdict.passed, verdict.message) == (False, "the argument x must not be modified")
    assert verdict.first_difference == (1,)


def test_an_input_that_should_not_change_is_compared_exactly():
    before = torch.tensor([1.0])
    after = torch.nextafter(before, torch.tensor([2.0]))
    options = {"before": [before], "observe": ["x"], "observed": [before]}
    assert judge(INT8, INT8, tensor_rule(rtol=0.1), **options, after=[before.clone()])
    assert not judge(INT8, INT8, tensor_rule(rtol=0.1), **options, after=[after])


def test_an_argument_must_be_changed_in_place():
    before, expected = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0])
    options = {"before": [before], "observe": ["x"], "observed": [expected]}
    assert judge(None, None, **options, after=[expected.clone()])
    verdict = judge(None, None, **options, after=[before.clone()])
    assert verdict.message == "the argument x must be changed in place, and was left as it was"


def test_a_changed_argument_is_compared_within_tolerance_and_by_position():
    labels = torch.tensor([0, 1, 1])
    before, expected = Codebook(torch.tensor([0.0, 0.0]), labels), Codebook(torch.tensor([0.1, 3.0]), labels)
    options = {"before": [before], "observe": ["codebook"], "observed": [expected]}
    other_names = namedtuple("Book", ["c", "l"])(expected.centroids * (1 + 1e-7), labels)
    assert judge(None, None, **options, after=[other_names])
    assert not judge(None, None, **options, after=[Codebook(expected.centroids + 0.01, labels)])
    wrong = judge(None, None, **options, after=[Codebook(expected.centroids, labels.flip(0))])
    assert wrong.message == "the argument codebook.labels must not be modified"


def test_a_changed_layer_argument_is_noticed():
    before, after = nn.Linear(2, 1), nn.Linear(2, 1)
    after.load_state_dict(before.state_dict())
    options = {"before": [before], "observe": ["layer"], "observed": [before]}
    assert judge(1, 1, Rule("z", kind="integer"), **options, after=[after])
    after.weight.data += 1
    verdict = judge(1, 1, Rule("z", kind="integer"), **options, after=[after])
    assert verdict.message == "the argument layer.weight must not be modified"
