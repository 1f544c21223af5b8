"""Arguments for the integer layers: quantized tensors, scales and zero points as real layers have them."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch.nn.functional import conv2d, linear, pad

from autograder.recipes import Draw

from .margins import is_clear, limits, redraw


def linear_arguments(
    draw: Draw,
    shape: tuple[int, int, int],
    *,
    bits: int = 8,
    weight_bits: int | None = None,
    zero_points: tuple[int, int] | None = None,
    scales: tuple[float, float] | None = None,
    biased: bool = True,
) -> tuple:
    """Arguments of ``quantized_linear``; ``shape`` is (batch, inputs, outputs), ``bits`` is for features, and
    for weights that have no ``weight_bits``.

    ``scales`` are those of input and weight, by default odd ones, one for each output. The output scale is chosen such
    that a few outputs saturate; with ``scales`` given, it is a power of two.
    """
    batch, inputs, outputs = shape

    def make() -> tuple:
        features, weight = draw.int8((batch, inputs), bits), draw.int8((outputs, inputs), weight_bits or bits)
        return _scaled(draw, (features, weight), linear(features.double(), weight.double()), bits, scales, biased)

    made = redraw(
        partial(_with_zero_points, draw, make, (bits, weight_bits or bits), zero_points), partial(_is_clear, bits=bits)
    )
    return made[0]


def conv2d_arguments(
    draw: Draw,
    batch: int,
    channels: tuple[int, int],
    size: tuple[int, int],
    *,
    kernel: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1),
    padding: Sequence[int] = (1, 1, 1, 1),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    bits: int = 8,
    weight_bits: int | None = None,
    zero_points: tuple[int, int] | None = None,
    scales: tuple[float, float] | None = None,
    biased: bool = True,
) -> tuple:
    """Arguments of ``quantized_conv2d``; ``channels`` is (inputs, outputs), ``padding`` (left, right, top, bottom).

    ``bits`` and ``weight_bits`` as in ``linear_arguments``."""
    inputs, outputs = channels

    def make(input_zero_point: int) -> tuple:
        features = draw.int8((batch, inputs, *size), bits)
        weight = draw.int8((outputs, inputs // groups, *kernel), weight_bits or bits)
        padded = pad(features.double(), tuple(padding), value=input_zero_point)
        sums = conv2d(padded, weight.double(), None, stride, 0, dilation, groups)
        return _scaled(draw, (features, weight), sums, bits, scales, biased)

    def layer() -> tuple[tuple, torch.Tensor]:
        pair = zero_points or _zero_points(draw, bits)
        return _with_zero_points(draw, partial(make, pair[0]), (bits, weight_bits or bits), pair)

    made = redraw(layer, partial(_is_clear, bits=bits))
    return (*made[0], stride, tuple(padding), dilation, groups)


def shift_arguments(draw: Draw, shape: tuple[int, ...], zero_point: int | None = None, bits: int = 8) -> tuple:
    """Arguments of the functions that shift a bias, for a weight of ``shape``."""
    if zero_point is None:
        zero_point = draw.integer(3, 100)
    return draw.integers(shape[:1], -40_000, 40_000, torch.int32), draw.int8(shape, bits), zero_point


def large_sums(draw: Draw, shape: tuple[int, int, int]) -> tuple:
    """Arguments of ``quantized_linear`` whose sums pass 2**24, beyond which float32 skips every second integer.

    The bias takes the sums back to within 100 of zero, and the scales cancel, so that every unit shows in the output.
    """
    batch, inputs, outputs = shape
    row, weight = draw.integers((inputs,), 126, 127), draw.integers((outputs, inputs), 125, 127)
    features = torch.stack([_swapped(draw, row) for _ in range(batch)])
    sums = features @ weight.t()
    bias = (draw.integers((outputs,), -80, 80) - sums[0]).to(torch.int32)
    scales = (0.5, torch.full((outputs, 1), 0.25), 0.125)
    return (features.to(torch.int8), weight.to(torch.int8), bias, 8, 8, *_zero_points(draw, 4), *scales)


def _swapped(draw: Draw, row: torch.Tensor) -> torch.Tensor:
    """``row`` with two of its values in each other's place, four times."""
    row = row.clone()
    for one, other in draw.permutation(len(row))[:8].reshape(4, 2).tolist():
        row[one], row[other] = row[other].item(), row[one].item()
    return row


def _zero_points(draw: Draw, bits: int) -> tuple[int, int]:
    """Of input and output; neither is zero, and they have different signs."""
    far = max(1, limits(bits)[1] // 2)
    return draw.integer(-far, -1), draw.integer(1, far)


def _scaled(
    draw: Draw,
    integers: tuple[torch.Tensor, torch.Tensor],
    sums: torch.Tensor,
    bits: int,
    scales: tuple[float, float] | None,
    biased: bool,
) -> tuple:
    """(input, weight, bias, scales, sums with bias and multiplier): all but the zero points."""
    outputs = len(integers[1])
    rows = (outputs, *[1] * (integers[1].dim() - 1))
    columns = (1, -1, *[1] * (sums.dim() - 2))
    spread = max(float(sums.std()), 1.0)
    bias = draw.integers((outputs,), -round(spread), round(spread), torch.int32) if biased else None
    if scales:
        input_scale, weight_scale = scales[0], torch.full(rows, scales[1])
    else:
        input_scale, weight_scale = 0.0173, draw.floats(rows, 0.004, 0.02, step=1 / 65536)
    wanted = spread * input_scale * float(weight_scale.mean()) / (0.6 * 2 ** (bits - 1))
    output_scale = 2.0 ** round(torch.tensor(wanted).log2().item()) if scales else float(f"{wanted:.3g}")
    sums = sums + (0 if bias is None else bias.double().reshape(columns))
    multiplier = weight_scale.double().reshape(columns) * input_scale / output_scale
    return (*integers, bias), (input_scale, weight_scale, output_scale), sums * multiplier


def _with_zero_points(
    draw: Draw, make: Callable[[], tuple], bits: tuple[int, int], zero_points: tuple[int, int] | None
) -> tuple[tuple, torch.Tensor]:
    """All ten arguments that both layers have, and the exact output before rounding."""
    pair = zero_points or _zero_points(draw, bits[0])
    tensors, scales, scaled = make()
    return (*tensors, *bits, *pair, *scales), scaled + pair[1]


def _is_clear(made: tuple[tuple, torch.Tensor], *, bits: int) -> bool:
    return is_clear(made[1], bits)
