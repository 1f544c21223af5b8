"""The warm process: imports torch once, shuts itself into a box, then forks a child for each submission.

It is started with one inherited socket and a clean environment, or forked from a nursery that was (hatchery.py).
Commands come over that socket: "spawn" brings the end of a socket pair for the child, "kill" ends a child and tells how
it ended. In between it watches their memory. It never reads anything that a submission writes, and none of them sees
it.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from IPython.core.interactiveshell import InteractiveShell

from autograder import boxes, memory, probe, wire
from autograder import namespaces as ns
from autograder.garbage import no_garbage
from autograder.kernel import make_shell
from autograder.nursery import CONTROL
from autograder.practice import practise

PARKED = 200  # descriptors while the others are put in order
READY = "ready"
WATCH_MS = 100


def main() -> None:
    be_warm(json.loads(sys.argv[1]), warm_up())


def be_warm(options: dict[str, Any], shell: InteractiveShell) -> None:
    """Go into the box, say so, and serve until the other side is gone."""
    options["visible"] = boxes.outermost(options["visible"])
    if options["cores"]:
        os.sched_setaffinity(0, options["cores"])
    control = socket.socket(fileno=CONTROL)
    layers = {"namespaces": "none: --no-sandbox"}
    if options["sandboxed"]:
        try:
            layers = boxes.enter_outer_box(options["visible"], options["masked"], new_root=f"{options['folder']}/root")
        except OSError as error:
            wire.send(control, {"error": str(error)})
            return
    elif options["user"] is not None:
        try:
            layers = boxes.become(options["user"], visible=options["visible"], folder=options["folder"])
        except OSError as error:
            wire.send(control, {"error": str(error)})
            return
    memory.make_forks_cheap()
    wire.send(control, {"ready": True, "layers": layers})
    _serve(control, options, shell)


@no_garbage()
def warm_up() -> InteractiveShell:
    """Import what submissions import, so that a fork has it already; do once what all of them do."""
    import fast_pytorch_kmeans  # noqa: F401  (imported for the children)
    import matplotlib
    import numpy  # noqa: F401
    import torch
    import torchvision  # noqa: F401

    matplotlib.use("Agg")
    import matplotlib.pyplot

    torch.set_num_threads(1)
    import qlab_helpers.clustering
    import qlab_helpers.cost
    import qlab_helpers.data
    import qlab_helpers.integer
    import qlab_helpers.metrics
    import qlab_helpers.plots
    import qlab_helpers.train
    import qlab_helpers.weights

    with contextlib.suppress(ImportError):  # a torch without it: only the labs that need it fail
        import qlab_helpers.quantization  # noqa: F401

    shell = make_shell()
    practise(shell)
    return shell


@dataclass
class _Running:
    """The process of a submission, which others may stand below; ``folder`` is removed at its end."""

    process: int
    folder: str = ""
    out_of_memory: bool = False


def _serve(control: socket.socket, options: dict[str, Any], shell: InteractiveShell) -> None:
    children: dict[int, _Running] = {}
    number = 0
    shared = memory.used_mib("self")
    waiting = select.poll()
    waiting.register(control, select.POLLIN)
    while True:
        while children and not waiting.poll(WATCH_MS):
            if options["sandboxed"]:
                _watch_memory(children.values(), options["limits"]["memory_mib"], shared)
        try:
            message, descriptors, _, _ = socket.recv_fds(control, 65536, 1)
        except OSError:
            message, descriptors = b"", []
        if not message:
            _leave(children, options)
        command = json.loads(message)
        if command["do"] == "spawn":
            number += 1
            try:
                children[number] = _spawn(descriptors[0], options, shell)
                answer: dict[str, Any] = {"child": number}
            except OSError as error:
                answer = {"error": str(error)}
            for descriptor in descriptors:
                os.close(descriptor)
        else:
            answer = _end(children.pop(command["child"]), sandboxed=options["sandboxed"])
        try:
            wire.send(control, answer)
        except wire.WireError:
            _leave(children, options)


def _watch_memory(children: Iterable[_Running], limit_mib: float, shared: float) -> None:
    """End the submissions whose processes all together take too much."""
    for child in children:
        if not child.out_of_memory and memory.total_mib(child.process, more_than=limit_mib, shared=shared) > limit_mib:
            child.out_of_memory = True
            _kill(child.process, sandboxed=True)


def _leave(children: dict[int, _Running], options: dict[str, Any]) -> None:
    """The grader is gone. As the first process of its namespace this one takes all others with it."""
    for child in children.values():
        _kill(child.process, sandboxed=options["sandboxed"])
    os._exit(0)


def _spawn(descriptor: int, options: dict[str, Any], shell: InteractiveShell) -> _Running:
    """Fork the process of a submission, and wait until it is shut in. Raises ``OSError``."""
    folder = "" if options["sandboxed"] else tempfile.mkdtemp(dir=options["folder"])
    owner = {"uid": os.getuid(), "gid": os.getgid()}
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        try:
            process = ns.fork_into(boxes.INNER_NAMESPACES) if options["sandboxed"] else os.fork()
            if process == 0:
                _be_submission(descriptor, options, shell, writing, folder, owner)
        finally:
            os.close(writing)
        text = pipe.read().decode(errors="replace")
    child = _Running(process, folder)
    if text != READY:
        _end(child, sandboxed=options["sandboxed"])
        raise OSError(f"the sandbox could not be made: {text or 'no reason given'}")
    return child


def _be_submission(
    descriptor: int,
    options: dict[str, Any],
    shell: InteractiveShell,
    writing: int,
    folder: str,
    owner: dict[str, int],
) -> NoReturn:
    """In the fork: private folders, limits, no privileges; then the submission. Never returns."""
    try:
        sandboxed = options["sandboxed"]
        if sandboxed:
            ns.prctl(ns.PR_SET_PDEATHSIG, signal.SIGKILL)
            boxes.enter_inner_box(options["visible"], **owner)
        else:
            os.setsid()
            os.chdir(folder)
        # Only the connection stays open, as descriptor 3, and the pipe until this process is ready.
        os.dup2(writing, PARKED + 1)
        os.dup2(descriptor, PARKED)
        os.dup2(PARKED, CONTROL)
        nothing = os.open("/dev/null", os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
        os.closerange(4, PARKED + 1)
        os.closerange(PARKED + 2, 4096)
        boxes.limit_resources(options["limits"])
        boxes.give_up_privileges(sandboxed=sandboxed)
        home = folder or "/tmp"
        os.environ.update(HOME=home, MPLCONFIGDIR=home, QLAB_FAST="1", QLAB_GRADING="1", MPLBACKEND="Agg")
        os.write(PARKED + 1, READY.encode())
        os.close(PARKED + 1)
    except BaseException as error:  # noqa: BLE001  (whatever it is, it is reported and this process ends)
        with contextlib.suppress(OSError):
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    try:
        probe.serve(socket.socket(fileno=CONTROL), shell)
    finally:
        os._exit(0)


def _end(child: _Running, *, sandboxed: bool) -> dict[str, Any]:
    """Kill a submission with all it started; tells its exit status, 128 + signal if it was killed."""
    _kill(child.process, sandboxed=sandboxed)
    _, status = os.waitpid(child.process, 0)
    if child.folder:
        shutil.rmtree(child.folder, ignore_errors=True)
    code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return {"status": code, "out_of_memory": child.out_of_memory}


def _kill(process: int, *, sandboxed: bool) -> None:
    """With everything of its namespace; without one, with what stayed in its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sandboxed:
            os.kill(process, signal.SIGKILL)
        else:
            os.killpg(process, signal.SIGKILL)
