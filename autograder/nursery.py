"""A process that has imported and practised what every submission needs, from which warm processes are forked.

Starting one of these (template.py) takes seconds of a core, nearly all of them for imports. A nursery takes them once
for all that a class needs, and while the grader is still importing itself: so this module imports little. What is
forked from it (hatchery.py) is as apart as if it had been started anew: a nursery has nothing of the grader's, and
reads nothing but the options of those that it forks.
"""

import contextlib
import json
import multiprocessing
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from multiprocessing import forkserver
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import matplotlib

CONTROL = 3  # descriptor of its control socket, in a nursery and in a warm process
START_S = 300.0  # a cold import of torch on a busy machine
END_S = 5.0
MAX_OPTIONS = 65536
SMALL = 12  # submissions to a process; with fewer, its start takes longer than it saves
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")


class Nursery:
    """Use as a context manager. It ends with the process that started it, after all that it has forked."""

    def __enter__(self) -> Self:
        """Returns at once: it warms up while others do something else."""
        self._folder = tempfile.TemporaryDirectory(prefix="qlab-", ignore_cleanup_errors=True)
        self._control, theirs = socket.socketpair()
        self._asked = False
        with theirs:
            self._process = start_clean("autograder.hatchery", {"folder": self._folder.name}, theirs)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=END_S if self._asked else 0)  # it may still be warming up, for nobody
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def line(self) -> socket.socket:
        """A connection over which warm processes can be asked for, from this process or another."""
        self._asked = True
        ours, theirs = socket.socketpair()
        with theirs, contextlib.suppress(OSError):  # it has ended: then the line is dead, and whoever asks will see
            socket.send_fds(self._control, [b"{}"], [theirs.fileno()])
        return ours


@contextmanager
def warming(submissions: Path, jobs: int) -> Iterator[Nursery]:
    """A nursery for a class, and for a large one what its processes need, imported in the one that forks them.

    Both are ready about when the caller has imported what it needs itself.
    """
    with Nursery() as nursery:
        enough = 2 * SMALL  # for two processes
        if jobs > 1 and submissions.is_dir() and len(list(islice(submissions.iterdir(), enough))) == enough:
            prepare_processes()
        yield nursery


def prepare_processes() -> None:
    """Have what the processes of a class need imported in the one that forks them, unless that runs already."""
    multiprocessing.set_forkserver_preload(["autograder.preload"])
    forkserver.ensure_running()


class Hatched:
    """A warm process that a nursery has forked; not our child, so it is held by a descriptor."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self._descriptor = descriptor

    def wait(self, timeout: float | None = None) -> None:
        """Raises ``subprocess.TimeoutExpired``."""
        ended = select.poll()
        ended.register(self._descriptor, select.POLLIN)
        if not ended.poll(None if timeout is None else timeout * 1000):
            raise subprocess.TimeoutExpired("warm process", timeout or 0.0)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def __del__(self) -> None:
        os.close(self._descriptor)


def hatch(line: socket.socket, options: dict[str, Any]) -> tuple[Hatched, socket.socket] | None:
    """A warm process and its control socket; None when the nursery is not there any more, or cannot fork any here."""
    if not hasattr(os, "pidfd_open"):
        return None  # not Linux
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            line.settimeout(START_S)
            socket.send_fds(line, [json.dumps(options).encode()], [theirs.fileno()])
            answer, [descriptor], _, _ = socket.recv_fds(line, MAX_OPTIONS, 1)
        except (OSError, ValueError):
            ours.close()  # so one that was forked nevertheless ends
            return None
    return Hatched(int(json.loads(answer)["pid"]), descriptor), ours


def start_clean(
    module: str, options: dict[str, Any], control: socket.socket, *, log: int | IO[bytes] = subprocess.DEVNULL
) -> subprocess.Popen:
    """Run ``main`` of ``module`` in a process that has nothing of the grader's but ``control``.

    ``options["folder"]`` is an empty one, to be its home; ``log`` takes what it complains of.
    """
    code = (
        f"import os; os.dup2({control.fileno()}, {CONTROL})\n"
        "from autograder.garbage import no_garbage\n"
        f"with no_garbage(): from {module} import main\n"
        "main()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(options)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=log,
        pass_fds=[control.fileno()],
        cwd="/",
        env=_environment(options["folder"]),
        start_new_session=True,  # the grader's Ctrl-C is not theirs
    )


def _environment(home: str) -> dict[str, str]:
    """Nothing of the grader's but what a program needs to start."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    checkout = str(Path(__file__).resolve().parent.parent)
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
    fonts = {"MPLCONFIGDIR": matplotlib.get_cachedir()}  # its list of fonts takes seconds to make
    return {**kept, **threads, **fonts, "PYTHONPATH": checkout, "CUDA_VISIBLE_DEVICES": "", "HOME": home}
