"""Cases of ``calibrate``, ``ptq`` and ``qat``, with the driver's small pipeline as the network."""

import torch

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

from .inputs import images, weights


def batches(draw: Draw, count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Each batch goes a little farther than the one before, so that the range tells how many were seen."""
    return [(images(draw, 3, 2, 6, 6) * (1 + number / 8), draw.integers((3,), 0, 2)) for number in range(count)]


def shown(draw: Draw, count: int, arguments: tuple = (), *, training: bool = False) -> tuple:
    return weights(draw), batches(draw, count), arguments, training


def trained(draw: Draw, count: int, *, training: bool) -> tuple:
    return weights(draw), [one for one, _ in batches(draw, count)], training


CALIBRATE = ItemRecipe(
    "calibrate",
    outputs=(
        Rule("range of the images seen", rtol=1e-6),
        Rule("batches seen", kind="integer"),
        Rule("running means of the norms", rtol=1e-5, atol=1e-6),
        Rule("passes with gradients", kind="integer"),
        Rule("mode afterwards", kind="text"),
    ),
    driver="show_batches",
    cases=(
        CaseRecipe(
            "two of four batches",
            lambda draw: shown(draw, 4, (2,)),
            tests="num_batches=2 shows the first two batches of four.",
            hint="Count the batches, and stop when there are enough.",
        ),
        CaseRecipe(
            "twelve batches",
            lambda draw: shown(draw, 12),
            tests="Without num_batches, ten batches of twelve are shown.",
            hint="10 is the default of num_batches.",
        ),
        CaseRecipe(
            "fewer than asked for",
            lambda draw: shown(draw, 3, (5,)),
            tests="num_batches=5 with a loader of three batches shows those three.",
            hint="A loop over the loader ends with it.",
        ),
        CaseRecipe(
            "from training mode",
            lambda draw: shown(draw, 3, (2,), training=True),
            tests="A model in training mode: its norms must not learn, and it is in evaluation mode afterwards.",
            hint="Put the model into evaluation mode first, and leave it there.",
        ),
        CaseRecipe(
            "one batch",
            lambda draw: shown(draw, 3, (1,)),
            tests="num_batches=1 shows one batch.",
            hint="Count from the first batch on.",
            visible=False,
        ),
        CaseRecipe(
            "more than ten",
            lambda draw: shown(draw, 13, (11,)),
            tests="num_batches=11 shows eleven batches of thirteen.",
            hint="10 is only the default of num_batches.",
            visible=False,
        ),
        CaseRecipe(
            "from training mode, all batches",
            lambda draw: shown(draw, 4, (9,), training=True),
            tests="A model in training mode, and a loader that ends early.",
            hint="Evaluation mode first; then all batches that there are.",
            visible=False,
        ),
    ),
)

PTQ = ItemRecipe(
    "ptq",
    outputs=(
        # Logits are of the order of 0.2; an int8 one may differ by a few steps of 0.002 from processor to processor.
        Rule("logits", rtol=1e-3, atol=0.01),
        Rule("layers", kind="text"),
        Rule("scales and zero points", rtol=0.02, atol=1e-6),
        Rule("what show_images was given", kind="text"),
        Rule("the given model afterwards", kind="text"),
    ),
    driver="quantize_after_training",
    cases=(
        CaseRecipe(
            "from evaluation mode",
            lambda draw: trained(draw, 2, training=False),
            tests="A model in evaluation mode: int8 layers, calibrated scales, and the model given is left as it is.",
            hint="Work on a copy: fuse, prepare, show images, convert.",
        ),
        CaseRecipe(
            "from training mode",
            lambda draw: trained(draw, 2, training=True),
            tests="A model in training mode, which it is still in afterwards.",
            hint="The copy is put into evaluation mode, and the model given is not touched.",
        ),
        CaseRecipe(
            "one batch",
            lambda draw: trained(draw, 1, training=False),
            tests="Calibrated with one batch.",
            hint="Show images to the prepared model before it is converted.",
            visible=False,
        ),
        CaseRecipe(
            "one batch, from training mode",
            lambda draw: trained(draw, 1, training=True),
            tests="Calibrated with one batch; the model given is in training mode.",
            hint="Evaluation mode first, on a copy.",
            visible=False,
        ),
        CaseRecipe(
            "four batches",
            lambda draw: trained(draw, 4, training=False),
            tests="Calibrated with four batches.",
            hint="Leave it to show_images how many there are.",
            visible=False,
        ),
    ),
)

QAT = ItemRecipe(
    "qat",
    outputs=(
        Rule("layers", kind="text"),
        Rule("what fine_tune was given", kind="text"),
        Rule("the given model afterwards", kind="text"),
        # After a few steps of training the logits lie near 0.5; a difference in rounding grows a little with each step.
        Rule("logits", rtol=1e-3, atol=0.03),
    ),
    driver="quantize_while_training",
    cases=(
        CaseRecipe(
            "from evaluation mode",
            lambda draw: trained(draw, 2, training=False),
            tests="A model in evaluation mode, trained with two batches: int8 layers; the model given stays as it is.",
            hint="Work on a copy in training mode: fuse, prepare, train, and convert in evaluation mode.",
        ),
        CaseRecipe(
            "from training mode",
            lambda draw: trained(draw, 2, training=True),
            tests="A model in training mode, which it is still in afterwards.",
            hint="Only the copy may change its mode.",
        ),
        CaseRecipe(
            "four steps",
            lambda draw: trained(draw, 4, training=False),
            tests="Trained with four batches.",
            hint="What is converted is the model that was trained.",
            visible=False,
        ),
        CaseRecipe(
            "four steps, from training mode",
            lambda draw: trained(draw, 4, training=True),
            tests="Trained with four batches; the model given is in training mode.",
            hint="What is converted is the model that was trained.",
            visible=False,
        ),
    ),
)
