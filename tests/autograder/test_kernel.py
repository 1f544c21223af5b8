"""Cells as a notebook runs them, and what a cell that fails still gives."""

from pathlib import Path

import nbformat
import pytest
import torch
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell

from autograder import kernel
from autograder.course import load_course
from autograder.session import Cell, run_session


def test_definitions_after_a_syntax_error_in_the_same_cell_count(box):
    assert box.is_fine(box.run("import torch\nx = = 3\nlist[\n\ndef double(x):\n    return 2 * x\n\ny = (("))


def test_definitions_before_an_error_are_not_run_twice(box):
    source = "count = 0\nclass Kind: pass\none = Kind()\ncount = 5\ncount += 1\n1 / 0\ndef late(): return 1"
    check = "answer = f'{count} {isinstance(one, Kind)} {late()}'"
    output = box.run(source, check, probes=(box.question("answer", kind="answer"),))
    assert box.value(output.items["answer"][0]) == "6 True 1"


def test_cell_of_definitions_runs_nothing_else(box):
    cells = [
        Cell(0, "import os\nos._exit(1)\ndef double(x):\n    return 2 * x\nprint('long training')", run="definitions")
    ]
    output = run_session(
        box.template, cells, {"double": box.question("double")}, limits=box.limits, oracle=lambda name, body: b""
    )
    assert box.is_fine(output)
    assert output.cells == ()


def test_constants_that_functions_need_are_definitions(box):
    source = """
import torch
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
try:
    import not_installed
except ImportError:
    not_installed = None
LEVELS = {2: 1.0, 8: 2.0}
raise_me()
def double(x): return LEVELS[8] * x.to(device)
"""
    cells = [Cell(0, source, run="definitions")]
    probes = {"double": box.question("double")}
    assert box.is_fine(run_session(box.template, cells, probes, limits=box.limits, oracle=lambda name, body: b""))


def test_traceback_of_a_function_in_a_failing_cell_shows_its_line(box):
    detail = box.run("1 / 0\ndef double(x):\n    return x.wrong").items["double"][0].detail
    assert "cell 1, line 3: return x.wrong" in detail


def test_training_in_a_cell_and_in_a_function_both_work(box):
    source = """
import torch
layer = torch.nn.Linear(2, 1)
layer(torch.ones(2)).sum().backward()
def double(x):
    x = x.clone().requires_grad_()
    (x * x).sum().backward()
    return x.grad
"""
    assert box.is_fine(box.run(source))


def test_notebook_is_main_and_may_pickle_what_it_defines(box):
    source = """
import pickle, torch
from dataclasses import dataclass
@dataclass
class Pair: left: int; right: int
def double(x):
    pair = pickle.loads(pickle.dumps(Pair(1, 1)))
    return x * (pair.left + pair.right) if __name__ == "__main__" else None
"""
    assert box.is_fine(box.run(source))


def test_front_end_functions_are_there(box):
    source = "display(1)\nget_ipython().run_line_magic('time', '1')\nx = !ls\n1 + 1\n"
    output = box.run(source + box.honest)
    assert box.is_fine(output)
    assert output.cells == ()


def test_standard_input_is_empty(box):
    output = box.run("input()", box.honest)
    assert [cell.outcome for cell in output.cells] == ["failed"]
    assert box.is_fine(output)


def test_same_random_numbers_come_in_every_call(box):
    source = "import torch\ntorch.rand(3)\ndef double(x): return torch.rand(3)"
    output = box.run(source, probes=(box.question("double", box.call(1), box.call(2)),))
    first, second = (box.value(one) for one in output.items["double"])
    assert torch.equal(first, second)
    assert torch.equal(first, torch.rand(3, generator=torch.Generator().manual_seed(0)))


def test_messages_are_the_same_in_every_run(box):
    output = box.run("raise ValueError(object())")
    assert output.cells[0].message == "ValueError: <object object at 0x...>"


def test_what_is_python_already_is_left_as_it_is_as_ipython_would():
    transformed = TransformerManager().transform_cell
    code = [
        cell.source
        for cell in nbformat.read(load_course(Path(__file__).parent).release("lab2_linear"), as_version=4).cells
    ]
    odd = [
        "%matplotlib inline\nx = 1",
        "x = 1\n!ls",
        "y = %time 3\nz = 1",
        "a = (7\n% 2)\n",
        "  x = 1\n  y = 2",
        "x?\ny",
    ]
    shell = InteractiveShell()
    for callbacks in shell.events.callbacks.values():
        callbacks.clear()
    plain = [source + "\n" for source in [*code, *odd] if kernel.plain_code(shell, source + "\n", "<cell 1>")]
    assert len(plain) > 10
    assert [transformed(source) for source in plain] == plain
    assert [source for source in odd if source + "\n" in plain] == ["a = (7\n% 2)\n"]


@pytest.mark.parametrize(
    ("hook", "expected"),
    [
        ("get_ipython().input_transformers_post.append(lambda lines: [line.replace('1', '2') for line in lines])", 2),
        ("get_ipython().events.register('pre_execute', lambda: get_ipython().user_ns.update(two=2))", 3),
    ],
)
def test_what_a_notebook_asks_of_ipython_is_done_in_its_next_cells(box, hook, expected):
    probe = box.question("result", kind="answer")
    output = box.run("two = 0", hook, "result = 1 + two", probes=(probe,))
    assert box.value(output.items["result"][0]) == expected


def test_what_a_cell_imports_from_the_future_holds_for_the_next_ones(box):
    output = box.run("from __future__ import annotations", "def double(x: Unknown):\n    return 2 * x\n")
    assert output.cells == ()
    assert box.is_fine(output)


def test_await_in_a_cell_is_waited_for(box):
    source = "async def soon(): return 2\nresult = await soon()"
    output = box.run(source, probes=(box.question("result", kind="answer"),))
    assert box.value(output.items["result"][0]) == 2


def test_a_magic_without_its_percent_sign_works_in_a_cell_of_one_line(box):
    output = box.run("matplotlib inline", "pip install something", box.honest)
    assert box.is_fine(output)
    assert output.cells == ()


def test_no_name_and_no_thread_of_the_practice_reaches_a_submission(box):
    probes = [box.question(name, kind="answer") for name in ("names", "threads")]
    source = "import os\nthreads = len(os.listdir('/proc/self/task'))"
    output = box.run("names = [name for name in globals() if not name.startswith('_')]", source, probes=tuple(probes))
    assert set(box.value(output.items["names"][0])) <= {"names", "In", "Out", "get_ipython", "exit", "quit", "open"}
    assert box.value(output.items["threads"][0]) == 1
