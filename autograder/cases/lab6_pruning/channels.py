"""Cases of channel pruning: ``get_num_channels_to_keep``, ``channel_prune``, ``get_input_channel_importance`` and
``apply_channel_sorting``."""

from typing import Any

import torch

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

from .networks import ATTEMPTS, convolution, importance_order, network

CHANGED_MODEL = (
    Rule("shapes of the convolutions' weights"),
    Rule("weights of the convolutions"),
    Rule("weights of the normalizations"),
    Rule("biases of the normalizations"),
    Rule("running means"),
    Rule("running variances"),
    Rule("outputs of the model", rtol=1e-4, atol=1e-4),
    Rule("parameters and buffers of each kind of layer", kind="text"),
    Rule("the model that was given"),
)


def channels(name: str, count: int, ratio: float, *, visible: bool = True, tests: str, hint: str, expected=None):
    return CaseRecipe(name, lambda draw: (count, ratio), tests=tests, hint=hint, visible=visible, expected=expected)


def drawn_channels(draw: Draw) -> tuple[int, float]:
    """Never near a tie: count * ratio is a quarter or an eighth off an integer."""
    return 8 * draw.integer(3, 40) + draw.integer(1, 3), 0.375


CHANNELS_TO_KEEP = ItemRecipe(
    "get_num_channels_to_keep",
    outputs=(Rule("channels", kind="integer"),),
    cases=(
        channels(
            "30 per cent of 64",
            64,
            0.3,
            tests="0.7 of 64 is 44.8: 45 channels stay.",
            hint="Round to the nearest integer.",
            expected=lambda: 45,
        ),
        channels(
            "30 per cent of 512",
            512,
            0.3,
            tests="0.7 of 512 is 358.4: 358 channels stay.",
            hint="Round to the nearest integer, which may be below.",
            expected=lambda: 358,
        ),
        channels(
            "nothing pruned",
            256,
            0.0,
            tests="A ratio of 0 keeps all channels.",
            hint="prune_ratio is the share that goes.",
            expected=lambda: 256,
        ),
        channels(
            "most of 10",
            10,
            0.875,
            tests="One eighth of 10 channels is 1.25: one stays.",
            hint="The result is the number of channels that stay, an integer.",
            visible=False,
            expected=lambda: 1,
        ),
        channels(
            "a quarter of 7",
            7,
            0.25,
            tests="Three quarters of 7 are 5.25.",
            hint="Round the number that stays.",
            visible=False,
            expected=lambda: 5,
        ),
        CaseRecipe(
            "any number",
            drawn_channels,
            tests="Another number of channels, at a ratio of 0.375.",
            hint="channels * (1 - prune_ratio), rounded.",
            visible=False,
        ),
    ),
)


def model(draw: Draw, *widths: int, options: tuple = (), classes: int = 3) -> tuple[Any, ...]:
    layers, classifier = network(draw, *widths, classes=classes)
    return layers, classifier, draw.floats((2, 3, 4, 4), -1, 1, step=1 / 16), options


def unsorted_model(draw: Draw, *widths: int, classes: int = 3) -> tuple[Any, ...]:
    """A model none of whose orders is its own inverse, so that it matters which of the two a function takes."""
    for _ in range(ATTEMPTS):
        made = model(draw, *widths, classes=classes)
        orders = [importance_order(layer) for layer in made[0][2::2]]
        if all((order.argsort() != order).any() for order in orders):
            return made
    raise ValueError(f"none of {ATTEMPTS} draws has orders that differ from their inverses")


CHANNEL_PRUNE = ItemRecipe(
    "channel_prune",
    outputs=CHANGED_MODEL,
    uses=("get_num_channels_to_keep",),
    driver="change_channels",
    cases=(
        CaseRecipe(
            "half of the channels",
            lambda draw: model(draw, 4, 6, 5, options=(0.5,)),
            tests="Three convolutions of 4, 6 and 5 channels: 2, 3 and 5 are left.",
            hint="Keep the first outputs of convolution i, the same of its BatchNorm, and the same inputs of the next.",
        ),
        CaseRecipe(
            "the last keeps its outputs",
            lambda draw: model(draw, 4, 4, options=(0.5,)),
            tests="Two convolutions of 4 channels: the first keeps 2, the last all 4, which the classifier expects.",
            hint="The last convolution keeps its outputs.",
        ),
        CaseRecipe(
            "a ratio for each convolution",
            lambda draw: model(draw, 4, 8, 4, options=([0.25, 0.75],)),
            tests="prune_ratio is a list: 3 of 4 and 2 of 8 channels are left.",
            hint="ratio i belongs to the outputs of convolution i, and so to the inputs of convolution i + 1.",
        ),
        CaseRecipe(
            "nothing to prune",
            lambda draw: model(draw, 3, 4, options=(0.0,)),
            tests="A ratio of 0 gives a model that is equal to the one given.",
            hint="Work on a deep copy, and keep the first channels.",
        ),
        CaseRecipe(
            "square layers",
            lambda draw: model(draw, 4, 4, 4, options=(0.25,)),
            tests="Inputs and outputs of the convolutions are equally many.",
            hint="Outputs are the first dimension of a convolution's weight, inputs the second.",
            visible=False,
        ),
        CaseRecipe(
            "four convolutions",
            lambda draw: model(draw, 4, 6, 8, 6, options=(0.5,), classes=2),
            tests="Another number of convolutions.",
            hint="Each convolution but the last loses outputs, each but the first inputs.",
            visible=False,
        ),
        CaseRecipe(
            "three ratios",
            lambda draw: model(draw, 8, 8, 8, 3, options=([0.5, 0.0, 0.25],)),
            tests="Three ratios for four convolutions, one of them 0.",
            hint="The list has one ratio for each convolution but the last.",
            visible=False,
        ),
        CaseRecipe(
            "rounded numbers",
            lambda draw: model(draw, 7, 9, 3, options=(0.3,)),
            tests="0.7 of 7 and of 9 channels are no integers.",
            hint="Ask get_num_channels_to_keep how many stay.",
            visible=False,
        ),
    ),
)

IMPORTANCE = ItemRecipe(
    "get_input_channel_importance",
    outputs=(Rule("importance", rtol=1e-5, atol=1e-6),),
    cases=(
        CaseRecipe(
            "3, 4 and 12",
            lambda draw: (torch.tensor([[[[3.0]], [[0.0]]], [[[4.0]], [[-5.0]]], [[[12.0]], [[0.0]]]]),),
            tests="Three outputs, two inputs, 1x1 kernels: the norms are 13 and 5.",
            hint="The norm of an input channel is taken over all outputs: root of 9 + 16 + 144.",
            expected=lambda: torch.tensor([13.0, 5.0]),
        ),
        CaseRecipe(
            "3x3 kernels",
            lambda draw: (convolution(draw, 4, 2).weight.data,),
            tests="Four input channels: one number each.",
            hint="The input channels are the second dimension; the three others are summed over.",
        ),
        CaseRecipe(
            "more outputs than inputs",
            lambda draw: (convolution(draw, 2, 5).weight.data,),
            tests="Two input channels and five output channels.",
            hint="The result has as many values as there are input channels.",
            visible=False,
        ),
        CaseRecipe(
            "as many outputs as inputs",
            lambda draw: (convolution(draw, 3, 3).weight.data,),
            tests="Every dimension has the size 3.",
            hint="The input channels are the second dimension.",
            visible=False,
        ),
        CaseRecipe(
            "a parameter",
            lambda draw: (convolution(draw, 3, 4, kernel=1).weight.data.requires_grad_(),),
            tests="A weight that is trained, with 1x1 kernels.",
            hint="Compute with torch, or detach() the weight first.",
            visible=False,
        ),
    ),
)

CHANNEL_SORTING = ItemRecipe(
    "apply_channel_sorting",
    outputs=CHANGED_MODEL,
    uses=("get_input_channel_importance",),
    driver="change_channels",
    cases=(
        CaseRecipe(
            "two convolutions",
            lambda draw: unsorted_model(draw, 4, 3),
            tests="The four channels between two convolutions come in falling order of importance.",
            hint="One order for the outputs of the first, its normalization and the inputs of the second.",
        ),
        CaseRecipe(
            "three convolutions",
            lambda draw: unsorted_model(draw, 5, 4, 3),
            tests="The middle convolution is sorted twice: its inputs, then its outputs.",
            hint="The channels behind a convolution are as important as the next one's inputs say.",
        ),
        CaseRecipe(
            "square layers",
            lambda draw: unsorted_model(draw, 4, 4, 4),
            tests="Inputs and outputs of the convolutions are equally many.",
            hint="Outputs are the first dimension of a convolution's weight, inputs the second.",
            visible=False,
        ),
        CaseRecipe(
            "four convolutions",
            lambda draw: unsorted_model(draw, 6, 3, 5, 4, classes=2),
            tests="Another number of convolutions.",
            hint="The classifier's inputs keep their order, and so do the outputs of the last convolution.",
            visible=False,
        ),
        CaseRecipe(
            "many channels",
            lambda draw: unsorted_model(draw, 9, 6, 3),
            tests="Nine channels in a new order.",
            hint="Sort with argsort, largest first, and index every tensor with the same order.",
            visible=False,
        ),
    ),
)
