"""Train the checkpoints that the package ships: ``python -m qlab_helpers.pretrain vgg_cifar10 --out FILE``.

Each recipe names its model, data and schedule. The accuracy is measured in fp32 on all test images, with the weights
rounded to the fp16 in which they are stored, and recorded in the JSON beside FILE. ``--start FILE`` continues from an
earlier checkpoint; with ``--epochs 0`` it is only measured and recorded.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from qlab_helpers.data import ImageLoader, load_cifar10, random_crop_and_flip, random_cutout
from qlab_helpers.train import default_device, evaluate, fit, seed_everything
from qlab_helpers.weights import MODELS, load_checkpoint, save_checkpoint, save_facts

RANDOM = "random weights"
NORM_IMAGES = 10_000


@dataclass(frozen=True)
class Recipe:
    """A one-cycle schedule; its first epochs see small crops, which cost half and are harder to learn by heart."""

    epochs: int
    learning_rate: float
    batch_size: int = 128
    small_part: float = 0.6  # of the epochs
    small_crop: int = 24
    cutout: int = 8
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    averaging: float = 0.998  # of the weights, after each batch
    start_share: float = 0.35  # of the start's weights in the result, if there is a start
    start: str = RANDOM

    def __str__(self) -> str:
        return (
            f"from {self.start}, {self.epochs} epochs of batch {self.batch_size}, the first {self.small_epochs} on "
            f"random crops of {self.small_crop} pixels, the others on random crops of 32 (reflected padding of 4) with "
            f"a cutout of {self.cutout}; random flip, SGD with Nesterov momentum 0.9, one-cycle linear schedule to "
            f"{self.learning_rate}, weight decay {self.weight_decay} on weights only, label smoothing "
            f"{self.label_smoothing}, moving average of the weights ({self.averaging})"
            + (
                f"; then averaged with the start ({self.start_share} of it), BatchNorm estimated again on "
                f"{NORM_IMAGES:,} training images"
                if self.continues
                else ""
            )
        )

    @property
    def continues(self) -> bool:
        """Whether it goes on from trained weights. Both ends of such a run lie in one basin, and so does their mean."""
        return self.start != RANDOM and self.start_share > 0

    @property
    def small_epochs(self) -> int:
        return round(self.small_part * self.epochs)

    def augment(self, epoch: int, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        if epoch < self.small_epochs:
            return random_crop_and_flip(images, padding=0, size=self.small_crop, generator=generator)
        return random_cutout(random_crop_and_flip(images, generator=generator), self.cutout, generator=generator)


RECIPES = {
    "vgg_cifar10": Recipe(epochs=10, learning_rate=0.06, small_part=0.5),
    # A small network learns little by heart: a higher rate, less decay, and images that are hidden less.
    "resnet14_cifar10": Recipe(epochs=15, learning_rate=0.2, weight_decay=2e-4, label_smoothing=0.05, cutout=4),
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument(
        "--out", type=Path, required=True, help="the safetensors file to write; its JSON goes beside it"
    )
    parser.add_argument("--start", type=Path, help="checkpoint to continue from")
    parser.add_argument("--start-note", help="what that checkpoint is, for the record (its file's name by default)")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's; 0 only measures")
    parser.add_argument("--note", help="record this recipe instead, when measuring weights that were made elsewhere")
    options = parser.parse_args(arguments)
    recipe = RECIPES[options.name]
    if options.epochs is not None:
        recipe = replace(recipe, epochs=options.epochs)
    if options.start is not None:
        recipe = replace(recipe, start=options.start_note or options.start.name)
    accuracy = pretrain(MODELS[options.name], recipe, out=options.out, start=options.start, note=options.note)
    print(f"{options.name}: {accuracy:.2f} % of the test images; wrote {options.out} and its JSON")


def pretrain(
    build: Callable[[], nn.Module], recipe: Recipe, *, out: Path, start: Path | None = None, note: str | None = None
) -> float:
    """Train, store and measure; returns the accuracy in per cent. The checkpoint is stored after every epoch."""
    seed_everything(0)
    device = default_device()
    model = build()
    if start is not None:
        load_checkpoint(model, start)
    model.to(device)
    test = ImageLoader(load_cifar10("test"), 500, device=device)

    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.averaging), use_buffers=True)

    def after_epoch(epoch: int, loss: float) -> None:
        digest = save_checkpoint(averaged.module, out)
        print(f"epoch {epoch + 1}: loss {loss:.4f}, saved {out} ({digest[:12]})", flush=True)

    if recipe.epochs > 0:
        train = ImageLoader(load_cifar10("train"), recipe.batch_size, shuffle=True, device=device)

        def before_epoch(epoch: int) -> None:
            train.augment = partial(recipe.augment, epoch)

        fit(
            with_adaptive_pooling(model),
            train,
            epochs=recipe.epochs,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            label_smoothing=recipe.label_smoothing,
            callbacks=[lambda: averaged.update_parameters(model)],
            before_epoch=before_epoch,
            after_epoch=after_epoch,
        )
        model.load_state_dict(averaged.module.state_dict())
        if start is not None and recipe.continues:
            average_with(model, load_checkpoint(build().to(device), start), recipe.start_share)
            update_bn(ImageLoader(load_cifar10("train").take(NORM_IMAGES), 500, device=device), model)
    save_checkpoint(model, out)
    accuracy = evaluate(load_checkpoint(build().to(device), out), test)
    save_facts(out, accuracy_percent=accuracy, test_images=len(test.dataset), recipe=note or str(recipe))
    return accuracy


def average_with(model: nn.Module, other: nn.Module, share: float) -> None:
    """Make each parameter of ``model`` the weighted mean with that of ``other``, which counts with ``share``."""
    with torch.no_grad():
        for own, foreign in zip(model.parameters(), other.parameters(), strict=True):
            own.lerp_(foreign, share)


def with_adaptive_pooling(model: nn.Module) -> nn.Module:
    """``model`` for crops of any size: small ones leave less than the 2 x 2 pixels that the last pooling averages.

    On whole images, where an average pooling is the network's last one, both kinds compute the same.
    """
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.AvgPool2d):
                setattr(module, name, nn.AdaptiveAvgPool2d(1))
    return model


if __name__ == "__main__":
    main()
