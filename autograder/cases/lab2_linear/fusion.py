"""Cases of ``fuse_conv_bn`` and ``extra_preprocess`` (Question 9), and the choices of Question 5."""

from functools import partial

import torch
from torch import nn

from autograder.recipes import CaseRecipe, Draw, ItemRecipe, answer
from qlab_helpers.checking.reference import Rule

from .margins import redraw

pixels = partial(CaseRecipe, observe=("x",))


def layers(
    draw: Draw,
    inputs: int,
    outputs: int,
    *,
    kernel: int | tuple[int, int] = 3,
    bias: bool = False,
    variance: tuple[float, float] = (0.25, 4.0),
    eps: float = 1e-5,
    training: bool = False,
    **options,
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """A convolution and the normalization behind it. No fused bias is a small difference of large numbers."""

    def numbers() -> dict[str, torch.Tensor]:
        drawn = {"weight": draw.floats((outputs,), 0.5, 2), "bias": draw.floats((outputs,), -2, 2)}
        drawn["mean"], drawn["conv bias"] = draw.floats((outputs,), -2, 2), draw.floats((outputs,), -1, 1) * bias
        drawn["variance"] = draw.integers((outputs,), 1, 64) * ((variance[1] - variance[0]) / 64) + variance[0]
        return drawn

    def clear(drawn: dict[str, torch.Tensor]) -> bool:
        factor = drawn["weight"] / (drawn["variance"] + eps).sqrt()
        parts = torch.stack([drawn["conv bias"] * factor, -drawn["mean"] * factor, drawn["bias"]])
        return bool((parts.sum(dim=0).abs() > parts.abs().sum(dim=0) / 8).all())

    drawn = redraw(numbers, clear)
    conv = nn.Conv2d(inputs, outputs, kernel, bias=bias, **options)
    conv.weight.data = draw.floats(tuple(conv.weight.shape), -1, 1)
    if bias:
        conv.bias.data = drawn["conv bias"]
    norm = nn.BatchNorm2d(outputs, eps=eps)
    norm.weight.data, norm.bias.data = drawn["weight"], drawn["bias"]
    norm.running_mean, norm.running_var = drawn["mean"], drawn["variance"].float()
    return conv.train(training), norm.train(training)


def plain(draw: Draw) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """A factor of one half and a mean of zero: only the weights are scaled."""
    conv, norm = layers(draw, 2, 3)
    norm.weight.data.fill_(1.0)
    norm.running_var.fill_(4.0)
    norm.running_mean.zero_()
    return conv, norm


def every_pixel(draw: Draw) -> tuple[torch.Tensor]:
    return (draw.permutation(256).reshape(1, 1, 16, 16).float() / 255,)


FUSE = ItemRecipe(
    "fuse_conv_bn",
    outputs=(
        Rule("weight", dtype="float32", rtol=1e-5, atol=1e-6),
        Rule("bias", dtype="float32", rtol=1e-5, atol=1e-6),
    ),
    judge="layer",
    cases=(
        CaseRecipe(
            "half the weights",
            plain,
            tests="Means of 0, variances of 4 and gammas of 1: the weights are halved, and the bias is beta.",
            hint="The layer behind divides by the standard deviation, which is the root of the variance.",
        ),
        CaseRecipe(
            "convolution without bias",
            lambda draw: layers(draw, 3, 5, padding=1),
            tests="A 3x3 convolution without bias, as in VGG, gets the bias that replaces the normalization.",
            hint="Write gamma (y - mean) / sqrt(var + eps) + beta as factor times y plus a constant.",
        ),
        CaseRecipe(
            "stride and groups",
            lambda draw: layers(draw, 4, 6, kernel=(3, 1), stride=(2, 1), groups=2, dilation=(2, 1)),
            tests="Kernel, stride, dilation and groups of the layer stay what they are.",
            hint="Change weight and bias only; the factor goes along the first dimension of the weight.",
        ),
        CaseRecipe(
            "convolution with bias",
            lambda draw: layers(draw, 2, 4, bias=True),
            tests="The convolution has a bias of its own.",
            hint="Its bias takes part in what the normalization shifts and scales.",
        ),
        CaseRecipe(
            "small variances",
            lambda draw: layers(draw, 3, 4, variance=(2**-17, 2**-14)),
            tests="Variances are as small as eps, so that it matters where eps is added.",
            hint="eps stands under the root, beside the variance.",
        ),
        CaseRecipe(
            "another eps",
            lambda draw: layers(draw, 3, 7, eps=0.125),
            tests="The normalization has an eps of 1/8.",
            hint="Read eps from the layer.",
            visible=False,
        ),
        CaseRecipe(
            "square weight",
            lambda draw: layers(draw, 3, 3, padding=1),
            tests="Input channels, output channels and kernel have the same size.",
            hint="The factor belongs to the output channels, whatever else would broadcast.",
            visible=False,
        ),
        CaseRecipe(
            "training mode",
            lambda draw: layers(draw, 5, 3, kernel=1, bias=True, training=True),
            tests="Layers that are still in training mode: the running mean and variance are used all the same.",
            hint="There is no batch here to take statistics from.",
            visible=False,
        ),
    ),
)

PREPROCESS = ItemRecipe(
    "extra_preprocess",
    outputs=(Rule("int8 image", dtype="int8"),),
    cases=(
        pixels(
            "every brightness once",
            every_pixel,
            tests="The 256 values that a pixel can have become the 256 values of an int8.",
            hint="A pixel k arrives as k/255: the smallest must become -128 and the largest 127.",
        ),
        pixels(
            "black and white",
            lambda draw: (torch.tensor([0.0, 1.0, 1.0, 0.0]).reshape(1, 1, 2, 2),),
            tests="0 becomes -128, and 1 becomes 127.",
            hint="Between -128 and 127 there are 255 steps.",
        ),
        pixels(
            "colour images",
            lambda draw: (draw.integers((2, 3, 5, 4), 0, 255).float() / 255,),
            tests="A batch of small colour images keeps its shape and is not changed itself.",
            hint="Return a new tensor of dtype int8.",
        ),
        pixels(
            "dark images",
            lambda draw: (draw.integers((3, 3, 4, 4), 0, 25).float() / 255,),
            tests="Images without bright pixels are mapped in the same way.",
            hint="Do not stretch what is there to the whole range: the same brightness always gives the same integer.",
            visible=False,
        ),
        pixels(
            "bright images",
            lambda draw: (draw.integers((3, 3, 4, 4), 220, 255).float() / 255,),
            tests="Bright pixels come out as positive integers up to 127.",
            hint="Where your factor is off, it is off most for bright pixels.",
            visible=False,
        ),
        pixels(
            "divided as on a GPU",
            lambda draw: (draw.permutation(256).reshape(1, 1, 16, 16).float() * (1 / 255),),
            tests="Pixels that were made as k * (1 / 255), as a GPU divides: times 255, some are a little more than k.",
            hint="Round before you convert: a conversion to int8 cuts -31.99999 off to -31.",
            visible=False,
        ),
        pixels(
            "one image",
            lambda draw: (draw.integers((3, 8, 8), 0, 255).float() / 255,),
            tests="One image without a dimension for the batch.",
            hint="Work on every value alike, whatever the shape.",
            visible=False,
        ),
    ),
)

ANSWER_5_1 = answer(
    "answer_5_1",
    "c",
    tests="The formula of the scale.",
    hint="Subtract the equation for r_min from the one for r_max: the zero point drops out.",
    choices=("a", "b", "c", "d"),
)
ANSWER_5_2 = answer(
    "answer_5_2",
    "b",
    tests="The formula of the zero point.",
    hint="Solve r_min = S (q_min - Z) for Z, and remember that Z is an integer.",
    choices=("a", "b", "c", "d"),
)
