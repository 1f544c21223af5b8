"""Runs inside the sandbox: has cells executed, then calls the notebook's functions on inputs that are sent to it.

Whatever stands in this process belongs to the student: they may change any of it. So it holds nothing worth taking, and
the other side believes nothing that it says but tensors and numbers, which it compares itself.

A question is answered in a further fork, so that what a function breaks is broken for that fork only; the other side
decides which questions share one. The notebook's process watches the fork and ends it when a call overruns and does
not hear the alarm.
"""

import contextlib
import inspect
import mmap
import os
import random
import select
import signal
import socket
import struct
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy
import torch
from IPython.core.interactiveshell import InteractiveShell

from autograder import namespaces as ns
from autograder import wire
from autograder.kernel import run_cell, run_definitions
from autograder.stopwatch import Stopwatch, TimeUp, waited_s
from qlab_helpers.checking.codec import Other, decode, encode
from qlab_helpers.checking.drivers import apply
from qlab_helpers.checking.packing import pack, unpack

MAX_DETAIL = 3000
MAX_MESSAGE = 256 << 20
DEAF_S = 0.7  # how long after its limit a call is given to hear the alarm
TICK_S = 0.1
#: What a fork writes on its board: when its call began, how long it had waited for a core before, and the call's
#: limits, without and with such waits. While the last is 0, no call runs.
CALL = struct.Struct("<dddd")
Board = mmap.mmap | bytearray
#: What a function raises that is given wrong arguments.
LIKELY_ERRORS = (TypeError, ValueError, IndexError, AttributeError, ZeroDivisionError, OverflowError)


def serve(connection: socket.socket, shell: InteractiveShell) -> None:
    """Do what the other side asks until it closes the connection."""
    warnings.simplefilter("ignore")
    while True:
        try:
            header, _ = wire.receive(connection, max_body=MAX_MESSAGE)
            if header["do"] == "cell":
                wire.send(connection, {"cell": header["index"], **run_one(header, shell)})
            else:
                status = _fork_question(connection, shell.user_ns, header)
                wire.send(connection, {"ended": status, "question": header["question"]})
        except wire.WireError:
            return


def run_one(header: dict[str, Any], shell: InteractiveShell) -> dict[str, str]:
    source, index = header["source"], header["index"]
    if header["run"] == "definitions":
        run_definitions(shell, source, index, limit_s=header["limit_s"])
        return {"outcome": "passed"}
    limits = {name: header[name] for name in ("limit_s", "wall_s", "definitions_s")}
    error = run_cell(shell, source, index, **limits)
    if error is None:
        return {"outcome": "passed"}
    if isinstance(error, TimeUp):
        return {"outcome": "timed out"}
    return {"outcome": "failed", "message": _short(error)}


def _fork_question(connection: socket.socket, namespace: dict[str, Any], header: dict[str, Any]) -> int:
    """Answer in a fork; returns how it ended. It writes on a board, in shared memory, which call it is at."""
    board = mmap.mmap(-1, CALL.size)
    child = os.fork()
    if child == 0:
        try:
            os.setsid()  # a group of its own, to be ended as a whole
            _die_with_parent()
            _answer_questions(connection, namespace, header, board)
        except BaseException:  # noqa: BLE001  (this process ends here, whatever happened)
            os._exit(1)
        os._exit(0)
    try:
        _watch(child, board)
    finally:
        board.close()
    _, status = os.waitpid(child, 0)
    _end_group(child)
    return os.waitstatus_to_exitcode(status)


def _watch(child: int, board: Board) -> None:
    """Return when ``child`` ends; kill it when one of its calls overruns.

    It looks at the board now and then: to be woken for every call would take longer than most calls.
    """
    ended = os.pidfd_open(child)
    poller = select.poll()
    poller.register(ended, select.POLLIN)
    late = None
    try:
        while not poller.poll(TICK_S * 1000):
            call = CALL.unpack_from(board)
            if call == late:  # two looks, since one may have come while it was being written
                os.kill(child, signal.SIGKILL)
            late = call if _is_late(child, *call) else None
    finally:
        os.close(ended)


def _is_late(child: int, begin_s: float, before_s: float, limit_s: float, wall_s: float) -> bool:
    taken_s = time.monotonic() - begin_s - DEAF_S
    if not wall_s or taken_s <= min(limit_s, wall_s):
        return False
    return taken_s > min(limit_s + waited_s(child) - before_s, wall_s)


def _die_with_parent() -> None:
    """Where there is no pid namespace to see to it."""
    with contextlib.suppress(OSError, AttributeError):  # Linux has it; an extra elsewhere
        ns.prctl(ns.PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_group(group: int) -> None:
    """Kill what a question left running, so that it does not slow the next."""
    try:
        os.killpg(group, signal.SIGKILL)
        while os.waitpid(-group, 0)[0]:
            pass
    except (ProcessLookupError, ChildProcessError, PermissionError):
        return


def _answer_questions(
    connection: socket.socket, namespace: dict[str, Any], header: dict[str, Any], board: Board
) -> None:
    """The question that the fork was made for, and those that follow while each asks to keep it."""
    answer_calls(connection, namespace, header, board)
    while header["keep"]:
        header, _ = wire.receive(connection, max_body=MAX_MESSAGE)
        if header["do"] != "question":
            return
        answer_calls(connection, namespace, header, board)


def answer_calls(connection: socket.socket, namespace: dict[str, Any], header: dict[str, Any], board: Board) -> None:
    item = header["item"]
    for _ in range(header["calls"]):
        call, body = wire.receive(connection, max_body=MAX_MESSAGE)
        if call["call"] < 0:
            return
        if item not in namespace:
            answer, reply = {"outcome": "missing"}, b""
        else:
            answer, reply = _call(connection, namespace, {**header, **call}, body, board)
        wire.send(connection, {"reply": call["call"], "question": header["question"], **answer}, reply)


def _call(
    connection: socket.socket, namespace: dict[str, Any], call: dict[str, Any], body: bytes, board: Board
) -> tuple[dict[str, str], bytes]:
    """One call; ``call`` has its limits beside what the question says."""
    watch = Stopwatch(call["limit_s"], call["wall_s"])

    def pause(paused: bool) -> None:
        CALL.pack_into(board, 0, time.monotonic(), watch.before_s, call["limit_s"], 0.0 if paused else call["wall_s"])

    own = {name: namespace.get(name) for name in call["ask"]}
    absent = [name for name in call["ask"] if name not in namespace]
    try:
        with watch:
            pause(False)
            if call["kind"] == "answer":
                reply = _packed(namespace[call["item"]], {})
            else:
                for name in call["ask"]:
                    namespace[name] = _asking(connection, name, namespace, watch, pause)
                reply = _apply(namespace, call, body)
    except TimeUp:
        return {"outcome": "timed out"}, b""
    except BaseException as error:  # noqa: BLE001  (a student's function may raise anything)
        if _is_out_of_memory(error):
            return {"outcome": "out of memory"}, b""
        return {"outcome": "raised", "detail": _detail(error)}, b""
    finally:  # the next question of this fork may be about one of them
        pause(True)
        namespace.update(own)
        for name in absent:
            namespace.pop(name, None)
    if len(reply) > call["max_bytes"]:
        detail = f"ValueError: returned {len(reply) >> 20} MiB, which is too large"
        return {"outcome": "raised", "detail": detail}, b""
    return {"outcome": "returned"}, reply


def _apply(namespace: dict[str, Any], call: dict[str, Any], body: bytes) -> bytes:
    tree, tensors = unpack(body)
    arguments = decode(tree, tensors, _NamedTuples(namespace))
    torch.default_generator.manual_seed(0)  # torch.manual_seed also notes a stack trace for a CUDA that is not there
    numpy.random.seed(0)
    random.seed(0)
    result = apply(call["driver"], namespace[call["item"]], arguments)
    by_name = dict(zip(call["parameters"], arguments, strict=False))
    return _packed(result, {name: by_name.get(name) for name in call["observe"]})


def _packed(result: Any, observed: dict[str, Any]) -> bytes:
    node, tensors = encode(result, prefix="result.")
    nodes = {}
    for name, value in observed.items():
        nodes[name], more = encode(value, prefix=f"observed.{name}.")
        tensors.update(more)
    return pack({"result": node, "observed": nodes}, tensors)


def _asking(
    connection: socket.socket, name: str, namespace: dict[str, Any], watch: Stopwatch, pause: Callable[[bool], None]
) -> Callable:
    """Stands for another graded function: the other side computes it, so that this question is judged alone."""
    own = namespace.get(name)
    own = getattr(own, "_stands_for", own)

    def ask(*positional: Any, **named: Any) -> Any:
        try:  # by position, as the other side calls it
            bound = inspect.signature(own).bind(*positional, **named)
            bound.apply_defaults()
            positional, named = bound.args, bound.kwargs
        except (TypeError, ValueError):
            pass
        tree, tensors = encode((*positional, *named.values()))
        begin_s = time.monotonic()
        pause(True)  # the other side computes now, or is busy with others: that is not this function's time
        wire.send(connection, {"ask": name}, pack(tree, tensors))
        _, body = wire.receive(connection, max_body=MAX_MESSAGE)
        pause(False)
        watch.excuse(time.monotonic() - begin_s)
        reply, tensors = unpack(body)
        if "error" in reply:
            raise _as_raised(name, decode(reply["error"], tensors))
        for position, node in reply.get("changed", {}).items():
            (*positional, *named.values())[int(position)].copy_(decode(node, tensors))  # it works in place
        value = decode(reply["result"], tensors, _NamedTuples(namespace))
        return value if not isinstance(value, Other) else None

    ask.__name__ = name
    ask._stands_for = own
    return ask


def _as_raised(name: str, text: str) -> Exception:
    """What the other side's function raised, "TypeError: ..." say: the type that it has in a notebook, too."""
    kind = {one.__name__: one for one in LIKELY_ERRORS}.get(text.partition(":")[0], RuntimeError)
    return kind(f"{name}: {text}")


class _NamedTuples(Mapping):
    """The named tuples of a namespace by name, looked up only when one is asked for."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def __getitem__(self, name: str) -> type:
        value = self._namespace[name]
        if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields"):
            return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter([name for name in list(self._namespace) if name in self])

    def __len__(self) -> int:
        return len(list(iter(self)))


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and "allocate" in _short(error)


def _detail(error: BaseException) -> str:
    """The traceback through the student's cells, without our own frames."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith("<cell ")]
    lines = [f"{frame.filename[1:-1]}, line {frame.lineno}: {frame.line or frame.name}" for frame in frames[-8:]]
    return "\n".join([*lines, _short(error)])[-MAX_DETAIL:]


def _short(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001  (even that is the student's code)
        text = ""
    return f"{type(error).__name__}: {text}"[:500].rstrip(": ")
