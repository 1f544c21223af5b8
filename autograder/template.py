"""The warm process: imports torch once, shuts itself into a box, then forks a child for each submission.

It is started by sandbox.py with one inherited socket and a clean environment. Commands come over that socket: "spawn"
brings the end of a socket pair for the child, "kill" ends a child and tells how it ended. It never reads anything that
a submission writes, and waits for none of them.

Between it and a submission stands a guard: a process that made the submission's namespaces, waits for its end and
watches its memory. The submission does not see it.
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
import time
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from autograder import boxes, memory, probe, wire
from autograder import namespaces as ns
from autograder.kernel import make_shell
from autograder.practice import practise

CONTROL = 3  # descriptor of the control socket, and of the connection in a submission
PARKED = 200  # descriptors while the others are put in order
REPORT_S = 2.0  # what a guard may take to tell how its submission ended
WATCH_MS = 100
OUT_OF_MEMORY = signal.SIGUSR1  # a guard that ended its submission for this ends itself by it


def main() -> None:
    options = json.loads(sys.argv[1])
    options["visible"] = boxes.outermost(options["visible"])
    control = socket.socket(fileno=CONTROL)
    shell = warm_up()
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


def _serve(control: socket.socket, options: dict[str, Any], shell: InteractiveShell) -> None:
    children: dict[int, tuple[int, int]] = {}  # number -> (guard, process of the submission)
    number = 0
    while True:
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
                children[number] = _spawn(descriptors[0], control, options, shell)
                answer: dict[str, Any] = {"child": number}
            except OSError as error:
                answer = {"error": str(error)}
            for descriptor in descriptors:
                os.close(descriptor)
        else:
            answer = _end(*children.pop(command["child"]), sandboxed=options["sandboxed"])
        try:
            wire.send(control, answer)
        except wire.WireError:
            _leave(children, options)


def _leave(children: dict[int, tuple[int, int]], options: dict[str, Any]) -> None:
    """The grader is gone. As the first process of its namespace this one takes all others with it."""
    for guard, running in children.values():
        _kill(running, sandboxed=options["sandboxed"])
        _kill(guard, sandboxed=True)
    os._exit(0)


def _spawn(
    descriptor: int, control: socket.socket, options: dict[str, Any], shell: InteractiveShell
) -> tuple[int, int]:
    """Fork the guard, which makes the namespaces and forks the process of the submission. Raises ``OSError``."""
    reading, writing = os.pipe()
    guard = os.fork()
    if guard == 0:
        os.close(reading)
        control.close()
        try:
            _be_guard(descriptor, options, shell, writing)
        except BaseException as error:  # noqa: BLE001  (whatever it is, it is reported and this process ends)
            with contextlib.suppress(OSError):
                os.write(writing, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode(errors="replace")
    if not text.isdigit():
        _kill(guard, sandboxed=True)
        os.waitpid(guard, 0)
        raise OSError(f"the sandbox could not be made: {text or 'no reason given'}")
    return guard, int(text)


def _be_guard(descriptor: int, options: dict[str, Any], shell: InteractiveShell, writing: int) -> None:
    """In the first fork; never returns."""
    sandboxed = options["sandboxed"]
    if sandboxed:
        ns.prctl(ns.PR_SET_PDEATHSIG, signal.SIGKILL)
        boxes.enter_inner_box()
    else:
        os.setsid()
    folder = "" if sandboxed else tempfile.mkdtemp(dir=options["folder"])
    running = os.fork()
    if running == 0:
        _be_submission(descriptor, options, shell, writing, folder)
    os.close(descriptor)
    os.close(writing)  # the child holds the other copy until it is ready
    full = sandboxed and _wait(running, options["limits"]["memory_mib"])
    _, status = os.waitpid(running, 0)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    if full:
        os.kill(os.getpid(), OUT_OF_MEMORY)
    os._exit(min(255, 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)))


def _wait(running: int, limit_mib: float) -> bool:
    """Until it ends. True when it was ended here because all its processes together took too much memory."""
    poller = select.poll()
    poller.register(os.pidfd_open(running), select.POLLIN)
    shared = memory.used_mib("self") or memory.used_mib(1)
    while not poller.poll(WATCH_MS):
        if memory.total_mib(more_than=limit_mib, shared=shared) > limit_mib:
            os.kill(running, signal.SIGKILL)
            return True
    return False


def _be_submission(
    descriptor: int, options: dict[str, Any], shell: InteractiveShell, writing: int, folder: str
) -> None:
    """In the innermost fork: private folders, limits, no privileges; then the submission. Never returns."""
    try:
        sandboxed = options["sandboxed"]
        own_id = os.readlink("/proc/self") if sandboxed else str(os.getpid())  # /proc is still the template's
        if sandboxed:
            boxes.make_private_folders(options["visible"])
        else:
            os.setpgid(0, 0)
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
        os.write(PARKED + 1, own_id.encode())
        os.close(PARKED + 1)
    except BaseException as error:  # noqa: BLE001  (as above)
        with contextlib.suppress(OSError):
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    try:
        probe.serve(socket.socket(fileno=CONTROL), shell)
    finally:
        os._exit(0)


def _end(guard: int, running: int, *, sandboxed: bool) -> dict[str, Any]:
    """Kill a submission with all it started; tells its exit status, 128 + signal if it was killed."""
    _kill(running, sandboxed=sandboxed)
    deadline = time.monotonic() + REPORT_S
    pause_s = 0.0005
    while not (ended := os.waitpid(guard, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            _kill(guard, sandboxed=True)
            ended = os.waitpid(guard, 0)
            break
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.01)
    with contextlib.suppress(ChildProcessError):  # an orphan, if its guard died first
        os.waitpid(running, os.WNOHANG)
    code = os.waitstatus_to_exitcode(ended[1])
    return {"status": code, "out_of_memory": code == -OUT_OF_MEMORY}


def _kill(process: int, *, sandboxed: bool) -> None:
    """With everything of its namespace; without one, with what stayed in its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sandboxed:
            os.kill(process, signal.SIGKILL)
        else:
            os.killpg(process, signal.SIGKILL)
