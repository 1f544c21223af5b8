"""The processes of a run, and which of them are multiprocessing's own."""

from collections.abc import Iterable

import psutil

SERVERS = ("resource_tracker", "forkserver")  # they end with the process that started them


def workers_of(parent: psutil.Process) -> list[psutil.Process]:
    """The processes that grade: multiprocessing's server forks them."""
    servers = [child for child in parent.children() if "forkserver" in _command(child)]
    return [child for server in servers for child in server.children()]


def without_servers(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if not any(name in _command(process) for name in SERVERS)]


def _command(process: psutil.Process) -> str:
    return " ".join(process.cmdline())
