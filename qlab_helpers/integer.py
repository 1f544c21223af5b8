"""Exact int8 x int8 -> int32 linear and convolution, on the CPU and on CUDA, as an integer-only accelerator does them.

PyTorch has no such product that is exact, fast and available everywhere. On processors with instructions for sums of
int8 products (VNNI) its integer product of matrices is both, several times as fast as float32, and convolutions are
written as products of matrices. Elsewhere its float32 product is fast, and exact while no partial sum exceeds 2^24. A
product of two int8 numbers is at most 2^14, so 1,024 of them may be summed in float32, whatever the order; longer sums
are cut into pieces that are added in int32. Often they need not be cut: for given weights no partial sum exceeds
128 * sum |w|.

Sums wrap at 32 bits, as in the hardware; that takes more than 131,000 products an output.
"""

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import torch
from torch.nn import functional

#: Products of two int8 numbers that float32 adds up exactly: 2^24 / (128 * 128).
EXACT_PRODUCTS = 1024
#: Elements of the patch matrix that the convolution by matrix products makes at a time (64 MiB in float32).
PATCH_ELEMENTS = 1 << 24


@torch.no_grad()
def int8_linear(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """``input`` (..., ic) int8, ``weight`` (oc, ic) int8, ``bias`` (oc,) int32 -> (..., oc) int32, exact.

    Raises ``TypeError`` for other dtypes and ``ValueError`` for shapes that do not fit.
    """
    _check_dtypes(input, weight, bias)
    if weight.dim() != 2 or input.dim() < 1 or input.shape[-1] != weight.shape[1]:
        shapes = f"{tuple(input.shape)} and {tuple(weight.shape)}"
        raise ValueError(f"int8_linear needs (..., ic) and (oc, ic), not {shapes}")
    _check_bias(bias, len(weight))
    with _full_precision(input):
        output = _product(input.reshape(-1, weight.shape[1]), weight, step=_exact_terms(weight))
    output = output.view(*input.shape[:-1], len(weight))
    return output if bias is None else output.add_(bias)


@torch.no_grad()
def int8_conv2d(
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    padding_value: int = 0,
) -> torch.Tensor:
    """``input`` (n, ic, h, w) int8, ``weight`` (oc, ic / groups, kh, kw) int8 -> (n, oc, oh, ow) int32, exact.

    ``bias`` is (oc,) int32. ``padding`` is one number, (vertical, horizontal), or the four of
    ``torch.nn.functional.pad``: left, right, top, bottom. The border is filled with ``padding_value``: the zero point
    of the input, which stands for the real zero. In memory the result may be channels_last.
    Raises ``TypeError`` for other dtypes and ``ValueError`` for shapes that do not fit.
    """
    _check_dtypes(input, weight, bias)
    if input.dim() != 4 or weight.dim() != 4 or input.shape[1] != groups * weight.shape[1] or len(weight) % groups:
        raise ValueError(
            f"int8_conv2d needs (n, ic, h, w) and (oc, ic / groups, kh, kw), not {tuple(input.shape)} and "
            f"{tuple(weight.shape)} with groups={groups}"
        )
    if not -128 <= padding_value <= 127:
        raise ValueError(f"padding_value must fit in int8, not {padding_value}")
    _check_bias(bias, len(weight))
    stride, dilation = _pair(stride), _pair(dilation)
    padded = functional.pad(input, _sides(padding), value=padding_value)
    _check_size(padded, weight, dilation)
    with _full_precision(input):
        direct = _direct_is_exact(input) and not _has_integer_product(input)
        convolve = _direct_convolution if direct else _convolution_by_products
        output = convolve(padded, weight, stride, dilation, groups)
    return output if bias is None else output.add_(bias.view(-1, 1, 1))


def _product(rows: torch.Tensor, weight: torch.Tensor, *, step: int) -> torch.Tensor:
    """(n, k) int8 x (oc, k) int8 -> (n, oc) int32; ``step`` terms of each sum at a time."""
    if _has_integer_product(rows) and rows.numel() and weight.numel():
        # In one piece each, with the usual strides also where a dimension is 1: the kernel takes nothing else.
        left, right = (matrix.reshape(-1).view(matrix.shape) for matrix in (rows, weight))
        return torch._int_mm(left, right.t())
    total = torch.zeros(len(rows), len(weight), dtype=torch.int32, device=rows.device)
    for begin in range(0, weight.shape[1], step):
        piece = slice(begin, begin + step)
        total += (rows[:, piece].float() @ weight[:, piece].float().t()).to(torch.int32)
    return total


def _direct_convolution(
    padded: torch.Tensor, weight: torch.Tensor, stride: Sequence[int], dilation: Sequence[int], groups: int
) -> torch.Tensor:
    """PyTorch's float32 convolution, on as many input channels at a time as stay exact."""
    channels, area = weight.shape[1], weight[0, 0].numel()
    step = _exact_terms(weight) // area
    if step == 0 or (step < channels and groups > 1):
        return _convolution_by_products(padded, weight, stride, dilation, groups)
    real = padded.float()
    total = None
    for begin in range(0, channels, step):
        # With groups the step covers all channels of a group, so the slice takes every channel there is.
        inputs = real if step >= channels else real[:, begin : begin + step]
        kernel = weight[:, begin : begin + step].float()
        part = functional.conv2d(inputs, kernel, stride=stride, dilation=dilation, groups=groups).to(torch.int32)
        total = part if total is None else total.add_(part)
    return total


def _convolution_by_products(
    padded: torch.Tensor, weight: torch.Tensor, stride: Sequence[int], dilation: Sequence[int], groups: int
) -> torch.Tensor:
    """Convolution as matrix products of image patches: only sums of products, on every device."""
    outputs, channels, kh, kw = weight.shape
    count, _, height, width = padded.shape
    oh = (height - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (width - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    step = _exact_terms(weight)
    images = max(1, PATCH_ELEMENTS // (oh * ow * channels * kh * kw))
    total = torch.empty(count, oh, ow, outputs, dtype=torch.int32, device=padded.device)
    pixels = padded.permute(0, 2, 3, 1)  # the channels of a pixel are neighbours in memory, and copied as one piece
    for group in range(groups):
        inputs = pixels[..., group * channels : (group + 1) * channels].contiguous()
        kernels = slice(group * outputs // groups, (group + 1) * outputs // groups)
        matrix = weight[kernels].permute(0, 2, 3, 1).flatten(1)  # (oc / groups, kh * kw * ic)
        windows = _windows(inputs, (oh, ow), (kh, kw), stride, dilation)
        for begin in range(0, count, images):
            some = windows[begin : begin + images]
            patches = some.reshape(-1, matrix.shape[1])  # (n * oh * ow, kh * kw * ic)
            sums = _product(patches, matrix, step=step).view(len(some), oh, ow, len(matrix))
            total[begin : begin + images, ..., kernels] = sums
    return total.permute(0, 3, 1, 2)


def _windows(
    inputs: torch.Tensor, size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> torch.Tensor:
    """A view of every kernel-sized window of (n, h, w, ic), contiguous: (n, oh, ow, kh, kw, ic) or (..., kw * ic)."""
    count, height, width, channels = inputs.shape
    row = width * channels
    steps = (height * row, stride[0] * row, stride[1] * channels, dilation[0] * row)
    if dilation[1] == 1:  # then a row of the window is one piece of memory
        shape, steps = (count, *size, kernel[0], kernel[1] * channels), (*steps, 1)
    else:
        shape, steps = (count, *size, *kernel, channels), (*steps, dilation[1] * channels, 1)
    return inputs.as_strided(shape, steps, inputs.storage_offset())


def _exact_terms(weight: torch.Tensor) -> int:
    """How many terms of a sum may be added up at once: of float32 all, if these weights are small enough."""
    terms = weight[0].numel() if len(weight) else 0
    if terms > EXACT_PRODUCTS and not _has_integer_product(weight):
        largest = weight.flatten(1).short().abs().sum(dim=1).max()  # int16, because |-128| is none of int8's
        if 128 * int(largest) > 1 << 24:
            return EXACT_PRODUCTS
    return max(terms, 1)


def _direct_is_exact(input: torch.Tensor) -> bool:
    # oneDNN on x86 sums products. cuDNN, NNPACK and Arm's library may use Winograd's or Fourier's transforms, whose
    # fractions are rounded, so there a convolution is written as products of matrices.
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return input.device.type == "cpu" and x86 and torch.backends.mkldnn.is_available()


def _has_integer_product(input: torch.Tensor) -> bool:
    return input.device.type == "cpu" and _has_exact_vnni()


@cache
def _has_exact_vnni() -> bool:
    """Whether PyTorch's int8 product of matrices is fast here and, tried on the largest sums, exact."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if not (capabilities.get("avx512_vnni") or capabilities.get("avx_vnni")):
        return False
    # Instructions older than VNNI saturate at 16 bits, and would fail here.
    left = torch.tensor([-128, 127], dtype=torch.int8).repeat_interleave(16)[:, None].expand(32, 4096).contiguous()
    try:
        product = torch._int_mm(left, left.t())
    except (AttributeError, NotImplementedError, RuntimeError):  # a PyTorch without it
        return False
    return product.dtype == torch.int32 and torch.equal(product.long(), left.long() @ left.long().t())


@contextmanager
def _full_precision(input: torch.Tensor) -> Iterator[None]:
    """Real float32 inside: no autocast, no TF32 or bfloat16 in its place, no NNPACK."""
    # PyTorch 2.9 has a second set of switches beside the first, and complains if the two disagree: set both.
    newer = [p for p in (torch.backends.cuda.matmul, *_mkldnn_switches()) if hasattr(p, "fp32_precision")]
    values = [place.fp32_precision for place in newer]
    try:
        older = torch.get_float32_matmul_precision()
    except RuntimeError:  # they disagree already, because only the newer were set: leave the older alone
        older = None
    if older is not None:
        torch.set_float32_matmul_precision("highest")
    for place in newer:
        place.fp32_precision = "ieee"
    try:
        with torch.autocast(input.device.type, enabled=False), torch.backends.nnpack.flags(enabled=False):
            yield
    finally:
        if older is not None:
            torch.set_float32_matmul_precision(older)
        for place, value in zip(newer, values, strict=True):
            place.fp32_precision = value


def _mkldnn_switches() -> list[object]:
    return [getattr(torch.backends.mkldnn, name, None) for name in ("matmul", "conv")]


def _check_dtypes(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
    int8, int32 = torch.int8, torch.int32
    for name, tensor, dtype in (("input", input, int8), ("weight", weight, int8), ("bias", bias, int32)):
        if tensor is not None and tensor.dtype != dtype:
            how = "quantize it first" if tensor.is_floating_point() else f"convert values that fit with .to({dtype})"
            raise TypeError(f"{name} must be {dtype}, not {tensor.dtype}: {how}")


def _check_bias(bias: torch.Tensor | None, outputs: int) -> None:
    if bias is not None and tuple(bias.shape) != (outputs,):
        raise ValueError(f"bias must have the shape ({outputs},), not {tuple(bias.shape)}")


def _check_size(padded: torch.Tensor, weight: torch.Tensor, dilation: Sequence[int]) -> None:
    for size, kernel, spread in zip(padded.shape[2:], weight.shape[2:], dilation, strict=True):
        if size < spread * (kernel - 1) + 1:
            raise ValueError(
                f"a kernel of {tuple(weight.shape[2:])} with dilation {tuple(dilation)} does not fit in a padded image "
                f"of {tuple(padded.shape[2:])}"
            )


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _sides(padding: int | Sequence[int]) -> list[int]:
    """left, right, top, bottom"""
    if not isinstance(padding, int) and len(padding) == 4:
        return list(padding)
    vertical, horizontal = _pair(padding)
    return [horizontal, horizontal, vertical, vertical]
