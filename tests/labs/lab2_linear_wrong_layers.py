"""Wrong layers, fusions and pixels: each entry has one mistake that students make."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import conv2d, linear, pad

from .lab2_linear_right import bounds, quantized_conv2d


def layer_with(finish: Callable, *, fill: bool = True, sums: Callable | None = None, swapped: bool = False) -> Callable:
    """A layer of either kind with exact sums: ``finish(sums, bias as columns, multiplier, other arguments)``."""

    def compute(i, w, bias, fb, wb, iz, oz, si, sw, so, *convolution):
        if convolution:
            stride, padding, dilation, groups = convolution
            if swapped:
                stride, dilation, padding = stride[::-1], dilation[::-1], (*padding[2:], *padding[:2])
            padded = pad(i, padding, value=iz if fill else 0)
            found = conv2d(padded.double(), w.double(), None, stride, 0, dilation, groups)
        else:
            found = linear(i.double(), w.double())
        columns = (1, -1, *[1] * (found.dim() - 2))
        found = sums(found) if sums else found
        bias = torch.zeros(len(w), dtype=torch.int32) if bias is None else bias
        place = {"bits": fb, "iz": iz, "oz": oz, "si": si, "sw": sw.reshape(columns), "so": so, "raw": sw}
        return finish(found, bias.reshape(columns), place)

    return compute


def multiplier(place: dict) -> torch.Tensor:
    return place["sw"] * place["si"] / place["so"]


def finished(values: torch.Tensor, place: dict, *, bits: int | None = None) -> torch.Tensor:
    return values.round().clamp(*bounds(bits or place["bits"])).to(torch.int8)


def always_biased(function: Callable) -> Callable:
    return lambda i, w, bias, *rest: function(i, w, bias.clone(), *rest)


def float32_sums(i, w, bias, fb, wb, iz, oz, si, sw, so, *convolution):
    if convolution:
        stride, padding, dilation, groups = convolution
        sums = conv2d(pad(i, padding, value=iz).float(), w.float(), None, stride, 0, dilation, groups)
    else:
        sums = linear(i.float(), w.float())
    columns = (1, -1, *[1] * (sums.dim() - 2))
    sums = sums if bias is None else sums + bias.float().reshape(columns)
    return finished(sums * (sw * si / so).reshape(columns) + oz, {"bits": fb})


WRONG_LAYER = {
    "forgets the output zero point": layer_with(lambda s, b, p: finished((s + b) * multiplier(p), p)),
    "zero point before scaling": layer_with(lambda s, b, p: finished((s + b + p["oz"]) * multiplier(p), p)),
    "subtracts the output zero point": layer_with(lambda s, b, p: finished((s + b) * multiplier(p) - p["oz"], p)),
    "input zero point instead": layer_with(lambda s, b, p: finished((s + b) * multiplier(p) + p["iz"], p)),
    "input scale inverted": layer_with(lambda s, b, p: finished((s + b) * p["sw"] / p["si"] / p["so"] + p["oz"], p)),
    "output scale inverted": layer_with(lambda s, b, p: finished((s + b) * p["sw"] * p["si"] * p["so"] + p["oz"], p)),
    "output scale forgotten": layer_with(lambda s, b, p: finished((s + b) * p["sw"] * p["si"] + p["oz"], p)),
    "mean weight scale": layer_with(
        lambda s, b, p: finished((s + b) * p["sw"].mean() * p["si"] / p["so"] + p["oz"], p)
    ),
    "weight scale along the batch": layer_with(
        lambda s, b, p: finished((s + b) * multiplier(p).transpose(0, 1) + p["oz"], p)
    ),
    "bias forgotten": layer_with(lambda s, b, p: finished(s * multiplier(p) + p["oz"], p)),
    "bias twice": layer_with(lambda s, b, p: finished((s + 2 * b) * multiplier(p) + p["oz"], p)),
    "bias after scaling": layer_with(lambda s, b, p: finished(s * multiplier(p) + b + p["oz"], p)),
    "bias must be there": always_biased(layer_with(lambda s, b, p: finished((s + b) * multiplier(p) + p["oz"], p))),
    "cuts fractions off": layer_with(lambda s, b, p: finished(((s + b) * multiplier(p) + p["oz"]).trunc(), p)),
    "rounds down": layer_with(lambda s, b, p: finished(((s + b) * multiplier(p) + p["oz"]).floor(), p)),
    "clamps to 8 bits": layer_with(lambda s, b, p: finished((s + b) * multiplier(p) + p["oz"], p, bits=8)),
    "does not clamp": layer_with(lambda s, b, p: ((s + b) * multiplier(p) + p["oz"]).round().long().to(torch.int8)),
    "clamps before the shift": layer_with(lambda s, b, p: finished((s + b) * multiplier(p), p) + p["oz"]),
    "not cast": layer_with(lambda s, b, p: finished((s + b) * multiplier(p) + p["oz"], p).float()),
    "sums in int8": layer_with(
        lambda s, b, p: finished((s + b) * multiplier(p) + p["oz"], p), sums=lambda s: s.long().to(torch.int8).double()
    ),
    "sums in int16": layer_with(
        lambda s, b, p: finished((s + b) * multiplier(p) + p["oz"], p), sums=lambda s: s.long().to(torch.int16).double()
    ),
    "sums in float32": float32_sums,
}
RIGHT_FINISH = lambda s, b, p: finished((s + b) * multiplier(p) + p["oz"], p)  # noqa: E731


def conv_options(change: Callable) -> Callable:
    return lambda *arguments: quantized_conv2d(*arguments[:10], *change(*arguments[10:]))


WRONG_CONV2D = WRONG_LAYER | {
    "pads with zeros": layer_with(RIGHT_FINISH, fill=False),
    "swaps rows and columns": layer_with(RIGHT_FINISH, swapped=True),
    "ignores the stride": conv_options(lambda s, p, d, g: ((1, 1), p, d, g)),
    "one stride for both": conv_options(lambda s, p, d, g: (s[0], p, d, g)),
    "ignores the dilation": conv_options(lambda s, p, d, g: (s, p, (1, 1), g)),
    "ignores the groups": conv_options(lambda s, p, d, g: (s, p, d, 1)),
    "ignores the padding": conv_options(lambda s, p, d, g: (s, (0, 0, 0, 0), d, g)),
    "padding equal on all sides": conv_options(lambda s, p, d, g: (s, (p[0],) * 4, d, g)),
    "padding top and bottom first": conv_options(lambda s, p, d, g: (s, (p[2], p[3], p[0], p[1]), d, g)),
    "padding left and right exchanged": conv_options(lambda s, p, d, g: (s, (p[1], p[0], p[3], p[2]), d, g)),
}


def fuse_with(factor: Callable, bias: Callable, *, rows: tuple[int, ...] = (-1, 1, 1, 1), **options) -> Callable:
    def fuse(conv, bn):
        found = factor(bn)
        start = torch.zeros(len(found)) if conv.bias is None else conv.bias.data
        conv.weight.data = conv.weight.data * found.reshape(rows)
        conv.bias = nn.Parameter(bias(start, bn, found).detach())
        for name, value in options.items():
            setattr(conv, name, value)
        return conv

    return fuse


def right_factor(bn: nn.BatchNorm2d) -> torch.Tensor:
    return bn.weight.data / torch.sqrt(bn.running_var + bn.eps)


def right_bias(bias: torch.Tensor, bn: nn.BatchNorm2d, factor: torch.Tensor) -> torch.Tensor:
    return (bias - bn.running_mean) * factor + bn.bias.data


WRONG_FUSE = {
    "no eps": fuse_with(lambda bn: bn.weight.data / bn.running_var.sqrt(), right_bias),
    "eps beside the root": fuse_with(lambda bn: bn.weight.data / (bn.running_var.sqrt() + bn.eps), right_bias),
    "eps of 1e-5": fuse_with(lambda bn: bn.weight.data / (bn.running_var + 1e-5).sqrt(), right_bias),
    "no root": fuse_with(lambda bn: bn.weight.data / (bn.running_var + bn.eps), right_bias),
    "gamma forgotten": fuse_with(lambda bn: 1 / (bn.running_var + bn.eps).sqrt(), right_bias),
    "multiplies by the deviation": fuse_with(lambda bn: bn.weight.data * (bn.running_var + bn.eps).sqrt(), right_bias),
    "mean of the wrong sign": fuse_with(right_factor, lambda b, bn, f: (b + bn.running_mean) * f + bn.bias.data),
    "mean not scaled": fuse_with(right_factor, lambda b, bn, f: b * f - bn.running_mean + bn.bias.data),
    "mean forgotten": fuse_with(right_factor, lambda b, bn, f: b * f + bn.bias.data),
    "beta forgotten": fuse_with(right_factor, lambda b, bn, f: (b - bn.running_mean) * f),
    "beta scaled": fuse_with(right_factor, lambda b, bn, f: (b - bn.running_mean + bn.bias.data) * f),
    "bias of the convolution lost": fuse_with(right_factor, lambda b, bn, f: bn.bias.data - bn.running_mean * f),
    "bias of the convolution not scaled": fuse_with(
        right_factor, lambda b, bn, f: b + bn.bias.data - bn.running_mean * f
    ),
    "factor along the inputs": fuse_with(right_factor, right_bias, rows=(1, -1, 1, 1)),
    "factor along the columns": fuse_with(right_factor, right_bias, rows=(1, 1, 1, -1)),
    "stride lost": fuse_with(right_factor, right_bias, stride=(1, 1)),
    "groups lost": fuse_with(right_factor, right_bias, groups=1),
    "unchanged": lambda conv, bn: conv,
}
WRONG_PREPROCESS = {
    "225": lambda x: (x * 225 - 128).round().clamp(-128, 127).to(torch.int8),
    "127": lambda x: (x * 127 - 128).round().clamp(-128, 127).to(torch.int8),
    "256": lambda x: (x * 256 - 128).round().clamp(-128, 127).to(torch.int8),
    "256 without a clamp": lambda x: (x * 256 - 128).round().long().to(torch.int8),
    "symmetric": lambda x: ((x * 2 - 1) * 127).round().to(torch.int8),
    "off by one": lambda x: (x * 255 - 127).round().clamp(-128, 127).to(torch.int8),
    "no shift": lambda x: (x * 255).round().clamp(-128, 127).to(torch.int8),
    "stretches each image": lambda x: ((x - x.min()) / (x.max() - x.min()) * 255 - 128).round().to(torch.int8),
    "not cast": lambda x: (x * 255 - 128).round(),
    "changes its input": lambda x: x.mul_(255).sub_(128).round_().to(torch.int8),
    "uint8": lambda x: (x * 255).round().to(torch.uint8),
}
