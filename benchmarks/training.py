"""A training step of the VGG as train_epoch chooses on this processor, against fp32; and whether both learn alike."""

import statistics
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from benchmarks.batches import some_images
from benchmarks.harness import Figure, alternate, speedup
from benchmarks.peers import need_cifar10
from qlab_helpers import train
from qlab_helpers.data import ImageLoader, ImageSet, load_cifar10
from qlab_helpers.models.small_vgg import SmallVGG
from qlab_helpers.models.vgg import VGG

BATCH, TRAIN_IMAGES, TEST_IMAGES, EPOCHS, SEEDS = 128, 1_500, 1_000, 2, (0, 1, 2)


def measure(*, tiny: bool) -> Iterator[Figure]:
    if not tiny:
        need_cifar10()
    chosen = train._has_bfloat16()
    images = some_images(1001).take(8 if tiny else BATCH)
    torch.manual_seed(0)
    model = SmallVGG() if tiny else VGG()

    def step(bfloat16: bool) -> None:
        with precision(bfloat16):
            one_epoch(model, images, seed=0)

    timings = alternate(
        {"as chosen": lambda: step(chosen), "fp32": lambda: step(False)}, rounds=1 if tiny else 3, least_s=0
    )
    what = "bfloat16, channels last" if chosen else "fp32: this processor has no bfloat16"
    name = f"a training step of the VGG, batch of {len(images)}: as chosen ({what}) against fp32"
    yield speedup(name, timings, of="as chosen", over="fp32", reach=2.6)
    yield from learning(tiny=tiny, chosen=chosen)


def learning(*, tiny: bool, chosen: bool) -> Iterator[Figure]:
    """The small VGG from scratch with several seeds, both ways: the difference beside that between seeds."""
    if tiny:
        images, test, epochs, seeds = some_images(16), some_images(8), 1, SEEDS[:2]
    else:
        images = load_cifar10("train", limit=TRAIN_IMAGES, progress=False)
        test, epochs, seeds = load_cifar10("test", limit=TEST_IMAGES, progress=False), EPOCHS, SEEDS
    losses: dict[bool, list[float]] = {}
    accuracies: dict[bool, list[float]] = {}
    for bfloat16 in (chosen, False):
        losses[bfloat16], accuracies[bfloat16] = [], []
        for seed in seeds:
            torch.manual_seed(seed)
            model = SmallVGG()
            with precision(bfloat16):
                losses[bfloat16].append([one_epoch(model, images, seed=seed + 10 * n) for n in range(epochs)][-1])
            accuracies[bfloat16].append(train.evaluate(model, ImageLoader(test, 500)))
    what = f"after {epochs} epochs of {len(images):,} images, mean of {len(seeds)} seeds"
    loss = statistics.mean(losses[chosen]) - statistics.mean(losses[False])
    spread = statistics.stdev(losses[False])
    yield Figure(f"loss of the small VGG {what}: as chosen minus fp32", loss, "")
    yield Figure("the same loss in fp32: standard deviation between seeds", spread, "")
    yield Figure(
        "the difference in standard errors of a difference", abs(loss) / (spread * (2 / len(seeds)) ** 0.5), "",
        reach=3.0, lower_is_better=True,
    )  # fmt: skip
    accuracy = statistics.mean(accuracies[chosen]) - statistics.mean(accuracies[False])
    yield Figure(f"accuracy {what}: as chosen minus fp32", accuracy, "points")


def one_epoch(model: torch.nn.Module, images: ImageSet, *, seed: int) -> float:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    loader = ImageLoader(images, min(BATCH, len(images)), shuffle=True, augment=True, seed=seed)
    return train.train_epoch(model, loader, optimizer)


@contextmanager
def precision(bfloat16: bool) -> Iterator[None]:
    """What train_epoch finds when it looks whether the processor computes in bfloat16."""
    found, train._has_bfloat16 = train._has_bfloat16, lambda: bfloat16
    try:
        yield
    finally:
        train._has_bfloat16 = found
