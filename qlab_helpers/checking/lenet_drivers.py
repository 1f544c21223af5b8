"""Drivers of functions that take a whole network, or a file of one: small networks are made here, of a case's numbers.

A reference file holds tensors and single layers, no networks, so a case gives the layers, and a driver puts them into a
LeNet. What comes back is told in plain values: the kinds of its layers, their scales and zero points, its outputs.
"""

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional

ENLARGED = 4  # images are stored at a quarter of LeNet's 32 x 32 pixels


def quantize_dynamic(function: Callable, layers: Sequence[nn.Module], images: torch.Tensor) -> Any:
    """Kinds of the integer layers and outputs of ``function(network)``; the outputs of the given network after it, and
    the modes of both. The network is given in training mode.

    ``layers`` are LeNet's three convolutions and two linear layers; ``images`` (n, 1, 8, 8).
    """
    network, images = _lenet(layers), _enlarged(images)
    with _engine(), _quiet():
        quantized = function(network)
        if not isinstance(quantized, nn.Module):
            return quantized
        return _kinds(quantized), quantized(images), network(images), _modes(quantized, network)


def quantize_static(
    function: Callable,
    layers: Sequence[nn.Module],
    batches: Sequence[torch.Tensor],
    backend: str,
    images: torch.Tensor,
) -> Any:
    """What ``function(network, loader, backend)`` makes of a network, and the outputs of the given one after it.

    Seven values: the kinds of the integer layers; scales and zero points in the order of named_modules(); the outputs
    for ``images``; the engine that is chosen afterwards; the outputs of the given network, which was in training mode;
    the modes of both. The loader gives ``batches``, (n, 1, 8, 8) each, with labels.
    """
    network, images = _lenet(layers), _enlarged(images)
    loader = [(_enlarged(batch), torch.zeros(len(batch), dtype=torch.int64)) for batch in batches]
    with _engine(), _quiet():
        quantized = function(network, loader, backend)
        if not isinstance(quantized, nn.Module):
            return quantized
        engine = torch.backends.quantized.engine
        scales, zero_points = _qparams(quantized)
        modes = _modes(quantized, network)
        return _kinds(quantized), scales, zero_points, quantized(images), engine, network(images), modes


def name_modules(function: Callable, settings: Sequence[tuple[str, float, int]], converted: bool) -> Any:
    """The list of names that ``function`` finds in a LeNet, as it is printed; a text that it returns is called one.

    The network is converted without calibration (or left in fp32); ``settings`` then give some of its modules, by name,
    the scale and zero point that a calibration might have left.
    """
    network = copy.deepcopy(_small_lenet(converted))
    with _quiet():
        for name, scale, zero_point in settings:
            _set_qparams(network.get_submodule(name), scale, zero_point)
        found = function(network)
    if isinstance(found, list | tuple) and all(isinstance(name, str) for name in found):
        return str(list(found))
    return f"the text {found!r}" if isinstance(found, str) else found


def save_network(function: Callable, kind: str, widths: Sequence[int]) -> Any:
    """What ``function`` says of a network of linear layers of these ``widths``: "float32", "float64" or "int8"; with
    "norm", a batch normalization follows the last one."""
    from qlab_helpers import quantization as tq

    layers: list[nn.Module] = [nn.Linear(one, other) for one, other in zip(widths, widths[1:], strict=False)]
    if kind == "norm":
        layers.append(nn.BatchNorm1d(widths[-1]))
    network = nn.Sequential(*layers).eval()
    with _engine(), _quiet():
        if kind == "float64":
            network = network.double()
        elif kind == "int8":
            network = tq.convert(tq.prepare(network, tq.get_default_qconfig(tq.default_backend())))
        return function(network)


def _lenet(layers: Sequence[nn.Module]) -> nn.Module:
    from qlab_helpers.models.lenet import LeNet  # late: it needs torch.ao.quantization, which other labs do without

    first, second, third, hidden, last = (layer.cpu() for layer in layers)
    channels = first.out_channels, second.out_channels, third.out_channels
    network = LeNet(channels, hidden.out_features, last.out_features)
    network.features[0], network.features[3], network.features[6] = first, second, third
    network.classifier[0], network.classifier[2] = hidden, last
    return network.train()  # as training leaves it


@cache
def _small_lenet(converted: bool) -> nn.Module:
    """Made once: nobody looks at its weights, and to convert it takes ten times as long as to copy it."""
    from qlab_helpers import quantization as tq
    from qlab_helpers.models.lenet import LeNet

    with torch.random.fork_rng(devices=()):  # so that the first call finds the same random numbers as the others
        network = LeNet((2, 2, 3), 4, 3).eval()
    if not converted:
        return network
    with _engine(), _quiet():
        torch.backends.quantized.engine = tq.default_backend()
        fused = tq.fuse_modules(network, network.fusible_groups())
        return tq.convert(tq.prepare(fused, tq.get_default_qconfig(tq.default_backend())))


def _set_qparams(module: nn.Module, scale: float, zero_point: int) -> None:
    if isinstance(module.scale, torch.Tensor):  # of the module that quantizes the input
        module.scale.fill_(scale)
        module.zero_point.fill_(zero_point)
    else:
        module.scale, module.zero_point = scale, zero_point


def _enlarged(images: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(images.cpu(), scale_factor=ENLARGED)


def _kinds(network: nn.Module) -> str:
    """The layers with packed integer weights, in order: their names, torch's names of their kinds, their dtype."""
    packed = [(name, module) for name, module in network.named_modules() if callable(getattr(module, "weight", None))]
    kinds = [f"{name} {repr(module).partition('(')[0]}" for name, module in packed]
    dtypes = [str(module.weight().dtype).removeprefix("torch.") for _, module in packed]
    return ", ".join(f"{kind} {dtype}" for kind, dtype in zip(kinds, dtypes, strict=True))


def _modes(quantized: nn.Module, given: nn.Module) -> str:
    modes = ["training" if network.training else "eval" for network in (quantized, given)]
    return "returned: {}, given: {}".format(*modes)


def _qparams(network: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    found = [module for module in network.modules() if hasattr(module, "scale") and hasattr(module, "zero_point")]
    scales = [float(module.scale) for module in found]
    zero_points = [float(module.zero_point) for module in found]
    return torch.tensor(scales, dtype=torch.float64), torch.tensor(zero_points, dtype=torch.float64)


@contextmanager
def _engine() -> Iterator[None]:
    """Whatever engine is chosen inside, afterwards it is the one of before."""
    before = torch.backends.quantized.engine
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


@contextmanager
def _quiet() -> Iterator[None]:
    """No gradients, and none of the warnings of torch.ao.quantization, of which some cases are full on purpose."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
