"""The VGG in int8, as lab 2 builds it, on exact int32 sums: against fp32, the homework's int32 path and int8 kernels.

The lab's own functions compute both integer ways; only what adds up the products is exchanged. PyTorch's x86 backend,
in which convolution, bias, ReLU and rounding are one kernel, is the upper reference: nobody can look into it.
"""

import platform
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from autograder.course import load_course
from autograder.solution import load_solution
from benchmarks import homework
from benchmarks.batches import some_images
from benchmarks.harness import Figure, Unable, alternate, speedup
from qlab_helpers.models.vgg import convolutions
from qlab_helpers.quantization import MinMaxObserver, QConfig, QuantWrapper, convert, fuse_modules, prepare
from qlab_helpers.weights import load_pretrained

BATCH = 64
EXACT, INT32, FP32, FUSED, KERNELS = "exact int8 sums", "int32", "fp32", "fp32, BatchNorm fused", "x86 int8 kernels"


@torch.inference_mode()
def measure(*, tiny: bool) -> Iterator[Figure]:
    lab = load_solution(load_course(), "lab2_linear")
    model = TinyNetwork().eval() if tiny else load_pretrained("vgg_cifar10")
    images = some_images(1001).images[: 2 if tiny else BATCH].float() / 255
    fused = lab["fuse_model"](model)
    int8 = lab["quantize_model"](fused, lab["calibrate"](fused, images))
    pixels = lab["extra_preprocess"](images)
    kernels = kernel_model(model, images)
    with int32_path(lab):
        expected = int8(pixels)
    if not torch.equal(int8(pixels), expected):
        raise AssertionError("the two integer ways disagree")

    def homework() -> None:
        with int32_path(lab):
            int8(pixels)

    ways: dict[str, Callable[[], Any]] = {
        EXACT: lambda: int8(pixels),
        FP32: lambda: model(images),
        FUSED: lambda: fused(images),
        INT32: homework,
        KERNELS: lambda: kernels(images),
    }
    timings = alternate(ways, rounds=1 if tiny else 7)
    name = f"int8 VGG, batch of {len(images)}: exact sums against "
    yield speedup(name + "fp32 eager", timings, of=EXACT, over=FP32, reach=1.0)
    yield speedup(name + "fp32 with BatchNorm fused", timings, of=EXACT, over=FUSED)
    yield speedup(name + "the homework's int32", timings, of=EXACT, over=INT32, reach=4.0)
    yield speedup(name + "the x86 backend's int8 kernels (the upper reference)", timings, of=EXACT, over=KERNELS)
    yield Figure("images a second on exact sums", len(images) / timings[EXACT].median_s, "1/s")


class TinyNetwork(nn.Module):
    """Two convolutions, with the names and the order of the VGG's layers."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(convolutions((8, "M", 8, "M"), bias=False, inplace=True))
        self.classifier = nn.Linear(8 * 8 * 8, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.backbone(images).flatten(1))


@contextmanager
def int32_path(lab: dict[str, Any]) -> Iterator[None]:
    """Inside, the lab's layers add up as the homework does on a CPU: operands converted to int32."""

    before = {name: lab[name] for name in ("int8_linear", "int8_conv2d")}
    lab.update(int8_linear=homework.linear, int8_conv2d=homework.conv2d)
    try:
        yield
    finally:
        lab.update(before)


def kernel_model(model: nn.Module, images: torch.Tensor) -> nn.Module:
    """The same network converted by torch.ao.quantization for the x86 backend."""
    if "x86" not in torch.backends.quantized.supported_engines:
        raise Unable(f"PyTorch has no x86 int8 kernels on {platform.machine()}: run this theme on an x86 processor")
    torch.backends.quantized.engine = "x86"
    names = [name for name, _ in model.named_modules()]
    count = sum(name.startswith("backbone.conv") for name in names)
    groups = [[f"backbone.{kind}{number}" for kind in ("conv", "bn", "relu")] for number in range(count)]
    qconfig = QConfig(
        activation=MinMaxObserver.with_args(dtype=torch.quint8, reduce_range=False),
        weight=MinMaxObserver.with_args(dtype=torch.qint8, qscheme=torch.per_tensor_symmetric),
    )
    prepared = prepare(QuantWrapper(fuse_modules(model, groups)), qconfig)
    prepared(images)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return convert(prepared)
