"""How much memory the processes of a class take while it is graded."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

SAMPLE_EVERY_S = 10.0


@contextmanager
def watched_memory(writer: int) -> Iterator[dict[str, int]]:
    """The largest memory, in MiB, of the process that writes and of the largest one of each kind that it started.

    What processes share is divided among them (PSS).
    """
    peaks: dict[str, int] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(SAMPLE_EVERY_S):
            for process in _tree(writer):
                try:
                    kind = _kind(process, writer)
                    used = process.memory_full_info().pss if kind else 0
                except psutil.Error:
                    continue
                if kind:
                    peaks[kind] = max(peaks.get(kind, 0), used >> 20)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peaks
    finally:
        ended.set()
        watcher.join()


def _tree(pid: int) -> list[psutil.Process]:
    try:
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _kind(process: psutil.Process, writer: int) -> str:
    """ "" for a submission's processes: they come and go."""
    if process.pid == writer:
        return "writer"
    line = " ".join(process.cmdline())
    if "forkserver" in line:
        return "worker" if "forkserver" in " ".join(process.parent().cmdline()) else ""
    if "autograder.hatchery" in line:
        parents = sum("autograder.hatchery" in " ".join(one.cmdline()) for one in process.parents())
        return {0: "nursery", 2: "template"}.get(parents, "")
    return ""
