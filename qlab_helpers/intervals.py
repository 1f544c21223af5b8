"""Clusters of sorted numbers as intervals: prefix sums, and Lloyd's steps on them. See ``clustering.py``."""

from dataclasses import dataclass

import numpy
import torch

HALVES = 1 << 16  # numbers that half precision has; sorting fewer values is quicker than counting


@dataclass(frozen=True)
class Points:
    """The distinct values in rising order, with the prefix sums from which any interval's mean follows."""

    values: numpy.ndarray  # (m,) float32 or float64, strictly rising
    counts: numpy.ndarray  # (m + 1,) float64: how many values come before point i
    sums: numpy.ndarray  # (m + 1,) float64: their sum, measured from `origin`
    origin: float  # the middle of the values, so that sums of large, close numbers keep their digits
    spread: float  # the squared error of a single cluster at the mean

    @property
    def count(self) -> int:
        return len(self.values)

    @classmethod
    def of(cls, values: torch.Tensor) -> "Points":
        distinct, repeats = _distinct(values)
        origin = float(distinct[0].double() + distinct[-1].double()) / 2
        offsets, repeats = distinct.double() - origin, repeats.double()
        counts = torch.zeros(len(distinct) + 1, dtype=torch.float64, device=values.device)
        sums = torch.zeros_like(counts)
        torch.cumsum(repeats, 0, out=counts[1:])
        weighted = offsets * repeats
        torch.cumsum(weighted, 0, out=sums[1:])
        spread = float(torch.dot(weighted, offsets) - sums[-1] ** 2 / counts[-1])
        return cls(distinct.cpu().numpy(), counts.cpu().numpy(), sums.cpu().numpy(), origin, spread)

    def means(self, begin: numpy.ndarray, end: numpy.ndarray) -> numpy.ndarray:
        """Of the values in each interval of points."""
        return (self.sums[end] - self.sums[begin]) / (self.counts[end] - self.counts[begin]) + self.origin

    def explained(self, begin: numpy.ndarray, end: numpy.ndarray) -> numpy.ndarray:
        """n * mean^2 of each interval, from ``origin``: the squared error is what of the sum of squares is not."""
        sums = self.sums[end] - self.sums[begin]
        return sums * sums / (self.counts[end] - self.counts[begin])


def lloyd(
    points: Points, centroids: numpy.ndarray, *, dtype: torch.dtype, max_iter: int, tol: float
) -> tuple[numpy.ndarray, int]:
    """Lloyd steps from ``centroids``, (k,) float64 in rising order; returns the centroids and the number of steps.

    The squared error is a constant minus sum(n_i * mean_i^2), so its fall is known without looking at the values.
    After ``max_iter`` steps only empty clusters keep it going, which takes a step or two.
    """
    clusters = numpy.arange(len(centroids) + 1)
    last = points.count - len(centroids) + clusters
    edges = numpy.empty_like(clusters)
    edges[0], edges[-1] = 0, points.count
    unexplained = points.sums[-1] ** 2 / points.counts[-1]
    before, first_error = None, points.spread
    for step in range(1, 2 * max_iter + 1):
        edges[1:-1] = points.values.searchsorted(borders(centroids, points.values.dtype), side="right")
        # An empty cluster takes the point at its edge. This only ever splits intervals, so the error cannot rise.
        full = numpy.minimum(numpy.maximum.accumulate(edges - clusters) + clusters, last)
        counts, sums = points.counts[full], points.sums[full]
        counts, sums = counts[1:] - counts[:-1], sums[1:] - sums[:-1]
        means = sums / counts
        explained = sums @ means - unexplained
        settled = before is not None and explained - before <= tol * first_error
        if (settled or step > max_iter) and (edges == full).all():
            return centroids, min(step, max_iter)
        if before is None:
            first_error = max(points.spread - explained, 0.0)
        before = explained
        # Rounded as the caller will get them, so that labels, which are found from them, agree with these clusters.
        centroids = torch.from_numpy(means + points.origin).to(dtype).double().numpy()
    return centroids, max_iter


def borders(centroids: numpy.ndarray, dtype: numpy.dtype) -> numpy.ndarray:
    """The largest number of ``dtype`` at or below each midpoint: x <= border just if the lower centroid is as near."""
    midpoints = centroids[:-1] + (centroids[1:] - centroids[:-1]) / 2
    borders = midpoints.astype(dtype)
    return numpy.where(borders > midpoints, numpy.nextafter(borders, dtype.type(-numpy.inf)), borders)


def _distinct(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The distinct values in rising order, and how often each occurs."""
    if len(values) > HALVES and values.dtype == torch.float32 and _are_halves(values[:1000]) and _are_halves(values):
        codes = values.half().view(torch.int16).int() & 0xFFFF
        counts = torch.bincount(codes, minlength=HALVES)
        counts[0] += counts[0x8000]  # -0.0 is 0.0
        counts[0x8000] = 0
        found = counts.nonzero().flatten()
        distinct, order = found.to(torch.int16).view(torch.float16).float().sort()
        return distinct, counts[found[order]]
    return torch.unique_consecutive(_sorted(values), return_counts=True)


def _are_halves(values: torch.Tensor) -> bool:
    return torch.equal(values.half().float(), values)


def _sorted(values: torch.Tensor) -> torch.Tensor:
    if values.is_cuda:
        return values.sort().values
    # NumPy's sort is vectorized and, unlike torch's, does not carry along the indices: three times faster.
    copy = values.clone()
    copy.numpy().sort()
    return copy
