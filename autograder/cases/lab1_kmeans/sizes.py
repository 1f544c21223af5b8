"""Cases of ``codebook_size_bits``, ``huffman_size_bits`` and of Question 2."""

from collections.abc import Callable

import torch

from autograder.recipes import CaseRecipe, Draw, ItemRecipe, answer
from qlab_helpers.checking.reference import Rule

from .inputs import even, homework_tensor, labels, labels_counting


def fibonacci(draw: Draw) -> tuple[torch.Tensor]:
    factor = draw.integer(1, 9)
    return (labels_counting(draw, tuple(factor * count for count in (1, 1, 2, 3, 5, 8, 13, 21))),)


def labels_with_gaps(draw: Draw) -> tuple[torch.Tensor]:
    counts = (draw.integer(20, 60), draw.integer(5, 20), draw.integer(2, 5), 1)
    return (labels_counting(draw, counts, names=(250, 0, 17, 3)),)


CODEBOOK_SIZE = ItemRecipe(
    "codebook_size_bits",
    outputs=(Rule("size in bits", kind="integer"),),
    cases=(
        CaseRecipe(
            "homework's 5x5 tensor",
            lambda draw: (homework_tensor(), 2),
            tests="25 labels of 2 bits and 4 centroids of 32 bits are 178 bits.",
            hint="Add up two things: a label for every weight, and the table of centroids.",
        ),
        CaseRecipe(
            "row of 1,000 weights",
            lambda draw: (even(draw, (1000,)), 4),
            tests="A row of 1,000 weights at 4 bits.",
            hint="Every weight has a label of b bits; each of the 2 to the power of b centroids has 32 bits.",
        ),
        CaseRecipe(
            "convolution weight",
            lambda draw: (even(draw, (8, 4, 3, 3)), 3),
            tests="All elements of a weight with four dimensions are counted.",
            hint="len() counts along the first dimension only.",
        ),
        CaseRecipe(
            "codebook larger than the labels",
            lambda draw: (even(draw, (2, draw.integer(3, 20))), 8),
            tests="In a small tensor at 8 bits nearly everything is codebook.",
            hint="The codebook has 2 to the power of b centroids, however few the weights are.",
            visible=False,
        ),
        CaseRecipe(
            "one bit",
            lambda draw: (even(draw, (draw.integer(3, 9), 5, 3)), 1),
            tests="At 1 bit there are two centroids.",
            hint="2 to the power of 1 is two.",
            visible=False,
        ),
        CaseRecipe(
            "constant tensor",
            lambda draw: (torch.full((draw.integer(3, 9), 7), 0.5), 2),
            tests="The size does not depend on the values.",
            hint="Count the elements of the tensor, not its distinct values.",
            visible=False,
        ),
        CaseRecipe(
            "half precision",
            lambda draw: (even(draw, (6, draw.integer(3, 20))).half(), 5),
            tests="Centroids take 32 bits each, whatever the type of the tensor.",
            hint="The codebook is stored in float32.",
            visible=False,
        ),
    ),
)

HUFFMAN = ItemRecipe(
    "huffman_size_bits",
    outputs=(Rule("size in bits", kind="integer"),),
    cases=(
        CaseRecipe(
            "six labels of a textbook",
            lambda draw: (labels_counting(draw, (45, 13, 12, 16, 9, 5)),),
            tests="Labels that occur 45, 13, 12, 16, 9 and 5 times take 224 bits (Cormen et al.).",
            hint="Merge the two rarest, put their sum among the others, and go on until one is left.",
        ),
        CaseRecipe(
            "four labels equally often",
            lambda draw: (labels_counting(draw, (10, 10, 10, 10)),),
            tests="Four labels that are equally frequent take 2 bits each.",
            hint="With four equal counts every code word has two bits.",
        ),
        CaseRecipe(
            "one rare label",
            lambda draw: (labels_counting(draw, (97, 3)),),
            tests="Two labels take one bit each, however rare one of them is.",
            hint="Code words have whole bits: the entropy, here a fraction of a bit, is out of reach.",
        ),
        CaseRecipe(
            "one label only",
            lambda draw: (labels_counting(draw, (12,), names=(3,)),),
            tests="If all labels are equal, nothing has to be stored: 0 bits.",
            hint="With one symbol there is nothing to merge.",
        ),
        CaseRecipe(
            "five labels equally often",
            lambda draw: (labels_counting(draw, (draw.integer(4, 20),) * 5),),
            tests="Five equally frequent labels: three code words of two bits and two of three.",
            hint="Five is no power of two, so code words differ in length, but by one bit only.",
            visible=False,
        ),
        CaseRecipe(
            "Fibonacci counts",
            fibonacci,
            tests="Counts that grow like Fibonacci's numbers give the longest code words possible.",
            hint="Count the bits of every weight on the way from the root of the tree to its leaf.",
            visible=False,
        ),
        CaseRecipe(
            "labels that skip numbers",
            labels_with_gaps,
            tests="Numbers that never occur as a label take no code word.",
            hint="Count only labels that occur: a count of zero is no symbol.",
            visible=False,
        ),
        CaseRecipe(
            "256 labels",
            lambda draw: (labels(draw, 4096, 256),),
            tests="The labels of an 8-bit codebook, one of them frequent and the others rare.",
            hint="Every step takes the two smallest counts of all that are left, merged ones included.",
            visible=False,
        ),
    ),
)

ANSWER_2_1 = answer(
    "answer_2_1",
    16,
    tests="The number of colours of a tensor that is quantized at 4 bits.",
    hint="Each colour is a cluster; how many clusters can a 4-bit label tell apart?",
)


def colours(name: str, make: Callable[[Draw], tuple[int]], *, visible: bool = False) -> CaseRecipe:
    hint = "Every further bit doubles the number of clusters; try your formula on 1, 2 and 3 bits."
    tests = "The largest number of colours at this many bits."
    return CaseRecipe(name, make, tests=tests, hint=hint, visible=visible)


COLOURS = ItemRecipe(
    "answer_2_2",
    outputs=(Rule("colours", kind="number"),),
    cases=(
        colours("one bit", lambda draw: (1,), visible=True),
        colours("two bits", lambda draw: (2,), visible=True),
        colours("three bits", lambda draw: (3,), visible=True),
        colours("five to seven bits", lambda draw: (draw.integer(5, 7),)),
        colours("eight bits", lambda draw: (8,)),
        colours("nine to sixteen bits", lambda draw: (draw.integer(9, 16),)),
    ),
)
