"""Cases of ``QuantizableResNet``: its blocks are plain units, so that nobody's own blocks matter."""

import torch

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

from .inputs import images, weights


def network(draw: Draw, stages: tuple, step: str, size: int = 8) -> tuple[tuple, torch.Tensor, torch.Tensor, str]:
    return stages, weights(draw), images(draw, 3, 3, size, size), step


ONE = ((4, 1, 1),)
TWO = ((4, 2, 1), (6, 1, 2))
THREE = ((4, 1, 1), (5, 3, 2), (6, 2, 2))

NETWORK = ItemRecipe(
    "QuantizableResNet",
    # Logits are of the order of 0.5; an int8 one may differ by two steps of 0.005 from one processor to another.
    outputs=(Rule("logits", rtol=1e-3, atol=0.02), Rule("layers", kind="text")),
    driver="use_network",
    cases=(
        CaseRecipe(
            "in floats",
            lambda draw: network(draw, TWO, "float"),
            tests="The logits of a network with two stages.",
            hint="Stem, stages, pooling, flattened features, linear layer.",
        ),
        CaseRecipe(
            "order of the layers",
            lambda draw: network(draw, ONE, "order"),
            tests="The first and last layers that the images go through, in their order.",
            hint="Integers begin before the first convolution, and end after the linear layer.",
        ),
        CaseRecipe(
            "fused",
            lambda draw: network(draw, TWO, "fused"),
            tests="After fuse_model() in evaluation mode: stem and all blocks are fused, the logits are the same.",
            hint="Each block, whatever its class, has a method fuse_model of its own.",
        ),
        CaseRecipe(
            "fused for training",
            lambda draw: network(draw, TWO, "fused for training"),
            tests="After fuse_model(is_qat=True) in training mode: the fused layers keep their norms.",
            hint="The stem needs tq.fuse_modules_qat, and each block has to be told.",
        ),
        CaseRecipe(
            "one channel",
            lambda draw: network(draw, ((4, 1, 1), (1, 1, 2)), "float"),
            tests="A last stage of one channel: the linear layer is given features of shape (n, 1).",
            hint="What the pooling gives has the shape (n, channels, 1, 1): flatten it from dimension 1 on.",
        ),
        CaseRecipe(
            "mode left alone",
            lambda draw: network(draw, ONE, "fused for training, evaluation mode"),
            tests="fuse_model(is_qat=True) in evaluation mode: the network is still in evaluation mode afterwards.",
            hint="fuse_model changes layers, not the mode: leave out eval() and train().",
        ),
        CaseRecipe(
            "in floats, larger images",
            lambda draw: network(draw, ONE, "float", 11),
            tests="Images of another size: the pooling leaves one value for each channel.",
            hint="self.pool takes feature maps of any size; flatten what comes out from dimension 1 on.",
            visible=False,
        ),
        CaseRecipe(
            "fused, three stages",
            lambda draw: network(draw, THREE, "fused"),
            tests="Stages with one, three and two blocks, all fused.",
            hint="Go through all blocks of all stages.",
            visible=False,
        ),
        CaseRecipe(
            "fused for training, three stages",
            lambda draw: network(draw, THREE, "fused for training"),
            tests="The same for training.",
            hint="Go through all blocks of all stages, and tell each that it is for training.",
            visible=False,
        ),
        CaseRecipe(
            "converted",
            lambda draw: network(draw, TWO, "converted"),
            tests="Fused, prepared, shown the images and converted: all layers are int8, the logits are floats.",
            hint="The stubs mark where integers begin and end.",
            visible=False,
        ),
    ),
)
