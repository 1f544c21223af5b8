"""Drivers for what quantizes whole networks: blocks and networks, a QConfig, calibration, PTQ and QAT.

Each makes a tiny network with the weights of a case, takes it through steps of PyTorch's quantization on the CPU, and
returns plain values: what comes out, and which layers there are, as text. Where a student's class or function meets
parts of a network that others have to write, ``Unit`` and ``Pipeline`` stand in for those.

torch.ao.quantization is imported where it is used: the checks of other labs do without it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from qlab_helpers import quantization as tq

#: Layers of no interest in a list: they have no weights and are not fused.
UNLISTED = ("Identity", "AdaptiveAvgPool2d", "FloatFunctional", "QFunctional")

#: In the place of scale and zero point where only ``scale_approximate`` is tried.
NOT_ASKED = torch.ones(1)


class FusionRefusedError(Exception):
    """torch refuses what is asked for: a kind of its own, so that no other refusal is taken for it."""


class Unit(nn.Module):
    """A block without a skip connection: convolution, norm, ReLU."""

    expansion = 1

    def __init__(self, inputs: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, 3, stride=stride, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.relu(self.bn(self.conv(images)))

    def fuse_model(self, is_qat: bool = False) -> None:
        from qlab_helpers import quantization as tq

        if self.training and not is_qat:
            raise FusionRefusedError("a block in training mode is to be fused for inference; tell it is_qat=True")
        how = tq.fuse_modules_qat if is_qat else tq.fuse_modules
        how(self, [["conv", "bn", "relu"]], inplace=True)


class Pipeline(nn.Module):
    """Two units and a linear layer, quantizable: images (n, 2, h, w) -> logits (n, 3)."""

    def __init__(self) -> None:
        from qlab_helpers import quantization as tq

        super().__init__()
        self.quant, self.dequant = tq.QuantStub(), tq.DeQuantStub()
        self.unit1, self.unit2 = Unit(2, 4, 2), Unit(4, 4)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pooled = self.pool(self.unit2(self.unit1(self.quant(images))))
        return self.dequant(self.fc(pooled.flatten(1)))

    def fuse_model(self, is_qat: bool = False) -> None:
        for unit in (self.unit1, self.unit2):
            unit.fuse_model(is_qat)


def use_block(
    block_class: Callable, options: tuple, values: torch.Tensor, x: torch.Tensor, step: str
) -> tuple[Any, str, torch.Tensor]:
    """``block_class(*options)`` with weights from ``values``, taken as far as ``step``: what it makes of ``x``, its
    layers, and the ranges that observers of its sums saw.

    Steps: "float", "fused", "fused for training", "fused for training, evaluation mode" (these only fuse; behind the
    layers stands in which mode that leaves the block), "observed" (fused and prepared), "converted".
    """
    from qlab_helpers import quantization as tq

    block, x = filled(block_class(*options), values), x.cpu()
    if step not in ("observed", "converted"):
        output, layers = _fused(block, x, step)
        return output, layers, torch.zeros(0, 2)
    block.fuse_model()
    prepared = tq.prepare(tq.QuantWrapper(block).eval(), plain_qconfig())
    with torch.no_grad():
        output = prepared(x)
        sums = [one.activation_post_process for one in prepared.modules() if isinstance(one, tq.FloatFunctional)]
        ranges = [[one.min_val.item(), one.max_val.item()] for one in sums if one.min_val <= one.max_val]
        if step == "converted":
            prepared = tq.convert(prepared)
            output = prepared(x)
    return output, layers_of(prepared.module), torch.tensor(ranges).reshape(-1, 2)


def use_network(
    network_class: Callable, stages: tuple, values: torch.Tensor, x: torch.Tensor, step: str
) -> tuple[Any, str]:
    """The same for ``network_class(Unit, stages, 5)``, a whole network whose blocks are units.

    One more step, "order": in place of the layers stands in which order some of them are called.
    """
    from qlab_helpers import quantization as tq

    network, x = filled(network_class(Unit, stages, 5), values), x.cpu()
    if step == "order":
        order: list[str] = []
        for name in ("quant", "conv1", "fc", "dequant"):
            getattr(network, name).register_forward_pre_hook(lambda module, inputs, name=name: order.append(name))
        return _fused(network, x, step)[0], ", ".join(order)
    if step != "converted":
        return _fused(network, x, step)
    network.fuse_model()
    prepared = tq.prepare(network, plain_qconfig())
    with torch.no_grad():
        prepared(x)
        integers = tq.convert(prepared)
        return integers(x), layers_of(integers)


def observe_custom(
    observer_class: Callable, dtype: str, ends: tuple, tensors: Sequence[torch.Tensor], scales: Sequence, limits: tuple
) -> tuple[Any, Any, torch.Tensor, torch.Tensor]:
    """Scale and zero point after ``tensors`` of an observer for the integers ``ends``, what it makes of ``scales``, and
    what a ``FakeQuantize`` with it makes of the last tensor. Where there are scales, only those are tried."""
    from qlab_helpers import quantization as tq

    options = {"dtype": getattr(torch, dtype), "qscheme": torch.per_tensor_symmetric}
    options |= {"quant_min": ends[0], "quant_max": ends[1]}
    observer = observer_class(**options)
    approximated = [float(observer.scale_approximate(scale, *limits)) for scale in scales]
    if scales:
        return NOT_ASKED, NOT_ASKED.long(), torch.tensor(approximated, dtype=torch.float64), torch.zeros(0)
    rounding = tq.FakeQuantize(observer=observer_class, **options)
    rounded = torch.zeros(0)
    for tensor in tensors:
        observer(tensor.cpu())
        if tensor.isfinite().all():  # what an infinity becomes as an integer depends on the processor
            rounded = rounding(tensor.cpu())
    scale, zero_point = observer.calculate_qparams()
    return scale, zero_point, torch.tensor(approximated, dtype=torch.float64), rounded


def describe_qconfig(make_qconfig: Callable, arguments: tuple) -> tuple[str, str]:
    """What ``make_qconfig(*arguments)`` makes for activations and for weights, in words."""
    qconfig = make_qconfig(*arguments)
    return tuple(_in_words(made()) for made in (qconfig.activation, qconfig.weight))


def show_batches(
    calibrate: Callable, values: torch.Tensor, batches: Sequence, arguments: tuple, training: bool
) -> tuple[torch.Tensor, int, torch.Tensor, int, str]:
    """``calibrate(model, batches, *arguments)`` with a prepared model that is in training mode before if ``training``.

    Returns the range of the images that its first observer saw, how many batches came, the running means of its
    (unfused) norms, in how many of the passes gradients were kept, and the mode of the model afterwards.
    """
    from qlab_helpers import quantization as tq

    prepared = tq.prepare(filled(Pipeline(), values), plain_qconfig()).train(training)
    passes: list[bool] = []
    hook = prepared.register_forward_pre_hook(lambda model, inputs: passes.append(torch.is_grad_enabled()))
    calibrate(prepared, [(images.cpu(), labels.cpu()) for images, labels in batches], *arguments)
    hook.remove()
    observer = prepared.quant.activation_post_process
    means = torch.cat([prepared.unit1.bn.running_mean, prepared.unit2.bn.running_mean])
    ends = torch.tensor([observer.min_val.item(), observer.max_val.item()])
    return ends, len(passes), means, sum(passes), _mode(prepared)


def quantize_after_training(
    ptq: Callable, values: torch.Tensor, batches: Sequence[torch.Tensor], training: bool
) -> tuple[Any, str, torch.Tensor, str, str]:
    """``ptq(model, qconfig, show_images)`` with a model that is in training mode before if ``training``.

    Returns what the quantized model makes of the first batch, its layers and scales; what ``show_images`` was given;
    and layers and mode of the model that was given to ``ptq``, after the call.
    """
    model = filled(Pipeline(), values).train(training)
    batches, given = [batch.cpu() for batch in batches], []

    def show_images(prepared: nn.Module) -> None:
        observers = [name for name, _ in prepared.named_modules() if name.endswith("activation_post_process")]
        given.append(f"{len(observers)} observers, {_mode(prepared)}")
        with torch.no_grad():
            for batch in batches:
                prepared(batch)

    quantized = ptq(model, plain_qconfig(), show_images)
    with torch.no_grad():
        output = quantized(batches[0])
    return output, layers_of(quantized), _scales(quantized), "; ".join(given), f"{layers_of(model)}; {_mode(model)}"


def quantize_while_training(
    qat: Callable, values: torch.Tensor, batches: Sequence[torch.Tensor], training: bool
) -> tuple[str, str, str, Any]:
    """``qat(model, qconfig, fine_tune)`` with a model that is in training mode before if ``training``.

    ``fine_tune`` takes a step of gradient descent for each batch. Returns the layers of the quantized model; what
    ``fine_tune`` was given; layers and mode of the model that was given to ``qat``, after the call; and what the
    quantized model makes of the first batch.
    """
    from qlab_helpers import quantization as tq

    model = filled(Pipeline(), values).train(training)
    batches, given = [batch.cpu() for batch in batches], []

    def fine_tune(prepared: nn.Module) -> None:
        rounding = sum(isinstance(module, tq.FakeQuantize) for module in prepared.modules())
        given.append(f"{layers_of(prepared)}; {rounding} roundings; {_mode(prepared)}")
        optimizer = torch.optim.SGD(prepared.parameters(), lr=0.5)
        for batch in batches:
            optimizer.zero_grad()
            functional.cross_entropy(prepared(batch), torch.arange(len(batch)) % 3).backward()
            optimizer.step()

    quantized = qat(model, plain_qconfig(fake=True), fine_tune)
    with torch.no_grad():
        output = quantized(batches[0])
    return layers_of(quantized), "; ".join(given), f"{layers_of(model)}; {_mode(model)}", output


def filled(model: nn.Module, values: torch.Tensor) -> nn.Module:
    """``model`` in eval mode with all its weights taken from ``values`` in turn; variances and factors are positive."""
    values, position = values.cpu(), 0
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        found = values[(torch.arange(tensor.numel()) + position) % len(values)].reshape(tensor.shape)
        positive = name.endswith("running_var") or (name.endswith("weight") and tensor.dim() == 1)
        tensor.copy_(found.abs() + 0.5 if positive else found)
        position += tensor.numel()
    return model.eval()


def layers_of(model: nn.Module) -> str:
    """The layers by name and kind, such as "conv1 ConvReLU2d, fc Linear"; what torch made one is one."""
    return ", ".join(f"{name} {kind}" for name, kind in _layers(model, ""))


def plain_qconfig(*, fake: bool = False) -> "tq.QConfig":
    """8 bits, symmetric, any scale; ``fake`` for quantization-aware training."""
    from qlab_helpers import quantization as tq

    kinds = {}
    for name, dtype, ends in (("activation", torch.quint8, (0, 255)), ("weight", torch.qint8, (-127, 127))):
        options = {"dtype": dtype, "qscheme": torch.per_tensor_symmetric, "quant_min": ends[0], "quant_max": ends[1]}
        made = tq.FakeQuantize.with_args(observer=tq.MinMaxObserver, **options)
        kinds[name] = made if fake else tq.MinMaxObserver.with_args(**options)
    return tq.QConfig(**kinds)


def _fused(model: nn.Module, x: torch.Tensor, step: str) -> tuple[Any, str]:
    """Fused as ``step`` says, or not at all; evaluated, which must not differ."""
    if step == "fused":
        model.fuse_model()
    elif step.startswith("fused for training"):
        model.train(not step.endswith("evaluation mode"))
        model.fuse_model(True)
    left_in = f"; {_mode(model)}" if step.startswith("fused") else ""
    with torch.no_grad():
        return model.eval()(x), layers_of(model) + left_in


def _layers(module: nn.Module, prefix: str) -> Iterator[tuple[str, str]]:
    for name, child in module.named_children():
        whole = type(child).__module__.startswith("torch.") and type(child) is not nn.Sequential
        if not whole:
            yield from _layers(child, f"{prefix}{name}.")
        elif type(child).__name__ not in UNLISTED:
            yield f"{prefix}{name}", child._get_name()


def _mode(model: nn.Module) -> str:
    return "training mode" if model.training else "evaluation mode"


def _scales(model: nn.Module) -> torch.Tensor:
    """Scale and zero point of the output of each layer that has them."""
    layers = [module for module in model.modules() if hasattr(module, "scale") and hasattr(module, "zero_point")]
    return torch.tensor([[float(layer.scale), float(layer.zero_point)] for layer in layers]).reshape(-1, 2)


def _in_words(made: Any) -> str:
    observer = getattr(made, "activation_post_process", made)
    fake = "" if observer is made else "FakeQuantize of "
    kind = f"{fake}{type(observer).__name__}, {observer.dtype}, {observer.qscheme}"
    return f"{kind}, {observer.quant_min} to {observer.quant_max}".replace("torch.", "")
