"""Questions that share a fork: as fair as questions that do not, and no way to learn an answer."""

from collections.abc import Sequence

import pytest
import torch

from autograder.cells import defines_nothing_twice
from autograder.conversation import Conversation
from autograder.session import Cell, Probe, RawOutcome, run_session
from qlab_helpers.checking.codec import decode, encode
from qlab_helpers.checking.packing import pack, unpack

SPOILS = """
import torch
def spoils(x):
    torch.set_default_dtype(torch.float64)
    return x
def tenth(x):
    return torch.ones(2) / 10
def second(x):
    return x + 1
"""


def value(outcome: RawOutcome) -> object:
    assert outcome.outcome == "returned", outcome
    tree, tensors = unpack(outcome.reply)
    return decode(tree["result"], tensors)


class Asked:
    """Runs a notebook with shared forks and notes which items were put to the judge."""

    def __init__(self, warm, right: dict[str, object]) -> None:
        self.template = warm
        self.right = right
        self.judged: list[str] = []

    def is_right(self, item: str, raw: Sequence[RawOutcome]) -> bool:
        self.judged.append(item)
        expected = self.right.get(item)
        for one in raw:
            if one.outcome != "returned":
                return False
            got = value(one)
            if isinstance(expected, torch.Tensor) and (got.dtype != expected.dtype or not torch.equal(got, expected)):
                return False
        return True

    def run(self, source: str, *probes: Probe, oracle=lambda name, body: b""):
        cells = [Cell(0, source)]
        asked = {probe.item: probe for probe in probes}
        limits = self.template.limits
        return run_session(self.template, cells, asked, limits=limits, oracle=oracle, is_right=self.is_right)


def question(box, item: str, count: int = 1, **options) -> Probe:
    return box.question(item, *[box.call(torch.ones(2))] * count, **options)


def test_what_one_function_breaks_does_not_count_against_the_next(box, warm):
    asked = Asked(warm, {"tenth": torch.ones(2) / 10})
    output = asked.run(SPOILS, question(box, "spoils"), question(box, "tenth"), question(box, "second"))
    assert value(output.items["tenth"][0]).dtype == torch.float32
    assert torch.equal(value(output.items["second"][0]), torch.full((2,), 2.0))


def test_a_crash_in_a_shared_fork_costs_only_its_own_item(box, warm):
    source = SPOILS + "\ndef crashes(x):\n    import os\n    os._exit(3)\n"
    output = Asked(warm, {}).run(source, question(box, "second"), question(box, "crashes", 2), question(box, "tenth"))
    assert [one.outcome for one in output.items["crashes"]] == ["crashed", "crashed"]
    assert output.items["second"][0].outcome == output.items["tenth"][0].outcome == "returned"


def test_an_endless_function_is_told_from_those_beside_it(box, warm):
    source = SPOILS + "\ndef endless(x):\n    while True:\n        pass\n"
    output = Asked(warm, {}).run(source, question(box, "second"), question(box, "endless"), question(box, "tenth"))
    assert output.items["endless"][0].outcome == "timed out"
    assert output.items["second"][0].outcome == output.items["tenth"][0].outcome == "returned"


def test_a_function_that_kills_the_notebook_costs_only_its_own_item(box, warm):
    source = SPOILS + "\ndef kills(x):\n    import os\n    os.kill(os.getppid(), 9)\n    os._exit(0)\n"
    output = Asked(warm, {}).run(source, question(box, "second"), question(box, "kills"), question(box, "tenth"))
    assert output.items["kills"][0].outcome == "crashed"
    assert output.items["second"][0].outcome == output.items["tenth"][0].outcome == "returned"


@pytest.fixture
def asked_items(monkeypatch) -> list[tuple[str, bool]]:
    """Each question that is put to the sandbox, and whether a fork was made for it."""
    asked, ask = [], Conversation.ask

    def noted(self, probe, calls, **options):
        asked.append((probe.item, not self.fork))
        return ask(self, probe, calls, **options)

    monkeypatch.setattr(Conversation, "ask", noted)
    return asked


def test_what_is_not_written_is_asked_once(box, warm, asked_items):
    source = SPOILS + "\ndef stub(x):\n    # YOUR CODE HERE\n    raise NotImplementedError\n"
    output = Asked(warm, {"second": torch.full((2,), 2.0)}).run(
        source, question(box, "second"), question(box, "stub", 2), question(box, "nowhere", 2)
    )
    assert asked_items == [("second", True), ("stub", False), ("nowhere", False)]
    assert [one.outcome for one in output.items["stub"]] == ["raised", "raised"]
    assert [one.outcome for one in output.items["nowhere"]] == ["missing", "missing"]


def test_an_error_that_torch_calls_not_implemented_is_asked_again_alone(box, warm, asked_items):
    source = SPOILS + "\ndef refuses(x):\n    return torch.linalg.inv(x.to(torch.int8)[None, None])\n"
    source += "\ndef odd(x):\n    text = 'raise NotImplementedError'\n    raise RuntimeError('NotImplementedError')\n"
    probes = [question(box, name) for name in ("second", "refuses", "odd")]
    Asked(warm, {"second": torch.full((2,), 2.0)}).run(source, *probes)
    assert [item for item, _ in asked_items] == ["second", "refuses", "refuses", "odd", "odd"]


def test_the_questions_after_a_wrong_one_share_the_fork_in_which_it_was_asked_again(box, warm, asked_items):
    right = {"second": torch.full((2,), 2.0), "tenth": torch.ones(2) / 10, "wrong": torch.ones(2)}
    probes = [question(box, name) for name in ("second", "wrong", "tenth")]
    Asked(warm, right).run(SPOILS + "\ndef wrong(x): return -x", *probes)
    assert asked_items == [("second", True), ("wrong", False), ("wrong", True), ("tenth", False)]


def test_a_helper_that_is_missing_is_not_replaced_by_the_oracle_for_the_next_question(box, warm):
    def oracle(name: str, body: bytes) -> bytes:
        node, found = encode(torch.zeros(2))
        return pack({"result": node}, found)

    source = "def asks(x):\n    return helper(x)\n"
    probes = (
        question(box, "helper"),
        question(box, "asks", uses=("helper",)),
        question(box, "again", uses=("helper",)),
    )
    output = Asked(warm, {}).run(source + "def again(x):\n    return helper(x)\n", *probes, oracle=oracle)
    assert output.items["helper"][0].outcome == "missing"
    assert torch.equal(value(output.items["asks"][0]), torch.zeros(2))


ASKS = "def helper(x):\n    return 3 * x\ndef asks(x):\n    return helper(x) + 1\n"


def doubles(name: str, body: bytes) -> bytes:
    """The solution's helper."""
    tree, tensors = unpack(body)
    (argument,) = decode(tree, tensors)
    node, found = encode(2 * argument)
    return pack({"result": node}, found)


def test_chained_answers_come_from_the_notebook_s_own_helpers(box, warm):
    asked = Asked(warm, {"asks": torch.full((2,), 3.0)})
    output = asked.run(ASKS, question(box, "helper"), question(box, "asks", uses=("helper",)), oracle=doubles)
    assert value(output.items["asks"][0]).tolist() == [3.0, 3.0]
    assert value(output.chained["asks"][0]).tolist() == [4.0, 4.0]


def test_what_is_right_with_its_own_helpers_is_not_asked_with_the_solution_s(box, warm):
    def oracle(name: str, body: bytes) -> bytes:
        raise AssertionError(name)

    asked = Asked(warm, {"asks": torch.full((2,), 4.0)})
    output = asked.run(ASKS, question(box, "helper"), question(box, "asks", uses=("helper",)), oracle=oracle)
    assert output.items["asks"] == output.chained["asks"]
    assert value(output.items["asks"][0]).tolist() == [4.0, 4.0]


@pytest.mark.parametrize(
    ("sources", "plain"),
    [
        (["import torch", "import torch", "def f(x): return torch.abs(x)"], True),
        (["def f(x): return g(x)", "def g(x): return x"], True),
        (["def f(x): return x", "def f(x): return 2 * x"], False),
        (["def g(x): return x", "def f(x): return g(x)", "g = abs"], False),
        (["LEVELS = 7", "def f(x): return LEVELS", "LEVELS = 8"], False),
        (["value = 7", "def f(value): return value", "value = 8"], True),
        (["import torch", "def f(x): return torch.abs(x)", "import numpy as torch"], False),
        (["def f(x): return x", "def f(x): return x"], True),
        (["BITS = 8", "def f(x, bits=BITS): return x", "BITS = 4", "def f(x, bits=BITS): return x"], False),
        (["def f(x): return x\n\n\ndef f(x): return 2 * x"], True),
        (["def f(x): return x", "f = 3"], False),
        (["def f(x) return x"], True),
        (["def f(x): return x", "def f(x) return 2 * x"], False),
        (["def f(x): return LEVELS", "LEVELS = 7", "x = (\nLEVELS = 8"], False),
        (["LEVELS = 7", "LEVELS = 8", "def f(x): return LEVELS\n)"], False),
        (["def f(x): return LEVELS", "LEVELS = 7", "x = (" + "\n " * 50_000 + "\nLEVELS = 8"], False),
        (["def f(x): return x", "x = (" + "a " * 50_000], True),
        (["def f(x): return x", "x = 1" + "\n" * 200_000], False),
        (["import torch", "x = (\nimport numpy as torch", "def f(x): return torch.abs(x)"], False),
        (["%matplotlib inline\n!pip list\nx = 1"], True),
    ],
)
def test_forks_are_shared_only_where_no_name_that_functions_use_is_bound_twice(sources, plain):
    assert defines_nothing_twice(sources) is plain
