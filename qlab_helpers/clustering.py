"""One-dimensional k-means, exact and fast: the interface of ``fast_pytorch_kmeans.KMeans`` for sorted numbers.

On a line, clusters are intervals. So the values are sorted once, and a Lloyd step needs only the k - 1 midpoints
between centroids: a binary search finds the edges of the clusters, and prefix sums in float64 give their means. A step
costs O(k log n) instead of O(k n). Values that fit in half precision, as weights from a checkpoint do, are counted
instead of sorted: there are 65,536 of them at most. What is left to do is small, and NumPy does it on the CPU.

Lloyd's algorithm ends in the nearest local optimum, so the start matters more than the steps. With many clusters the
best centroids lie with a density proportional to the cube root of the density of the values (Panter and Dite,
"Quantization distortion in pulse-count modulation", 1951), and that is where they start. With few values to a cluster
a density says little: clusters are then moved to where they help most (``exchange.py``). Nothing is random.
"""

import numpy
import torch

from qlab_helpers.exchange import exchanged
from qlab_helpers.intervals import Points, borders, lloyd

#: Equal-count bins from which the density is read, for each cluster; more would read noise as density.
BINS_PER_CLUSTER = 16
CELLS = 1 << 16  # of the table in which labels are looked up


class KMeans1d:
    """k-means of numbers, called as ``fast_pytorch_kmeans.KMeans`` is, on the CPU or on CUDA.

    ``centroids`` has the shape (n_clusters, 1) and the dtype of the values, in rising order; every label is that of the
    nearest centroid. If there are at least ``n_clusters`` distinct values, no cluster is empty. If there are fewer,
    each distinct value is a centroid, the largest is repeated to fill up, and labels never point at the repeats.

    ``max_iter`` bounds the Lloyd steps from each start. They stop when one improves the squared error by less than
    ``tol``, relative to the squared error at the start. ``mode`` can only be "euclidean"; it is there because callers
    pass it.
    """

    def __init__(
        self, n_clusters: int, *, max_iter: int = 300, tol: float = 1e-5, mode: str = "euclidean", verbose: int = 0
    ) -> None:
        if n_clusters < 1:
            raise ValueError(f"n_clusters must be at least 1, not {n_clusters}")
        if mode != "euclidean":
            raise NotImplementedError(f'numbers have only one distance: mode must be "euclidean", not {mode!r}')
        self.n_clusters = n_clusters
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.centroids: torch.Tensor | None = None  # (n_clusters, 1) after a fit
        self.n_iter = 0

    def fit_predict(self, x: torch.Tensor, centroids: torch.Tensor | None = None) -> torch.Tensor:
        """Cluster ``x``, shape (n,) or (n, 1); returns labels, (n,) int64. ``centroids``, (k,) or (k, 1): the start."""
        self.fit(x, centroids)
        return self.predict(x)

    @torch.no_grad()
    def fit(self, x: torch.Tensor, centroids: torch.Tensor | None = None) -> None:
        """Find the centroids. Raises ``ValueError`` for values that are none, not floating point or not finite."""
        values = _as_numbers(x)
        if not values.isfinite().all():
            raise ValueError("k-means needs finite values, and these hold NaN or infinity")
        points = Points.of(values)
        if points.count <= self.n_clusters:
            fill = self.n_clusters - points.count
            found, self.n_iter = numpy.pad(points.values, (0, fill), mode="edge"), 0
        else:
            if centroids is None:
                start = _cube_root_density_start(points, self.n_clusters)
            else:
                start = centroids.detach().flatten().to(values).double().sort().values.cpu().numpy()
                if len(start) != self.n_clusters:
                    raise ValueError(f"{len(start)} starting centroids were given for {self.n_clusters} clusters")
            with numpy.errstate(all="ignore"):  # as torch: numbers near the largest may overflow
                found, self.n_iter = lloyd(points, start, dtype=x.dtype, max_iter=self.max_iter, tol=self.tol)
                if centroids is None and self.n_iter < self.max_iter:
                    found, steps = exchanged(points, found, dtype=x.dtype, max_iter=self.max_iter)
                    self.n_iter += steps
        self.centroids = torch.from_numpy(found).to(values.device, x.dtype).reshape(-1, 1)
        if self.verbose:
            print(f"{self.n_iter} steps to cluster {len(values)} values into {self.n_clusters} clusters")

    @torch.no_grad()
    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """The nearest centroid of each value, (n,) int64; of two equally near, the smaller."""
        if self.centroids is None:
            raise RuntimeError("KMeans1d has no centroids yet: call fit or fit_predict first")
        values = _as_numbers(x)
        found = borders(self.centroids.flatten().double().cpu().numpy(), _numpy_dtype(values))
        return _count_below(values, torch.from_numpy(found).to(values.device))


def _as_numbers(x: torch.Tensor) -> torch.Tensor:
    """``x`` as one row of float32 or float64."""
    if not x.is_floating_point():
        raise ValueError(f"k-means needs floating-point values, not {x.dtype}")
    if x.dim() not in (1, 2) or x.numel() != len(x) or x.numel() == 0:
        raise ValueError(f"k-means in one dimension needs values of shape (n,) or (n, 1), n > 0, not {tuple(x.shape)}")
    x = x.detach().flatten()
    return x if x.dtype == torch.float64 else x.float()


def _cube_root_density_start(points: Points, n_clusters: int) -> numpy.ndarray:
    """Centroids whose density is the cube root of the values', (k,) float64.

    In a bin that holds a fixed share of the values, the density is 1 / width. A centroid density of its cube root gives
    the bin width * (1 / width)^(1/3) = width^(2/3) of the centroids.
    """
    bins = min(BINS_PER_CLUSTER * n_clusters, points.count - 1)
    shares = torch.linspace(0, float(points.counts[-1]), bins + 1, dtype=torch.float64).numpy()
    indices = numpy.searchsorted(points.counts[1:], shares).clip(max=points.count - 1)
    knots = points.values[indices].astype(numpy.float64)
    reached = numpy.concatenate([[0.0], numpy.cumsum(numpy.diff(knots) ** (2 / 3))])
    wanted = (numpy.arange(n_clusters) + 0.5) * reached[-1] / n_clusters
    right = numpy.searchsorted(reached, wanted).clip(1, bins)
    left = right - 1
    fraction = (wanted - reached[left]) / (reached[right] - reached[left])
    return knots[left] + fraction * (knots[right] - knots[left])


def _count_below(values: torch.Tensor, borders: torch.Tensor) -> torch.Tensor:
    """How many of the rising ``borders`` lie below each value, as torch.bucketize: a look-up instead of a search.

    A grid of equal cells is laid over the borders, so fine that no cell holds two. The cell of a value, which is found
    by rising functions only, then tells its label but for one comparison, with the border in that cell.
    """
    scale = (CELLS - 1) / (borders[-1] - borders[0]) if len(borders) > 1 else torch.tensor(torch.inf)
    if values.is_cuda or len(values) < CELLS or not scale.isfinite():
        return torch.bucketize(values, borders)

    def cell_of(some: torch.Tensor) -> torch.Tensor:
        return ((some - borders[0]) * scale).clamp_(0, CELLS - 1).nan_to_num_(CELLS - 1).int()

    occupied = torch.bincount(cell_of(borders), minlength=CELLS)
    if occupied.max() > 1:
        return torch.bucketize(values, borders)
    before = occupied.cumsum(0) - occupied
    following = torch.cat([borders, borders.new_tensor([torch.inf])])
    labels = torch.empty(len(values), dtype=torch.int64)
    for some, label in zip(values.split(CELLS), labels.split(CELLS), strict=True):  # pieces stay in the cache
        torch.index_select(before, 0, cell_of(some), out=label)
        label += some > following.index_select(0, label)
    return labels


def _numpy_dtype(values: torch.Tensor) -> numpy.dtype:
    return numpy.dtype(numpy.float64 if values.dtype == torch.float64 else numpy.float32)
