"""Cases of ``fine_grained_prune`` and ``FineGrainedPruner``."""

from functools import partial

import torch
from torch import nn

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

from .networks import bell_shaped, convolution, distinct, linear, network

pruned = partial(CaseRecipe, observe=("tensor",))


def by_hand(draw: Draw) -> tuple[torch.Tensor, float]:
    """Of eight weights half go: 0.1, -0.2, 0.3 and -0.4."""
    return torch.tensor([[0.5, -0.2, 0.1, -0.8], [-0.4, 0.7, 0.3, -0.6]]), 0.5


def all_negative(draw: Draw) -> tuple[torch.Tensor, float]:
    return -distinct(draw, (4, 5)).abs(), 0.6


def outlier(draw: Draw) -> tuple[torch.Tensor, float]:
    """One weight is a hundred times as large as the others."""
    tensor = distinct(draw, (6, 6))
    tensor[draw.integer(0, 5), draw.integer(0, 5)] = 64.0
    return tensor, 0.5


def uneven_rows(draw: Draw) -> tuple[torch.Tensor, float]:
    """The small weights are all in the upper rows."""
    weights = distinct(draw, (24,))
    return weights[weights.abs().argsort()].reshape(4, 6)[draw.permutation(4)], 0.5


PRUNE = ItemRecipe(
    "fine_grained_prune",
    outputs=(Rule("mask"),),
    driver="prune_tensor",
    cases=(
        pruned(
            "half of eight",
            by_hand,
            tests="At a sparsity of 0.5 the four smallest magnitudes of eight become 0.",
            hint="Order the weights by magnitude, without their signs; the smallest round(n * sparsity) go.",
            expected=lambda: torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0]]),
        ),
        pruned(
            "a kernel at 0.75",
            lambda draw: (distinct(draw, (2, 2, 3, 3)), 0.75),
            tests="A weight of four dimensions loses 27 of 36 values; mask and tensor keep their shape.",
            hint="One threshold for the whole tensor, whatever its shape.",
        ),
        pruned(
            "many small weights",
            lambda draw: (bell_shaped(draw, (5, 6)), 0.5),
            tests="Most of 30 weights are small, as in a trained layer; half of them go, 15.",
            hint="Count weights: the threshold is the magnitude of one of them, not a share of the largest.",
        ),
        pruned(
            "rounded down",
            lambda draw: (distinct(draw, (5, 5)), 0.45),
            tests="0.45 of 25 is 11.25: 11 weights go.",
            hint="The number of weights to prune is rounded to the nearest integer.",
        ),
        pruned(
            "rounded up",
            lambda draw: (distinct(draw, (5, 5)), 0.75),
            tests="0.75 of 25 is 18.75: 19 weights go.",
            hint="The number of weights to prune is rounded to the nearest integer.",
        ),
        pruned(
            "sparsity 0",
            lambda draw: (distinct(draw, (3, 4)), 0.0),
            tests="Nothing is pruned, and the mask is 1 everywhere.",
            hint="Where no weight is to be pruned there is no threshold to look for.",
        ),
        pruned(
            "sparsity 1",
            lambda draw: (distinct(draw, (3, 4)), 1.0),
            tests="Everything is pruned, and the mask is 0 everywhere.",
            hint="The largest weight goes, too.",
        ),
        pruned(
            "rounded up again",
            lambda draw: (distinct(draw, (3, 7)), 0.7),
            tests="0.7 of 21 is 14.7: 15 weights go.",
            hint="The number of weights to prune is rounded to the nearest integer.",
            visible=False,
        ),
        pruned(
            "nothing after rounding",
            lambda draw: (distinct(draw, (4, 5)), 0.02),
            tests="0.02 of 20 weights is less than half a weight: nothing is pruned.",
            hint="The number of weights may be 0 although the sparsity is not.",
            visible=False,
        ),
        pruned(
            "one of twenty",
            lambda draw: (distinct(draw, (4, 5)), 0.05),
            tests="A sparsity of 0.05 prunes one weight of 20.",
            hint="kthvalue begins to count at 1: with k = 1 it finds the smallest magnitude.",
            visible=False,
        ),
        pruned(
            "all negative",
            all_negative,
            tests="All weights are below zero; the smallest are those nearest to zero.",
            hint="Magnitudes decide, not values.",
            visible=False,
        ),
        pruned(
            "one large weight",
            outlier,
            tests="One weight is much larger than the others; half of them go all the same.",
            hint="Count weights: the threshold is the magnitude of one of them, not a share of the largest.",
            visible=False,
        ),
        pruned(
            "uneven rows",
            uneven_rows,
            tests="Some rows hold the small weights: they are pruned whole, others not at all.",
            hint="Compare all weights of the tensor with each other, not row by row.",
            visible=False,
        ),
    ),
)


def pruning(
    draw: Draw, *widths: int, sparsities: tuple[float, ...], step: float
) -> tuple[list[nn.Module], nn.Linear, tuple[float, ...], float]:
    """A network, a sparsity for each of its weights, and what training adds to every parameter."""
    return *network(draw, *widths, classes=4), sparsities, step


def without_norms(draw: Draw) -> tuple[list[nn.Module], nn.Linear, tuple[float, ...], float]:
    layers = [convolution(draw, 2, 4), convolution(draw, 4, 3, kernel=1)]
    return layers, linear(draw, 3, 2), (0.5, 0.75, 0.5), -1.0


PRUNER = ItemRecipe(
    "FineGrainedPruner",
    outputs=(
        Rule("weights after pruning"),
        Rule("weights after training and apply"),
        Rule("other parameters after training and apply"),
        Rule("weights of another copy, which apply was not given"),
    ),
    uses=("fine_grained_prune",),
    driver="prune_and_train",
    cases=(
        CaseRecipe(
            "two convolutions",
            lambda draw: pruning(draw, 2, 3, sparsities=(0.5, 0.5, 0.5), step=0.5),
            tests="All three weights lose half; 0.5 is added to every parameter, and the mask is applied again.",
            hint="apply multiplies each weight by the mask that it was pruned with.",
        ),
        CaseRecipe(
            "a sparsity for each weight",
            lambda draw: pruning(draw, 3, 4, sparsities=(0.25, 0.75, 0.5), step=-1.0),
            tests="Each weight has a sparsity of its own.",
            hint="sparsity_dict has a sparsity for each weight, by the parameter's name.",
        ),
        CaseRecipe(
            "first weight spared",
            lambda draw: pruning(draw, 2, 2, sparsities=(0.0, 0.5, 0.25), step=1.0),
            tests="A sparsity of 0 leaves the first convolution as it is; the classifier is pruned as well.",
            hint="Go through all parameters of the model, the classifier's, too.",
        ),
        CaseRecipe(
            "small step",
            lambda draw: pruning(draw, 4, 2, sparsities=(0.75, 0.25, 0.75), step=1 / 32),
            tests="Training moves every parameter a little.",
            hint="What is pruned becomes exactly 0 again.",
            visible=False,
        ),
        CaseRecipe(
            "no normalization",
            without_norms,
            tests="A network of convolutions and a classifier alone, of other sizes.",
            hint="Nothing may depend on the names or the number of layers.",
            visible=False,
        ),
        CaseRecipe(
            "training turns the order round",
            lambda draw: pruning(draw, 2, 4, sparsities=(0.5, 0.5, 0.5), step=-2.0),
            tests="After training other weights are the smallest; those that were pruned stay pruned.",
            hint="Remember the masks; apply makes no new ones.",
            visible=False,
        ),
        CaseRecipe(
            "everything pruned",
            lambda draw: pruning(draw, 2, 3, sparsities=(0.5, 1.0, 0.5), step=0.25),
            tests="A weight with a sparsity of 1 stays 0; biases and normalizations are trained freely.",
            hint="Only weights of two or more dimensions have a mask.",
            visible=False,
        ),
    ),
)
