"""Containment: the only place from which untrusted code is started.

A warm process (template.py) imports torch once and shuts itself into namespaces of its own; each submission runs in a
fork of it, in namespaces of *its* own, and is killed from outside with everything it started.

Contained, on Linux with user namespaces (``layers`` says what is active):

- Files: a submission sees the Python environment, system libraries and ``qlab_helpers`` without its reference tensors,
  all read-only; a private /tmp and /dev/shm of 64 MiB each. No course folder, home, gradebook, secret, solution,
  hidden case or other submission.
- Processes: it sees only its own; whatever it starts dies with it. It has no capability, gains none by new programs,
  and runs as nobody even when the grader is root.
- Network: none, not even to this machine. No shared memory or queues with others.
- Resources: address space, processes, open files, file size and CPU time by rlimits; wall time by deadlines that are
  kept outside; every answer is bounded in size before it is read.
- Memory of the template holds no answer and no secret: it only ever imports libraries. The inputs of a question come
  over the connection when it is asked.

Not contained: a bug in the kernel's namespaces; cores and memory bandwidth are shared, so a submission can slow its
neighbours; the limit on memory is one for each process and not for the submission as a whole; a student's process sees
the inputs of the cases that it is asked, hidden ones too, and answers as it likes: that is why only values count.
Nothing filters system calls (seccomp), and Landlock is not used yet.
"""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import qlab_helpers
from autograder import wire
from autograder.course import CourseError, Limits

START_S = 120.0  # a cold import of torch on a busy machine
COMMAND_S = 30.0
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")
CONTROL = 3


class SandboxUnavailable(CourseError):
    """This machine cannot contain a submission."""


class TemplateDied(RuntimeError):
    """The warm process is gone; ``Template.restart`` makes a new one."""


class Child:
    """A running submission: the connection to it, and how to end it."""

    def __init__(self, template: "Template", generation: int, number: int, connection: socket.socket) -> None:
        self.connection = connection
        self._template = template
        self.generation = generation
        self._number = number
        self._status: int | None = None

    def end(self) -> int:
        """Kill it with all it started; returns its exit status (128 + signal when killed), -1 when nobody knows.

        May be called again, and then only tells the status.
        """
        if self._status is None:
            self.connection.close()
            self._status = self._template._end(self.generation, self._number)
        return self._status


class Template:
    """The warm process, as a context manager. Its methods may be called from several threads."""

    def __init__(self, limits: Limits, *, sandboxed: bool = True) -> None:
        self.limits = limits
        self.sandboxed = sandboxed
        self.layers: dict[str, str] = {}
        self.generation = 0
        self._closed = False
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._control: socket.socket | None = None

    def __enter__(self) -> Self:
        with self._lock:
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            self._stop()

    def spawn(self) -> Child:
        """Fork a child for one submission. Raises ``TemplateDied``."""
        ours, theirs = socket.socketpair()
        with self._lock, theirs:
            try:
                answer = self._ask({"do": "spawn"}, theirs)
                return Child(self, self.generation, int(answer["child"]), ours)
            except (wire.WireError, OSError, KeyError) as error:
                ours.close()
                raise TemplateDied(f"the sandbox's warm process failed: {error}") from error

    def restart(self, generation: int) -> None:
        """Start again, unless another thread has done so since ``generation``. Raises ``TemplateDied`` when closed."""
        with self._lock:
            if self._closed:
                raise TemplateDied("the run has ended")
            if self.generation == generation:
                self._stop()
                self._start()

    def _end(self, generation: int, number: int) -> int:
        with self._lock:
            if generation != self.generation:
                return -1  # the template it belonged to is gone, and with it all its children
            try:
                return int(self._ask({"do": "kill", "child": number})["status"])
            except (wire.WireError, OSError, KeyError):
                self._stop()  # a template that does not answer is of no use; the next ``spawn`` says so
                return -1

    def _ask(self, command: dict, descriptor: socket.socket | None = None) -> dict:
        deadline = time.monotonic() + COMMAND_S
        if self._control is None:
            raise wire.WireError("not started")
        self._control.settimeout(COMMAND_S)
        socket.send_fds(self._control, [json.dumps(command).encode()], [descriptor.fileno()] if descriptor else [])
        answer, _ = wire.receive(self._control, max_body=0, deadline=deadline)
        if "error" in answer:
            raise wire.WireError(str(answer["error"]))
        return answer

    def _start(self) -> None:
        if self.sandboxed and not sys.platform.startswith("linux"):
            raise SandboxUnavailable(
                "submissions can be contained on Linux only; grade in a Linux machine or container, or add"
                " --no-sandbox if you trust every one of them"
            )
        options = {
            "sandboxed": self.sandboxed,
            "limits": dataclasses.asdict(self.limits),
            "visible": visible_paths(),
            "masked": masked_paths(),
        }
        ours, theirs = socket.socketpair()
        with tempfile.TemporaryFile() as complaints, theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _bootstrap(theirs.fileno()), json.dumps(options)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                pass_fds=[theirs.fileno()],
                cwd="/",
                env=_environment(),
                start_new_session=True,  # the grader's Ctrl-C is not the template's
            )
            theirs.close()
            self._control = ours
            self.generation += 1
            try:
                answer, _ = wire.receive(ours, max_body=0, deadline=time.monotonic() + START_S)
            except wire.WireError as error:
                self._stop()
                complaints.seek(0)
                lines = complaints.read()[-2000:].decode(errors="replace").strip().splitlines()
                raise SandboxUnavailable(
                    f"the sandbox's warm process did not start: {lines[-1] if lines else error}"
                ) from error
        if "error" in answer:
            self._stop()
            raise SandboxUnavailable(
                f"this machine does not allow the namespaces that contain submissions ({answer['error']}); allow user"
                " namespaces (sysctl user.max_user_namespaces), grade on another machine, or add --no-sandbox"
            )
        self.layers = answer["layers"] or {"namespaces": "none: --no-sandbox"}

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(timeout=5)  # it ends when its control socket closes
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def visible_paths() -> list[str]:
    """What a submission may read: the interpreter's prefixes, installed packages, and qlab_helpers wherever it lies."""
    site = [path for path in sys.path if path.endswith(("site-packages", "dist-packages", "lib-dynload"))]
    prefixes = [sys.prefix, sys.base_prefix, sys.exec_prefix]
    libraries = [f"{prefix}/{folder}" for prefix in prefixes for folder in ("lib", "lib64")]
    return [*libraries, f"{sys.prefix}/pyvenv.cfg", *site, str(Path(qlab_helpers.__file__).resolve().parent)]


def masked_paths() -> list[str]:
    """Empty folders in their place: expected outputs, which would be full marks for the visible cases."""
    reference = Path(qlab_helpers.__file__).resolve().parent / "reference"
    return [str(reference)] if reference.is_dir() else []


def _bootstrap(descriptor: int) -> str:
    """Put the control socket where the template expects it, then run the template."""
    return f"import os; os.dup2({descriptor}, {CONTROL}); from autograder.template import main; main()"


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    checkout = str(Path(__file__).resolve().parent.parent)
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
    return {
        **kept,
        **threads,
        "PYTHONPATH": checkout,
        "MPLCONFIGDIR": "/tmp",
        "CUDA_VISIBLE_DEVICES": "",
        "HOME": "/tmp",
    }
