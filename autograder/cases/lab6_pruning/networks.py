"""Layers of small networks, drawn so that every correct way of pruning them agrees.

No two weights of a tensor have the same magnitude, so that no threshold has to choose between equals, and no two
channels nearly the same norm, so that sorting has one result.
"""

import torch
from torch import nn

from autograder.recipes import Draw

ATTEMPTS = 200
GAP = 0.003  # least relative difference of the norms of two channels


def distinct(draw: Draw, shape: tuple[int, ...], *, step: float = 1 / 64) -> torch.Tensor:
    """Magnitudes ``step``, 2 ``step``, ... in any order, with random signs."""
    count = torch.Size(shape).numel()
    signs = 2 * draw.integers((count,), 0, 1) - 1
    return ((draw.permutation(count) + 1) * signs).reshape(shape).float() * step


def bell_shaped(draw: Draw, shape: tuple[int, ...]) -> torch.Tensor:
    """Quantiles of a normal distribution in any order, with random signs: many small magnitudes, few large ones."""
    count = torch.Size(shape).numel()
    signs = 2 * draw.integers((count,), 0, 1) - 1
    # Rounded far more coarsely than machines differ, and more finely than the quantiles do.
    magnitudes = (torch.erfinv((draw.permutation(count).double() + 0.5) / count) * 1024).round() / 1024
    return (magnitudes * signs).reshape(shape).float()


def convolution(draw: Draw, inputs: int, outputs: int, *, kernel: int = 3, step: float = 1 / 64) -> nn.Conv2d:
    """Without bias, as the lab's VGG has them; its input channels differ in norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    for _ in range(ATTEMPTS):
        weight = distinct(draw, tuple(conv.weight.shape), step=step)
        norms = [weight.pow(2).sum(dim=dims).sqrt().sort().values for dims in ((0, 2, 3), (1, 2, 3))]
        if all((one.diff() > GAP * one[1:]).all() for one in norms):
            conv.weight.data = weight
            return conv
    raise ValueError(f"none of {ATTEMPTS} draws keeps the norms of channels apart")


def norm(draw: Draw, channels: int, *, exact: bool = False) -> nn.BatchNorm2d:
    """With statistics of its own for each channel; ``exact``: it divides by 1."""
    layer = nn.BatchNorm2d(channels, **({"eps": 0.25} if exact else {}))
    layer.weight.data = torch.full((channels,), 2.0) if exact else distinct(draw, (channels,), step=1 / 4)
    layer.bias.data = distinct(draw, (channels,), step=1 / 8)
    layer.running_mean = distinct(draw, (channels,), step=1 / 16)
    layer.running_var = torch.full((channels,), 0.75) if exact else distinct(draw, (channels,), step=1 / 8).abs()
    return layer


def linear(draw: Draw, inputs: int, outputs: int, *, step: float = 1 / 64) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    layer.weight.data = distinct(draw, (outputs, inputs), step=step)
    layer.bias.data = distinct(draw, (outputs,), step=1 / 4)
    return layer


def importance_order(conv: nn.Conv2d) -> torch.Tensor:
    """Its input channels by falling norm."""
    return conv.weight.data.pow(2).sum(dim=(0, 2, 3)).argsort(descending=True)


def network(draw: Draw, *widths: int, classes: int = 3, inputs: int = 3) -> tuple[list[nn.Module], nn.Linear]:
    """Convolutions with normalizations, of so many output channels each, and a classifier."""
    layers: list[nn.Module] = []
    for before, after in zip((inputs, *widths), widths, strict=False):
        layers += [convolution(draw, before, after), norm(draw, after)]
    return layers, linear(draw, widths[-1], classes)
