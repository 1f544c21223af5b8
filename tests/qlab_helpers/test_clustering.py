"""KMeans1d against fast_pytorch_kmeans, the optimum found by dynamic programming, and published quantizers."""

import numpy
import pytest
import torch
from fast_pytorch_kmeans import KMeans
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qlab_helpers import clustering, intervals
from qlab_helpers.clustering import KMeans1d

numbers = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
# Few decimals make many equal values, which are what breaks clusterings.
samples = st.lists(st.one_of(numbers, st.integers(-6, 6).map(float)), min_size=1, max_size=60)


def squared_error(x: torch.Tensor, centroids: torch.Tensor, labels: torch.Tensor) -> float:
    return float(((x.double() - centroids.double().flatten()[labels]) ** 2).sum())


def normal(count: int, *, scale: float = 1.0, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed)) * scale


def optimal_error(x: torch.Tensor, n_clusters: int) -> float:
    """The smallest possible squared error, by dynamic programming over the sorted values."""
    values = x.double().sort().values
    n = len(values)
    sums = torch.cat([torch.zeros(1, dtype=torch.float64), values.cumsum(0)])
    squares = torch.cat([torch.zeros(1, dtype=torch.float64), (values**2).cumsum(0)])
    start, stop = torch.arange(n + 1)[:, None], torch.arange(n + 1)[None]
    size = (stop - start).clamp(min=1)
    cost = squares[stop] - squares[start] - (sums[stop] - sums[start]) ** 2 / size
    cost[stop < start] = torch.inf
    best = cost[0]
    for _ in range(n_clusters - 1):
        best = (best[:, None] + cost).min(dim=0).values
    return float(best[n])


@pytest.mark.parametrize("shape", [(500,), (500, 1)])
def test_shapes_and_types_are_those_of_fast_pytorch_kmeans(shape):
    x = normal(500)
    theirs, ours = (
        KMeans(n_clusters=4, mode="euclidean", verbose=0),
        KMeans1d(n_clusters=4, mode="euclidean", verbose=0),
    )
    their_labels, our_labels = theirs.fit_predict(x.view(-1, 1)), ours.fit_predict(x.view(shape))
    assert (our_labels.shape, our_labels.dtype) == (their_labels.shape, their_labels.dtype)
    assert (ours.centroids.shape, ours.centroids.dtype) == (theirs.centroids.shape, theirs.centroids.dtype)


def test_separate_groups_are_found_with_their_means():
    kmeans = KMeans1d(3)
    labels = kmeans.fit_predict(torch.tensor([5.0, 0.0, 10.0, 0.5, 5.5, 0.25]))
    assert labels.tolist() == [1, 0, 2, 0, 1, 0]
    assert kmeans.centroids.flatten().tolist() == [0.25, 5.25, 10.0]


@pytest.mark.parametrize(("bits", "error"), [(1, 0.3634), (2, 0.1175), (3, 0.03454), (4, 0.009497), (5, 0.002499)])
def test_error_on_normal_values_is_that_of_the_best_quantizer_of_max_1960(bits, error):
    x = normal(400_000)
    kmeans = KMeans1d(1 << bits)
    labels = kmeans.fit_predict(x)
    assert squared_error(x, kmeans.centroids, labels) / len(x) == pytest.approx(error, rel=0.01)


def test_the_start_is_already_close_to_the_limit_of_panter_and_dite():
    x = normal(400_000)
    kmeans = KMeans1d(256, max_iter=1)
    labels = kmeans.fit_predict(x)
    limit = 3**0.5 * torch.pi / 2 / 256**2  # of the mean squared error, for many clusters
    assert squared_error(x, kmeans.centroids, labels) / len(x) == pytest.approx(limit, rel=0.04)


@pytest.mark.parametrize("n_clusters", [2, 4, 8])
def test_error_of_small_samples_is_close_to_the_optimum(n_clusters):
    ratios = []
    for seed in range(20):
        x = normal(200, seed=seed)
        kmeans = KMeans1d(n_clusters)
        labels = kmeans.fit_predict(x)
        ratios.append(squared_error(x, kmeans.centroids, labels) / optimal_error(x, n_clusters))
    assert min(ratios) > 1 - 1e-6
    assert sum(ratios) / len(ratios) < 1.1


@pytest.mark.parametrize("n_clusters", [64, 128, 256])
@pytest.mark.parametrize("kind", ["normal", "laplace"])
def test_error_with_few_values_to_a_cluster_is_within_a_tenth_of_the_optimum(n_clusters, kind):
    """Such as an 8-bit codebook of the first layer: Lloyd's steps alone end up to nine tenths above it here."""
    x = normal(1200)
    if kind == "laplace":
        x = x.sign() * -torch.log(torch.rand(1200, generator=torch.Generator().manual_seed(1)))
    kmeans = KMeans1d(n_clusters)
    labels = kmeans.fit_predict(x)
    assert squared_error(x, kmeans.centroids, labels) <= 1.1 * optimal_error(x, n_clusters)


@pytest.mark.parametrize("n_clusters", [4, 16, 64])
@pytest.mark.parametrize("kind", ["normal", "heavy tails", "uniform"])
def test_error_on_weights_is_never_above_that_of_fast_pytorch_kmeans(n_clusters, kind):
    x = normal(20_000, scale=0.02)
    x = {"normal": x, "heavy tails": x * x.abs() / 0.02, "uniform": torch.special.ndtr(x / 0.02) * 0.1}[kind]
    ours = KMeans1d(n_clusters)
    labels = ours.fit_predict(x)
    ours_error = squared_error(x, ours.centroids, labels)
    for seed in range(3):
        torch.manual_seed(seed)
        numpy.random.seed(seed)
        theirs = KMeans(n_clusters=n_clusters, mode="euclidean", verbose=0)
        their_labels = theirs.fit_predict(x.view(-1, 1))
        assert ours_error <= squared_error(x, theirs.centroids, their_labels)


@settings(deadline=None, max_examples=120)
@given(values=samples, n_clusters=st.integers(1, 9))
def test_every_label_is_that_of_the_nearest_centroid(values, n_clusters):
    x = torch.tensor(values)
    kmeans = KMeans1d(n_clusters)
    labels = kmeans.fit_predict(x)
    distances = (x.double()[:, None] - kmeans.centroids.double().flatten()).abs()
    assert torch.equal(distances.gather(1, labels[:, None]).flatten(), distances.min(dim=1).values)


@settings(deadline=None, max_examples=120)
@given(values=samples, n_clusters=st.integers(1, 9))
def test_no_cluster_is_empty_when_there_are_enough_distinct_values(values, n_clusters):
    x = torch.tensor(values)
    distinct = x.unique().double()
    assume(len(distinct) < 2 or distinct.diff().min() > 1e-12 * (distinct[-1] - distinct[0]))  # as means can tell apart
    labels = KMeans1d(n_clusters).fit_predict(x)
    assert len(labels.unique()) == min(n_clusters, len(distinct))


@settings(deadline=None, max_examples=80)
@given(values=samples, n_clusters=st.integers(1, 9))
def test_centroids_are_finite_rising_and_within_the_values(values, n_clusters):
    x = torch.tensor(values)
    kmeans = KMeans1d(n_clusters)
    kmeans.fit(x)
    centroids = kmeans.centroids.flatten()
    assert len(centroids) == n_clusters
    assert (centroids.diff() >= 0).all()
    assert x.min() <= centroids.min()
    assert centroids.max() <= x.max()


def test_many_clusters_with_heavy_atoms_leave_none_empty():
    pruned = normal(50_000, scale=0.02)
    pruned[pruned.abs() < 0.03] = 0
    coarse = (normal(50_000) * 100).round() / 100  # some 700 distinct values
    for x in (pruned, coarse):
        assert len(KMeans1d(256).fit_predict(x).unique()) == 256


def test_fewer_distinct_values_than_clusters_are_kept_exactly():
    x = torch.tensor([0.3, -1.0, 0.3, 7.0, -1.0])
    kmeans = KMeans1d(16)
    labels = kmeans.fit_predict(x)
    assert kmeans.centroids.shape == (16, 1)
    assert kmeans.centroids.isfinite().all()
    assert torch.equal(kmeans.centroids.flatten()[labels], x)
    assert labels.max() == 2  # never at the centroids that fill up


def test_converged_centroids_are_the_means_of_their_values():
    x = normal(3000)
    kmeans = KMeans1d(8, tol=0)
    labels = kmeans.fit_predict(x)
    means = torch.stack([x[labels == k].double().mean() for k in range(8)])
    torch.testing.assert_close(kmeans.centroids.flatten().double(), means, rtol=1e-5, atol=1e-6)


def test_result_is_the_same_each_time_and_for_any_order_of_the_values():
    x = normal(5000)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    first, second = KMeans1d(16), KMeans1d(16)
    labels = first.fit_predict(x)
    assert torch.equal(second.fit_predict(x[order]), labels[order])
    assert torch.equal(first.centroids, second.centroids)


def test_values_are_left_as_they_were():
    x = normal(1000)
    before = x.clone()
    KMeans1d(4).fit_predict(x)
    assert torch.equal(x, before)


def test_values_of_half_precision_are_counted_with_the_result_of_sorting(monkeypatch):
    x = normal(100_000, scale=0.05).half().float()
    x[:100], x[100:200] = 0.0, -0.0
    assert len(x) > intervals.HALVES
    counted = KMeans1d(16)
    labels = counted.fit_predict(x)
    monkeypatch.setattr(intervals, "HALVES", len(x))  # now there are too few to count
    sorted_ = KMeans1d(16)
    assert torch.equal(sorted_.fit_predict(x), labels)
    assert torch.equal(sorted_.centroids, counted.centroids)


def test_distinct_values_and_their_counts_are_those_of_torch():
    halves = torch.arange(-32768, 32768).to(torch.int16).view(torch.float16)
    values = halves[halves.isfinite()].float()
    for x in (torch.cat([values, values, values[:7]]), torch.cat([values, values]) + 1e-5):
        distinct, counts = intervals._distinct(x)
        expected, repeats = (x + 0.0).unique(return_counts=True)  # -0.0 + 0.0 is 0.0
        assert torch.equal(distinct, expected)
        assert torch.equal(counts, repeats)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["even", "crowded", "one", "two equal"])
def test_labels_looked_up_are_those_of_bucketize(kind, dtype):
    x = normal(3 * clustering.CELLS).to(dtype)
    borders = {
        "even": normal(255, seed=1).sort().values,
        "crowded": torch.cat([torch.linspace(-1, -1 + 1e-5, 9), torch.tensor([2.0])]),
        "one": torch.tensor([0.1]),
        "two equal": torch.tensor([0.1, 0.1]),
    }[kind].to(dtype)
    above = torch.nextafter(borders, torch.full_like(borders, torch.inf))
    x = torch.cat([x, borders, above, x.new_tensor([torch.inf, -torch.inf, torch.nan, 1e30, -1e30])])
    labels = clustering._count_below(x, borders)
    assert torch.equal(labels, torch.bucketize(x, borders))
    assert labels.dtype == torch.int64


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_keep_their_type(dtype):
    x = normal(2000).to(dtype)
    kmeans = KMeans1d(8)
    labels = kmeans.fit_predict(x)
    assert kmeans.centroids.dtype == dtype
    assert len(labels.unique()) == 8


def test_small_differences_of_large_values_are_clustered():
    x = 1000 + torch.tensor([0.0, 0.001, 0.5, 0.501, 1.0, 1.001])
    assert KMeans1d(3).fit_predict(x).tolist() == [0, 0, 1, 1, 2, 2]


def test_neighbouring_floats_are_told_apart():
    first = torch.nextafter(torch.tensor(1.0), torch.tensor(2.0))
    x = torch.stack([first, torch.nextafter(first, torch.tensor(2.0))])
    assert KMeans1d(2).fit_predict(x).tolist() == [0, 1]  # their midpoint, as float32, is the second


def test_predict_labels_values_that_were_not_fitted():
    kmeans = KMeans1d(2)
    kmeans.fit(torch.tensor([0.0, 0.0, 10.0, 10.0]))
    assert kmeans.predict(torch.tensor([-99.0, 4.9, 5.1, 99.0])).tolist() == [0, 0, 1, 1]


def test_starting_centroids_may_be_given():
    x = normal(2000)
    first, second = KMeans1d(8, tol=0), KMeans1d(8, tol=0)
    first.fit(x)
    second.fit(x, centroids=first.centroids.flip(0))
    torch.testing.assert_close(second.centroids, first.centroids)
    assert second.n_iter < first.n_iter


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.tensor([1.0, torch.nan]), "finite"),
        (torch.tensor([1.0, torch.inf]), "finite"),
        (torch.tensor([1, 2]), "floating-point"),
        (torch.zeros(3, 2), "shape"),
        (torch.zeros(0), "shape"),
    ],
)
def test_values_that_cannot_be_clustered_are_named(x, words):
    with pytest.raises(ValueError, match=words):
        KMeans1d(2).fit_predict(x)


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="n_clusters"):
        KMeans1d(0)
    with pytest.raises(NotImplementedError, match="cosine"):
        KMeans1d(2, mode="cosine")
    with pytest.raises(ValueError, match="3 starting centroids"):
        KMeans1d(2).fit(normal(10), centroids=torch.zeros(3))
    with pytest.raises(RuntimeError, match="fit"):
        KMeans1d(2).predict(normal(10))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_the_labels_of_the_cpu():
    x = normal(100_000, scale=0.02)
    on_cpu, on_cuda = KMeans1d(16), KMeans1d(16)
    labels = on_cpu.fit_predict(x)
    agree = on_cuda.fit_predict(x.cuda()).cpu() == labels
    assert on_cuda.centroids.is_cuda
    assert agree.float().mean() > 0.999  # sums are taken in another order
    torch.testing.assert_close(on_cuda.centroids.cpu(), on_cpu.centroids)
