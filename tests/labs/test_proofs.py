"""The graders of the whole course are proven: what ``qlab verify`` finds out, in one run for all tests."""

import itertools

import pytest
import torch

from autograder.bank import load_bank
from autograder.course import load_course
from autograder.leaks import find_leaks
from autograder.mistakes import wrong_namespaces
from autograder.notebooks import read_lab
from autograder.solution import load_solution
from autograder.verify import verify
from qlab_helpers import check

COURSE = load_course()
LABS = [lab.name for lab in COURSE.labs]
BANKS = {(lab, name): bank for lab in LABS for name, bank in load_bank(COURSE, lab).items()}
FUNCTIONS = [name for _, name in BANKS]
DEMANDING = (
    "linear_quantize",
    "get_quantization_scale_and_zero_point",
    "quantized_linear",
    "quantized_conv2d",
    "k_means_quantize",
)


@pytest.fixture(scope="module")
def proofs():
    return {proof.function: proof for proof in verify(COURSE, LABS, minimal=True)}


@pytest.mark.parametrize("lab", LABS)
def test_every_graded_function_has_a_bank(lab):
    solution = load_solution(COURSE, lab)
    graded = [name for name in read_lab(COURSE, lab).items if callable(solution[name])]
    assert [name for name in graded if (lab, name) not in BANKS] == []


@pytest.mark.parametrize(("lab", "function"), BANKS)
def test_a_bank_is_large_enough(lab, function):
    bank = BANKS[lab, function]
    assert len(bank.misconceptions) >= (12 if function in DEMANDING else 6)
    assert len(bank.alternatives) >= 4


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_grader_of_a_function_is_proven(proofs, function):
    assert proofs[function].problems == ()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_misconception_is_diagnosed_by_the_grader(proofs, function):
    assert all(set(told) == {name} for name, told in proofs[function].diagnosed.items())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_check_tells_most_misconceptions_from_the_visible_cases(proofs, function):
    told = proofs[function].checked
    assert sum(said == name for name, said in told.items()) >= 2 / 3 * len(told)


def test_no_case_of_linear_quantize_can_be_spared(proofs):
    assert proofs["linear_quantize"].redundant == ()


@pytest.mark.parametrize("lab", LABS)
def test_nothing_that_students_get_shows_a_solution_a_hidden_case_or_a_misconception(lab):
    assert find_leaks(COURSE, lab) == []


def test_check_says_of_a_truncating_function_that_it_truncates():
    def linear_quantize(fp_tensor, bitwidth, scale, zero_point, dtype=torch.int8):
        low, high = -(2 ** (bitwidth - 1)), 2 ** (bitwidth - 1) - 1
        return ((fp_tensor.detach() / scale).long() + zero_point).clamp(low, high).to(dtype)

    assert check(linear_quantize).report.diagnosis.startswith("Your function cuts fractions off")


def pairs() -> list[tuple[str, str]]:
    """Misconceptions of linear_quantize whose changes do not get in each other's way."""
    bank = BANKS["lab2_linear", "linear_quantize"]
    made = [one for one in bank.misconceptions if one.changes]
    return [
        (one.name, other.name)
        for one, other in itertools.combinations(made, 2)
        if not any(old in end or end in old for old, _ in one.changes for end, _ in other.changes)
    ]


def test_of_two_misconceptions_at_once_one_is_named_or_none():
    bank = BANKS["lab2_linear", "linear_quantize"]
    solution = load_solution(COURSE, "lab2_linear")
    by_name = {one.name: one for one in bank.misconceptions}
    tried = 0
    for one, other in pairs():
        both = type(bank)(
            bank.function,
            (type(by_name[one])("both", (*by_name[one].changes, *by_name[other].changes), hint="both"),),
            (),
        )
        function = wrong_namespaces(COURSE, "lab2_linear", both, solution)["both"]["linear_quantize"]
        said = check(function).report.diagnosis
        tried += 1
        assert not said or said.endswith((by_name[one].hint, by_name[other].hint)), f"{one} and {other}: {said}"
    assert tried >= 20
