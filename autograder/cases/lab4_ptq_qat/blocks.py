"""Cases of ``QuantizableBasicBlock`` and ``QuantizableBottleneck``, which differ in their layers only.

Each takes a block as far as one step: in floats, fused, fused for training, observed, converted.
"""

import torch

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

from .inputs import weights

#: Outputs go up to 5 and more. An int8 result may differ by two steps of 0.02 from one processor to another.
OUTPUTS = (
    Rule("output", rtol=1e-3, atol=0.05),
    Rule("layers", kind="text"),
    Rule("observed ranges of sums", rtol=1e-3, atol=1e-3),
)


def block(
    draw: Draw, options: tuple, step: str, *, low: float = -2.0, high: float = 2.0
) -> tuple[tuple, torch.Tensor, torch.Tensor, str]:
    return options, weights(draw), draw.floats((3, options[0], 6, 6), low, high), step


def cases(same: tuple, projected: tuple, wider: tuple) -> tuple[CaseRecipe, ...]:
    """``same``: options of a block whose skip connection is the input itself; in ``projected`` its size changes, in
    ``wider`` only the number of channels."""
    return (
        CaseRecipe(
            "in floats",
            lambda draw: block(draw, same, "float"),
            tests="The forward pass of a block whose skip connection is its input.",
            hint="Go through the formula from the inside: convolution, norm, ReLU, and the sum before the last ReLU.",
        ),
        CaseRecipe(
            "in floats, projected",
            lambda draw: block(draw, projected, "float"),
            tests="The forward pass of a block that halves the image; self.downsample projects its input.",
            hint="Where self.downsample is not None, it is applied to the block's input.",
        ),
        CaseRecipe(
            "fused",
            lambda draw: block(draw, same, "fused"),
            tests="After fuse_model() in evaluation mode: which layers there are, and that the output is the same.",
            hint="fuse_model changes the block itself; each norm, and each ReLU that follows one, goes into its layer.",
        ),
        CaseRecipe(
            "fused, projected",
            lambda draw: block(draw, projected, "fused"),
            tests="The same with a projection: its convolution and norm are fused as well.",
            hint='The layers of self.downsample are called "0" and "1".',
        ),
        CaseRecipe(
            "fused for training",
            lambda draw: block(draw, projected, "fused for training"),
            tests="After fuse_model(is_qat=True) in training mode: fused layers that keep their norm.",
            hint="tq.fuse_modules_qat takes the same groups as tq.fuse_modules.",
        ),
        CaseRecipe(
            "mode left alone",
            lambda draw: block(draw, same, "fused for training, evaluation mode"),
            tests="fuse_model(is_qat=True) in evaluation mode: the block is still in evaluation mode afterwards.",
            hint="fuse_model changes layers, not the mode: leave out eval() and train().",
        ),
        CaseRecipe(
            "observed",
            lambda draw: block(draw, projected, "observed"),
            tests="The range that an observer of the sum sees: from 0, since the ReLU belongs to the sum.",
            hint="Let the FloatFunctional compute sum and ReLU in one; its observer sees what comes out.",
        ),
        CaseRecipe(
            "in floats, negative sums",
            lambda draw: block(draw, same, "float", low=-4.0, high=0.0),
            tests="Inputs below zero, so that most sums are.",
            hint="The last ReLU comes after the sum.",
            visible=False,
        ),
        CaseRecipe(
            "fused, more channels",
            lambda draw: block(draw, wider, "fused"),
            tests="A projection without a stride is fused as well.",
            hint="self.downsample is there wherever the shape changes, not only where the stride is 2.",
            visible=False,
        ),
        CaseRecipe(
            "fused for training, no projection",
            lambda draw: block(draw, same, "fused for training"),
            tests="After fuse_model(is_qat=True), a block whose self.downsample is None.",
            hint="There is nothing to fuse where self.downsample is None.",
            visible=False,
        ),
        CaseRecipe(
            "observed, no projection",
            lambda draw: block(draw, same, "observed"),
            tests="The range of the sum where the skip connection is the input itself.",
            hint="Sum and ReLU are one operation of the FloatFunctional.",
            visible=False,
        ),
        CaseRecipe(
            "converted",
            lambda draw: block(draw, same, "converted"),
            tests="Fused, prepared, shown the input and converted: all layers are int8, the output is nearly the same.",
            hint="int8 tensors cannot be added with a plus sign.",
            visible=False,
        ),
        CaseRecipe(
            "converted, projected",
            lambda draw: block(draw, projected, "converted"),
            tests="The same with a projection, which is int8, too.",
            hint="Norms that were not fused are layers of their own in the converted block.",
            visible=False,
        ),
    )


BASIC_BLOCK = ItemRecipe(
    "QuantizableBasicBlock", outputs=OUTPUTS, driver="use_block", cases=cases((4, 4, 1), (3, 5, 2), (3, 5, 1))
)
BOTTLENECK = ItemRecipe(
    "QuantizableBottleneck", outputs=OUTPUTS, driver="use_block", cases=cases((8, 2, 1), (3, 3, 2), (4, 3, 1))
)
