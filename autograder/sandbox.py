"""Containment: the only place from which untrusted code is started.

A warm process (template.py) imports torch once and shuts itself into namespaces of its own; each submission runs in a
fork of it, in namespaces of *its* own, and is killed from outside with everything it started. The walls are in boxes.py
and filters.py; ``Template.layers`` says which of them stand on this machine.

Contained, on Linux with user namespaces:

- Files: a submission sees the Python environment, system libraries and ``qlab_helpers`` without its reference tensors,
  all read-only; a private /tmp and /dev/shm of 64 MiB each. No course folder, home, gradebook, secret, solution, hidden
  case or other submission. The names of the folders above these are visible, and the kernel's /proc.
- Processes: it sees only its own; whatever it starts dies with it. It has no capability, gains none by new programs or
  namespaces, and runs as nobody when the grader is root. The process that waits for it is out of its sight.
- Network: none, not even to this machine; sockets of other kinds (AF_VSOCK) and kernel keyrings are refused too.
- Landlock, where the kernel has it, says the same of files, TCP and signals once more, whatever the namespaces do.
- Memory: none of the template's holds an answer, a secret or another submission. The inputs of a question come over the
  connection when it is asked, those of a case when the case before it has been answered.
- Resources: address space, processes, open files, file size and CPU time by rlimits; resident memory of all processes
  together by a watch every tenth of a second; wall time by deadlines that are kept outside; what it returns is bounded
  in size before it is read, for each question and in all, and in what it costs to decode; so is what it asks of the
  solution. A notebook of more code than can be looked through in seconds is not graded, and says why.

Not contained, or not fully:

- All in a submission's namespace is the student's: a cell may change the process that runs the cells and forks the
  ones that answer. So a submission may spoil its own later questions, never gain by it: values are compared outside.
  It sees the inputs of the hidden cases that it is asked; no report of a hidden case repeats its replies.
- A function that may use others asks the solution about any input. It is asked after those others have been answered
  for good, so what it learns is of no use to it; only functions that use each other in a circle escape that order.
- What one question has seen, the visible case of a later one may return, and the feedback page shows that to the
  student: hidden inputs of their own draw, and what the solution said to them. Who may hand in again after feedback
  could hand in these numbers; the code on the page shows it.
- Cores and memory bandwidth are shared. Time without a core is not counted against a call, up to six times its limit;
  a neighbour that burns every core for longer can make a slow function late.
- Memory may overshoot its limit for a tenth of a second. No cgroup is used.
- The filter of system calls lists what is refused, so it is no guard against a flaw in the calls that remain, nor
  against one in the kernel's namespaces. Only x86-64 and ARM64 have one.
- Without a sandbox (``--no-sandbox``) only rlimits and deadlines hold: everything of the grader's can be read, changed
  and killed, and what leaves its process group outlives the run.
- As another user, without namespaces (on Gradescope): file modes, the filter of system calls, here without any network,
  Landlock, rlimits and deadlines. It may read what everybody may, sees that other processes run, and what leaves its
  process group lives until its container ends. Memory is limited for each process, not for all together.
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
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import IO, Any, Self

import qlab_helpers
from autograder import nursery, wire
from autograder.course import CourseError, Limits

COMMAND_S = 30.0


class SandboxUnavailable(CourseError):
    """This machine cannot contain a submission."""


class TemplateDied(RuntimeError):
    """The warm process is gone; ``Template.restart`` makes a new one."""


@dataclass(frozen=True)
class Ending:
    """How a submission's process ended. ``known`` is False when the warm process is gone and nobody can tell."""

    known: bool
    status: int = 0  # 128 + signal when it was killed
    out_of_memory: bool = False


class Child:
    """A running submission: the connection to it, and how to end it."""

    def __init__(self, template: "Template", generation: int, number: int, connection: socket.socket) -> None:
        self.connection = connection
        self._template = template
        self._generation = generation
        self._number = number
        self._ending: Ending | None = None

    def end(self) -> Ending:
        """Kill it with all that it started; a second time only tells how it ended."""
        if self._ending is None:
            self.connection.close()
            self._ending = self._template._end(self._generation, self._number)
        return self._ending


class Template:
    """The warm process, as a context manager. Its methods may be called from several threads."""

    def __init__(
        self, limits: Limits, *, sandboxed: bool = True, user: int | None = None, line: socket.socket | None = None
    ) -> None:
        """``user``: without a sandbox, who submissions run as; only root may name somebody else.

        ``line`` leads to a nursery, from which the warm process is forked as long as that is there.
        """
        self.limits = limits
        self.sandboxed = sandboxed
        self.user = user
        self.layers: dict[str, str] = {}
        self.generation = 0
        self._line = line
        self._closed = False
        self._lock = threading.Lock()
        self._folder: tempfile.TemporaryDirectory | None = None  # where this process may write
        self._process: subprocess.Popen | nursery.Hatched | None = None
        self._control: socket.socket | None = None

    def __enter__(self) -> Self:
        with self._lock:
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True  # a thread that still grades may not start another
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
                self._stop()  # one that does not answer is of no use
                raise TemplateDied(f"the sandbox's warm process failed: {error}") from error

    def restart(self, generation: int) -> None:
        """Start again, unless another thread has done so since ``generation``. Raises ``TemplateDied`` when closed."""
        with self._lock:
            if self._closed:
                raise TemplateDied("the run has ended")
            if self.generation == generation:
                self._stop()
                self._start()

    def _end(self, generation: int, number: int) -> Ending:
        with self._lock:
            if generation != self.generation:
                return Ending(known=False)  # the template it belonged to is gone, and with it all its children
            try:
                answer = self._ask({"do": "kill", "child": number})
                return Ending(True, int(answer["status"]), bool(answer["out_of_memory"]))
            except (wire.WireError, OSError, KeyError):
                self._stop()  # the next ``spawn`` will say so
                return Ending(known=False)

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
                "submissions can be contained on Linux only; grade in a Linux machine or container"
                " (docs/container.md), or add --no-sandbox if you trust every one of them"
            )
        self._folder = tempfile.TemporaryDirectory(prefix="qlab-", ignore_cleanup_errors=True)
        options = {
            "folder": self._folder.name,
            "sandboxed": self.sandboxed,
            "user": self.user,
            "limits": dataclasses.asdict(self.limits),
            "visible": visible_paths(),
            "masked": masked_paths(),
            "cores": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [],
        }
        with tempfile.TemporaryFile() as complaints:
            self._process, self._control = self._warm_process(options, complaints)
            self.generation += 1
            try:
                answer, _ = wire.receive(self._control, max_body=0, deadline=time.monotonic() + nursery.START_S)
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
        self.layers = answer["layers"]

    def _warm_process(
        self, options: dict[str, Any], complaints: IO[bytes]
    ) -> tuple[subprocess.Popen | nursery.Hatched, socket.socket]:
        """With its control socket: from the nursery, or by itself."""
        if self._line is not None and (hatched := nursery.hatch(self._line, options)) is not None:
            return hatched
        ours, theirs = socket.socketpair()
        with theirs:
            return nursery.start_clean("autograder.template", options, theirs, log=complaints), ours

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
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def visible_paths() -> list[str]:
    """What a submission may read: the interpreter's prefixes, installed packages, and qlab_helpers wherever it lies."""
    site = [path for path in sys.path if path.endswith(("site-packages", "dist-packages", "lib-dynload"))]
    prefixes = [sys.prefix, sys.base_prefix, sys.exec_prefix]
    libraries = [f"{prefix}/{folder}" for prefix in prefixes for folder in ("lib", "lib64")]
    return [*libraries, f"{sys.prefix}/pyvenv.cfg", *site, str(_package(qlab_helpers))]


def masked_paths() -> list[str]:
    """Empty folders in their place: expected outputs, which would be full marks for the visible cases; the grader."""
    folders = [_package(qlab_helpers) / "reference"]
    grader = Path(__file__).resolve().parent
    if any(grader.is_relative_to(path) for path in visible_paths()):  # installed, not run from a checkout
        folders.append(grader)
    return [str(folder) for folder in folders if folder.is_dir()]


def _package(module: ModuleType) -> Path:
    return Path(str(module.__file__)).resolve().parent
