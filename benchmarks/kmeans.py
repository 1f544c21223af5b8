"""Clustering the VGG's weights: KMeans1d beside fast_pytorch_kmeans and scikit-learn, and how far from the optimum.

Peers run as they come, with the arguments of the homework. The optimum is kmeans1d's, by dynamic programming, on the
layers that it can do in seconds.
"""

import copy
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

import torch
from fast_pytorch_kmeans import KMeans
from torch import nn

from benchmarks.harness import Figure, Timing, alternate, duration, speedup
from benchmarks.peers import need_cifar10, peer
from qlab_helpers.clustering import KMeans1d
from qlab_helpers.data import ImageLoader, load_cifar10
from qlab_helpers.train import evaluate
from qlab_helpers.weights import load_pretrained

LARGEST, MIDDLE = "backbone.conv7.weight", "backbone.conv2.weight"  # 2,359,296 and 294,912 weights
HARDEST = "backbone.conv3.weight"  # 589,824 weights; with 4 clusters the library stops at once
EXACT = ("backbone.conv0.weight", "backbone.conv1.weight", MIDDLE, "classifier.weight")
SMALL = ("backbone.conv0.weight", "classifier.weight")
EQUAL = 1.001  # of squared errors: all of them stop before the last digit
TEST_IMAGES = 2_000
OURS, LIBRARY, SCIKIT = "KMeans1d", "fast_pytorch_kmeans", "scikit-learn"
Clustering = Callable[[torch.Tensor, int], torch.Tensor]


@torch.no_grad()
def measure(*, tiny: bool) -> Iterator[Figure]:
    scikit, exact = peer("sklearn.cluster"), peer("kmeans1d")
    if not tiny:
        need_cifar10()
    model = load_pretrained("vgg_cifar10")
    layers = {name: p.detach().reshape(-1, 1) for name, p in model.named_parameters() if p.dim() > 1}

    slowest, worst = {}, {}
    for bits, other, layer, rounds in pairs(layers, tiny=tiny):
        way = library if other == LIBRARY else partial(scikit_learn, scikit)
        timings, errors = compare({OURS: ours, other: way}, layers[layer], 1 << bits, rounds=rounds)
        what = f"{bits} bits, {layer} ({len(layers[layer]):,} weights): KMeans1d against {other}"
        promised = (bits, other, layer) == (8, LIBRARY, LARGEST)
        speed = speedup(what, timings, of=OURS, over=other, reach=80.0 if promised else 1.0)
        ratio = statistics.median(mine / theirs for mine, theirs in zip(errors[OURS], errors[other], strict=True))
        slowest[what], worst[what] = speed.value, ratio
        if tiny or layer in (LARGEST, HARDEST) or other == SCIKIT:
            limit = 0.1 if promised else EQUAL
            yield speed
            yield Figure(f"{what}, squared error", ratio, "times", reach=limit, lower_is_better=True)
    least, most = min(slowest, key=slowest.__getitem__), max(worst, key=worst.__getitem__)
    yield Figure(f"the least speed of {len(slowest)} comparisons: {least}", slowest[least], "times", reach=1.0)
    yield Figure(
        f"the largest error of {len(worst)} comparisons: {most}", worst[most], "times", reach=EQUAL,
        lower_is_better=True,
    )  # fmt: skip
    yield from unshared(layers[SMALL[0] if tiny else HARDEST], rounds=1 if tiny else 5)

    above = {
        f"{layer}, {bits} bits": error_of(layers[layer], ours(layers[layer], 1 << bits)) / optimum
        for layer in (SMALL[:1] if tiny else EXACT)
        for bits in ((2,) if tiny else (2, 4, 8))
        if (optimum := error_of(layers[layer], optimal(exact, layers[layer], 1 << bits)))
    }
    hardest = max(above, key=above.__getitem__)
    yield Figure(
        f"squared error over the optimum (kmeans1d), at worst: {hardest}", above[hardest], "times", reach=1.05,
        lower_is_better=True,
    )  # fmt: skip

    for bits in (2,) if tiny else (2, 4, 8):
        whole = alternate({OURS: lambda k=1 << bits: [ours(w, k) for w in layers.values()]}, rounds=1 if tiny else 5)
        yield duration(f"the whole VGG at {bits} bits", whole[OURS], reach=4.0 if bits == 8 else None)
    if not tiny:
        yield from accuracies(model)


def pairs(layers: dict[str, torch.Tensor], *, tiny: bool) -> Iterator[tuple[int, str, str, int]]:
    """What is compared: bits, peer, layer, rounds."""
    if tiny:
        yield from ((bits, other, layer, 1) for bits in (2, 4) for other in (LIBRARY, SCIKIT) for layer in SMALL)
        return
    for bits in (2, 4):
        yield from ((bits, LIBRARY, layer, 5) for layer in layers)
    yield from (
        (8, LIBRARY, layer, 2 if layer == LARGEST else 3) for layer in (*EXACT, LARGEST)
    )  # the others take half a minute each, too
    yield from ((bits, SCIKIT, MIDDLE, 3) for bits in (2, 4, 8))


def unshared(weights: torch.Tensor, *, rounds: int) -> Iterator[Figure]:
    """The same with noise that leaves no two weights equal: they cannot be counted, and are sorted."""
    noise = torch.randn(weights.shape, generator=torch.Generator().manual_seed(0))
    noisy = weights + 1e-3 * weights.std() * noise
    for bits in (2, 4):
        timings, _ = compare({OURS: ours, LIBRARY: library}, noisy, 1 << bits, rounds=rounds)
        what = f"{bits} bits, {len(noisy):,} weights that no half holds: KMeans1d against {LIBRARY}"
        yield speedup(what, timings, of=OURS, over=LIBRARY)


def ours(weights: torch.Tensor, clusters: int) -> torch.Tensor:
    """The decoded weights, (n, 1)."""
    kmeans = KMeans1d(clusters)
    labels = kmeans.fit_predict(weights)
    return kmeans.centroids[labels]


def library(weights: torch.Tensor, clusters: int) -> torch.Tensor:
    kmeans = KMeans(n_clusters=clusters, mode="euclidean", verbose=0)
    labels = kmeans.fit_predict(weights)
    return kmeans.centroids[labels]


def scikit_learn(scikit, weights: torch.Tensor, clusters: int) -> torch.Tensor:
    kmeans = scikit.KMeans(n_clusters=clusters)
    labels = kmeans.fit_predict(weights.numpy())
    return torch.from_numpy(kmeans.cluster_centers_)[labels]


def optimal(exact, weights: torch.Tensor, clusters: int) -> torch.Tensor:
    labels, centroids = exact.cluster(weights.flatten().tolist(), clusters)
    return torch.tensor(centroids, dtype=torch.float64)[torch.tensor(labels)].reshape(-1, 1)


def error_of(weights: torch.Tensor, decoded: torch.Tensor) -> float:
    return float((weights.double() - decoded.double()).square().sum())


def compare(
    ways: dict[str, Clustering], weights: torch.Tensor, clusters: int, *, rounds: int
) -> tuple[dict[str, Timing], dict[str, list[float]]]:
    """Times, and each round's squared errors: peers start at random, so every round draws anew."""
    decoded: dict[str, list[torch.Tensor]] = {name: [] for name in ways}

    def call(name: str, seeds: Iterator[int]) -> None:
        seed_all(next(seeds))
        decoded[name] = [*decoded[name], ways[name](weights, clusters)][-rounds:]

    calls = {name: partial(call, name, count()) for name in ways}
    long = clusters * len(weights) > 1e8  # then a call of a peer takes seconds, and needs no warming up
    timings = alternate(calls, rounds=rounds, warm_up=not long)
    errors = {name: [error_of(weights, each) for each in decoded[name]] for name in ways}
    least = min(map(len, errors.values()))
    return timings, {name: values[:least] for name, values in errors.items()}


def seed_all(seed: int) -> None:
    import numpy

    torch.manual_seed(seed)
    numpy.random.seed(seed)


def accuracies(model: nn.Module) -> Iterator[Figure]:
    """Top-1 on test images, with the weights clustered and nothing trained."""
    test = ImageLoader(load_cifar10("test", limit=TEST_IMAGES, progress=False), 500)
    full = evaluate(model, test, description="fp32")
    yield Figure(f"fp32 accuracy, {TEST_IMAGES:,} test images", full, "%")
    for bits, reach in ((4, full - 1), (3, full - 5), (2, 40.0)):
        for name, cluster, wanted in ((OURS, ours, reach), (LIBRARY, library, None)):
            seed_all(0)
            quantized = copy.deepcopy(model)
            for parameter in quantized.parameters():
                if parameter.dim() > 1:
                    parameter.copy_(cluster(parameter.reshape(-1, 1), 1 << bits).reshape(parameter.shape))
            accuracy = evaluate(quantized, test, description=f"{name}, {bits} bits")
            yield Figure(f"accuracy at {bits} bits without training, {name}", accuracy, "%", reach=wanted)
