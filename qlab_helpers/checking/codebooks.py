"""Judging a k-means codebook, of which many are right: clusters in any order, from any start of the algorithm.

``fast_pytorch_kmeans`` starts from randomly picked values and stops early, so a correct function is judged by
properties. Measured with its version 0.2.2 on inputs of lab 1, over tens of thousands of starts:

- it ends in local optima with up to 4 times the least squared error (2.963 on the homework's tensor), hence ``FACTOR``;
- a start that picks a value twice leaves a cluster empty and moves its centroid to 0: of 4, 64 and 256 clusters as few
  as 2, 60 and 229 were used. So the number of distinct values that the homework asserts is only an upper bound;
- labels are those before the last step of the centroids, so a weight need not be on its nearest centroid.
"""

from typing import Any

import torch

from qlab_helpers.checking.reference import Rule
from qlab_helpers.checking.values import describe, dtype_name, number
from qlab_helpers.checking.verdict import Verdict, right, wrong
from qlab_helpers.clustering import KMeans1d

#: A function's squared error may be this many times that of ``KMeans1d``.
FACTOR = 6.0
#: Share of the clusters that must be used, where there are at least MANY of them and four times as many values. With
#: 2 * bits in place of 2**bits it is half at 4 bits.
USED, MANY = 0.75, 8
INTEGERS = frozenset((torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64))


def judge_codebook(rules: tuple[Rule, ...], arguments: tuple, expected: Any, got: Any, after: Any) -> Verdict:
    """``arguments``: tensor before the call, bit width (4), codebook (None). ``after``: the tensor after the call.

    ``rules`` are those of centroids and labels; only their dtypes count. ``expected`` is not used for the judgement.
    """
    before, bitwidth, given = (*arguments, *(None, 4, None)[len(arguments) :])
    fault = _pair_fault(rules, before, got) or _labels_fault(got)
    if fault:
        return wrong(fault)
    centroids, labels = (part.reshape(-1) for part in got)
    decoded = centroids[labels.long()].reshape(before.shape)
    if given is not None and not _same_codebook(given, centroids, labels):
        return wrong("the codebook that is given must come back as it is")
    if not isinstance(after, torch.Tensor) or after.shape != before.shape:
        return wrong(f"the tensor must keep its shape {tuple(before.shape)}, and is {describe(after)} after the call")
    if not torch.equal(after.double(), decoded.double()):
        fault = "the tensor is not what the codebook decodes to, centroids[labels] in its shape"
        if torch.equal(after.double(), before.double()):
            fault = "the tensor must be quantized in place, and was left as it was"
        return _wrong_tensor(fault, decoded, after)
    if given is None and (fault := _clustering_fault(before, bitwidth, centroids, labels)):
        return wrong(*fault, expected=None, got=after)
    return right(got=after)


def _pair_fault(rules: tuple[Rule, ...], before: torch.Tensor, got: Any) -> str:
    if got is None:
        return "the function returns nothing (None)"
    if not isinstance(got, tuple | list) or len(got) != 2:
        return f"expected a codebook of two, centroids and labels, got {describe(got)}"
    for name, part, rule in zip(("centroids", "labels"), got, (*rules, None, None), strict=False):
        if not isinstance(part, torch.Tensor):
            return f"{name}: expected a tensor, got {describe(part)}"
        if rule is not None and rule.dtype is not None and dtype_name(part) != rule.dtype:
            return f"{name}: wrong dtype: expected {rule.dtype}, got {dtype_name(part)}"
    centroids, labels = got
    if not centroids.is_floating_point():
        return f"centroids: expected floating point, got {dtype_name(centroids)}"
    if not centroids.isfinite().all():
        return "centroids: some are NaN or infinite"
    if labels.numel() != before.numel():
        return f"labels: expected one for each of {before.numel()} weights, got {labels.numel()}"
    return ""


def _labels_fault(got: tuple[torch.Tensor, torch.Tensor]) -> str:
    centroids, labels = got
    if labels.dtype not in INTEGERS:
        return f"labels: expected integers, got {dtype_name(labels)}"
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < centroids.numel():
        return "labels: some point at no centroid"
    return ""


def _same_codebook(given: tuple, centroids: torch.Tensor, labels: torch.Tensor) -> bool:
    return torch.equal(given[0].reshape(-1).double(), centroids.double()) and torch.equal(
        given[1].reshape(-1).long(), labels.long()
    )


def _clustering_fault(
    before: torch.Tensor, bitwidth: int, centroids: torch.Tensor, labels: torch.Tensor
) -> tuple[str, str] | None:
    """(message, the same with values), or None for a good clustering."""
    clusters = 1 << bitwidth
    if centroids.numel() > clusters:
        return "centroids: more than the bit width can tell apart", (
            f"centroids: {centroids.numel()}, but {bitwidth} bits tell only {clusters} apart"
        )
    weights = before.detach().reshape(-1).double()
    used, distinct = len(centroids[labels.long()].unique()), len(weights.unique())
    if clusters >= MANY and distinct >= 4 * clusters and used < USED * clusters:
        return "too few distinct values for the bit width", (
            f"only {used} distinct values at {bitwidth} bits, which can tell {clusters} apart"
        )
    error = _squared_error(weights, centroids, labels.long())
    best = KMeans1d(clusters)
    least = _squared_error(weights, *_fit(best, weights))
    if error <= FACTOR * least + 1e-9 * float(weights.square().sum()):
        return None
    nearest = (weights[:, None] - centroids.double()).abs().argmin(dim=1)
    if _squared_error(weights, centroids, nearest) < error / 2:
        message = "labels do not point at the nearest centroids"
    else:
        message = "the squared error is far above that of a good clustering"
    return message, f"{message}: it is {number(error)}, and {number(least)} is within reach"


def _fit(kmeans: KMeans1d, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    labels = kmeans.fit_predict(weights)
    return kmeans.centroids.reshape(-1), labels


def _squared_error(weights: torch.Tensor, centroids: torch.Tensor, labels: torch.Tensor) -> float:
    return float((weights - centroids.double()[labels]).square().sum())


def _wrong_tensor(message: str, expected: torch.Tensor, got: torch.Tensor) -> Verdict:
    expected = expected.to(got.dtype)
    differs = ~((expected == got) | (expected.isnan() & got.isnan()))
    found = differs.nonzero()[:1].tolist()
    return Verdict(False, message, "", tuple(found[0]) if found else None, differs, expected, got)
