"""The update of a codebook: lab 1's solution, one pass over the weights, against the homework's loop over clusters."""

from collections.abc import Iterator

import torch

from autograder.course import load_course
from autograder.solution import load_solution
from benchmarks.harness import Figure, alternate, speedup
from qlab_helpers.clustering import KMeans1d
from qlab_helpers.weights import load_pretrained

LARGEST, SMALL = "backbone.conv7.weight", "backbone.conv1.weight"


def loop_of_masks(weight: torch.Tensor, centroids: torch.Tensor, labels: torch.Tensor) -> None:
    """As the homework's solution has it: for each cluster, two masks over all weights."""
    flat = weight.view(-1)
    for k in range(centroids.numel()):
        centroids[k] = torch.sum((labels == k) * flat) / torch.sum(labels == k)


@torch.no_grad()
def measure(*, tiny: bool) -> Iterator[Figure]:
    lab = load_solution(load_course(), "lab1_kmeans")
    model = load_pretrained("vgg_cifar10")
    for bits, reach in ((8, 50.0), (4, None), (2, None)):
        weight = model.get_parameter(SMALL if tiny else LARGEST).detach()
        kmeans = KMeans1d(1 << bits)
        labels = kmeans.fit_predict(weight.reshape(-1))
        ours, theirs = (kmeans.centroids.flatten().clone() for _ in range(2))
        codebook = lab["Codebook"](ours, labels)
        timings = alternate(
            {
                "one pass": lambda w=weight, c=codebook: lab["update_codebook"](w, c),
                "loop of masks": lambda w=weight, c=theirs, n=labels: loop_of_masks(w, c, n),
            },
            rounds=1 if tiny else 7,
        )
        if not torch.allclose(ours, theirs, rtol=1e-3, atol=1e-6):
            raise AssertionError("the two updates disagree")
        name = f"{1 << bits} clusters, {weight.numel():,} weights: one pass against the loop of masks"
        yield speedup(name, timings, of="one pass", over="loop of masks", reach=reach)
