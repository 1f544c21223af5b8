"""Memory inside the sandbox: cheap forks of a large process, and a watch over all processes of a submission."""

import contextlib
import ctypes
import gc
import os
import resource
from pathlib import Path

HUGE_PAGE = 2 << 20
MADV_COLLAPSE = 25  # Linux 6.1


def make_forks_cheap() -> None:
    """Put this process's memory into huge pages, where the kernel can.

    A fork copies the page table, not the memory: with torch imported that is 100,000 small pages and 25 ms of a core,
    or 200 huge ones and 4 ms. A submission takes about twenty forks.
    """
    gc.collect()
    gc.freeze()  # no later collection touches these objects, which would copy their pages in every child
    try:
        maps = Path("/proc/self/maps").read_text().splitlines()
        madvise = ctypes.CDLL(None, use_errno=True).madvise
    except (OSError, AttributeError):
        return
    for line in maps:
        addresses, rights, _, _, _, *name = line.split(maxsplit=5)
        if rights != "rw-p" or name not in ([], ["[heap]"]):
            continue
        begin, end = (int(address, 16) for address in addresses.split("-"))
        first = -(-begin // HUGE_PAGE) * HUGE_PAGE
        for address in range(first, end - HUGE_PAGE + 1, HUGE_PAGE):
            madvise(ctypes.c_void_p(address), ctypes.c_size_t(HUGE_PAGE), MADV_COLLAPSE)  # an extra: may fail


def used_mib(process: int | str) -> float:
    """Resident memory of a process, what it shares with others included."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    except (OSError, IndexError):
        return 0.0  # it is gone


def total_mib(process: int, *, more_than: float, shared: float) -> float:
    """Memory of a process and all below it, at least. Exact when it is more than ``more_than``.

    ``shared`` is what each process had from the start. Counting what is shared exactly takes milliseconds a process,
    so it is done only when the quick sum is too high.
    """
    quick = {one: max(used_mib(one) - shared, 0.0) for one in _tree(process)}
    total = sum(quick.values())
    return total if total <= more_than else sum(_proportional_mib(one, otherwise) for one, otherwise in quick.items())


def _tree(process: int) -> list[int]:
    """``process`` and its descendants. What was orphaned is below the first process of its namespace."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError, ValueError):
            parent = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(name))
    found = [process]
    for one in found:
        found += children.get(one, ())
    return found


def _proportional_mib(process: int, otherwise: float) -> float:
    """``otherwise`` for a process that does not let others look (or has ended: then it is 0)."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss_Anon:"):
                return int(line.split()[1]) / 1024
    return otherwise
