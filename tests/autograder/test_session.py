"""One submission in the sandbox: what an honest notebook may expect, and what a mistake costs it."""

import time
from collections import namedtuple
from dataclasses import replace

import pytest
import torch

from qlab_helpers.checking.codec import decode, encode
from qlab_helpers.checking.packing import pack, unpack

pytestmark = pytest.mark.parametrize("box", ["alone", "shared"], indirect=True)


def test_function_of_a_notebook_is_called_on_the_inputs_sent(box):
    output = box.run(box.honest, probes=(box.question("double", box.call(torch.ones(2)), box.call(torch.zeros(3))),))
    assert [box.value(one).tolist() for one in output.items["double"]] == [[2.0, 2.0], [0.0, 0.0, 0.0]]
    assert output.cells == ()


def test_arguments_that_are_observed_come_back_as_the_call_left_them(box):
    output = box.run(
        "def double(x): x.mul_(2)", probes=(box.question("double", box.call(torch.ones(2), observe=("x",))),)
    )
    tree, tensors = unpack(output.items["double"][0].reply)
    assert decode(tree["observed"]["x"], tensors).tolist() == [2.0, 2.0]


def test_named_tuple_of_the_notebook_is_what_its_functions_receive(box):
    Pair = namedtuple("Pair", "left right")
    source = """
from collections import namedtuple
Pair = namedtuple("Pair", "a b")
def double(x): return isinstance(x, Pair)
"""
    output = box.run(source, probes=(box.question("double", box.call(Pair(1, 2))),))
    assert box.value(output.items["double"][0]) is True


def test_function_is_judged_as_it_was_at_its_check_cell_unless_forks_are_shared(box):
    box = type(box)(box.template)
    output = box.run(box.honest, "check(double)", "double = None", checks={1: "double"})
    assert box.is_fine(output)


def test_class_is_tried_by_its_driver(box):
    source = """
class Largest:
    def __init__(self, start): self.value = start
    def __call__(self, x):
        self.value = max(self.value, x.max().item())
        return x
    def calculate_qparams(self): return self.value, 0
"""
    call = box.call((0.5,), [torch.tensor([3.0]), torch.tensor([2.0, 1.0])])
    probe = replace(box.question("Largest", call), parameters=("options", "tensors"), driver="observe")
    scale, zero_point, passed_on = box.value(box.run(source, probes=(probe,)).items["Largest"][0])
    assert (scale, zero_point, passed_on.tolist()) == (3.0, 0, [2.0, 1.0])


def test_answer_is_the_value_of_its_name(box):
    output = box.run("answer = 'c'", probes=(box.question("answer", box.call(), kind="answer"),))
    assert box.value(output.items["answer"][0]) == "c"


def test_missing_function_is_told_apart(box):
    assert box.run("1 + 1").items["double"][0].outcome == "missing"


def test_syntax_error_costs_only_its_cell(box):
    output = box.run(box.honest, "def broken(:")
    assert box.is_fine(output)
    assert [(cell.index, cell.outcome) for cell in output.cells] == [(1, "failed")]


def test_cell_that_fails_still_contributes_what_it_defines(box):
    assert box.is_fine(box.run("assert False, 'no GPU here'\n" + box.honest))


def test_magics_and_shell_lines_do_no_harm(box):
    source = "%matplotlib inline\n!pip install something\n%%time\n" + box.honest
    assert box.is_fine(box.run("%matplotlib inline\n!nvidia-smi\n" + box.honest, "%%bash\nexit 1", source))


def test_warnings_and_prints_cost_nothing(box):
    source = """
import sys, warnings
def double(x):
    warnings.warn("careful"); print("hm"); print("!", file=sys.stderr)
    return 2 * x
"""
    assert box.is_fine(box.run(source))


def test_traceback_shows_the_line_of_the_student(box):
    detail = box.run("def double(x):\n    y = x.wrong\n    return y").items["double"][0].detail
    assert "cell 1, line 2: y = x.wrong" in detail
    assert "AttributeError" in detail
    assert "probe.py" not in detail


def test_functions_that_may_be_used_are_computed_outside(box):
    def oracle(name: str, body: bytes) -> bytes:
        tree, tensors = unpack(body)
        (argument,) = decode(tree, tensors)
        node, found = encode(argument + 100)
        return pack({"result": node}, found)

    source = "def helper(x): return x - 1\ndef double(x): return helper(x=x)"
    output = box.run(source, probes=(box.question("double", uses=("helper",)),), oracle=oracle, right=False)
    assert box.value(output.items["double"][0]).tolist() == [101.0, 101.0]
    assert box.value(output.chained["double"][0]).tolist() == [0.0, 0.0]


def test_a_helper_computed_outside_changes_its_argument_in_place_as_it_would_inside(box):
    def oracle(name: str, body: bytes) -> bytes:
        tree, tensors = unpack(body)
        _, argument = decode(tree, tensors)
        (node, found), (changed, more) = encode(7), encode(argument + 100, prefix="changed.")
        return pack({"result": node, "changed": {"1": changed}}, found | more)

    source = """\
def helper(n, x): x.add_(n); return n
def double(x):
    number = helper(1, x=x)
    return x + number
"""
    output = box.run(source, probes=(box.question("double", uses=("helper",)),), oracle=oracle, right=False)
    assert box.value(output.items["double"][0]).tolist() == [108.0, 108.0]
    assert box.value(output.chained["double"][0]).tolist() == [3.0, 3.0]


def test_an_error_of_a_helper_computed_outside_has_the_type_that_it_has_inside(box):
    def oracle(name: str, body: bytes) -> bytes:
        return pack({"error": {"str": "TypeError: no number"}}, {})

    source = """\
def helper(x): raise TypeError("no number")
def double(x): return helper(x)
"""
    output = box.run(source, probes=(box.question("double", uses=("helper",)),), oracle=oracle)
    for outcome in (output.items["double"][0], output.chained["double"][0]):
        assert outcome.outcome == "raised" and outcome.detail.splitlines()[-1].startswith("TypeError: ")


# Time


def test_infinite_loop_costs_its_question_alone(box):
    source = box.honest + "\ndef endless(x):\n    while True: pass"
    output = box.run(source, probes=(box.question("endless"), box.question("double")))
    assert output.items["endless"][0].outcome == "timed out"
    assert box.is_fine(output)


def test_loop_that_swallows_every_exception_is_ended_without_running_the_notebook_again(box):
    stubborn = """
import os, time
born = time.monotonic()
def endless(x):
    while True:
        try:
            while True: pass
        except BaseException: pass
"""
    probes = (box.question("born", kind="answer"), box.question("endless"), box.question("double"))
    late = box.question("later", kind="answer")
    output = box.run(
        stubborn + box.honest, "check(endless)", "later = born", probes=(*probes, late), checks={1: "born"}
    )
    assert output.items["endless"][0].outcome == "timed out"
    assert box.value(output.items["born"][0]) == box.value(output.items["later"][0])
    assert box.is_fine(output)


def test_cell_that_ignores_the_alarm_costs_itself(box):
    output = box.run("import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: pass", box.honest)
    assert box.is_fine(output)
    assert [(cell.index, cell.outcome) for cell in output.cells] == [(0, "timed out")]


def test_function_that_is_always_late_is_not_tried_for_ever(box):
    endless = box.question("endless", *[box.call(1, name=str(number)) for number in range(12)])
    begin = time.monotonic()
    output = box.run("def endless(x):\n    while True: pass", probes=(endless,))
    assert [one.outcome for one in output.items["endless"]] == ["timed out"] * 12
    assert time.monotonic() - begin < 30


# Crashes


@pytest.mark.parametrize(
    "crash",
    ["os._exit(0)", "os._exit(7)", "import ctypes; ctypes.string_at(0)", "os.kill(os.getpid(), 9)", "os.abort()"],
)
def test_crash_costs_only_its_case(box, crash):
    source = f"import os\n{box.honest}\ndef fragile(x):\n    if x == 0:\n        {crash}\n    return x"
    output = box.run(
        source, probes=(box.question("fragile", box.call(1), box.call(0), box.call(2)), box.question("double"))
    )
    assert [one.outcome for one in output.items["fragile"]] == ["returned", "crashed", "returned"]
    assert box.is_fine(output)


@pytest.mark.parametrize("crash", ["os._exit(0)", "import ctypes; ctypes.string_at(0)", "import sys; sys.exit(1)"])
def test_crash_in_a_cell_costs_only_that_cell(box, crash):
    output = box.run(box.honest, f"import os; {crash}")
    assert box.is_fine(output)
    assert [cell.index for cell in output.cells] == [1]


def test_memory_bomb_is_out_of_memory_and_nothing_else_is(box):
    source = box.honest + "\ndef bomb(x): return torch.zeros(10**10, dtype=torch.float64).fill_(1)"
    output = box.run(source, probes=(box.question("bomb"), box.question("double")))
    assert output.items["bomb"][0].outcome == "out of memory"
    assert box.is_fine(output)


def test_endless_recursion_is_an_error_of_its_case(box):
    output = box.run(
        box.honest + "\ndef deep(x): return deep(x)", probes=(box.question("deep"), box.question("double"))
    )
    assert output.items["deep"][0].outcome in ("raised", "crashed")
    assert box.is_fine(output)


def test_twelve_endless_cells_cost_no_more_than_the_budget_and_what_follows_is_defined(box):
    limits = replace(box.limits, notebook_s=12)
    begin = time.monotonic()
    output = box.run(*["while True: pass"] * 12, box.honest + "\nwhile True: pass", limits=limits)
    assert time.monotonic() - begin < 12 + 8
    assert box.is_fine(output)
    assert {cell.outcome for cell in output.cells} == {"timed out"}


def test_time_of_the_solution_is_not_the_time_of_the_function_that_asks(box):
    def slow(name: str, body: bytes) -> bytes:
        time.sleep(0.7)
        node, found = encode(torch.ones(2))
        return pack({"result": node}, found)

    source = "def helper(x): return x\ndef double(x): return helper(x) + helper(x)"
    output = box.run(source, probes=(box.question("double", uses=("helper",)),), oracle=slow)
    assert box.is_fine(output)
