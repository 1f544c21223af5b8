"""Cases of ``power_of_two_linear`` and ``linear_energy_pj``."""

from functools import partial

import torch

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

linear = partial(CaseRecipe, observe=("x_uint8", "w_int8", "b_int32"))


def layer(
    draw: Draw, batch: int, inputs: int, outputs: int, shift: int, *, low: int = 0, high: int = 255, bias: int = 2000
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    return (
        draw.integers((batch, inputs), low, high, torch.uint8),
        draw.integers((outputs, inputs), -127, 127, torch.int8),
        draw.integers((outputs,), -bias, bias, torch.int32),
        shift,
    )


def by_hand(draw: Draw) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """(-28 * 1 + 22 * 2 + 5 = 21) >> 2 = 5 and (-28 * -1 + 22 * 0 - 1 = 27) >> 2 = 6; 128 is added."""
    weight = torch.tensor([[1, 2], [-1, 0]], dtype=torch.int8)
    return torch.tensor([[100, 150]], dtype=torch.uint8), weight, torch.tensor([5, -1], dtype=torch.int32), 2


def fractions(draw: Draw) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """Sums whose last bits are all ones: rounding to the nearest would give one more than a shift."""
    bias = torch.tensor([16 * draw.integer(1, 60) + 15 for _ in range(5)], dtype=torch.int32)
    return torch.full((2, 3), 128, dtype=torch.uint8), draw.integers((5, 3), -127, 127, torch.int8), bias, 4


def negative_sums(draw: Draw) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """Two outputs with sums below zero, two above."""
    x = draw.integers((3, 4), 150, 200, torch.uint8)
    weight = draw.integers((4, 4), 1, 40, torch.int8) * torch.tensor([[-1], [1], [-1], [1]], dtype=torch.int8)
    return x, weight, draw.integers((4,), -50, 50, torch.int32), 7


def large_bias(draw: Draw) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """The bias decides what comes out; in 16 bits it would wrap."""
    return (
        draw.integers((2, 6), 100, 156, torch.uint8),
        draw.integers((3, 6), -20, 20, torch.int8),
        draw.integers((3,), 60_000, 120_000, torch.int32),
        10,
    )


def near_the_end(draw: Draw) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """255 stands for 127, so that the sums are less than 128 below the largest int32, or far below zero."""
    bias = torch.tensor([2**31 - 200, 2**31 - 129 - draw.integer(1, 60), -(2**31) + 500], dtype=torch.int32)
    return torch.tensor([[255], [254]], dtype=torch.uint8), torch.tensor([[1], [1], [-1]], dtype=torch.int8), bias, 0


LINEAR = ItemRecipe(
    "power_of_two_linear",
    outputs=(Rule("uint8 output", dtype="uint8"),),
    cases=(
        linear(
            "two outputs by hand",
            by_hand,
            tests="Inputs 100 and 150 stand for -28 and 22: the sums are 21 and 27, shifted by 2 they are 5 and 6.",
            hint="Subtract 128 from the inputs in a type that holds negative numbers.",
            expected=lambda: torch.tensor([[133, 134]], dtype=torch.uint8),
        ),
        linear(
            "a layer",
            lambda draw: layer(draw, 3, 6, 5, 8),
            tests="Three inputs of six features, five outputs.",
            hint="Each output has a row of the weight and a bias; the batch is the first dimension of the input.",
        ),
        linear(
            "negative sums",
            negative_sums,
            tests="ReLU: an output whose sum is below zero becomes 128, which stands for 0.",
            hint="Negative sums become 0 before the shift and before 128 is added.",
        ),
        linear(
            "saturates",
            lambda draw: layer(draw, 3, 8, 5, 4, low=60, high=200),
            tests="Results above 255 become 255.",
            hint="A conversion to uint8 keeps the low eight bits, so clamp first.",
        ),
        linear(
            "no shift",
            lambda draw: (
                draw.integers((2, 4), 126, 130, torch.uint8),
                draw.integers((3, 4), -9, 9, torch.int8),
                draw.integers((3,), -20, 40, torch.int32),
                0,
            ),
            tests="A shift of 0 leaves the sums as they are.",
            hint="x >> 0 is x; an amount of 0 is no reason to divide by it.",
        ),
        linear(
            "near the end of int32",
            near_the_end,
            tests="Sums to which 128 cannot be added in int32: the results are 255, and 128 for the negative one.",
            hint="Limit what was shifted to 127 first, then add 128.",
        ),
        linear(
            "rounds down",
            fractions,
            tests="A shift cuts off what falls out at the right end.",
            hint="Use >>, which rounds down; nothing is rounded to the nearest.",
            visible=False,
        ),
        linear(
            "many inputs",
            lambda draw: layer(draw, 2, 300, 4, 12, bias=9000),
            tests="300 inputs: the sums need more than 16 bits.",
            hint="Sum up in int32.",
            visible=False,
        ),
        linear(
            "large bias",
            large_bias,
            tests="The bias is much larger than the products, and needs more than 16 bits.",
            hint="The bias belongs into the sum, before the shift, in int32.",
            visible=False,
        ),
        linear(
            "inputs below 128",
            lambda draw: layer(draw, 4, 5, 3, 7, low=0, high=127),
            tests="All inputs stand for negative numbers.",
            hint="In uint8, 100 - 128 is 228: convert before you subtract.",
            visible=False,
        ),
        linear(
            "as many outputs as inputs",
            lambda draw: layer(draw, 4, 4, 4, 8),
            tests="A square weight: (out, in), as in nn.Linear.",
            hint="Sum over the inputs, the second dimension of the weight.",
            visible=False,
        ),
    ),
)

ENERGY = ItemRecipe(
    "linear_energy_pj",
    outputs=(Rule("energy in pJ", kind="number", rtol=1e-6),),
    cases=(
        CaseRecipe(
            "reports' layer in fp32",
            lambda draw: (128, 10, "fp32"),
            tests="128 inputs, 10 outputs, fp32: 5888 pJ.",
            hint="Each output takes 128 multiplications, and 127 + 1 additions with that of the bias.",
            expected=lambda: 5888.0,
        ),
        CaseRecipe(
            "reports' layer with powers of two",
            lambda draw: (128, 10, "power_of_two"),
            tests="The same layer with 8-bit integers and a shift: 422.8 pJ.",
            hint="Go through the formula term by term: what is done for each input, and what once for each output?",
            expected=lambda: 422.8,
        ),
        CaseRecipe(
            "one input, fp32",
            lambda draw: (1, 1, "fp32"),
            tests="One input and one output: one multiplication, and one addition for the bias.",
            hint="There is nothing to sum up, but the bias is added.",
        ),
        CaseRecipe(
            "one input, power of two",
            lambda draw: (1, 1, "power_of_two"),
            tests="One input and one output: two int8 additions, a multiplication, an int32 addition, a shift.",
            hint="128 is subtracted before, and added afterwards; the bias is added in int32.",
        ),
        CaseRecipe(
            "wide layer, fp32",
            lambda draw: (draw.integer(200, 999), draw.integer(20, 90), "fp32"),
            tests="A layer of another size in fp32.",
            hint="Nothing may depend on the numbers 128 and 10.",
            visible=False,
        ),
        CaseRecipe(
            "wide layer, power of two",
            lambda draw: (draw.integer(200, 999), draw.integer(20, 90), "power_of_two"),
            tests="A layer of another size with powers of two.",
            hint="Nothing may depend on the numbers 128 and 10.",
            visible=False,
        ),
        CaseRecipe(
            "many outputs, power of two",
            lambda draw: (draw.integer(2, 5), draw.integer(200, 999), "power_of_two"),
            tests="Few inputs and many outputs: what is done once for each output counts.",
            hint="The shift and the addition of 128 happen once for each output.",
            visible=False,
        ),
    ),
)
