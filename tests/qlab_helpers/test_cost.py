"""Costs against numbers worked out by hand and those of the homework."""

import time

import pytest
import torch
from torch import nn

from qlab_helpers.cost import (
    Byte,
    GiB,
    KiB,
    MiB,
    count_parameters,
    format_size,
    latency_ms,
    model_macs,
    model_size_bits,
)
from qlab_helpers.models.vgg import VGG


class Sleeper(nn.Module):
    """Takes 5 ms a pass, but much longer in its first passes and in its last."""

    def __init__(self) -> None:
        super().__init__()
        self.passes = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert not self.training
        self.passes += 1
        time.sleep(0.1 if self.passes <= 2 or self.passes == 7 else 0.005)
        return x


def test_units_are_in_bits():
    assert (Byte, KiB, MiB, GiB) == (8, 8 * 1024, 8 * 1024**2, 8 * 1024**3)


def test_vgg_has_the_size_of_the_homework():
    model = VGG()
    assert count_parameters(model) == 9_228_362
    assert model_size_bits(model) == 9_228_362 * 32
    assert format_size(model_size_bits(model)) == "35.20 MiB"
    assert [format_size(model_size_bits(model, bits)) for bits in (8, 4, 2)] == ["8.80 MiB", "4.40 MiB", "2.20 MiB"]


def test_vgg_takes_606_million_multiply_accumulates():
    assert round(model_macs(VGG(), torch.zeros(1, 3, 32, 32)) / 1e6) == 606


def test_frozen_parameters_count_and_buffers_do_not():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    model[0].weight.requires_grad_(False)
    assert count_parameters(model) == 3 * 4 + 4 + 4 + 4


def test_bit_widths_may_be_given_by_name():
    model = nn.Linear(10, 4)
    assert model_size_bits(model, {"weight": 2}) == 40 * 2 + 4 * 32
    assert model_size_bits(model, {"weight": 4, "bias": 8}) == 40 * 4 + 4 * 8


def test_bit_width_of_a_parameter_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="'weights'"):
        model_size_bits(nn.Linear(10, 4), {"weights": 2})


@pytest.mark.parametrize(
    ("bits", "text"),
    [(295_307_584, "35.20 MiB"), (12 * 1024, "1.50 KiB"), (80, "10.00 B"), (3, "3 bit"), (GiB, "1.00 GiB")],
)
def test_sizes_are_written_in_the_largest_unit_that_they_fill(bits, text):
    assert format_size(bits) == text


def test_multiply_accumulates_are_those_worked_out_by_hand():
    assert model_macs(nn.Linear(10, 4), torch.zeros(1, 10)) == 40
    convolution = nn.Conv2d(4, 6, 3, padding=1, groups=2, bias=False)
    assert model_macs(convolution, torch.zeros(1, 4, 5, 7)) == 6 * 5 * 7 * (4 // 2) * 3 * 3


def test_measuring_leaves_each_module_in_its_mode():
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Softplus())
    model[1].eval()
    model_macs(model, torch.zeros(1, 3, 4, 4))
    latency_ms(model, torch.zeros(1, 3, 4, 4), repeats=1, warmup=0)
    assert [module.training for module in model] == [True, False, True]
    assert model.training
    assert model[1].running_mean.eq(0).all()


def test_latency_is_the_median_after_warming_up():
    model = Sleeper()
    measured = latency_ms(model, torch.zeros(1), repeats=5, warmup=2)
    assert model.passes == 7
    assert 5 <= measured < 90


def test_latency_of_no_repeats_is_refused():
    with pytest.raises(ValueError, match="repeats"):
        latency_ms(nn.Identity(), torch.zeros(1), repeats=0)
