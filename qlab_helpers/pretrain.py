"""Train the checkpoints that the package ships: ``python -m qlab_helpers.pretrain vgg_cifar10 --out FILE``.

Each recipe names its model, data and schedule. The accuracy is measured in fp32 on all test images, with the weights
rounded to the fp16 in which they are stored, and recorded in the JSON beside FILE. ``--start FILE`` continues from an
earlier checkpoint; with ``--epochs 0`` it is only measured and recorded.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from qlab_helpers.data import ImageLoader, load_cifar10
from qlab_helpers.train import default_device, evaluate, fit, seed_everything
from qlab_helpers.weights import MODELS, load_checkpoint, save_checkpoint, save_facts


@dataclass(frozen=True)
class Recipe:
    epochs: int
    learning_rate: float
    batch_size: int = 256
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    start: str = "random weights"

    def __str__(self) -> str:
        return (
            f"from {self.start}, {self.epochs} epochs of batch {self.batch_size}, SGD with Nesterov momentum 0.9, "
            f"one-cycle linear schedule to {self.learning_rate}, weight decay {self.weight_decay} on weights only, "
            f"label smoothing {self.label_smoothing}, random crop (reflected padding of 4) and flip"
        )


RECIPES = {"vgg_cifar10": Recipe(epochs=8, learning_rate=0.08)}


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

    def after_epoch(epoch: int, loss: float) -> None:
        digest = save_checkpoint(model, out)
        print(f"epoch {epoch + 1}: loss {loss:.4f}, saved {out} ({digest[:12]})", flush=True)

    if recipe.epochs > 0:
        train = ImageLoader(load_cifar10("train"), recipe.batch_size, shuffle=True, augment=True, device=device)
        fit(
            model,
            train,
            epochs=recipe.epochs,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            label_smoothing=recipe.label_smoothing,
            after_epoch=after_epoch,
        )
    save_checkpoint(model, out)
    accuracy = evaluate(load_checkpoint(model, out), test)
    save_facts(out, accuracy_percent=accuracy, test_images=len(test.dataset), recipe=note or str(recipe))
    return accuracy


if __name__ == "__main__":
    main()
