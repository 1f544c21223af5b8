"""What a model costs: parameters, size, multiply-accumulates and latency.

Sizes are in bits, as a quantized weight may take two of them: ``model_size_bits(model, 4) / MiB``.
"""

import statistics
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

Byte = 8  # bits, as all of these
KiB = 1024 * Byte
MiB = 1024 * KiB
GiB = 1024 * MiB

FP32_BITS = 32


def count_parameters(model: nn.Module) -> int:
    """The number of trainable and frozen parameters; buffers, such as BatchNorm's statistics, are not counted."""
    return sum(parameter.numel() for parameter in model.parameters())


def model_size_bits(model: nn.Module, bitwidth: int | Mapping[str, int] = FP32_BITS) -> int:
    """The size of all parameters in bits, at ``bitwidth`` bits each.

    A mapping gives the bits of parameters by name (as in ``named_parameters``); those that it leaves out count 32 bits.
    Codebooks and scales are not included. Raises ``ValueError`` for a name that the model does not have.
    """
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    if not isinstance(bitwidth, Mapping):
        return sum(sizes.values()) * bitwidth
    unknown = sorted(set(bitwidth) - set(sizes))
    if unknown:
        raise ValueError(f"the model has no parameter called {unknown[0]!r}; its names are those of named_parameters()")
    return sum(size * bitwidth.get(name, FP32_BITS) for name, size in sizes.items())


def format_size(size_bits: float) -> str:
    """A size in bits as text, in the largest unit that it fills: ``format_size(295307584)`` is "35.20 MiB"."""
    for unit, name in ((GiB, "GiB"), (MiB, "MiB"), (KiB, "KiB"), (Byte, "B")):
        if size_bits >= unit:
            return f"{size_bits / unit:.2f} {name}"
    return f"{size_bits:g} bit"


def model_macs(model: nn.Module, input: torch.Tensor) -> int:
    """Multiply-accumulates of one forward pass on ``input``, in eval mode, as torchprofile counts them."""
    from torchprofile import profile_macs  # imported late, because it loads the tracer

    with _evaluating(model), torch.no_grad(), warnings.catch_warnings():
        # It warns of every operator that it does not count (those without products), and tracing is deprecated.
        warnings.simplefilter("ignore")
        return int(profile_macs(model, input))


def latency_ms(model: nn.Module, input: torch.Tensor, *, repeats: int = 20, warmup: int = 3) -> float:
    """The median time of one forward pass in eval mode, in milliseconds, after ``warmup`` passes that do not count."""
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, not {repeats}")
    with _evaluating(model), torch.inference_mode():
        for _ in range(warmup):
            model(input)
        times = [_timed_ms(model, input) for _ in range(repeats)]
    return statistics.median(times)


def _timed_ms(model: nn.Module, input: torch.Tensor) -> float:
    # CUDA works behind Python's back, so the clock is read only when it has nothing left to do.
    if input.is_cuda:
        torch.cuda.synchronize(input.device)
    begin = time.perf_counter()
    model(input)
    if input.is_cuda:
        torch.cuda.synchronize(input.device)
    return 1000 * (time.perf_counter() - begin)


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode inside; each module has its own mode back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
