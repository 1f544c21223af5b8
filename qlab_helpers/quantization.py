"""The one file that touches torch.ao.quantization, so that one file has to change when PyTorch drops it.

It is deprecated in favour of torchao, and yet the only quantization that is everywhere where torch is, and the one that
courses teach: observers, QConfigs, prepare, convert. What the labs need of it has its own name here. The deprecation
warnings of these calls are kept from students, who can do nothing about them; all other warnings come through.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

try:
    from torch.ao import quantization as _ao
    from torch.ao.quantization import MinMaxObserver, MovingAverageMinMaxObserver, QConfig, QuantWrapper
except ImportError as error:
    raise ImportError(
        f"torch {torch.__version__} has no torch.ao.quantization any more, which this lab needs; "
        'torch 2.4 to 2.15 have it: pip install "torch>=2.4,<2.16"'
    ) from error

__all__ = [
    "MinMaxObserver",
    "MovingAverageMinMaxObserver",
    "QConfig",
    "QuantWrapper",
    "convert",
    "fuse_modules",
    "prepare",
]

#: Beginnings of the messages that are kept back, as regular expressions.
DEPRECATIONS = ("torch.ao.quantization is deprecated", "torch.quantize_per_tensor")


def fuse_modules(model: nn.Module, groups: Sequence[Sequence[str]]) -> nn.Module:
    """A copy of ``model`` (in eval mode) in which each group of layers, by name, is one: convolution, norm, ReLU."""
    with _without_deprecations():
        return _ao.fuse_modules(model, [list(group) for group in groups])


def prepare(model: nn.Module, qconfig: QConfig) -> nn.Module:
    """A copy of ``model`` (in eval mode) that observes: run calibration images through it, then ``convert`` it."""
    model.qconfig = qconfig
    try:
        with _without_deprecations():
            return _ao.prepare(model)
    finally:
        del model.qconfig


def convert(prepared: nn.Module) -> nn.Module:
    """A copy of a prepared and calibrated model that computes in int8. It runs on the CPU only."""
    with _without_deprecations():
        return _ao.convert(prepared)


@contextmanager
def _without_deprecations() -> Iterator[None]:
    with warnings.catch_warnings():
        for message in DEPRECATIONS:
            warnings.filterwarnings("ignore", message=message)
        yield
