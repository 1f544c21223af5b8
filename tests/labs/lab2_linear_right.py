"""Right implementations of the functions of lab 2, in float64 and in the types that the homework suggests."""

import torch
from torch import nn
from torch.nn.functional import conv2d, linear, pad


def bounds(bitwidth):
    return -(2 ** (bitwidth - 1)), 2 ** (bitwidth - 1) - 1


# Right: once in float64, once in the order and the types that the homework suggests.


def linear_quantize(fp_tensor, bitwidth, scale, zero_point, dtype=torch.int8):
    exact = (fp_tensor.detach().double() / scale).round() + zero_point
    return exact.clamp(*bounds(bitwidth)).to(dtype)


def linear_quantize_in_integers(fp_tensor, bitwidth, scale, zero_point, dtype=torch.int8):
    shifted = torch.div(fp_tensor, scale).round().to(torch.int64) + zero_point
    return torch.maximum(
        torch.minimum(shifted, torch.tensor(bounds(bitwidth)[1])), torch.tensor(bounds(bitwidth)[0])
    ).to(dtype)


def linear_quantize_rounding_last(fp_tensor, bitwidth, scale, zero_point, dtype=torch.int8):
    return (fp_tensor.double() / scale + zero_point).round().clamp(*bounds(bitwidth)).to(dtype)


def get_quantization_scale_and_zero_point(fp_tensor, bitwidth):
    low, high = fp_tensor.min().item(), fp_tensor.max().item()
    if low == high:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return 1.0, 0
    qmin, qmax = bounds(bitwidth)
    scale = (high - low) / (qmax - qmin)
    return scale, min(max(round(qmin - low / scale), qmin), qmax)


def scale_and_zero_point_in_float32(fp_tensor, bitwidth):
    low, high = fp_tensor.min(), fp_tensor.max()
    if low == high:
        low, high = low.clamp(max=0), high.clamp(min=0)
    if low == high:
        return torch.tensor(1.0), torch.tensor(0)
    qmin, qmax = bounds(bitwidth)
    scale = (high - low) / (qmax - qmin)
    return scale, (qmin - low / scale).clamp(qmin, qmax).round().to(torch.int32)


def get_quantization_scale_for_weight(weight, bitwidth):
    return max(weight.abs().max().item(), 5e-7) / bounds(bitwidth)[1]


def linear_quantize_weight_per_channel(tensor, bitwidth):
    scale = torch.tensor([get_quantization_scale_for_weight(row, bitwidth) for row in tensor])
    scale = scale.reshape(-1, *[1] * (tensor.dim() - 1))
    return linear_quantize(tensor, bitwidth, scale, 0), scale, 0


def per_channel_without_a_loop(tensor, bitwidth):
    largest = tensor.abs().flatten(1).max(dim=1).values.clamp(min=5e-7).reshape(-1, *[1] * (tensor.dim() - 1))
    scale = largest / bounds(bitwidth)[1]
    return torch.round(tensor / scale).clamp(*bounds(bitwidth)).char(), scale.reshape(-1), 0


def linear_quantize_bias_per_output_channel(bias, weight_scale, input_scale):
    scale = weight_scale.reshape(-1) * input_scale
    return linear_quantize(bias, 32, scale, 0, torch.int32), scale, 0


def shift_quantized_linear_bias(quantized_bias, quantized_weight, input_zero_point):
    return quantized_bias - quantized_weight.sum(1).to(torch.int32) * input_zero_point


def shift_by_a_product(quantized_bias, quantized_weight, input_zero_point):
    weight = quantized_weight.int().flatten(1)
    return (quantized_bias - weight @ torch.full((weight.shape[1],), input_zero_point, dtype=torch.int32)).int()


def shift_quantized_conv2d_bias(quantized_bias, quantized_weight, input_zero_point):
    return quantized_bias - quantized_weight.sum((1, 2, 3), dtype=torch.int32) * input_zero_point


def requantize(sums, bias, bits, zero_point, multiplier):
    columns = (1, -1, *[1] * (sums.dim() - 2))
    if bias is not None:
        sums = sums + bias.reshape(columns)
    output = sums.to(multiplier.dtype) * multiplier.reshape(columns) + zero_point
    return output.round().clamp(*bounds(bits)).to(torch.int8)


def quantized_linear(i, w, bias, fb, wb, iz, oz, input_scale, weight_scale, output_scale):
    return requantize(linear(i.int(), w.int()), bias, fb, oz, weight_scale * input_scale / output_scale)


def quantized_linear_in_float64(i, w, bias, fb, wb, iz, oz, input_scale, weight_scale, output_scale):
    sums = i.double() @ w.double().t()
    return requantize(sums, bias, fb, oz, input_scale * (weight_scale.double() / output_scale))


def quantized_conv2d(i, w, bias, fb, wb, iz, oz, si, sw, so, stride, padding, dilation, groups):
    sums = conv2d(pad(i, padding, value=iz).double(), w.double(), None, stride, 0, dilation, groups).int()
    return requantize(sums, bias, fb, oz, sw * si / so)


def quantized_conv2d_in_float64(i, w, bias, fb, wb, iz, oz, si, sw, so, stride, padding, dilation, groups):
    sums = conv2d(pad(i.double(), padding, value=iz), w.double(), None, stride, 0, dilation, groups)
    return requantize(sums, bias, fb, oz, si / so * sw.double())


def fuse_conv_bn(conv, bn):
    factor = bn.weight.data / torch.sqrt(bn.running_var + bn.eps)
    bias = 0 if conv.bias is None else conv.bias.data
    conv.weight.data = conv.weight.data * factor.reshape(-1, 1, 1, 1)
    conv.bias = nn.Parameter((bias - bn.running_mean) * factor + bn.bias.data)
    return conv


def fuse_in_torch(conv, bn):
    return nn.utils.fuse_conv_bn_eval(conv.eval(), bn.eval())


def extra_preprocess(x):
    return (x * 255).round().sub(128).clamp(-128, 127).to(torch.int8)


def extra_preprocess_of_the_homework(x):
    return (x * 255 - 128).clamp(-128, 127).to(torch.int8)


FUNCTIONS = {
    "linear_quantize": [linear_quantize, linear_quantize_in_integers, linear_quantize_rounding_last],
    "get_quantization_scale_and_zero_point": [get_quantization_scale_and_zero_point, scale_and_zero_point_in_float32],
    "get_quantization_scale_for_weight": [get_quantization_scale_for_weight],
    "linear_quantize_weight_per_channel": [linear_quantize_weight_per_channel, per_channel_without_a_loop],
    "linear_quantize_bias_per_output_channel": [linear_quantize_bias_per_output_channel],
    "shift_quantized_linear_bias": [shift_quantized_linear_bias, shift_by_a_product],
    "shift_quantized_conv2d_bias": [shift_quantized_conv2d_bias, shift_by_a_product],
    "quantized_linear": [quantized_linear, quantized_linear_in_float64],
    "quantized_conv2d": [quantized_conv2d, quantized_conv2d_in_float64],
    "fuse_conv_bn": [fuse_conv_bn, fuse_in_torch],
    "extra_preprocess": [extra_preprocess, extra_preprocess_of_the_homework],
}
