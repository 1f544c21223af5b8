"""Lab 2's quantization of tensors, weights and biases against torch and hand-made numbers, and what its text claims."""

import pytest
import torch
from torch.nn import functional

from autograder.notebooks import read_lab

LAB = "lab2_linear"


def int8(*shape: int) -> torch.Tensor:
    return torch.randint(-128, 128, shape, dtype=torch.int8)


def assert_within_one_and_mostly_equal(actual: torch.Tensor, expected: torch.Tensor) -> None:
    """float32 and float64 may round differently, but only where a value lies next to a half."""
    assert actual.dtype == torch.int8
    assert actual.shape == expected.shape
    difference = (actual.double() - expected).abs()
    assert difference.max() <= 1
    assert (difference > 0).double().mean() < 0.002


# --- linear_quantize ---


def test_the_homeworks_tensor_at_2_bits(lab):
    tensor = torch.tensor(
        [
            [0.0523, 0.6364, -0.0968, -0.0020, 0.1940],
            [0.7500, 0.5507, 0.6188, -0.1734, 0.4677],
            [-0.0669, 0.3836, 0.4297, 0.6267, -0.0695],
            [0.1536, -0.0038, 0.6075, 0.6817, 0.0601],
            [0.6446, -0.2500, 0.5376, -0.2226, 0.2333],
        ]
    )
    expected = [[-1, 1, -1, -1, 0], [1, 1, 1, -2, 0], [-1, 0, 0, 1, -1], [-1, -1, 1, 1, -1], [1, -2, 1, -2, 0]]
    assert lab["linear_quantize"](tensor, bitwidth=2, scale=1 / 3, zero_point=-1).tolist() == expected


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_quantizing_agrees_with_torchs_fake_quantization(lab, bits):
    tensor, scale, zero_point = 3 * torch.randn(4, 3, 5), 0.0625, 1  # a scale of 2**-4 divides without rounding
    low, high = lab["get_quantized_range"](bits)
    expected = torch.fake_quantize_per_tensor_affine(tensor, scale, zero_point, low, high)
    quantized = lab["linear_quantize"](tensor, bits, scale, zero_point)
    assert quantized.dtype == torch.int8
    assert torch.equal((quantized.float() - zero_point) * scale, expected)


def test_halves_are_rounded_to_even_neighbours(lab):
    tensor = torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    assert lab["linear_quantize"](tensor, 8, 1.0, 1).tolist() == [-1, -1, 1, 1, 3, 3]


def test_values_beyond_the_range_saturate(lab):
    tensor = torch.tensor([200.0, 1e9, -200.0, -1e9])
    assert lab["linear_quantize"](tensor, 8, 1.0, 0).tolist() == [127, 127, -128, -128]
    assert lab["linear_quantize"](tensor, 4, 1.0, 3).tolist() == [7, 7, -8, -8]


def test_a_value_that_fits_after_the_shift_only_is_kept(lab):
    assert lab["linear_quantize"](torch.tensor([200.0]), 8, 1.0, -128).tolist() == [72]


def test_a_bias_saturates_at_32_bits(lab):
    quantized = lab["linear_quantize"](torch.tensor([1e12, -1e12, 5.0]), 32, 1.0, 0, dtype=torch.int32)
    assert quantized.dtype == torch.int32
    assert quantized.tolist() == [2**31 - 1, -(2**31), 5]


def test_quantizing_leaves_a_parameter_that_is_not_contiguous_as_it_was(lab):
    tensor = torch.randn(3, 4).t().requires_grad_()
    before = tensor.detach().clone()
    quantized = lab["linear_quantize"](tensor, 8, 0.1, 0)
    assert torch.equal(tensor.detach(), before)
    assert not quantized.requires_grad
    assert quantized.tolist() == (before / 0.1).round().int().tolist()


def test_converting_before_clamping_wraps():
    assert torch.tensor([200], dtype=torch.int32).to(torch.int8).item() == -56


# --- scale and zero point ---


def test_the_homeworks_range_at_2_bits(lab):
    scale, zero_point = lab["get_quantization_scale_and_zero_point"](torch.tensor([-0.25, 0.1, 0.75]), 2)
    assert (type(scale), type(zero_point)) == (float, int)
    assert scale == pytest.approx(1 / 3)
    assert zero_point == -1


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_ends_of_the_range_become_the_ends_of_the_integers(lab, bits):
    tensor = torch.cat([torch.rand(50) * 4 - 1, torch.tensor([-1.0, 3.0])])
    scale, zero_point = lab["get_quantization_scale_and_zero_point"](tensor, bits)
    low, high = lab["get_quantized_range"](bits)
    assert abs(scale * (low - zero_point) + 1) <= scale / 2 + 1e-6
    assert abs(scale * (high - zero_point) - 3) <= scale / 2 + 1e-6


@pytest.mark.parametrize(
    ("value", "scale", "zero_point"), [(0.0, 1.0, 0), (0.5, 0.5 / 255, -128), (-2.0, 2 / 255, 127)]
)
def test_a_constant_tensor_has_a_range_that_includes_zero(lab, value, scale, zero_point):
    found = lab["get_quantization_scale_and_zero_point"](torch.full((3, 2), value), 8)
    assert found == (pytest.approx(scale), zero_point)


@pytest.mark.parametrize(("values", "zero_point"), [([2.0, 4.0], -128), ([-4.0, -2.0], 127)])
def test_the_zero_point_of_a_range_without_zero_is_clipped(lab, values, zero_point):
    scale, found = lab["get_quantization_scale_and_zero_point"](torch.tensor(values), 8)
    assert scale == pytest.approx(2 / 255)
    assert found == zero_point


# --- weights and biases ---


def test_the_scale_of_a_weight_is_its_magnitude_over_the_largest_integer(lab):
    scale = lab["get_quantization_scale_for_weight"]
    weight = torch.tensor([[0.5, -1.27]], requires_grad=True)
    assert scale(weight, 8) == pytest.approx(0.01)
    assert scale(weight, 2) == pytest.approx(1.27)
    assert scale(torch.zeros(3), 8) == pytest.approx(5e-7 / 127)


@pytest.mark.parametrize("shape", [(6, 5), (6, 3, 2, 2)])
def test_channels_are_quantized_as_torch_fakes_it(lab, shape):
    weight = torch.randn(shape) * torch.logspace(-3, 1, 6).reshape(-1, *[1] * (len(shape) - 1))
    quantized, scale, zero_point = lab["linear_quantize_weight_per_channel"](weight, 8)
    assert (quantized.dtype, scale.dtype, zero_point) == (torch.int8, torch.float32, 0)
    assert scale.shape == (6, *[1] * (len(shape) - 1))
    zeros = torch.zeros(6, dtype=torch.int32)
    expected = torch.fake_quantize_per_channel_affine(weight, scale.flatten(), zeros, 0, -128, 127)
    assert_within_one_and_mostly_equal(quantized, (expected / scale).round().double())
    assert quantized.flatten(1).abs().amax(dim=1).tolist() == [127] * 6


def test_a_channels_last_parameter_is_quantized_as_a_contiguous_one(lab):
    weight = torch.randn(4, 3, 3, 3)
    other = weight.to(memory_format=torch.channels_last).requires_grad_()
    expected, actual = (lab["linear_quantize_weight_per_channel"](w, 4) for w in (weight, other))
    assert torch.equal(actual[0], expected[0])
    assert torch.equal(actual[1], expected[1])


@pytest.mark.parametrize("shape", [(3, 1), (3, 1, 1, 1)])
def test_the_scale_of_a_bias_is_that_of_weight_times_input(lab, shape):
    weight_scale = torch.tensor([0.5, 0.25, 1.0]).reshape(shape)
    bias = torch.tensor([1.0, -1.0, 3.0], requires_grad=True)
    quantized, scale, zero_point = lab["linear_quantize_bias_per_output_channel"](bias, weight_scale, 0.125)
    assert (quantized.dtype, zero_point) == (torch.int32, 0)
    assert quantized.tolist() == [16, -32, 24]
    assert scale.tolist() == [0.0625, 0.03125, 0.125]


def test_the_shifted_bias_takes_the_input_zero_point_out_of_the_sums(lab):
    bias = torch.randint(-1000, 1000, (5,), dtype=torch.int32)
    inputs, weight, zero_point = int8(3, 300), int8(5, 300), -77
    shifted = lab["shift_quantized_linear_bias"](bias, weight, zero_point)
    assert shifted.dtype == torch.int32
    expected = functional.linear(inputs.long() - zero_point, weight.long(), bias.long())
    assert torch.equal(functional.linear(inputs.long(), weight.long(), shifted.long()), expected)


def test_the_shifted_bias_of_a_convolution_sums_each_output_channel(lab):
    bias, weight = torch.tensor([10, 20], dtype=torch.int32), torch.full((2, 3, 3, 3), 100, dtype=torch.int8)
    assert lab["shift_quantized_conv2d_bias"](bias, weight, -2).tolist() == [10 + 5400, 20 + 5400]
    assert bias.tolist() == [10, 20]


# --- what the text claims ---


def test_answers_are_the_formulas_that_the_solution_uses(lab):
    assert (lab["answer_5_1"], lab["answer_5_2"]) == ("c", "b")


def test_pixels_with_a_rounding_error_need_rounding(lab):
    """The lab's text: pixel 96 as 96 * (1 / 255) comes back as -31.99999, which a conversion cuts off to -31."""
    images = torch.arange(256).float() * (1 / 255)
    shifted = images * 255 - 128
    assert -32 < shifted[96] < -31.9999
    assert shifted.to(torch.int8)[96] == -31
    assert lab["extra_preprocess"](images).tolist() == list(range(-128, 128))


def test_float32_sums_of_4608_products_are_not_exact():
    inputs = torch.randint(64, 128, (4, 4608), dtype=torch.int8)
    exact = inputs.long() @ inputs.long().t()
    assert exact.max() > 2**24
    assert not torch.equal((inputs.float() @ inputs.float().t()).long(), exact)


def test_points_in_the_text_are_those_of_the_cells(course):
    source = read_lab(course, LAB)
    checked, by_hand = sum(source.items.values()), sum(source.written.values())
    text = "\n".join(cell.source for cell in source.cells if cell.kind == "markdown")
    assert f"**{checked + by_hand:g} points**: {checked:g} are given" in " ".join(text.split())
    assert f"and {by_hand:g} by a person" in " ".join(text.split())
