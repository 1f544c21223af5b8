"""Cases of ``k_means_quantize`` (Question 1) and ``update_codebook`` (Question 3)."""

from functools import partial

import torch

from autograder.recipes import CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.reference import Rule

from .inputs import (
    Codebook,
    bell,
    even,
    homework_tensor,
    repeated,
    tensor_and_codebook,
    two_groups,
    with_outliers,
)

quantize = partial(CaseRecipe, observe=("fp32_tensor",))


update = partial(CaseRecipe, observe=("fp32_tensor", "codebook"))


def with_codebook(
    draw: Draw, shape: tuple[int, ...], bitwidth: int, *, said: int, unused: tuple[int, ...] = ()
) -> tuple[torch.Tensor, int, Codebook]:
    """A tensor, the bit width that the caller says, and a codebook of ``bitwidth`` bits."""
    tensor, book = tensor_and_codebook(draw, shape, bitwidth, unused=unused)
    return tensor, said, book


def transposed(draw: Draw) -> tuple[torch.Tensor, Codebook]:
    tensor, book = tensor_and_codebook(draw, (8, 6), 2)
    return tensor.t(), book


def sums_to_zero(draw: Draw) -> tuple[torch.Tensor, Codebook]:
    """Four clusters of eight weights each; those of cluster 2 add up to zero."""
    chosen = torch.arange(4).repeat(8)[draw.permutation(32)]
    weights, half = even(draw, (32,), 0.5, 4), even(draw, (4,), 0.5, 4)
    weights[chosen == 2] = torch.cat([half, -half])
    return weights.reshape(4, 8), Codebook(draw.permutation(4) * 0.5 + 0.25, chosen)


QUANTIZE = ItemRecipe(
    "k_means_quantize",
    outputs=(Rule("centroids", dtype="float32", flat=True), Rule("labels", dtype="int64", flat=True)),
    judge="codebook",
    cases=(
        quantize(
            "homework's 5x5 tensor",
            lambda draw: (homework_tensor(), 2),
            tests="The homework's tensor at 2 bits becomes at most four values, one for each cluster.",
            hint="Cluster all values as one column, then look up the centroid of every label.",
        ),
        quantize(
            "one bit",
            lambda draw: (two_groups(draw), 1),
            tests="Two well separated groups at 1 bit become two values, one for each group.",
            hint="A label of b bits tells 2 to the power of b clusters apart; at 1 bit those are two.",
        ),
        quantize(
            "convolution weight",
            lambda draw: (bell(draw, (8, 4, 3, 3)), 4),
            tests="A weight with four dimensions is quantized at 4 bits and keeps its shape.",
            hint="The clustering wants one column, (n, 1); the decoded values go back into the shape of the tensor.",
        ),
        quantize(
            "fewer distinct values than clusters",
            lambda draw: (repeated(draw, (-3.0, -1.0, 0.5, 2.0, 4.0), (10, 20)), 6),
            tests="Five distinct values with 64 clusters are kept.",
            hint="With a cluster for every value nothing is lost: does each label point at its own centroid?",
        ),
        quantize(
            "given codebook",
            lambda draw: with_codebook(draw, (4, 6), 2, said=2),
            tests="A codebook that is given is decoded as it is, and the same codebook comes back.",
            hint="When a codebook is given, skip the clustering: its centroids and labels say everything.",
        ),
        quantize(
            "transposed matrix",
            lambda draw: (even(draw, (16, 8)).t(), 2),
            tests="A tensor that is not contiguous in memory is quantized too.",
            hint="view() refuses such a tensor; reshape() and copy_() take it as it is.",
        ),
        quantize(
            "default bit width",
            lambda draw: (bell(draw, (16, 64)),),
            tests="Without a bit width, 4 bits are used.",
            hint="The bit width is 4 unless the caller says otherwise; keep the default of the signature.",
            visible=False,
        ),
        quantize(
            "six bits",
            lambda draw: (even(draw, (32, 32)), 6),
            tests="At 6 bits there are 64 clusters, and the error is as small as that allows.",
            hint="Count your clusters: their number doubles with every bit.",
            visible=False,
        ),
        quantize(
            "eight bits",
            lambda draw: (draw.floats((2, 8, 16, 8), -64, 64, 1 / 64), 8),
            tests="At 8 bits there are 256 clusters, and the error is as small as that allows.",
            hint="Count your clusters: their number doubles with every bit.",
            visible=False,
        ),
        quantize(
            "positive values only",
            lambda draw: (even(draw, (16, 16), 4, 12), 2),
            tests="Values far from zero are clustered as well as any others.",
            hint="Nothing in k-means assumes that values lie around zero.",
            visible=False,
        ),
        quantize(
            "two outliers",
            lambda draw: (with_outliers(draw), 3),
            tests="Two weights far from all others do not take the precision away from the others.",
            hint="Centroids lie where the weights are: they are means of clusters, not steps of an even grid.",
            visible=False,
        ),
        quantize(
            "constant tensor",
            lambda draw: (torch.full((3, 5), draw.integer(1, 40) / 8), 2),
            tests="A tensor that repeats one value keeps it.",
            hint="All labels may be equal. The other clusters are then empty, which must do no harm.",
            visible=False,
        ),
        quantize(
            "given codebook of another bit width",
            lambda draw: with_codebook(draw, (4, 2, 3, 3), 3, said=4),
            tests="With a codebook given, the bit width is not used and every label keeps its centroid.",
            hint="A given codebook decides everything: do not look for nearer centroids and do not sort them.",
            visible=False,
        ),
        quantize(
            "given codebook with an empty cluster",
            lambda draw: with_codebook(draw, (5, 7), 2, said=2, unused=(1,)),
            tests="A centroid that no label points at stays in the codebook and does not get into the tensor.",
            hint="Look up centroids by label; do not count or drop clusters.",
            visible=False,
        ),
    ),
)

UPDATE = ItemRecipe(
    "update_codebook",
    outputs=(),  # it returns nothing: the codebook itself is changed
    cases=(
        update(
            "two clusters",
            lambda draw: (
                torch.tensor([1.0, 10.0, 2.0, 20.0, 3.0]),
                Codebook(torch.tensor([0.5, 0.5]), torch.tensor([0, 1, 0, 1, 0])),
            ),
            tests="The centroids of (1, 2, 3) and (10, 20) become 2 and 15.",
            hint="A centroid is the sum of the weights in its cluster, divided by how many they are.",
        ),
        update(
            "empty cluster",
            lambda draw: tensor_and_codebook(draw, (4, 5), 2, unused=(1,)),
            tests="A cluster without weights keeps its centroid.",
            hint="The mean of nothing is 0 / 0: leave such a centroid alone.",
        ),
        update(
            "convolution weight",
            lambda draw: tensor_and_codebook(draw, (4, 2, 3, 3), 2),
            tests="The labels of a weight with four dimensions are in the order of reshape(-1).",
            hint="The labels are one row; bring the weights into one row, too.",
        ),
        update(
            "weights nearer to another centroid",
            lambda draw: (
                torch.tensor([[2.0, -1.0], [-2.0, 1.5]]),
                Codebook(torch.tensor([-1.0, 1.0]), torch.tensor([0, 1, 1, 0])),
            ),
            tests="Labels stay what they are, even when training has moved a weight nearer to another centroid.",
            hint="Only centroids are updated: no clustering and no new labels.",
        ),
        update(
            "several empty clusters",
            lambda draw: tensor_and_codebook(draw, (6, 8), 3, unused=(0, 4, 7)),
            tests="Empty clusters at both ends of the codebook keep their centroids.",
            hint="The number of clusters is that of the centroids, not the largest label plus one.",
            visible=False,
        ),
        update(
            "mean of zero",
            sums_to_zero,
            tests="A cluster whose weights add up to zero gets the centroid zero.",
            hint="Whether a cluster is empty shows in the number of its weights, not in their sum.",
            visible=False,
        ),
        update(
            "transposed matrix",
            transposed,
            tests="Weights that are not contiguous in memory are read in the order of reshape(-1).",
            hint="view() refuses such a tensor; reshape(-1) reads it row by row.",
            visible=False,
        ),
        update(
            "eight bits",
            lambda draw: tensor_and_codebook(draw, (16, 128), 8),
            tests="All 256 centroids of an 8-bit codebook are updated.",
            hint="Update every centroid, however many the codebook has.",
            visible=False,
        ),
    ),
)
