"""The cases of lab 1 are fair, whatever the random start of the clustering, and sharp against likely mistakes."""

from collections.abc import Callable

import pytest
import torch
from fast_pytorch_kmeans import KMeans

from autograder.authoring import load_recipes
from autograder.course import load_course
from autograder.recipes import HIDDEN_VARIANTS, CaseRecipe, Draw, ItemRecipe
from autograder.solution import load_solution
from qlab_helpers.checking.codebooks import judge_codebook
from qlab_helpers.checking.verdict import Verdict
from qlab_helpers.clustering import KMeans1d

SEEDS = 30
COURSE = load_course()
LAB = "lab1_kmeans"


def item(name: str) -> ItemRecipe:
    return next(item for item in load_recipes(COURSE, LAB) if item.name == name)


def case(name: str, of: str = "k_means_quantize") -> CaseRecipe:
    return next(case for case in item(of).cases if case.name == name)


def judged(function: Callable, arguments: tuple) -> Verdict:
    changed = arguments[0].clone()
    result = function(changed, *arguments[1:])
    return judge_codebook(item("k_means_quantize").outputs, arguments, None, result, changed)


@pytest.mark.parametrize("name", [case.name for case in item("k_means_quantize").cases])
def test_the_solution_passes_from_every_random_start(name):
    solution = load_solution(COURSE, LAB)["k_means_quantize"]
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        verdict = judged(solution, case(name).make(Draw(seed % HIDDEN_VARIANTS)))
        assert verdict, f"seed {seed}: {verdict.message}"


@pytest.mark.parametrize("name", [case.name for case in item("k_means_quantize").cases])
def test_a_solution_with_kmeans1d_passes(name):
    lab = load_solution(COURSE, LAB)
    with lab["use_clustering"](KMeans1d):
        for seed in range(HIDDEN_VARIANTS):
            assert judged(lab["k_means_quantize"], case(name).make(Draw(seed)))


def decode(tensor: torch.Tensor, centroids: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    tensor.copy_(centroids[labels].reshape(tensor.shape))
    return centroids, labels


def with_clusters(count: Callable[[int], int]) -> Callable:
    """k-means as in the solution, but with ``count(bitwidth)`` clusters."""

    def quantize(tensor, bitwidth=4, codebook=None):
        kmeans = KMeans(count(bitwidth))
        labels = kmeans.fit_predict(tensor.reshape(-1, 1))
        return decode(tensor, *(codebook or (kmeans.centroids.reshape(-1), labels)))

    return quantize


def even_grid(tensor, bitwidth=4, codebook=None):
    grid = torch.linspace(float(tensor.min()), float(tensor.max()), 1 << bitwidth)
    return decode(tensor, grid, (tensor.reshape(-1, 1) - grid).abs().argmin(dim=1))


def equal_counts(tensor, bitwidth=4, codebook=None):
    flat, clusters = tensor.reshape(-1), 1 << bitwidth
    ranks = torch.empty(len(flat), dtype=torch.int64)
    ranks[flat.argsort()] = torch.arange(len(flat))
    labels = ranks * clusters // len(flat)
    return decode(tensor, torch.stack([flat[labels == k].mean() for k in range(clusters)]), labels)


def not_in_place(tensor, bitwidth=4, codebook=None):
    return with_clusters(lambda bits: 1 << bits)(tensor.clone(), bitwidth, codebook)


def ignores_the_codebook(tensor, bitwidth=4, codebook=None):
    return with_clusters(lambda bits: 1 << bits)(tensor, bitwidth)


def nearest_in_the_codebook(tensor, bitwidth=4, codebook=None):
    centroids = codebook[0]
    return decode(tensor, centroids, (tensor.reshape(-1, 1) - centroids).abs().argmin(dim=1))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("default bit width", with_clusters(lambda bits: 2 * bits)),
        ("six bits", with_clusters(lambda bits: 2 * bits)),
        ("eight bits", with_clusters(lambda bits: bits**2)),
        ("one bit", with_clusters(lambda bits: (1 << bits) - 1)),
        ("one bit", with_clusters(lambda bits: 1 << (bits + 1))),
        ("two outliers", even_grid),
        ("two outliers", equal_counts),
        ("convolution weight", not_in_place),
        ("given codebook", not_in_place),
        ("given codebook", ignores_the_codebook),
        ("given codebook", nearest_in_the_codebook),
        ("given codebook of another bit width", nearest_in_the_codebook),
    ],
)
def test_a_likely_mistake_fails(name, wrong):
    for seed in range(HIDDEN_VARIANTS):
        torch.manual_seed(seed)
        assert not judged(wrong, case(name).make(Draw(seed)))


@pytest.mark.parametrize(
    ("name", "empty"), [("empty cluster", [1]), ("several empty clusters", [0, 4, 7]), ("eight bits", [])]
)
def test_cases_have_the_empty_clusters_that_their_names_promise(name, empty):
    for seed in range(HIDDEN_VARIANTS):
        centroids, labels = case(name, of="update_codebook").make(Draw(seed))[1]
        assert [k for k in range(len(centroids)) if k not in labels] == empty
        assert bool((centroids != 0).all())  # so that a centroid set to zero is found out
