"""Calling a student's function once, whatever it does: slow, raising, changing its arguments."""

import contextlib
import inspect
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from torch import nn

from qlab_helpers.checking.codec import CodecError
from qlab_helpers.checking.drivers import apply
from qlab_helpers.checking.reference import Case, Item, Reference
from qlab_helpers.checking.values import clean

SEED = 0  # of every call, so that the same function gets the same result from check to check
PATIENCE = 4  # seconds of waiting for each second of work that is allowed


@dataclass(frozen=True)
class Call:
    """``outcome`` is "returned", "raised", "timed out" or "not written"; ``message`` and ``line`` say more."""

    outcome: str
    result: Any = None
    observed: dict[str, Any] | None = None
    message: str = ""
    line: str = ""  # the student's line that failed: "line 4: return q.foo()"
    raised: str = ""  # the type of the exception


class TimeUp(BaseException):
    """Not an ``Exception``, so that a student's ``except Exception`` does not swallow it."""


def call(
    function: Callable, reference: Reference, item: Item, case: Case, *, device: torch.device, limit_s: float
) -> Call:
    """Call ``function`` on fresh arguments of a case. Raises nothing but ``KeyboardInterrupt``."""
    try:
        arguments = reference.arguments(case.variants[0], types=_named_tuples(function))
    except CodecError as error:
        return Call("raised", message=f"the arguments cannot be made with your named tuples: {clean(error)}")
    arguments = tuple(_to_device(argument, device) for argument in arguments)
    devices = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices), _one_thread(), _full_precision(device), time_limit(limit_s):
            torch.manual_seed(SEED)
            result = apply(item.driver, function, arguments)
    except TimeUp:
        return Call("timed out", message=f"stopped after {limit_s:g} seconds")
    except NotImplementedError as error:
        if not clean(error):
            return Call("not written", message="the function is not written yet")
        return _raised(function, error)
    except (Exception, SystemExit) as error:  # noqa: BLE001  (a student's function may raise anything)
        return _raised(function, error)
    if item.outputs and (result is None or result is ...):
        return Call("not written", message="the function returns nothing yet; end it with return")
    observed = {name: arguments[item.parameters.index(name)] for name in case.observe}
    return Call("returned", result, observed)


def scope_of(function: Callable) -> dict[str, Any]:
    """The global names that a function, or the methods of a class, see; none for another callable."""
    scope = getattr(_plain(function), "__globals__", None)
    return scope if isinstance(scope, dict) else {}


def _plain(function: Callable) -> Callable:
    """The function under its decorators; of a class its first method, which stands in the same cell as the others."""
    if inspect.isclass(function):
        function = next((one for one in vars(function).values() if inspect.isfunction(one)), function)
    try:
        return inspect.unwrap(function)
    except ValueError:  # wrapped in itself
        return function


def _raised(function: Callable, error: BaseException) -> Call:
    text = clean(error, 500)
    return Call(
        "raised",
        message=f"{type(error).__name__}: {text}" if text else type(error).__name__,
        line=_line(function, error.__traceback__),
        raised=type(error).__name__,
    )


def _line(function: Callable, trace: TracebackType | None) -> str:
    """The last line in the student's own code, not in a library that it called."""
    frames = traceback.extract_tb(trace)[1:]  # without ours
    code = getattr(_plain(function), "__code__", None)
    own = [frame for frame in frames if code is not None and frame.filename == code.co_filename]
    chosen = (own or frames)[-1:]
    return f"line {chosen[0].lineno}: {clean((chosen[0].line or '').strip(), 160)}" if chosen else ""


def _named_tuples(function: Callable) -> dict[str, type]:
    return {
        name: value
        for name, value in scope_of(function).items()
        if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields")
    }


def _to_device(value: Any, device: torch.device) -> Any:
    if device.type == "cpu":
        return value
    if isinstance(value, torch.Tensor):
        return value.detach().to(device).requires_grad_(value.requires_grad)
    if isinstance(value, nn.Module):
        return value.to(device)
    if isinstance(value, tuple | list):
        moved = [_to_device(one, device) for one in value]
        return type(value)(*moved) if hasattr(value, "_fields") else type(value)(moved)
    return value


@contextlib.contextmanager
def time_limit(limit_s: float, *, patience: float = PATIENCE) -> Iterator[None]:
    """Raises ``TimeUp`` inside after ``limit_s`` seconds of work, where there are alarms and this is the main thread.

    Seconds of work, so that a busy machine fails nobody; what only waits is stopped after ``patience`` times as many.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    running = True
    worked, waited = time.process_time() + limit_s, time.monotonic() + patience * limit_s

    def stop(signum: int, frame: Any) -> None:
        if running and (time.process_time() >= worked or time.monotonic() >= waited):
            raise TimeUp

    before = signal.signal(signal.SIGALRM, stop)
    # Again and again: it may be too early, and a bare except may swallow the first.
    signal.setitimer(signal.ITIMER_REAL, limit_s, limit_s / 10)
    try:
        yield
    finally:
        running = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """As expected values were made: the order of a sum depends on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """No TF32 inside: with its ten bits of mantissa, int8 sums in float would not be exact."""
    if device.type != "cuda":
        yield
        return
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    if hasattr(matmul, "fp32_precision"):  # torch 2.9 and later
        switches = [(matmul, "fp32_precision", "ieee"), (cudnn.conv, "fp32_precision", "ieee")]
    else:
        switches = [(matmul, "allow_tf32", False), (cudnn, "allow_tf32", False)]
    before = [getattr(place, name) for place, name, _ in switches]
    try:
        for place, name, value in switches:
            setattr(place, name, value)
        yield
    finally:
        for (place, name, _), value in zip(switches, before, strict=True):
            setattr(place, name, value)
