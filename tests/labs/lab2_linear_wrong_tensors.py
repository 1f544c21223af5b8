"""Wrong quantization of tensors, weights and biases: each entry has one mistake that students make."""

from collections.abc import Callable

import torch

from .lab2_linear_right import (
    bounds,
    get_quantization_scale_and_zero_point,
    linear_quantize,
    linear_quantize_weight_per_channel,
    per_channel_without_a_loop,
)


def quantize_with(step: Callable) -> Callable:
    """``step`` is given the exact quotient and all arguments after the tensor."""
    return lambda fp_tensor, bitwidth, scale, zero_point, dtype=torch.int8: step(
        fp_tensor.detach() / scale, bitwidth, zero_point, dtype
    )


def quantize_in_place(fp_tensor, bitwidth, scale, zero_point, dtype=torch.int8):
    fp_tensor.div_(scale).round_().add_(zero_point).clamp_(*bounds(bitwidth))
    return fp_tensor.to(dtype)


def half_up(values: torch.Tensor) -> torch.Tensor:
    return (values + 0.5).floor()


WRONG_QUANTIZE = {
    "cuts fractions off": quantize_with(lambda x, b, z, t: (x.trunc() + z).clamp(*bounds(b)).to(t)),
    "rounds down": quantize_with(lambda x, b, z, t: (x.floor() + z).clamp(*bounds(b)).to(t)),
    "rounds ties up": quantize_with(lambda x, b, z, t: (half_up(x) + z).clamp(*bounds(b)).to(torch.int64).to(t)),
    "casts before the shift": quantize_with(lambda x, b, z, t: (x.round().long().to(t) + z).clamp(*bounds(b))),
    "casts before the clamp": quantize_with(lambda x, b, z, t: (x.round() + z).long().to(t).clamp(*bounds(b))),
    "does not clamp": quantize_with(lambda x, b, z, t: (x.round() + z).long().to(t)),
    "clamps before the shift": quantize_with(lambda x, b, z, t: (x.round().clamp(*bounds(b)) + z).long().to(t)),
    "clamps to 8 bits": quantize_with(lambda x, b, z, t: (x.round() + z).clamp(-128, 127).to(t)),
    "clamps to a symmetric range": quantize_with(
        lambda x, b, z, t: (x.double().round() + z).clamp(-bounds(b)[1], bounds(b)[1]).to(t)
    ),
    "ignores the dtype": quantize_with(lambda x, b, z, t: (x.double().round() + z).clamp(*bounds(b)).long().char()),
    "subtracts the zero point": quantize_with(lambda x, b, z, t: (x.double().round() - z).clamp(*bounds(b)).to(t)),
    "forgets the zero point": quantize_with(lambda x, b, z, t: x.double().round().clamp(*bounds(b)).to(t)),
    "multiplies by the scale": lambda x, b, s, z, dtype=torch.int8: linear_quantize(x, b, 1 / s, z, dtype),
    "adds the zero point before dividing": lambda x, b, s, z, dtype=torch.int8: linear_quantize(x + z, b, s, 0, dtype),
    "overflows at 32 bits": quantize_with(lambda x, b, z, t: (x.round() + z).clamp(*bounds(b)).to(t)),
    "not cast": quantize_with(lambda x, b, z, t: (x.double().round() + z).clamp(*bounds(b)).float()),
    "always int32": quantize_with(lambda x, b, z, t: (x.double().round() + z).clamp(*bounds(b)).int()),
    "changes its input": quantize_in_place,
}


def zero_point_with(scale: Callable, zero_point: Callable) -> Callable:
    """The right function, except for what ``scale`` and ``zero_point`` compute."""

    def find(fp_tensor, bitwidth):
        low, high = fp_tensor.min().item(), fp_tensor.max().item()
        if low == high:
            return get_quantization_scale_and_zero_point(fp_tensor, bitwidth)
        ends = bounds(bitwidth)
        found = scale(low, high, *ends)
        return found, zero_point(low, high, found, *ends)

    return find


def right_scale(low, high, qmin, qmax):
    return (high - low) / (qmax - qmin)


def clipped(low, high, scale, qmin, qmax):
    return min(max(round(qmin - low / scale), qmin), qmax)


def widened_always(fp_tensor, bitwidth):
    return get_quantization_scale_and_zero_point(torch.cat([fp_tensor.reshape(-1), torch.zeros(1)]), bitwidth)


def with_constants(found: Callable) -> Callable:
    """The right function, except that ``found(value, bitwidth)`` is returned for tensors that repeat one value."""
    right = get_quantization_scale_and_zero_point
    return lambda x, b: found(x.max().item(), b) if x.min() == x.max() else right(x, b)


WRONG_SCALE_AND_ZERO_POINT = {
    "scale over the number of integers": zero_point_with(lambda lo, hi, a, b: (hi - lo) / (b - a + 1), clipped),
    "scale over q_max": zero_point_with(lambda lo, hi, a, b: (hi - lo) / b, clipped),
    "scale from the largest value": zero_point_with(lambda lo, hi, a, b: hi / b, clipped),
    "zero point not clipped": zero_point_with(right_scale, lambda lo, hi, s, a, b: round(a - lo / s)),
    "zero point of the wrong sign": zero_point_with(right_scale, lambda lo, hi, s, a, b: -clipped(lo, hi, s, a, b)),
    "zero point from the wrong end": zero_point_with(
        right_scale, lambda lo, hi, s, a, b: min(max(round(a - hi / s), a), b)
    ),
    "zero point cut off": zero_point_with(right_scale, lambda lo, hi, s, a, b: min(max(int(a - lo / s), a), b)),
    "zero point not rounded": zero_point_with(right_scale, lambda lo, hi, s, a, b: min(max(a - lo / s, a), b)),
    "zero point not an integer": zero_point_with(right_scale, lambda lo, hi, s, a, b: float(clipped(lo, hi, s, a, b))),
    "zero point clipped to 8 bits": zero_point_with(
        right_scale, lambda lo, hi, s, a, b: min(max(round(a - lo / s), -8), 7)
    ),
    "range always with zero": widened_always,
    "constants at scale 1": with_constants(lambda value, b: (1.0, 0)),
    "constants over q_max": with_constants(lambda value, b: (abs(value) / bounds(b)[1] or 1.0, 0)),
    "constants with a negative scale": with_constants(lambda v, b: (v / (2**b - 1) or 1.0, bounds(b)[0] if v else 0)),
    "zeros at scale 0": with_constants(
        lambda v, b: get_quantization_scale_and_zero_point(torch.tensor([v]), b) if v else (0.0, 0)
    ),
}
WRONG_WEIGHT_SCALE = {
    "forgets negative weights": lambda w, b: max(w.max().item(), 5e-7) / bounds(b)[1],
    "whole range": lambda w, b: max((w.max() - w.min()).item(), 5e-7) / (2**b - 1),
    "over 2 to the power of b - 1": lambda w, b: max(w.abs().max().item(), 5e-7) / 2 ** (b - 1),
    "no least range": lambda w, b: w.abs().max().item() / bounds(b)[1],
    "eight bits always": lambda w, b: max(w.abs().max().item(), 5e-7) / 127,
    "least scale instead of least range": lambda w, b: max(w.abs().max().item() / bounds(b)[1], 5e-7),
}


def per_channel(scale: Callable, *, bits: Callable = lambda b: b) -> Callable:
    def quantize(tensor, bitwidth):
        found = scale(tensor, bounds(bitwidth)[1])
        return linear_quantize(tensor, bits(bitwidth), found, 0), found, 0

    return quantize


def largest(tensor: torch.Tensor, dims: tuple[int, ...]) -> torch.Tensor:
    return tensor.abs().amax(dim=dims, keepdim=True).clamp(min=5e-7)


def others(tensor: torch.Tensor) -> tuple[int, ...]:
    return tuple(range(1, tensor.dim()))


WRONG_PER_CHANNEL = {
    "one scale for all": per_channel(lambda w, q: (w.abs().max() / q).expand(len(w), *[1] * (w.dim() - 1))),
    "one scale for each input channel": per_channel(lambda w, q: largest(w, (0, *range(2, w.dim()))) / q),
    "one scale for each kernel": per_channel(lambda w, q: largest(w, others(w)[1:] or (1,)) / q),
    "signed maximum": per_channel(lambda w, q: w.amax(dim=others(w), keepdim=True).clamp(min=5e-7) / q),
    "divides zeros by zero": per_channel(lambda w, q: w.abs().amax(dim=others(w), keepdim=True) / q),
    "over 2 to the power of b - 1": per_channel(lambda w, q: largest(w, others(w)) / (q + 1)),
    "scale along the columns": per_channel(lambda w, q: (largest(w, others(w)) / q).transpose(0, -1)),
    "no scale": lambda w, b: linear_quantize_weight_per_channel(w, b)[0],
    "not cast": lambda w, b: (
        linear_quantize_weight_per_channel(w, b)[0].float(),
        *per_channel_without_a_loop(w, b)[1:],
    ),
}


def bias_with(scale: Callable, bits: int = 32, dtype: torch.dtype = torch.int32) -> Callable:
    def quantize(bias, weight_scale, input_scale):
        found = scale(weight_scale.reshape(-1), input_scale)
        return linear_quantize(bias, bits, found, 0, dtype), found, 0

    return quantize


WRONG_BIAS = {
    "forgets the input scale": bias_with(lambda weight, scale: weight),
    "forgets the weight scale": bias_with(lambda weight, scale: torch.full_like(weight, scale)),
    "divides the scales": bias_with(lambda weight, scale: weight / scale),
    "eight bits": bias_with(lambda weight, scale: weight * scale, bits=8),
    "int8": bias_with(lambda weight, scale: weight * scale, bits=8, dtype=torch.int8),
    "sixteen bits": bias_with(lambda weight, scale: weight * scale, bits=16),
    "broadcasts to a square": lambda bias, w, s: (linear_quantize(bias, 32, w * s, 0, torch.int32), w * s, 0),
}


def shift_with(total: Callable, *, sign: int = -1) -> Callable:
    return lambda bias, weight, zero: (bias + sign * total(weight, zero)).int()


def in_place_shift(quantized_bias, quantized_weight, input_zero_point):
    return quantized_bias.sub_(quantized_weight.flatten(1).sum(1).int() * input_zero_point)


WRONG_SHIFT = {
    "wrong sign": shift_with(lambda w, z: w.flatten(1).sum(1) * z, sign=1),
    "sum in int8": shift_with(lambda w, z: w.flatten(1).sum(1, dtype=torch.int8).long() * z),
    "product in int8": shift_with(lambda w, z: (w * z).flatten(1).sum(1)),
    "one sum for all": shift_with(lambda w, z: w.sum() * z),
    "sum over the outputs": shift_with(lambda w, z: w.sum(0) * z),
    "no sum": shift_with(lambda w, z: w * z),
    "forgets the zero point": shift_with(lambda w, z: w.flatten(1).sum(1)),
    "forgets the weights": shift_with(lambda w, z: torch.full((len(w),), z)),
    "returns int64": lambda bias, w, z: bias - w.flatten(1).sum(1) * z,
    "changes the bias": in_place_shift,
}
WRONG_SHIFT_CONV2D = WRONG_SHIFT | {
    "sum over the kernel only": shift_with(lambda w, z: w.sum((2, 3)) * z),
    "squeezed": shift_with(lambda w, z: w.long().sum((2, 3)).squeeze() * z),
}
