"""Cases of ``sensitivity_scan``: networks whose accuracies are computed without any rounding.

1x1 kernels of few weights that are multiples of 1/8, images that are multiples of 1/4: all sums are exact in float32,
so that every implementation sees the same predictions.
"""

from collections.abc import Sequence

import torch
from torch import nn

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.pruning_drivers import LayeredNet
from qlab_helpers.checking.reference import Rule

from .networks import convolution, linear, norm

Scan = tuple[list[nn.Module], nn.Linear, list[tuple[torch.Tensor, torch.Tensor]], tuple[float, ...]]
ATTEMPTS = 300
TELLING = 3  # different accuracies that each weight must at least show, where so many sparsities are tried


def scan(
    draw: Draw, *widths: int, grid: tuple[float, ...], batches: Sequence[int] = (32,), norms: bool = False
) -> Scan:
    """Images whose labels are what the dense network says, but for a few: accuracies begin below 100 %.

    Redrawn until the weights are told apart: each shows other accuracies, which change with the sparsity.
    """
    for _ in range(ATTEMPTS):
        layers: list[nn.Module] = []
        for before, after in zip((3, *widths), widths, strict=False):
            layers.append(convolution(draw, before, after, kernel=1, step=1 / 8))
            layers += [norm(draw, after, exact=True)] * norms
        classifier = linear(draw, widths[-1], 4, step=1 / 8)
        loaded = []
        for count in batches:
            images = draw.floats((count, 3, 2, 2), -2, 2, step=1 / 4)
            with torch.no_grad():
                labels = LayeredNet(layers, classifier).eval()(images).argmax(dim=1)
            labels[0] = (labels[0] + 1) % 4
            loaded.append((images, labels))
        if _telling(layers, classifier, loaded, grid):
            return layers, classifier, loaded, grid
    raise ValueError(f"none of {ATTEMPTS} draws tells the layers apart")


def _telling(layers: list[nn.Module], classifier: nn.Linear, loaded: list, grid: tuple[float, ...]) -> bool:
    model = LayeredNet(layers, classifier).eval()
    step, start, end = (*grid, *(0.1, 0.4, 1.0)[len(grid) :])
    sparsities = [start + step * number for number in range(round((end - start) / step))]
    rows = []
    for parameter in [one for one in model.parameters() if one.dim() > 1]:
        weight = parameter.data.clone()
        rows.append([])
        for sparsity in sparsities:
            count = round(weight.numel() * sparsity)
            smallest = weight.abs().reshape(-1).argsort()[:count]
            parameter.data.reshape(-1)[smallest] = 0
            with torch.no_grad():
                rows[-1].append(sum(int((model(images).argmax(dim=1) == labels).sum()) for images, labels in loaded))
            parameter.data = weight.clone()
    enough = min(TELLING, len(sparsities))
    return len({tuple(row) for row in rows}) == len(rows) and all(len(set(row)) >= enough for row in rows)


SCAN = ItemRecipe(
    "sensitivity_scan",
    outputs=(
        Rule("sparsities", rtol=1e-9),
        Rule("accuracies", rtol=1e-5),
        Rule("parameters after the scan"),
    ),
    uses=("fine_grained_prune",),
    driver="scan_layers",
    cases=(
        CaseRecipe(
            "two sparsities",
            lambda draw: scan(draw, 4, grid=(0.25, 0.5, 1.0)),
            tests="A convolution and the classifier, pruned to 0.5 and to 0.75, one at a time.",
            hint="Prune one weight, evaluate, and put its values back before the next.",
        ),
        CaseRecipe(
            "three weights",
            lambda draw: scan(draw, 4, 5, grid=(0.25, 0.25, 1.0)),
            tests="Two convolutions and the classifier, at three sparsities: a list of accuracies for each weight.",
            hint="The outer list has an entry for each weight, the inner ones for each sparsity.",
        ),
        CaseRecipe(
            "defaults",
            lambda draw: scan(draw, 4, 5, grid=(), batches=(48,)),
            tests="Without further arguments the sparsities are 0.4, 0.5, ..., 0.9.",
            hint="np.arange leaves the end out.",
        ),
        CaseRecipe(
            "several batches",
            lambda draw: scan(draw, 4, 8, grid=(0.25, 0.5, 1.0), batches=(24, 24, 12)),
            tests="The images come in three batches, the last one smaller.",
            hint="evaluate goes through the whole dataloader and counts images.",
            visible=False,
        ),
        CaseRecipe(
            "with normalization",
            lambda draw: scan(draw, 8, 4, grid=(0.25, 0.125, 0.875), norms=True),
            tests="Normalizations have weights, too, of one dimension: they are not pruned.",
            hint="Only parameters of two or more dimensions are scanned.",
            visible=False,
        ),
        CaseRecipe(
            "from another start",
            lambda draw: scan(draw, 8, 6, grid=(0.125, 0.5, 0.875), batches=(40,)),
            tests="Sparsities of 0.5, 0.625 and 0.75.",
            hint="Use scan_start, scan_end and scan_step as they are given.",
            visible=False,
        ),
    ),
)
