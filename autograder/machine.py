"""What the kernel and the machine give for containing submissions, found out by trying.

``try_kernel`` starts a small process, which tries each wall in a fork of itself and leaves nothing behind; the rest
reads what the system says about itself.
"""

import contextlib
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TRIES_S = 60.0


@dataclass(frozen=True)
class Kernel:
    """``refused`` has, for each wall that the kernel does not give, its reason; an empty text where it does."""

    refused: dict[str, str]  # "user", "pid", "mount", "net" namespace, "seccomp"
    landlock_abi: int  # 0: none


@dataclass(frozen=True)
class Cgroup:
    version: int  # 0: none
    path: str
    writable: bool


def try_kernel() -> Kernel:
    """Try each wall in a process of its own. Linux only."""
    root = str(Path(__file__).resolve().parent.parent)
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {root!r}); import autograder.machine as m; m.main()",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TRIES_S, check=True)
        found = json.loads(done.stdout)
        return Kernel(found["refused"], found["landlock_abi"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        reason = f"could not be tried ({type(error).__name__})"
        return Kernel(dict.fromkeys(("user", "pid", "mount", "net", "seccomp"), reason), 0)


def main() -> None:
    from autograder import landlock
    from autograder import namespaces as ns

    own = 0 if os.geteuid() == 0 else ns.CLONE_NEWUSER  # root makes the others without a user namespace
    flags = {"pid": ns.CLONE_NEWPID, "mount": ns.CLONE_NEWNS, "net": ns.CLONE_NEWNET}
    refused = {"user": _try(_enter_user_namespace)}
    refused |= {name: _try(lambda flag=flag: ns.unshare(own | flag)) for name, flag in flags.items()}
    refused["seccomp"] = _try(_filter_calls)
    print(json.dumps({"refused": refused, "landlock_abi": landlock.version()}))


def cgroup(self_cgroup: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")) -> Cgroup:
    """The control group of this process, and whether it may make others in it."""
    try:
        lines = self_cgroup.read_text().splitlines()
    except OSError:
        return Cgroup(0, "", False)
    own = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), None)
    if own is None or not (mount / "cgroup.controllers").is_file():
        return Cgroup(1 if lines else 0, "", False)
    folder = mount / own.lstrip("/")
    return Cgroup(2, own, os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK))


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_mib(root: Path = Path("/")) -> int | None:
    """Of the machine, or what a control group leaves of it; None where the system does not say."""
    found = []
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # "max" is no number
            found.append(int((root / "sys/fs/cgroup" / name).read_text()))
    return min(found) >> 20 if found else None


def forbidding_settings(root: Path = Path("/")) -> list[str]:
    """Commands that allow user namespaces where a setting of the kernel forbids them."""
    wanted = {
        "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),  # Ubuntu 23.10 and later
        "kernel.unprivileged_userns_clone": ("0", "1"),  # Debian
        "user.max_user_namespaces": ("0", "10000"),
    }
    found = []
    for name, (bad, good) in wanted.items():
        with contextlib.suppress(OSError):
            if (root / "proc/sys" / name.replace(".", "/")).read_text().strip() == bad:
                found.append(f"sudo sysctl {name}={good}")
    return found


def _try(action: Callable[[], None]) -> str:
    """Why ``action`` fails in a fork of this process; "" when it does not."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            action()
            status = 0
        except OSError as error:
            os.write(writing, os.strerror(error.errno).encode() if error.errno else str(error).encode())
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        reason = pipe.read().decode(errors="replace")
    _, status = os.waitpid(process, 0)
    return "" if status == 0 else reason or "failed"


def _enter_user_namespace() -> None:
    from autograder import namespaces as ns

    uid, gid = os.geteuid(), os.getegid()
    ns.unshare(ns.CLONE_NEWUSER)
    ns.map_user(inside=uid, outside_uid=uid, outside_gid=gid)


def _filter_calls() -> None:
    """Install the filter, then do what it refuses and any process may do without it."""
    from autograder import filters
    from autograder import namespaces as ns

    if not filters.supported():
        raise OSError(f"there is no filter for {os.uname().machine}, or the kernel has none")
    ns.prctl(ns.PR_SET_NO_NEW_PRIVS, 1)
    filters.install()
    try:
        ns.unshare(0)
    except OSError as error:
        if error.errno == errno.EPERM:
            return
        raise
    raise OSError("the filter lets through what it should refuse")
