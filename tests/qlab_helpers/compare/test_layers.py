"""Layers that a function returns: their options and their parameters."""

import pytest
from torch import nn

from qlab_helpers.checking.reference import Rule
from qlab_helpers.checking.verdict import Verdict

from .judging import conv, judge


def judge_layer(got) -> Verdict:
    return judge(conv(), got, Rule("weight", rtol=1e-5), Rule("bias", atol=1e-5), kind="layer")


def test_a_layer_with_equal_parameters_passes_within_tolerance():
    near = conv()
    near.weight.data *= 1 + 1e-6
    near.bias.data += 1e-6
    assert judge_layer(near)


@pytest.mark.parametrize("option", ["stride", "padding", "dilation", "groups"])
def test_a_layer_with_another_option_fails(option):
    got = conv(**{option: {"stride": 1, "padding": 0, "dilation": 2, "groups": 1}[option]})
    assert judge_layer(got).message == f"the layer has the wrong {option}"


def test_a_layer_with_wrong_parameters_fails():
    wrong_weight, wrong_bias = conv(), conv()
    wrong_weight.weight.data[0, 0, 0, 0] = 9
    wrong_bias.bias.data[2] = 9
    assert judge_layer(wrong_weight).message == "weight: 1 of 108 values differ"
    assert judge_layer(wrong_bias).first_difference == (2,)
    assert judge_layer(conv(bias=False)).message == "the layer has no bias"
    assert judge_layer(nn.BatchNorm2d(4)).message == "expected a Conv2d layer, got a BatchNorm2d layer"
