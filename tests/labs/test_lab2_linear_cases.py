"""The cases of lab 2 are as their authors meant them; that they tell right from wrong is proven in test_proofs."""

import copy
import inspect
from collections.abc import Callable

import pytest
import torch

from autograder.authoring import load_recipes
from autograder.course import load_course
from autograder.recipes import HIDDEN_VARIANTS, CaseRecipe, Draw, ItemRecipe
from autograder.solution import load_solution
from qlab_helpers.checking.compare import compare
from qlab_helpers.checking.reference import Case, Item
from qlab_helpers.checking.verdict import Verdict

COURSE = load_course()
SOLUTION = load_solution(COURSE, "lab2_linear")
ITEMS = {item.name: item for item in load_recipes(COURSE, "lab2_linear")}


def copied(arguments: tuple) -> tuple:
    return tuple(
        one.detach().clone().requires_grad_(one.requires_grad) if isinstance(one, torch.Tensor) else copy.deepcopy(one)
        for one in arguments
    )


def judged(recipe: ItemRecipe, case: CaseRecipe, function: Callable, seed: int) -> Verdict:
    """What the checks say of ``function``, with the expectation from the first of the right ones."""
    right = SOLUTION[recipe.name]
    parameters = tuple(inspect.signature(right).parameters)
    item = Item(recipe.name, "function", "", 1, parameters, recipe.outputs, recipe.judge, (), (), ())
    stored = Case(case.name, case.tests, case.hint, case.visible, 1, case.observe, ())
    before = case.make(Draw(seed))
    for_right, for_function = copied(before), copied(before)
    expected = right(*for_right)
    if case.expected is not None:
        expected = case.expected()
    got = function(*for_function)
    places = {name: parameters.index(name) for name in case.observe}
    observed = [{name: args[place] for name, place in places.items()} for args in (for_right, for_function)]
    return compare(item, stored, before, expected, observed[0], got, observed[1])


ANSWERS = {"answer_5_1": "c", "answer_5_2": "b"}
FUNCTIONS = [name for name in ITEMS if name not in ANSWERS]


def test_the_answers_are_among_their_choices():
    for name, right in ANSWERS.items():
        assert ITEMS[name].cases[0].expected() == right and right in ITEMS[name].choices


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_has_visible_and_hidden_cases(name):
    visible = [case.visible for case in ITEMS[name].cases]
    assert 3 <= sum(visible) <= 6
    assert 3 <= len(visible) - sum(visible) <= 6


@pytest.mark.parametrize("name", ["quantized_linear", "quantized_conv2d"])
def test_no_layer_saturates_everywhere_or_is_constant(name):
    for case in ITEMS[name].cases:
        for seed in range(HIDDEN_VARIANTS):
            assert len(SOLUTION[name](*case.make(Draw(seed))).unique()) >= 3 or case.name == "saturates"


@pytest.mark.parametrize("name", ["quantized_linear", "quantized_conv2d"])
def test_batches_differ_from_the_channels_unless_a_case_says_so(name):
    for case in ITEMS[name].cases:
        features, weight = case.make(Draw(0))[:2]
        equal = len(features) in (1, len(weight))
        assert equal == case.name.startswith("as many")


def fails(recipe: ItemRecipe, case: CaseRecipe, function: Callable, seed: int) -> bool:
    try:
        return not judged(recipe, case, function, seed)
    except (RuntimeError, ValueError, TypeError, AttributeError):  # a function that stops has failed, too
        return True
