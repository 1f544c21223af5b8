"""Tensors, labels and codebooks for the cases of lab 1, drawn from a seed.

``fast_pytorch_kmeans`` starts at random and stops as soon as its centroids move by less than an absolute 1e-4. Inputs
for clustering are therefore spread over several units, without gaps that a random start could miss: every start then
ends within what the judge allows (a test tries many). Exceptions are the homework's own tensor; two groups for two
clusters and single outliers, which are set apart from any start; and tensors with far more clusters than values.
"""

from collections import namedtuple

import torch

from autograder.recipes import Draw

Codebook = namedtuple("Codebook", ["centroids", "labels"])


def homework_tensor() -> torch.Tensor:
    """The test tensor of the homework's Question 1, (5, 5)."""
    return torch.tensor(
        [
            [-0.3747, 0.0874, 0.3200, -0.4868, 0.4404],
            [-0.0402, 0.2322, -0.2024, -0.4986, 0.1814],
            [0.3102, -0.3942, -0.2030, 0.0883, -0.4741],
            [-0.1592, -0.0777, -0.3946, -0.2128, 0.2675],
            [0.0611, -0.1933, -0.4350, 0.2928, -0.1087],
        ]
    )


def even(draw: Draw, shape: tuple[int, ...], low: float = -8, high: float = 8) -> torch.Tensor:
    return draw.floats(shape, low, high)


def bell(draw: Draw, shape: tuple[int, ...]) -> torch.Tensor:
    """The sum of three even draws: many values near zero and few far out, as weights are; all within 9 of zero."""
    return draw.floats(shape, -3, 3) + draw.floats(shape, -3, 3) + draw.floats(shape, -3, 3)


def two_groups(draw: Draw) -> torch.Tensor:
    """Sixteen values around -3 and sixteen around 5 in any order, (4, 8); their mean is not zero."""
    groups = torch.cat([draw.floats((16,), -3.5, -2.5), draw.floats((16,), 4.5, 5.5)])
    return groups[draw.permutation(32)].reshape(4, 8)


def with_outliers(draw: Draw) -> torch.Tensor:
    """``bell``, and one weight each at -200 and 200, in any place, (16, 16)."""
    return torch.cat([bell(draw, (254,)), torch.tensor([-200.0, 200.0])])[draw.permutation(256)].reshape(16, 16)


def repeated(draw: Draw, values: tuple[float, ...], shape: tuple[int, ...]) -> torch.Tensor:
    """Each of ``values`` equally often, in any order."""
    count = torch.Size(shape).numel()
    return torch.tensor(values).repeat(count // len(values))[draw.permutation(count)].reshape(shape)


def labels(draw: Draw, count: int, clusters: int) -> torch.Tensor:
    """``count`` labels in any order: each of ``clusters`` occurs, and label 0 most often."""
    others = draw.integers((count - clusters,), 0, clusters - 1) * draw.integers((count - clusters,), 0, 1)
    return torch.cat([torch.arange(clusters), others])[draw.permutation(count)]


def labels_counting(draw: Draw, counts: tuple[int, ...], names: tuple[int, ...] | None = None) -> torch.Tensor:
    """Labels in any order, ``names[i]`` (by default i) as often as ``counts[i]`` says."""
    chosen = torch.tensor(names or range(len(counts)))
    return torch.repeat_interleave(chosen, torch.tensor(counts))[draw.permutation(sum(counts))]


def codebook(draw: Draw, count: int, bitwidth: int, *, unused: tuple[int, ...] = ()) -> Codebook:
    """Centroids in no order, and labels that do not point at the nearest; the clusters ``unused`` are empty."""
    clusters = 1 << bitwidth
    centroids = draw.permutation(clusters).float() * 0.25 - 1.125  # an odd multiple of 1/8: never zero
    used = torch.tensor([k for k in range(clusters) if k not in unused])
    return Codebook(centroids, used[labels(draw, count, len(used))])


def tensor_and_codebook(
    draw: Draw, shape: tuple[int, ...], bitwidth: int, *, unused: tuple[int, ...] = ()
) -> tuple[torch.Tensor, Codebook]:
    return even(draw, shape), codebook(draw, torch.Size(shape).numel(), bitwidth, unused=unused)
