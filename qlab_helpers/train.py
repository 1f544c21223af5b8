"""Training and evaluation loops: plain functions, one progress bar each, on whatever device the model is on.

On a CPU with bfloat16 instructions, ``train_epoch`` computes in bfloat16 and channels-last, two to three times faster
than fp32 at the same accuracy; evaluation is always fp32, because it is what we report. Only the images are laid out
channels-last: the weights stay contiguous, since callbacks and quantizers look at them with ``view``.
"""

import random
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import nn
from torch.nn import functional
from tqdm.auto import tqdm

Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]


def seed_everything(seed: int = 0) -> None:
    """Seed Python's, NumPy's and torch's generators, and keep TF32 out of results that are compared with a CPU's."""
    import numpy

    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def default_device() -> torch.device:
    """CUDA when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train_epoch(
    model: nn.Module,
    loader: Batches,
    optimizer: torch.optim.Optimizer,
    *,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
    label_smoothing: float = 0.0,
    callbacks: Sequence[Callable[[], object]] = (),
    description: str = "train",
    full_precision: bool = False,
) -> float:
    """One pass over ``loader``; returns the mean training loss of its images.

    ``full_precision`` computes in fp32 everywhere, as quantization-aware training needs: bfloat16 would round once
    more.

    ``scheduler`` steps and every callback is called after each batch; k-means quantization-aware training passes the
    function that puts the weights back onto their codebook.
    """
    device = _device_of(model)
    model.train()
    low_precision = device.type == "cpu" and _has_bfloat16() and not full_precision
    total, count = 0.0, 0
    for images, labels in tqdm(loader, desc=description, leave=False):
        images, labels = images.to(device), labels.to(device)
        if low_precision and images.dim() == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=low_precision):
            loss = functional.cross_entropy(model(images).float(), labels, label_smoothing=label_smoothing)
        loss.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        for callback in callbacks:
            callback()
        total, count = total + loss.item() * len(labels), count + len(labels)
    if count == 0:
        raise ValueError("the loader gave no images to train on")
    return total / count


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    loader: Batches,
    extra_preprocess: Sequence[Callable[[torch.Tensor], torch.Tensor]] | None = None,
    *,
    description: str = "eval",
) -> float:
    """Top-1 accuracy in per cent. ``extra_preprocess`` functions are applied in order to each batch of images.

    What is over within a second shows no progress bar: a check evaluates tiny networks many times.
    """
    device = _device_of(model)
    model.eval()
    correct = total = 0
    for images, labels in tqdm(loader, desc=description, leave=False, delay=1):
        images, labels = images.to(device), labels.to(device)
        for preprocess in extra_preprocess or ():
            images = preprocess(images)
        correct += int((model(images).argmax(dim=1) == labels).sum())
        total += len(labels)
    if total == 0:
        raise ValueError("the loader gave no images to evaluate on")
    return 100 * correct / total


def fit(
    model: nn.Module,
    train_loader: Batches,
    *,
    epochs: int,
    learning_rate: float,
    weight_decay: float = 5e-4,
    label_smoothing: float = 0.1,
    warmup: float = 0.1,
    callbacks: Sequence[Callable[[], object]] = (),
    before_epoch: Callable[[int], object] | None = None,
    after_epoch: Callable[[int, float], object] | None = None,
) -> list[float]:
    """Train with SGD (Nesterov momentum 0.9) and a linear one-cycle schedule; returns the loss of each epoch.

    The learning rate climbs to ``learning_rate`` over the first ``warmup`` part of the steps, then falls to zero.
    Weight decay applies to weights with two or more dimensions only, not to biases and BatchNorm. ``callbacks`` are
    called after each batch, ``before_epoch(number)`` and ``after_epoch(number, loss)`` around each epoch, from 0.
    """
    weights = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.SGD(
        [{"params": weights, "weight_decay": weight_decay}, {"params": others}],
        lr=learning_rate,
        momentum=0.9,
        nesterov=True,
    )
    steps = max(1, epochs * len(train_loader))
    rising = max(1, round(warmup * steps))
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / rising, max(0.0, (steps - step) / max(1, steps - rising)))
    )
    losses = []
    for epoch in range(epochs):
        if before_epoch is not None:
            before_epoch(epoch)
        loss = train_epoch(
            model,
            train_loader,
            optimizer,
            scheduler=scheduler,
            label_smoothing=label_smoothing,
            callbacks=callbacks,
            description=f"epoch {epoch + 1}/{epochs}",
        )
        losses.append(loss)
        if after_epoch is not None:
            after_epoch(epoch, loss)
    return losses


def _device_of(model: nn.Module) -> torch.device:
    tensors = list(model.parameters()) or list(model.buffers())
    return tensors[0].device if tensors else torch.device("cpu")


def _has_bfloat16() -> bool:
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
