"""What a submission may do in the sandbox, and what happens to one that does worse."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch

from autograder.course import Limits
from autograder.sandbox import SandboxUnavailable, Template, TemplateDied
from autograder.session import Call, Cell, Probe, RawOutcome, SessionOutput, run_session
from qlab_helpers.checking.codec import decode, encode, pack, unpack

LIMITS = Limits(cell_s=2, case_s=1, notebook_s=60, memory_mib=1024, output_mib=8, processes=32)
HONEST = "import torch\ndef double(x):\n    return 2 * x"


@pytest.fixture(scope="module")
def template() -> Iterator[Template]:
    with Template(LIMITS) as warm:
        yield warm


def call(*arguments: object, name: str = "case", observe: tuple[str, ...] = ()) -> Call:
    return Call(name, pack(*encode(arguments)), observe)


def question(item: str, *calls: Call, uses: tuple[str, ...] = (), kind: str = "function") -> Probe:
    return Probe(item, kind, ("x",), calls or (call(torch.ones(2)),), uses)


def run(
    template: Template, *sources: str, probes: tuple[Probe, ...] = (), checks: dict[int, str] | None = None, oracle=None
) -> SessionOutput:
    cells = [Cell(index, source, probe=(checks or {}).get(index, "")) for index, source in enumerate(sources)]
    asked = {probe.item: probe for probe in probes or (question("double"),)}
    return run_session(template, cells, asked, limits=LIMITS, oracle=oracle or (lambda name, body: b""))


def value(outcome: RawOutcome) -> object:
    assert outcome.outcome == "returned", outcome
    tree, tensors = unpack(outcome.reply)
    return decode(tree["result"], tensors)


def attack(template: Template, code: str) -> object:
    """What ``attack(x)``, whose body is ``code``, returns from inside."""
    body = "\n".join(f"    {line}" for line in code.strip().splitlines())
    output = run(template, f"import os\ndef attack(x):\n{body}", probes=(question("attack"),))
    return value(output.items["attack"][0])


def is_fine(output: SessionOutput) -> bool:
    return torch.equal(value(output.items["double"][0]), torch.full((2,), 2.0))


# What an honest notebook may expect


def test_function_of_a_notebook_is_called_on_the_inputs_sent(template):
    output = run(template, HONEST, probes=(question("double", call(torch.ones(2)), call(torch.zeros(3))),))
    assert [value(one).tolist() for one in output.items["double"]] == [[2.0, 2.0], [0.0, 0.0, 0.0]]
    assert output.cells == ()


def test_arguments_that_are_observed_come_back_as_the_call_left_them(template):
    output = run(
        template, "def double(x): x.mul_(2)", probes=(question("double", call(torch.ones(2), observe=("x",))),)
    )
    tree, tensors = unpack(output.items["double"][0].reply)
    assert decode(tree["observed"]["x"], tensors).tolist() == [2.0, 2.0]


def test_named_tuple_of_the_notebook_is_what_its_functions_receive(template):
    from collections import namedtuple

    Pair = namedtuple("Pair", "left right")
    source = """
from collections import namedtuple
Pair = namedtuple('Pair', 'a b')
def double(x): return isinstance(x, Pair)
"""
    output = run(template, source, probes=(question("double", call(Pair(1, 2))),))
    assert value(output.items["double"][0]) is True


def test_function_is_judged_as_it_was_at_its_check_cell(template):
    output = run(template, HONEST, "check(double)", "double = None", checks={1: "double"})
    assert is_fine(output)


def test_answer_is_the_value_of_its_name(template):
    output = run(template, "answer = 'c'", probes=(question("answer", call(), kind="answer"),))
    assert value(output.items["answer"][0]) == "c"


def test_missing_function_is_told_apart(template):
    assert run(template, "1 + 1").items["double"][0].outcome == "missing"


def test_syntax_error_costs_only_its_cell(template):
    output = run(template, HONEST, "def broken(:")
    assert is_fine(output)
    assert [(cell.index, cell.outcome) for cell in output.cells] == [(1, "failed")]


def test_cell_that_fails_still_contributes_what_it_defines(template):
    assert is_fine(run(template, "assert False, 'no GPU here'\n" + HONEST))


def test_magics_and_shell_lines_do_no_harm(template):
    source = "%matplotlib inline\n!pip install something\n%%time\n" + HONEST
    assert is_fine(run(template, "%matplotlib inline\n!nvidia-smi\n" + HONEST, "%%bash\nexit 1", source))


def test_warnings_and_prints_cost_nothing(template):
    source = """
import sys, warnings
def double(x):
    warnings.warn('careful'); print('hm'); print('!', file=sys.stderr)
    return 2 * x
"""
    assert is_fine(run(template, source))


def test_traceback_shows_the_line_of_the_student(template):
    detail = run(template, "def double(x):\n    y = x.wrong\n    return y").items["double"][0].detail
    assert "cell 1, line 2: y = x.wrong" in detail
    assert "AttributeError" in detail
    assert "probe.py" not in detail


def test_functions_that_may_be_used_are_computed_outside(template):
    def oracle(name: str, body: bytes) -> bytes:
        tree, tensors = unpack(body)
        (argument,) = decode(tree, tensors)
        node, found = encode(argument + 100)
        return pack({"result": node}, found)

    source = "def helper(x): return x - 1\ndef double(x): return helper(x=x)"
    output = run(template, source, probes=(question("double", uses=("helper",)),), oracle=oracle)
    assert value(output.items["double"][0]).tolist() == [101.0, 101.0]
    assert value(output.chained["double"][0]).tolist() == [0.0, 0.0]


# Time


def test_infinite_loop_costs_its_question_alone(template):
    source = HONEST + "\ndef endless(x):\n    while True: pass"
    output = run(template, source, probes=(question("endless"), question("double")))
    assert output.items["endless"][0].outcome == "timed out"
    assert is_fine(output)


def test_loop_that_swallows_every_exception_is_stopped_from_outside(template):
    stubborn = """
def endless(x):
    while True:
        try:
            while True: pass
        except BaseException: pass
"""
    output = run(template, stubborn + HONEST, probes=(question("endless"), question("double")))
    assert output.items["endless"][0].outcome == "timed out"
    assert is_fine(output)


def test_cell_that_ignores_the_alarm_costs_itself(template):
    output = run(template, "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: pass", HONEST)
    assert is_fine(output)
    assert [(cell.index, cell.outcome) for cell in output.cells] == [(0, "timed out")]


def test_function_that_is_always_late_is_not_tried_for_ever(template):
    endless = question("endless", *[call(1, name=str(number)) for number in range(12)])
    begin = time.monotonic()
    output = run(template, "def endless(x):\n    while True: pass", probes=(endless,))
    assert [one.outcome for one in output.items["endless"]] == ["timed out"] * 12
    assert time.monotonic() - begin < 30


# Crashes


@pytest.mark.parametrize(
    "crash",
    ["os._exit(0)", "os._exit(7)", "import ctypes; ctypes.string_at(0)", "os.kill(os.getpid(), 9)", "os.abort()"],
)
def test_crash_costs_only_its_case(template, crash):
    source = f"import os\n{HONEST}\ndef fragile(x):\n    if x == 0:\n        {crash}\n    return x"
    output = run(template, source, probes=(question("fragile", call(1), call(0), call(2)), question("double")))
    assert [one.outcome for one in output.items["fragile"]] == ["returned", "crashed", "returned"]
    assert is_fine(output)


@pytest.mark.parametrize("crash", ["os._exit(0)", "import ctypes; ctypes.string_at(0)", "import sys; sys.exit(1)"])
def test_crash_in_a_cell_costs_only_that_cell(template, crash):
    output = run(template, HONEST, f"import os; {crash}")
    assert is_fine(output)
    assert [cell.index for cell in output.cells] == [1]


def test_memory_bomb_is_out_of_memory_and_nothing_else_is(template):
    source = HONEST + "\ndef bomb(x): return torch.zeros(10**10, dtype=torch.float64).fill_(1)"
    output = run(template, source, probes=(question("bomb"), question("double")))
    assert output.items["bomb"][0].outcome == "out of memory"
    assert is_fine(output)


def test_endless_recursion_is_an_error_of_its_case(template):
    output = run(template, HONEST + "\ndef deep(x): return deep(x)", probes=(question("deep"), question("double")))
    assert output.items["deep"][0].outcome in ("raised", "crashed")
    assert is_fine(output)


# Harm


def test_fork_bomb_is_bounded_and_gone_afterwards(template):
    code = """
import time
children = 0
try:
    while True:
        if os.fork() == 0: time.sleep(600)
        children += 1
except OSError: pass
return children
"""
    assert attack(template, code) < LIMITS.processes
    assert not _sleepers()


def test_daemon_does_not_outlive_its_submission(template):
    code = """
import time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: time.sleep(600)
    os._exit(0)
return 1
"""
    assert attack(template, code) == 1
    assert not _sleepers()


@pytest.mark.parametrize("victim", ["os.getppid()", "1", "-1", "0"])
def test_killing_others_hurts_nobody_else(template, victim):
    source = f"import os, signal\n{HONEST}\ndef kill(x):\n    os.kill({victim}, signal.SIGKILL)\n    return 1"
    run(template, source, probes=(question("kill"),))
    assert is_fine(run(template, HONEST))


def test_stopping_its_own_processes_is_only_time_lost(template):
    source = f"import os, signal\n{HONEST}\ndef stop(x): os.kill(os.getpid(), signal.SIGSTOP)"
    output = run(template, source, probes=(question("stop"), question("double")))
    assert output.items["stop"][0].outcome in ("timed out", "crashed")
    assert is_fine(output)


def test_closing_every_descriptor_costs_its_own_question(template):
    source = HONEST + "\nimport os\ndef close(x): os.closerange(0, 1024)"
    output = run(template, source, probes=(question("close"), question("double")))
    assert output.items["close"][0].outcome == "crashed"
    assert is_fine(output)


def test_flood_of_output_does_no_harm(template):
    source = "def double(x):\n    for _ in range(300): print('x' * 1_000_000)\n    return 2 * x"
    assert is_fine(run(template, source))


def test_result_larger_than_allowed_is_not_read(template):
    source = HONEST + "\ndef large(x): return torch.zeros(5_000_000)"
    output = run(template, source, probes=(question("large"), question("double")))
    assert output.items["large"][0].outcome == "crashed" and "too large" in output.items["large"][0].detail
    assert is_fine(output)


def test_garbage_on_the_connection_is_a_crash(template):
    source = """
import os
def forge(x):
    for descriptor in range(3, 64):
        try: os.write(descriptor, b'\\xff' * 100)
        except OSError: pass
    return 1
"""
    output = run(template, source + HONEST, probes=(question("forge"), question("double")))
    assert output.items["forge"][0].outcome == "crashed"
    assert is_fine(output)


def test_answers_to_questions_not_yet_asked_are_not_accepted(template):
    forged = """
import json, os, socket, struct
def forge(x):
    link = socket.socket(fileno=os.dup(3))
    for number in (5, 6, 7):
        text = json.dumps({"reply": number, "outcome": "returned"}).encode()
        link.sendall(struct.pack("<II", len(text), 0) + text)
    return 1
"""
    output = run(template, forged + HONEST, probes=(question("forge"), question("double")))
    assert output.items["forge"][0].outcome == "crashed"
    assert is_fine(output)


def test_patched_libraries_change_nothing_outside(template):
    source = """
import builtins, json, torch
class Equal:
    def __eq__(self, other): return True
torch.equal = torch.allclose = lambda *a, **k: True
builtins.all = lambda *a: True
def double(x): return Equal()
"""
    output = run(template, source)
    assert not isinstance(value(output.items["double"][0]), torch.Tensor)
    assert torch.equal(torch.ones(1), torch.zeros(1)) is False


# What may not be seen


@pytest.mark.parametrize(
    "folder", ["autograder", "solutions", "notebooks", "course", "tests", "qlab_helpers/reference"]
)
def test_course_is_not_visible(template, folder):
    place = Path(__file__).resolve().parents[2] / folder
    assert attack(template, f"return os.listdir({str(place)!r}) if os.path.isdir({str(place)!r}) else []") == []


def test_home_of_the_grader_is_not_visible(template):
    assert attack(template, f"return os.path.exists({str(Path.home() / '.bashrc')!r})") is False
    assert attack(template, "return os.path.exists('/etc/passwd') or os.path.exists('/etc/shadow')") is False


def test_only_its_own_processes_are_visible(template):
    processes = attack(template, "return len([name for name in os.listdir('/proc') if name.isdigit()])")
    assert processes <= 2


def test_environment_holds_nothing_of_the_grader(template, monkeypatch):
    names = attack(template, "return sorted(os.environ)")
    assert not {name for name in names if "SECRET" in name or "TOKEN" in name or name.startswith("PYTEST")}


def test_no_connection_leaves_the_sandbox(template):
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        code = f"""
import socket
try:
    socket.create_connection(('127.0.0.1', {port}), 0.5)
    return 'connected'
except OSError: return 'refused'
"""
        assert attack(template, code) == "refused"


def test_nothing_outside_its_own_folders_can_be_written(template):
    code = """
import sys
written = []
for place in ['/', '/usr/lib', '/lib', '/dev', '/etc', *sys.path, os.path.dirname(torch.__file__)]:
    try:
        with open(os.path.join(place or '/', 'mark'), 'w') as f: f.write('x')
        if not place.startswith('/tmp'): written.append(place)  # /tmp is its own
    except OSError: pass
return str(written)
"""
    output = run(
        template,
        "import os, torch\ndef attack(x):\n" + "\n".join(f"    {line}" for line in code.splitlines()),
        probes=(question("attack"),),
    )
    assert value(output.items["attack"][0]) == "[]"


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
def test_scratch_space_is_bounded_and_private(template, folder):
    code = f"""
total = 0
try:
    for part in range(40):
        with open(f'{folder}/{{part}}', 'wb') as file: file.write(bytes(8 << 20))
        total += 8
except OSError: pass
return total
"""
    assert attack(template, code) <= 64
    assert attack(template, f"return os.path.exists('{folder}/0')") is False


def test_privileges_are_gone_for_good(template):
    code = """
import ctypes
libc = ctypes.CDLL(None)
return [libc.unshare(0x10000000), libc.mount(b'none', b'/tmp', b'tmpfs', 0, None), os.getuid() == 0]
"""
    assert attack(template, code) == [-1, -1, False]


def test_one_submission_leaves_no_trace_for_the_next(template):
    assert attack(template, "import builtins; builtins.left = 1\nreturn 1") == 1
    assert attack(template, "import builtins\nreturn hasattr(builtins, 'left')") is False


# The sandbox itself


def test_dead_template_is_replaced_and_the_submission_graded():
    with Template(LIMITS) as warm:
        assert warm._process is not None
        for process in psutil.Process(warm._process.pid).children(recursive=True):
            process.kill()
        assert is_fine(run(warm, HONEST))


def test_crash_of_one_submission_leaves_the_template_alive(template):
    generation = template.generation
    run(template, "import os; os._exit(1)")
    assert template.generation == generation
    assert is_fine(run(template, HONEST))


def test_closed_template_is_not_started_again():
    with Template(LIMITS) as warm:
        generation = warm.generation
    with pytest.raises(TemplateDied):
        warm.restart(generation)


def test_unsandboxed_grading_works_and_says_so():
    with Template(LIMITS, sandboxed=False) as warm:
        assert is_fine(run(warm, HONEST))
        assert "no-sandbox" in str(warm.layers)


def test_refusing_kernel_is_one_clear_sentence(monkeypatch):
    monkeypatch.setattr("autograder.sandbox.visible_paths", lambda: ["/etc/hostname", "/proc/1/does-not-exist"])
    monkeypatch.setattr("autograder.sandbox.masked_paths", lambda: ["/no/such/folder"])
    with pytest.raises(SandboxUnavailable, match="--no-sandbox"):
        Template(LIMITS).__enter__()


def _sleepers() -> list[int]:
    """Processes under this one that are more than templates."""
    return [
        process.pid
        for process in psutil.Process(os.getpid()).children(recursive=True)
        if process.status() == psutil.STATUS_SLEEPING and process.memory_info().rss and _is_stray(process)
    ]


def _is_stray(process: psutil.Process) -> bool:
    """The template and the process that waits for it are all that may be left when no submission runs."""
    ancestors = [parent.pid for parent in process.parents()]
    return ancestors.index(os.getpid()) > 1
