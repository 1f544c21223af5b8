"""Cases of ``quantize_dynamic_model`` and ``quantize_static_model``: small LeNets, given by their layers.

Integer kernels may round otherwise on another processor, by a step of the output's scale; the calibration's histograms
may move a border by one of 2,048 bins. The tolerances allow for both and are far below what a mistake changes.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

PIXELS = 8  # the driver enlarges images to 32 x 32

shown = partial(CaseRecipe, visible=True)
hidden = partial(CaseRecipe, visible=False)


def layers(
    draw: Draw, channels: tuple[int, int, int] = (3, 4, 6), hidden: int = 5, classes: int = 4
) -> list[nn.Module]:
    """Three convolutions and two linear layers with outputs of a few units."""
    first, second, third = channels
    made = [
        nn.Conv2d(1, first, 5),
        nn.Conv2d(first, second, 5),
        nn.Conv2d(second, third, 5),
        nn.Linear(third, hidden),
        nn.Linear(hidden, classes),
    ]
    for layer in made:
        reach = 2 / layer.weight[0].numel() ** 0.5
        layer.weight.data = draw.floats(tuple(layer.weight.shape), -reach, reach)
        layer.bias.data = draw.floats(tuple(layer.bias.shape), 0, 0.5)
    made[-1].bias.data = draw.floats((classes,), -0.5, 0.5)
    return made


def images(draw: Draw, count: int, high: float = 1) -> torch.Tensor:
    """Values from 0 to ``high``; both ends occur in each image."""
    made = draw.floats((count, 1, PIXELS, PIXELS), 0, high)
    made[:, 0, 0, :2] = torch.tensor([0.0, high])
    return made


def network(
    draw: Draw, backend: str, brightness: Sequence[float] = (0.5, 1), **options
) -> tuple[list[nn.Module], list[torch.Tensor], str, torch.Tensor]:
    """Layers, a calibration batch for each brightness, a backend, and two images to try."""
    made = layers(draw, **options)
    batches = [images(draw, 3, high) for high in brightness]
    # The first image of a batch is paler than the others, so that one image does not do for all.
    for batch in batches:
        batch[0] /= 4
    return made, batches, backend, images(draw, 2, max(brightness))


def trained(draw: Draw, **options) -> tuple[list[nn.Module], torch.Tensor]:
    return layers(draw, **options), images(draw, 3)


DYNAMIC = ItemRecipe(
    "quantize_dynamic_model",
    outputs=(
        Rule("integer layers", kind="text"),
        Rule("outputs", dtype="float32", atol=0.05),
        Rule("outputs of the given model afterwards", dtype="float32", rtol=1e-5, atol=1e-5),
        Rule("modes of the models", kind="text"),
    ),
    driver="quantize_dynamic",
    cases=(
        shown(
            "small LeNet",
            trained,
            tests="A LeNet of 3, 4 and 6 channels, 5 features and 4 classes, in training mode: both linear layers are "
            "quantized, the given model stays as it is.",
            hint="The set of types holds nn.Linear; copy the model first, and call eval() on the copy.",
        ),
        shown(
            "more classes",
            lambda draw: trained(draw, hidden=12, classes=7),
            tests="A LeNet of 3, 4 and 6 channels, 12 features and 7 classes.",
            hint="Give types of layers, not the names of one network's.",
        ),
        hidden(
            "single channels",
            lambda draw: trained(draw, channels=(1, 2, 3), hidden=3, classes=2),
            tests="A very small LeNet.",
            hint="Nothing may depend on the sizes of the layers.",
        ),
        hidden(
            "wide",
            lambda draw: trained(draw, channels=(4, 3, 16), hidden=24, classes=10),
            tests="A LeNet with wider linear layers.",
            hint="Nothing may depend on the sizes of the layers.",
        ),
    ),
)

STATIC = ItemRecipe(
    "quantize_static_model",
    outputs=(
        Rule("integer layers", kind="text"),
        Rule("scales", dtype="float64", rtol=0.01),
        Rule("zero points", dtype="float64", atol=1.0),
        Rule("outputs", dtype="float32", atol=0.1),
        Rule("engine", kind="text"),
        Rule("outputs of the given model afterwards", dtype="float32", rtol=1e-5, atol=1e-5),
        Rule("modes of the models", kind="text"),
    ),
    driver="quantize_static",
    cases=(
        shown(
            "two batches for x86",
            lambda draw: network(draw, "x86"),
            tests="A LeNet of 3, 4 and 6 channels, 5 features and 4 classes, in training mode; two batches, "
            "the second with the brighter images.",
            hint="Fuse, prepare, run all batches, convert; the scales come from all images.",
        ),
        shown(
            "for qnnpack",
            lambda draw: network(draw, "qnnpack", (1, 0.5)),
            tests='The same sizes on another backend: its QConfig and its engine are "qnnpack".',
            hint="Use the argument backend in both places where a backend is named.",
        ),
        hidden(
            "no calibration images",
            lambda draw: (layers(draw), [], "x86", images(draw, 2)),
            tests="An empty loader: the model is converted all the same, and every scale is 1.0.",
            hint="A for loop over an empty loader does nothing, and that is right; do not ask for a first batch.",
        ),
        hidden(
            "brightest batch first",
            lambda draw: network(draw, "x86", (2, 0.5, 1)),
            tests="Three batches, the first with the brightest images.",
            hint="All batches count, not only the last.",
        ),
        hidden(
            "brightest batch last",
            lambda draw: network(draw, "fbgemm", (0.25, 0.5, 1.5)),
            tests="Three batches for fbgemm, the last with the brightest images.",
            hint="All batches count, not only the first; the engine is the one that was asked for.",
        ),
        hidden(
            "another size",
            lambda draw: network(draw, "qnnpack", (1, 2), channels=(2, 3, 5), hidden=4, classes=3),
            tests="A network of another size, for qnnpack.",
            hint="Nothing may depend on the sizes of the layers.",
        ),
    ),
)
