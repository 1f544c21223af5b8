"""The one file that touches torch.ao.quantization, so that one file has to change when PyTorch drops it.

It is deprecated in favour of torchao, and yet the only quantization that is everywhere where torch is, and the one that
courses teach: observers, QConfigs, prepare, convert. What the labs need of it has its own name here. The deprecation
warnings of these calls are kept from students, who can do nothing about them; all other warnings come through.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager

import torch
from torch import nn

try:
    from torch.ao import quantization as _ao
    from torch.ao.nn.intrinsic.qat import freeze_bn_stats
    from torch.ao.nn.quantized import FloatFunctional
    from torch.ao.quantization import (
        DeQuantStub,
        FakeQuantize,
        MinMaxObserver,
        MovingAverageMinMaxObserver,
        QConfig,
        QuantStub,
        QuantWrapper,
        disable_observer,
    )
except ImportError as error:
    raise ImportError(
        f"torch {torch.__version__} has no torch.ao.quantization any more, which this lab needs; "
        'torch 2.4 to 2.15 have it: pip install "torch>=2.4,<2.16"'
    ) from error

__all__ = [
    "DeQuantStub",
    "FakeQuantize",
    "FloatFunctional",
    "MinMaxObserver",
    "MovingAverageMinMaxObserver",
    "QConfig",
    "QuantStub",
    "QuantWrapper",
    "convert",
    "default_backend",
    "disable_observer",
    "freeze_bn_stats",
    "fuse_modules",
    "fuse_modules_qat",
    "get_default_qconfig",
    "prepare",
    "prepare_qat",
    "quantize_dynamic",
]

#: Beginnings of the messages that are kept back, as regular expressions.
DEPRECATIONS = (
    "torch.ao.quantization is deprecated",
    "torch.quantize_per_tensor",
    "Please use quant_min and quant_max",  # said by torch's own QConfigs about themselves
)


def fuse_modules(model: nn.Module, groups: Sequence[Sequence[str]], *, inplace: bool = False) -> nn.Module:
    """``model`` (in eval mode) with each group of layers, by name, made one: convolution, norm, ReLU.

    A copy, unless ``inplace``. The norm is computed into the convolution's weights; an ``AssertionError`` of torch says
    so when the model is in training mode.
    """
    with _without_deprecations():
        return _ao.fuse_modules(model, [list(group) for group in groups], inplace=inplace)


def fuse_modules_qat(model: nn.Module, groups: Sequence[Sequence[str]], *, inplace: bool = False) -> nn.Module:
    """The same for quantization-aware training (model in training mode): each group is one, and keeps its norm."""
    with _without_deprecations():
        return _ao.fuse_modules_qat(model, [list(group) for group in groups], inplace=inplace)


def prepare(model: nn.Module, qconfig: QConfig) -> nn.Module:
    """A copy of ``model`` (in eval mode) that observes: run calibration images through it, then ``convert`` it."""
    return _prepared(_ao.prepare, model, qconfig)


def prepare_qat(model: nn.Module, qconfig: QConfig) -> nn.Module:
    """A copy of ``model`` (in training mode) that rounds weights and activations as int8 will: train, then ``convert``.

    What is new in it lies on the CPU, wherever ``model`` is. torch raises ``AssertionError`` for a model in eval mode.
    """
    return _prepared(_ao.prepare_qat, model, qconfig)


def convert(prepared: nn.Module) -> nn.Module:
    """A copy of a prepared and calibrated model that computes in int8. It runs on the CPU only."""
    with _without_deprecations():
        return _ao.convert(prepared)


def _prepared(how: Callable[[nn.Module], nn.Module], model: nn.Module, qconfig: QConfig) -> nn.Module:
    model.qconfig = qconfig
    try:
        with _without_deprecations():
            return how(model)
    finally:
        del model.qconfig


def quantize_dynamic(
    model: nn.Module, layers: Set[type[nn.Module] | str], dtype: torch.dtype = torch.qint8
) -> nn.Module:
    """A copy of ``model`` (in eval mode) in which ``layers``, given by their type or name, have integer weights.

    Their inputs are quantized while the model runs, with a scale of their own for each call. torch does this for linear
    and recurrent layers; other types are left as they are.
    """
    with _without_deprecations():
        return _ao.quantize_dynamic(model, set(layers), dtype=dtype)


def get_default_qconfig(backend: str) -> QConfig:
    """torch's QConfig for static quantization on ``backend``: "x86", "fbgemm", "onednn" or "qnnpack" (ARM)."""
    return _ao.get_default_qconfig(backend)


def default_backend() -> str:
    """The backend whose integer kernels suit this machine: "x86", or "qnnpack" on ARM."""
    return "x86" if "x86" in torch.backends.quantized.supported_engines else "qnnpack"


@contextmanager
def _without_deprecations() -> Iterator[None]:
    with warnings.catch_warnings():
        for message in DEPRECATIONS:
            warnings.filterwarnings("ignore", message=message)
        yield
