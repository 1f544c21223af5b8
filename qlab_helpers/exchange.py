"""Better than a local optimum: clusters moved from where they help little to where they help most.

Where each cluster has few values, what Lloyd's steps end in is up to a third above the least squared error. So some
clusters are cut in two and as many pairs of neighbours joined. At once that may not pay; the Lloyd steps after it
spread what was moved, so that it often does then. What does not pay is taken back.
"""

import numpy
import torch

from qlab_helpers.intervals import Points, borders, lloyd

FEW = 96  # distinct values to a cluster: with more, Lloyd's steps end a few per cent above the least error
MANY = 32  # clusters; fewer find their places by themselves
#: What a cut must gain at once, as a share of what joining a pair costs, in the order in which it is tried.
BOLDNESS = (0.3, 0.6)
AT_ONCE = 16  # a part of the clusters


def exchanged(
    points: Points, centroids: numpy.ndarray, *, dtype: torch.dtype, max_iter: int
) -> tuple[numpy.ndarray, int]:
    """``centroids``, (k,) float64 in rising order, or better ones; and how many Lloyd steps that took."""
    taken = 0
    if len(centroids) < MANY or points.count > FEW * len(centroids):
        return centroids, taken
    edges = _edges(points, centroids)
    for boldness in BOLDNESS:
        while (moved := _moved(points, edges, boldness)) is not None:
            start = points.means(moved[:-1], moved[1:])
            tried, steps = lloyd(points, start, dtype=dtype, max_iter=max_iter, tol=0.0)
            taken += steps
            found = _edges(points, tried)
            if not _explained(points, found) > _explained(points, edges):
                break
            centroids, edges = tried, found
    return centroids, taken


def _edges(points: Points, centroids: numpy.ndarray) -> numpy.ndarray:
    """Where each cluster begins among the points, and the last one ends."""
    inner = points.values.searchsorted(borders(centroids, points.values.dtype), side="right")
    return numpy.concatenate([[0], inner, [points.count]])


def _explained(points: Points, edges: numpy.ndarray) -> float:
    return float(points.explained(edges[:-1], edges[1:]).sum())


def _moved(points: Points, edges: numpy.ndarray, boldness: float) -> numpy.ndarray | None:
    """``edges`` with some put in and as many taken out; None where no cut gains enough."""
    explained = points.explained(edges[:-1], edges[1:])
    costs = explained[:-1] + explained[1:] - points.explained(edges[:-2], edges[2:])
    pairs = costs.argsort().tolist()
    cuts = numpy.setdiff1d(numpy.arange(1, points.count), edges, assume_unique=True)
    owners = edges.searchsorted(cuts) - 1
    begin, end = edges[owners], edges[owners + 1]
    gains = points.explained(begin, cuts) + points.explained(cuts, end) - explained[owners]
    best = (-gains).argsort()
    best = best[numpy.sort(numpy.unique(owners[best], return_index=True)[1])]  # of each cluster, the most first
    busy: set[int] = set()
    put_in, taken_out = [], []
    for cut in best[: max(1, len(explained) // AT_ONCE)]:
        owner = int(owners[cut])
        if owner in busy:
            continue
        taken = {owner, *busy}
        pair = next((pair for pair in pairs if taken.isdisjoint((pair, pair + 1))), None)
        if pair is None:
            continue
        if gains[cut] <= boldness * costs[pair]:
            break
        busy.update((owner, pair, pair + 1))
        put_in.append(cuts[cut])
        taken_out.append(pair + 1)
    return numpy.sort(numpy.concatenate([numpy.delete(edges, taken_out), put_in])) if put_in else None
