"""The cases of lab 2 accept every right way of computing, and each likely mistake fails at least one of them."""

import copy
import inspect
from collections.abc import Callable

import pytest
import torch

from autograder.authoring import load_recipes
from autograder.course import load_course
from autograder.recipes import HIDDEN_VARIANTS, CaseRecipe, Draw, ItemRecipe
from qlab_helpers.checking.compare import compare
from qlab_helpers.checking.reference import Case, Item
from qlab_helpers.checking.verdict import Verdict

from .lab2_linear_right import FUNCTIONS
from .lab2_linear_wrong_layers import WRONG_CONV2D, WRONG_FUSE, WRONG_LAYER, WRONG_PREPROCESS
from .lab2_linear_wrong_tensors import (
    WRONG_BIAS,
    WRONG_PER_CHANNEL,
    WRONG_QUANTIZE,
    WRONG_SCALE_AND_ZERO_POINT,
    WRONG_SHIFT,
    WRONG_SHIFT_CONV2D,
    WRONG_WEIGHT_SCALE,
)

ITEMS = {item.name: item for item in load_recipes(load_course(), "lab2_linear")}


PARAMETERS = {
    "quantized_linear": ("input", "weight", "bias"),
    "quantized_conv2d": ("input", "weight", "bias"),
}


def copied(arguments: tuple) -> tuple:
    return tuple(
        one.detach().clone().requires_grad_(one.requires_grad) if isinstance(one, torch.Tensor) else copy.deepcopy(one)
        for one in arguments
    )


def judged(recipe: ItemRecipe, case: CaseRecipe, function: Callable, seed: int) -> Verdict:
    """What the checks say of ``function``, with the expectation from the first of the right ones."""
    right = FUNCTIONS[recipe.name][0]
    parameters = PARAMETERS.get(recipe.name) or tuple(inspect.signature(right).parameters)
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


def pairs() -> list:
    return [
        pytest.param(name, function, id=f"{name}-{function.__name__}")
        for name, functions in FUNCTIONS.items()
        for function in functions
    ]


@pytest.mark.parametrize(("name", "function"), pairs())
def test_a_right_implementation_passes_every_case(name, function):
    for case in ITEMS[name].cases:
        for seed in range(5):
            verdict = judged(ITEMS[name], case, function, seed)
            assert verdict, f"{case.name}, seed {seed}: {verdict.detail or verdict.message}"


def test_every_function_and_answer_of_the_lab_has_cases():
    answers = {"answer_5_1": "c", "answer_5_2": "b"}
    assert set(ITEMS) == set(FUNCTIONS) | set(answers)
    for name, right in answers.items():
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
            assert len(FUNCTIONS[name][0](*case.make(Draw(seed))).unique()) >= 3 or case.name == "saturates"


@pytest.mark.parametrize("name", ["quantized_linear", "quantized_conv2d"])
def test_batches_differ_from_the_channels_unless_a_case_says_so(name):
    for case in ITEMS[name].cases:
        features, weight = case.make(Draw(0))[:2]
        equal = len(features) in (1, len(weight))
        assert equal == case.name.startswith("as many")


WRONG = {
    "linear_quantize": WRONG_QUANTIZE,
    "get_quantization_scale_and_zero_point": WRONG_SCALE_AND_ZERO_POINT,
    "get_quantization_scale_for_weight": WRONG_WEIGHT_SCALE,
    "linear_quantize_weight_per_channel": WRONG_PER_CHANNEL,
    "linear_quantize_bias_per_output_channel": WRONG_BIAS,
    "shift_quantized_linear_bias": WRONG_SHIFT,
    "shift_quantized_conv2d_bias": WRONG_SHIFT_CONV2D,
    "quantized_linear": WRONG_LAYER,
    "quantized_conv2d": WRONG_CONV2D,
    "fuse_conv_bn": WRONG_FUSE,
    "extra_preprocess": WRONG_PREPROCESS,
}


def fails(recipe: ItemRecipe, case: CaseRecipe, function: Callable, seed: int) -> bool:
    try:
        return not judged(recipe, case, function, seed)
    except (RuntimeError, ValueError, TypeError, AttributeError):  # a function that stops has failed, too
        return True


@pytest.mark.parametrize(("name", "mistake"), [(name, mistake) for name in WRONG for mistake in WRONG[name]])
def test_a_likely_mistake_loses_at_least_one_case(name, mistake):
    cases = ITEMS[name].cases
    for seed in range(HIDDEN_VARIANTS):
        assert any(fails(ITEMS[name], case, WRONG[name][mistake], seed) for case in cases)
