"""Values as they are shown."""

import torch

from qlab_helpers.checking.values import number, short, value_lines


def test_a_negative_zero_is_shown_as_a_zero():
    assert number(-0.0) == "0"
    assert short(torch.tensor([-0.0, -0.5])) == "[0, -0.5]"
    assert value_lines(torch.tensor([-0.0, -0.5]))[-1].split() == ["0", "-0.5"]
