"""Runs inside the sandbox: executes the cells of a notebook, then calls its functions on inputs that are sent to it.

Whatever stands in this process belongs to the student: they may change any of it. So it holds nothing worth taking, and
the other side believes nothing that it says but tensors and numbers, which it compares itself.

Each question is answered in a further fork, so that what a function breaks is broken for that question only.
"""

import ast
import inspect
import os
import signal
import socket
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell

from autograder import wire
from qlab_helpers.checking.codec import Other, decode, encode, pack, unpack

MAX_DETAIL = 3000
MAX_MESSAGE = 64 << 20
#: Statements that only define something: run from a cell that did not, or could not, run whole.
DEFINING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
SHELL_MAGICS = ("bash", "sh", "script", "system", "sx", "ruby", "perl", "js", "javascript", "html", "svg", "latex")
IGNORED_MAGICS = ("matplotlib", "pip", "conda", "mamba", "uv", "cd", "load_ext", "pylab", "autoreload")

_shell: InteractiveShell | None = None


class TimeUp(BaseException):
    """Raised in student code by the alarm; not an Exception, so that ``except Exception`` does not swallow it."""


def prepare() -> None:
    """Make the notebook's shell, once, before any fork."""
    global _shell
    HistoryManager.enabled = False
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    _shell = InteractiveShell.instance(user_module=main, user_ns=main.__dict__)
    _shell.system = _shell.system_raw = _shell.system_piped = _no_shell
    _shell.getoutput = lambda *_, **__: []
    for name in SHELL_MAGICS:
        _shell.register_magic_function(lambda line, cell="": _no_shell(line), "line_cell", name)
    for name in IGNORED_MAGICS:
        _shell.register_magic_function(lambda line: None, "line", name)
    _shell.showtraceback = lambda *_, **__: None  # nobody reads it: the exception itself is what we want
    _shell.showsyntaxerror = lambda *_, **__: None


def serve(connection: socket.socket) -> None:
    """Do what the other side asks until it closes the connection."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _time_up)
    while True:
        try:
            header, _ = wire.receive(connection, max_body=MAX_MESSAGE)
        except wire.WireError:
            return
        if header["do"] == "cell":
            wire.send(connection, {"cell": header["index"], **_run_cell(header)})
        else:
            _fork_question(connection, header)


def _run_cell(header: dict[str, Any]) -> dict[str, str]:
    """Run a cell whole, or only what it defines; a cell that fails still contributes its definitions."""
    source, index = header["source"], header["index"]
    _shell.compile.get_code_name = lambda raw, transformed, number: f"<cell {index + 1}>"
    if header["run"] == "definitions":
        with _alarm(header["limit_s"]):
            _run_definitions(source, index)
        return {"outcome": "passed", "message": ""}
    error: BaseException | None = None
    try:
        with _alarm(header["limit_s"]):
            result = _shell.run_cell(source, store_history=False, silent=True)
            error = result.error_before_exec or result.error_in_exec
    except BaseException as raised:  # noqa: BLE001  (a student's cell may raise anything, anywhere)
        error = raised
    if error is None:
        return {"outcome": "passed", "message": ""}
    try:
        with _alarm(header["limit_s"]):
            _run_definitions(source, index)
    except TimeUp:
        pass
    if isinstance(error, TimeUp):
        return {"outcome": "timed out", "message": f"stopped after {header['limit_s']:g} seconds"}
    return {"outcome": "failed", "message": _short(error)}


def _run_definitions(source: str, index: int) -> None:
    try:
        tree = ast.parse(_shell.transform_cell(source), f"<cell {index + 1}>")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for statement in tree.body:
        if _defines(statement):
            try:
                exec(compile(ast.Module([statement], []), f"<cell {index + 1}>", "exec"), _shell.user_ns)
            except TimeUp:
                raise
            except BaseException:  # noqa: BLE001  (one definition that fails must not cost the next)
                continue


def _defines(statement: ast.stmt) -> bool:
    """Imports, functions, classes; names given to literals, lambdas and named tuples."""
    if isinstance(statement, DEFINING):
        return True
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
        return False
    calls = [node for node in ast.walk(statement.value) if isinstance(node, ast.Call)]
    named = [call for call in calls if getattr(call.func, "id", getattr(call.func, "attr", "")) == "namedtuple"]
    return isinstance(statement.value, ast.Lambda) or len(calls) == len(named)


def _fork_question(connection: socket.socket, header: dict[str, Any]) -> None:
    """Answer in a fork; when it ends before it has answered every call, say so."""
    child = os.fork()
    if child == 0:
        try:
            _answer_calls(connection, header)
        except BaseException:  # noqa: BLE001  (this process ends here, whatever happened)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    wire.send(connection, {"ended": os.waitstatus_to_exitcode(status)})


def _answer_calls(connection: socket.socket, header: dict[str, Any]) -> None:
    namespace = _shell.user_ns
    item = header["item"]
    for name in header["ask"]:
        namespace[name] = _asking(connection, name, namespace.get(name))
    for _ in range(header["calls"]):
        call, body = wire.receive(connection, max_body=MAX_MESSAGE)
        if item not in namespace:
            wire.send(connection, {"reply": call["call"], "outcome": "missing"})
        elif header["kind"] == "answer":
            wire.send(
                connection, {"reply": call["call"], "outcome": "returned"}, _packed(namespace[item], {}, lambda n: None)
            )
        else:
            _call(connection, namespace[item], header, call, body)


def _call(connection: socket.socket, function: Any, header: dict[str, Any], call: dict[str, Any], body: bytes) -> None:
    number = call["call"]
    try:
        with _alarm(call["limit_s"]):
            tree, tensors = unpack(body)
            arguments = decode(tree, tensors, _named_tuples(_shell.user_ns))
            torch.manual_seed(0)
            result = function(*arguments)
            by_name = dict(zip(header["parameters"], arguments, strict=False))
            reply = _packed(result, dict.fromkeys(call["observe"]), by_name.get)
        wire.send(connection, {"reply": number, "outcome": "returned"}, reply)
    except TimeUp:
        wire.send(connection, {"reply": number, "outcome": "timed out"})
    except MemoryError:
        wire.send(connection, {"reply": number, "outcome": "out of memory"})
    except BaseException as error:  # noqa: BLE001  (a student's function may raise anything)
        outcome = "out of memory" if _is_out_of_memory(error) else "raised"
        wire.send(connection, {"reply": number, "outcome": outcome, "detail": _detail(error)})


def _packed(result: Any, observe: dict[str, None], value_of: Callable[[str], Any]) -> bytes:
    node, tensors = encode(result, prefix="result.")
    observed = {}
    for name in observe:
        observed[name], more = encode(value_of(name), prefix=f"observed.{name}.")
        tensors.update(more)
    return pack({"result": node, "observed": observed}, tensors)


def _asking(connection: socket.socket, name: str, own: Any) -> Callable:
    """Stands for another graded function: the other side computes it, so that this question is judged alone."""

    def ask(*positional: Any, **named: Any) -> Any:
        try:  # by position, as the other side calls it
            bound = inspect.signature(own).bind(*positional, **named)
            bound.apply_defaults()
            positional, named = bound.args, bound.kwargs
        except (TypeError, ValueError):
            pass
        tree, tensors = encode((*positional, *named.values()))
        wire.send(connection, {"ask": name}, pack(tree, tensors))
        _, body = wire.receive(connection, max_body=MAX_MESSAGE)
        reply, tensors = unpack(body)
        if "error" in reply:
            raise RuntimeError(f"{name}: {decode(reply['error'], tensors)}")
        value = decode(reply["result"], tensors, _named_tuples(_shell.user_ns))
        return value if not isinstance(value, Other) else None

    ask.__name__ = name
    return ask


def _named_tuples(namespace: dict[str, Any]) -> dict[str, type]:
    return {
        name: value
        for name, value in list(namespace.items())
        if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields")
    }


@contextmanager
def _alarm(limit_s: float) -> Iterator[None]:
    """Raise ``TimeUp`` inside after ``limit_s``, and again every half second: a bare except may swallow the first."""
    signal.setitimer(signal.ITIMER_REAL, limit_s, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _time_up(number: int, frame: Any) -> None:
    raise TimeUp


def _no_shell(*arguments: Any, **options: Any) -> None:
    print("shell commands are not run while grading")


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and "allocate" in str(error)[:500]


def _detail(error: BaseException) -> str:
    """The traceback through the student's cells, without our own frames."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith("<cell ")]
    lines = [f"{frame.filename[1:-1]}, line {frame.lineno}: {frame.line or frame.name}" for frame in frames[-8:]]
    return "\n".join([*lines, _short(error)])[-MAX_DETAIL:]


def _short(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  (even that is the student's code)
        text = ""
    return f"{type(error).__name__}: {text}"[:500].rstrip(": ")
