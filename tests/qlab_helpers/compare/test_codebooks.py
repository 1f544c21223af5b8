"""Codebooks: every good clustering passes, from any start and in any order, and no other."""

import pytest
import torch
from fast_pytorch_kmeans import KMeans

from qlab_helpers.checking.compare import compare
from qlab_helpers.checking.reference import Case, Item, Rule
from qlab_helpers.checking.verdict import Verdict
from qlab_helpers.clustering import KMeans1d

from .judging import NAN, Codebook, homework


def quantize(tensor, bitwidth, *, clusters=None, seed=0, kmeans=KMeans):
    torch.manual_seed(seed)
    means = kmeans(n_clusters=clusters or 1 << bitwidth)
    labels = means.fit_predict(tensor.reshape(-1, 1)).long()
    book = Codebook(means.centroids.reshape(-1).float(), labels)
    return book, book.centroids[labels].reshape(tensor.shape)


def judge_codebook(tensor, bitwidth, book, after, given=None) -> Verdict:
    rules = Rule("centroids", dtype="float32"), Rule("labels", dtype="int64")
    arguments = (tensor, bitwidth) if given is None else (tensor, bitwidth, given)
    item = Item("f", "function", "lab", 1.0, ("fp32_tensor", "bitwidth", "codebook"), rules, "codebook", (), (), ())
    case = Case("c", "t", "h", False, 1.0, ("fp32_tensor",), ())
    return compare(item, case, arguments, book, {}, book, {"fp32_tensor": after})


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.empty(shape).uniform_(-8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("tensor", "bitwidth", "seeds"),
    [(homework(), 2, 150), (draw(16, 16) + 10, 2, 60), (draw(8, 4, 3, 3), 3, 30), (draw(32, 32), 6, 5)],
    ids=["homework", "far from zero", "3 bits", "6 bits"],
)
def test_the_library_passes_from_every_start(tensor, bitwidth, seeds):
    failed = [
        seed for seed in range(seeds) if not judge_codebook(tensor, bitwidth, *quantize(tensor, bitwidth, seed=seed))
    ]
    assert failed == []


def test_exact_clustering_passes_too():
    assert judge_codebook(homework(), 2, *quantize(homework(), 2, kmeans=KMeans1d))


def test_clusters_may_come_in_any_order():
    book, after = quantize(homework(), 2)
    order = torch.tensor([2, 0, 3, 1])
    shuffled = Codebook(book.centroids[order], order.argsort()[book.labels])
    assert judge_codebook(homework(), 2, shuffled, after)


@pytest.mark.parametrize(("bitwidth", "clusters"), [(4, 8), (6, 12), (8, 16), (2, 5), (4, 17), (4, 2)])
def test_a_wrong_number_of_clusters_fails(bitwidth, clusters):
    tensor = draw(64, 32)
    assert not judge_codebook(tensor, bitwidth, *quantize(tensor, bitwidth, clusters=clusters))


def test_one_value_for_two_groups_fails():
    groups = torch.cat([draw(16) / 16 - 3, draw(16) / 16 + 5])
    assert judge_codebook(groups, 1, *quantize(groups, 1))
    assert not judge_codebook(groups, 1, *quantize(groups, 1, clusters=1))


def test_labels_of_another_clustering_fail():
    book, _ = quantize(homework(), 2)
    labels = book.labels[torch.randperm(25, generator=torch.Generator().manual_seed(1))]
    wrong = Codebook(book.centroids, labels)
    verdict = judge_codebook(homework(), 2, wrong, wrong.centroids[labels].reshape(5, 5))
    assert verdict.message == "labels do not point at the nearest centroids"


def test_centroids_sorted_without_their_labels_fail():
    book, _ = quantize(homework(), 2)
    wrong = Codebook(book.centroids.sort().values, book.labels)
    if torch.equal(wrong.centroids, book.centroids):
        wrong = Codebook(book.centroids.flip(0), book.labels)
    assert not judge_codebook(homework(), 2, wrong, wrong.centroids[wrong.labels].reshape(5, 5))


def test_a_tensor_not_quantized_in_place_fails():
    book, _ = quantize(homework(), 2)
    verdict = judge_codebook(homework(), 2, book, homework())
    assert verdict.message == "the tensor must be quantized in place, and was left as it was"


def test_a_tensor_that_lost_its_shape_fails():
    book, after = quantize(homework(), 2)
    assert not judge_codebook(homework(), 2, book, after.reshape(-1))


def test_a_given_codebook_is_decoded_as_it_is():
    given_book = Codebook(torch.tensor([0.5, -1.0]), torch.arange(25) % 2)
    after = given_book.centroids[given_book.labels].reshape(5, 5)
    assert judge_codebook(homework(), 1, given_book, after, given=given_book)
    assert not judge_codebook(homework(), 2, *quantize(homework(), 2), given=given_book)


@pytest.mark.parametrize(
    "book",
    [
        None,
        torch.zeros(2),
        Codebook(None, None),
        Codebook(torch.zeros(4), torch.zeros(25)),
        Codebook(torch.zeros(4), torch.full((25,), 4)),
        Codebook(torch.zeros(4), torch.full((25,), -1)),
        Codebook(torch.zeros(4), torch.zeros(24, dtype=torch.int64)),
        Codebook(torch.zeros(0), torch.zeros(25, dtype=torch.int64)),
        Codebook(torch.full((4,), NAN), torch.zeros(25, dtype=torch.int64)),
        Codebook(torch.zeros(4, dtype=torch.int64), torch.zeros(25, dtype=torch.int64)),
    ],
)
def test_a_malformed_codebook_fails(book):
    assert not judge_codebook(homework(), 2, book, homework())
