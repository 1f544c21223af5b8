"""The solution's answers to functions that ask: for declared helpers, within bounds."""

import pytest
import torch

from autograder.materials import Materials, load_materials
from autograder.oracle import Oracle
from qlab_helpers.checking.codec import decode, encode
from qlab_helpers.checking.packing import pack, unpack


@pytest.fixture(scope="module")
def materials(course) -> Materials:
    return load_materials(course, course.labs[0].name)


def ask(oracle: Oracle, name: str, *arguments) -> dict:
    node, tensors = encode(arguments)
    tree, found = unpack(oracle(name, pack(node, tensors)))
    return {key: decode(value, found) for key, value in tree.items()}


def test_the_oracle_answers_declared_helpers_only(materials):
    oracle = Oracle(materials)
    assert ask(oracle, "scale_of", torch.tensor([-127.0, 3.0]), 8) == {"result": 1.0}
    assert "may not be called" in ask(oracle, "quantize", torch.zeros(2), 8)["error"]
    assert "may not be called" in ask(oracle, "exec", "1")["error"]


def test_the_oracle_bounds_what_it_computes_and_reports_errors(materials):
    oracle = Oracle(materials)
    assert "more than" in ask(oracle, "scale_of", torch.zeros(10**6), 8)["error"]
    assert "more than" in ask(oracle, "scale_of", torch.zeros(1, 1000), torch.zeros(1000, 1))["error"]
    assert "so many parts" in ask(oracle, "scale_of", [0] * 200, 8)["error"]
    assert "so many parts" in ask(oracle, "scale_of", "x" * 200, 8)["error"]
    assert "integers beyond" in ask(oracle, "scale_of", torch.zeros(2), 10**9)["error"]
    assert "KeyError" in ask(oracle, "scale_of", torch.ones(2), 5)["error"]
    assert "error" in unpack(oracle("scale_of", b"junk"))[0]
