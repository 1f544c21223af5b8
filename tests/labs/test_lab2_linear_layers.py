"""Lab 2's integer layers and its int8 model against float64 arithmetic, torch and the homework's tensors."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from qlab_helpers.models.vgg import VGG

from .test_lab2_linear import assert_within_one_and_mostly_equal, int8

LAB = "lab2_linear"

# The homework's example of a fully connected layer at 2 bits (test_quantized_fc).
FC_INPUT = [
    [0.6118, 0.7288, 0.8511, 0.2849, 0.8427, 0.7435, 0.4014, 0.2794],
    [0.3676, 0.2426, 0.1612, 0.7684, 0.6038, 0.0400, 0.2240, 0.4237],
    [0.6565, 0.6878, 0.4670, 0.3470, 0.2281, 0.8074, 0.0178, 0.3999],
    [0.1863, 0.3567, 0.6104, 0.0497, 0.0577, 0.2990, 0.6687, 0.8626],
]
FC_WEIGHT = [
    [0.12626, -0.14752, 0.08191, 0.24982, -0.10495, -0.19227, -0.18550, -0.15700],
    [0.27624, -0.43835, 0.05101, -0.12020, -0.20344, 0.10202, -0.20799, 0.24112],
    [-0.38216, -0.28047, 0.085238, -0.42504, -0.20952, 0.32018, -0.33619, 0.20219],
    [0.089233, -0.10124, 0.11467, 0.20091, 0.11438, -0.42427, 0.10178, -0.00030941],
    [-0.018837, -0.21256, -0.45285, 0.20949, -0.38684, -0.17100, -0.45331, -0.20433],
    [-0.20038, -0.053757, 0.18997, -0.36866, 0.055484, 0.15643, -0.23538, 0.21103],
    [-0.26875, 0.24984, -0.23514, 0.25527, 0.20322, 0.37675, 0.061563, 0.17201],
    [0.33541, -0.33555, -0.43349, 0.43043, -0.20498, -0.18366, -0.091553, -0.41168],
]
FC_BIAS = [0.1954, -0.2756, 0.3113, 0.1149, 0.4274, 0.2429, -0.1721, -0.2502]
FC_QUANTIZED_BIAS = [3, -2, 3, 1, 3, 2, -2, -2]
FC_SHIFTED_BIAS = [-1, 0, -3, -1, -3, 0, 2, -4]
FC_OUTPUT = [
    [0, -1, 0, -1, -1, 0, 1, -2],
    [0, 0, -1, 0, 0, 0, 0, -1],
    [0, 0, 0, -1, 0, 0, 0, -1],
    [0, 0, 0, 0, 0, 1, -1, -2],
]


def test_the_homeworks_linear_layer_at_2_bits(lab):
    inputs, weight, bias = torch.tensor(FC_INPUT), torch.tensor(FC_WEIGHT), torch.tensor(FC_BIAS)
    q_in, s_in, z_in = lab["linear_quantize_feature"](inputs, 2)
    q_w, s_w, _ = lab["linear_quantize_weight_per_channel"](weight, 2)
    q_b, _, _ = lab["linear_quantize_bias_per_output_channel"](bias, s_w, s_in)
    assert q_b.tolist() == FC_QUANTIZED_BIAS
    shifted = lab["shift_quantized_linear_bias"](q_b, q_w, z_in)
    assert shifted.tolist() == FC_SHIFTED_BIAS
    _, s_out, z_out = lab["linear_quantize_feature"](functional.linear(inputs, weight, bias), 2)
    output = lab["quantized_linear"](q_in, q_w, shifted, 2, 2, z_in, z_out, s_in, s_w, s_out)
    assert output.tolist() == FC_OUTPUT


@pytest.mark.parametrize("feature_bits", [4, 8])
@pytest.mark.parametrize("with_bias", [True, False])
def test_a_linear_layer_agrees_with_float64_on_the_numbers_that_its_integers_stand_for(lab, feature_bits, with_bias):
    inputs, weight, scale = int8(37, 200), int8(10, 200), torch.rand(10, 1) * 0.01 + 0.001
    bias = torch.randint(-9000, 9000, (10,), dtype=torch.int32) if with_bias else None
    s_in, z_in, s_out, z_out = 0.02, 5, 0.9, -3
    shifted = lab["shift_quantized_linear_bias"](
        bias if with_bias else torch.zeros(10, dtype=torch.int32), weight, z_in
    )
    z_used = z_in if with_bias else 0
    output = lab["quantized_linear"](
        inputs, weight, shifted if with_bias else None, feature_bits, 8, z_used, z_out, s_in, scale, s_out
    )
    real = functional.linear(s_in * (inputs.double() - z_used), scale.double() * weight.double())
    if with_bias:
        real += s_in * scale.double().flatten() * bias
    low, high = lab["get_quantized_range"](feature_bits)
    assert_within_one_and_mostly_equal(output, (real / s_out + z_out).round().clamp(low, high))
    assert output.unique().numel() > 10


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [
        ((1, 1), (1, 1, 1, 1), (1, 1), 1),
        ((2, 1), (0, 1, 2, 3), (1, 1), 1),
        ((1, 2), (2, 0, 1, 0), (2, 1), 2),
        ((1, 1), (0, 0, 0, 0), (1, 1), 4),
    ],
)
def test_a_convolution_agrees_with_float64_on_the_numbers_that_its_integers_stand_for(
    lab, stride, padding, dilation, groups
):
    inputs, weight = int8(5, 4, 9, 11), int8(8, 4 // groups, 3, 3)
    scale, bias = torch.rand(8, 1, 1, 1) * 0.01 + 0.001, torch.randint(-9000, 9000, (8,), dtype=torch.int32)
    s_in, z_in, s_out, z_out = 0.02, -100, 0.4, -20
    shifted = lab["shift_quantized_conv2d_bias"](bias, weight, z_in)
    output = lab["quantized_conv2d"](
        inputs, weight, shifted, 8, 8, z_in, z_out, s_in, scale, s_out, stride, padding, dilation, groups
    )
    # Padded with the real zero, after the integers were turned back.
    real = functional.conv2d(
        functional.pad(s_in * (inputs.double() - z_in), padding),
        scale.double() * weight.double(),
        s_in * scale.double().flatten() * bias,
        stride,
        0,
        dilation,
        groups,
    )
    assert_within_one_and_mostly_equal(output, (real / s_out + z_out).round().clamp(-128, 127))
    assert output.unique().numel() > 50


def test_both_ways_to_pad_agree(lab):
    inputs, weight, padding = int8(2, 3, 6, 7), int8(4, 3, 3, 3), (2, 1, 0, 3)
    padded = lab["int8_conv2d"](functional.pad(inputs, padding, value=-9), weight)
    assert torch.equal(lab["int8_conv2d"](inputs, weight, padding=padding, padding_value=-9), padded)


# --- the model ---


def random_batchnorm(channels: int) -> nn.BatchNorm2d:
    bn = nn.BatchNorm2d(channels).eval()
    for tensor in (bn.weight, bn.bias, bn.running_mean):
        nn.init.normal_(tensor)
    nn.init.uniform_(bn.running_var, 0.1, 3)
    return bn


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_fused_convolution_is_convolution_and_batchnorm(lab, bias, groups):
    conv, bn, images = nn.Conv2d(4, 6, 3, bias=bias, groups=groups), random_batchnorm(6), torch.randn(3, 4, 8, 8)
    with torch.no_grad():
        expected = bn(conv(images))
        fused = lab["fuse_conv_bn"](conv, bn)
        torch.testing.assert_close(fused(images), expected, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def vgg():
    """A VGG with random weights whose BatchNorms have seen some images, so that features have a sensible size."""
    torch.manual_seed(1)
    model = VGG().train()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # the plain average of all batches, so that one is enough
    with torch.no_grad():
        model(torch.rand(8, 3, 32, 32))
    return model.eval()


def test_a_fused_model_agrees_with_the_unfused_and_leaves_it_alone(lab, vgg):
    images, before = torch.rand(2, 3, 32, 32), vgg.backbone.conv0.weight.detach().clone()
    fused = lab["fuse_model"](vgg)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in fused.modules())
    with torch.no_grad():
        torch.testing.assert_close(fused(images), vgg(images), rtol=1e-4, atol=1e-4)
    assert torch.equal(vgg.backbone.conv0.weight, before)
    assert vgg.backbone.conv0.bias is None


def test_a_quantized_model_follows_the_fused_one(lab, vgg):
    fused, images = lab["fuse_model"](vgg), torch.randint(0, 256, (8, 3, 32, 32)) / 255
    quantized = lab["quantize_model"](fused, lab["calibrate"](fused, images))
    with torch.no_grad():
        expected = fused(images)
        logits = quantized(lab["extra_preprocess"](images))
    assert logits.dtype == torch.int8
    classifier = quantized.classifier
    actual = classifier.output_scale * (logits.float() - classifier.output_zero_point)
    assert (actual - expected).norm() < 0.1 * expected.norm()


def test_a_quantized_model_has_no_floats_but_its_weight_scales_and_no_relu(lab, vgg):
    fused = lab["fuse_model"](vgg)
    quantized = lab["quantize_model"](fused, lab["calibrate"](fused, torch.rand(2, 3, 32, 32)))
    assert not list(quantized.parameters())
    assert not any(isinstance(layer, nn.ReLU) for layer in quantized.modules())
    floats = [name for name, buffer in quantized.named_buffers() if buffer.is_floating_point()]
    assert all(name.endswith("weight_scale") for name in floats)
    # Every layer reads its input on the scale on which the layer before wrote it.
    layers = [layer for layer in quantized.modules() if hasattr(layer, "input_scale")]
    for before, after in zip(layers, layers[1:], strict=False):
        assert (before.output_scale, before.output_zero_point) == (after.input_scale, after.input_zero_point)


def test_the_lower_end_of_a_relus_range_is_the_real_zero(lab):
    assert lab["get_quantization_scale_and_zero_point"](torch.randn(100).relu(), 8)[1] == -128


def test_padding_of_a_convolution_becomes_left_right_top_bottom(lab):
    conv, images = nn.Conv2d(2, 3, (5, 3), padding=(2, 1)), torch.rand(2, 2, 6, 9)
    with torch.no_grad():
        expected = conv(images)
    target = lab["get_quantization_scale_and_zero_point"](expected, 8)
    layer = lab["QuantizedConv2d"](conv, (1 / 255, -128), target)
    output = layer(lab["linear_quantize"](images, 8, 1 / 255, -128))
    assert layer.padding == (1, 1, 2, 2)
    assert output.shape == expected.shape
    assert (target[0] * (output.float() - target[1]) - expected).abs().max() < 4 * target[0]


def test_average_pooling_rounds_and_max_pooling_keeps(lab):
    image = torch.tensor([[[[-1, -2], [-2, -2]]]], dtype=torch.int8)
    assert lab["QuantizedAvgPool2d"](2)(image).item() == -2
    assert lab["QuantizedMaxPool2d"](2)(image).item() == -1


def test_every_pixel_becomes_its_integer(lab):
    pixels = torch.arange(256)
    for images in (pixels / 255, pixels.float() / 255, (pixels.double() / 255).float()):
        quantized = lab["extra_preprocess"](images)
        assert quantized.dtype == torch.int8
        assert quantized.tolist() == list(range(-128, 128))
