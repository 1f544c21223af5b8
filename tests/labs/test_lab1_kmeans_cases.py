"""The cases of lab 1 are fair, whatever the random start of the clustering; test_proofs has how sharp they are."""

from collections.abc import Callable

import pytest
import torch

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


@pytest.mark.parametrize(
    ("name", "empty"), [("empty cluster", [1]), ("several empty clusters", [0, 4, 7]), ("eight bits", [])]
)
def test_cases_have_the_empty_clusters_that_their_names_promise(name, empty):
    for seed in range(HIDDEN_VARIANTS):
        centroids, labels = case(name, of="update_codebook").make(Draw(seed))[1]
        assert [k for k in range(len(centroids)) if k not in labels] == empty
        assert bool((centroids != 0).all())  # so that a centroid set to zero is found out
