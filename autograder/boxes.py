"""The walls around submissions: a read-only root with the Python environment alone, namespaces, privileges, limits.

The outer box is entered once, by the warm process; the inner one by each submission's process.
"""

import contextlib
import os
import resource
import signal
from pathlib import Path
from typing import Any

from autograder import filters, landlock
from autograder import namespaces as ns

NOBODY = 65534
STUDENT = 1000  # user id that a submission sees
SYSTEM_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.conf")
DEVICES = ("null", "zero", "random", "urandom")
SCRATCH = ("/tmp", "/dev/shm")  # private to each submission
SCRATCH_MIB = 64  # of each
OPEN_FILES = 256
INNER_NAMESPACES = (
    ns.CLONE_NEWUSER | ns.CLONE_NEWNS | ns.CLONE_NEWPID | ns.CLONE_NEWIPC | ns.CLONE_NEWNET | ns.CLONE_NEWUTS
)


def enter_outer_box(visible: list[str], masked: list[str], *, new_root: str) -> dict[str, str]:
    """Own namespaces, a new root, an unprivileged user. Returns in a new process; says what is active.

    ``visible`` paths are ``outermost`` ones; ``masked`` ones are shown as empty folders. ``new_root`` is made; it stays
    empty for everybody else.
    Everything that needs the real root's rights to be seen is mounted before they are given up. Raises ``OSError``.
    """
    root = os.geteuid() == 0
    flags = ns.CLONE_NEWNS | ns.CLONE_NEWPID | ns.CLONE_NEWIPC | ns.CLONE_NEWNET | ns.CLONE_NEWUTS
    uid, gid = os.geteuid(), os.getegid()
    os.umask(0o022)  # a stricter one would make folders that a submission cannot enter
    os.mkdir(new_root)
    ns.unshare(flags if root else flags | ns.CLONE_NEWUSER)
    if not root:
        ns.map_user(inside=uid, outside_uid=uid, outside_gid=gid)
    first = os.fork()  # a new pid namespace begins with the next child
    if first != 0:
        os.closerange(3, OPEN_FILES)
        _, status = os.waitpid(first, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    ns.prctl(ns.PR_SET_PDEATHSIG, signal.SIGKILL)
    ns.make_mounts_private()
    _build_root(new_root, visible, masked)
    ns.enter_root(new_root)
    ns.leave_session_keyring()
    if root:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        ns.prctl(ns.PR_SET_DUMPABLE, 1)  # lost with the user id; without it no child may map its user
    ns.prctl(ns.PR_SET_PDEATHSIG, signal.SIGKILL)  # also lost with it
    return {
        "namespaces": "user, mount, pid, ipc, net, uts",
        "files": "read-only view of the Python environment",
        "user": "nobody" if root else "the grader's own, without capabilities",
        "memory": "address space of each process; resident memory of all, watched",
        "system calls": "filtered" if filters.supported() else "not filtered",
        "Landlock": "files, TCP and signals, as far as the kernel has it" if landlock.version() else "none",
    }


def become(user: int, *, visible: list[str], folder: str) -> dict[str, str]:
    """The walls that need no namespaces, for this process and its children: root becomes ``user``, for good.

    ``folder`` is given to that user. Says what is active. Raises ``OSError``.
    """
    os.chown(folder, user, user)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    ns.prctl(ns.PR_SET_PDEATHSIG, signal.SIGKILL)
    ns.prctl(ns.PR_SET_NO_NEW_PRIVS, 1)
    ns.drop_capabilities()
    readable = [path for path in (*SYSTEM_FOLDERS, "/etc", "/proc", "/sys", *visible) if os.path.exists(path)]
    landlock.restrict(readable=readable, writable=[folder, "/dev/shm"], devices=["/dev"])
    filters.install(families=filters.NO_NETWORK)
    contained = landlock.version() > 0
    return {
        "namespaces": "none: this machine does not allow them",
        "user": f"{user}, who may read nothing of the course",
        "files": "view of the Python environment" if contained else "what every user of the container may read",
        "network": "none" if filters.supported() else "that of the container",
        "memory": "address space of each process",
        "system calls": "filtered" if filters.supported() else "not filtered",
        "Landlock": "files, TCP and signals, as far as the kernel has it" if contained else "none",
    }


def enter_inner_box(visible: list[str], *, uid: int, gid: int) -> None:
    """In the first process of a submission's namespaces: an unprivileged user, fresh and bounded /tmp and /dev/shm, a
    /proc of this namespace only, and no user namespaces from here on.

    ``uid`` and ``gid`` are those of the process that forked this one. What the new /tmp would hide of the Python
    environment is shown there again. Raises ``OSError``.
    """
    ns.map_user(inside=STUDENT, outside_uid=uid, outside_gid=gid)
    for folder in SCRATCH:
        ns.mount_tmpfs(folder, size_mib=SCRATCH_MIB, mode="1777")
    for number, path in enumerate(_in_scratch(visible)):
        _show(f"/.kept/{number}", path)
    ns.mount("proc", "/proc", "proc", ns.MS_NOSUID | ns.MS_NODEV | ns.MS_NOEXEC)
    with contextlib.suppress(OSError):  # an extra: capabilities are gone anyway
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
    os.chdir("/tmp")


def give_up_privileges(*, sandboxed: bool) -> None:
    """For good. Raises ``OSError``."""
    if sandboxed:
        ns.prctl(ns.PR_SET_NO_NEW_PRIVS, 1)
        ns.drop_capabilities()
        landlock.restrict(readable=["/"], writable=SCRATCH, devices=["/dev"])
        filters.install()


def limit_resources(limits: dict[str, Any]) -> None:
    bounds = {
        resource.RLIMIT_NPROC: limits["processes"],
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_FSIZE: SCRATCH_MIB * 2**20,
        resource.RLIMIT_CORE: 0,
        # Wall-clock deadlines come from outside; this is for what might escape them.
        resource.RLIMIT_CPU: int(2 * limits["notebook_s"]) + 1,
    }
    statm = Path("/proc/self/statm")
    if statm.exists():  # torch alone maps gigabytes that it never touches
        mapped = int(statm.read_text().split()[0]) * resource.getpagesize()
        bounds[resource.RLIMIT_AS] = mapped + limits["memory_mib"] * 2**20
    if os.getuid() == 0:  # unsandboxed as root: the limit on processes would count the whole machine's
        del bounds[resource.RLIMIT_NPROC]
    for kind, bound in bounds.items():
        _, hard = resource.getrlimit(kind)
        bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(kind, (bound, bound))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # if memory runs out, this goes first


def outermost(paths: list[str]) -> list[str]:
    """Existing paths, none inside another; links are followed where they are shown, not here."""
    existing = sorted({os.path.normpath(path) for path in paths if os.path.exists(path)})
    return [path for path in existing if not any(path.startswith(f"{other}/") for other in existing)]


def _build_root(new_root: str, visible: list[str], masked: list[str]) -> None:
    ns.mount_tmpfs(new_root, size_mib=16)
    for path in outermost([*SYSTEM_FOLDERS, *visible]):
        _show(path, f"{new_root}{path}")
    for path in masked:
        ns.mount_tmpfs(f"{new_root}{path}", size_mib=1, read_only=True)
    for number, path in enumerate(_in_scratch(visible)):
        _show(f"{new_root}{path}", f"{new_root}/.kept/{number}")  # with what is masked in it
    for folder in (*SCRATCH, "/proc"):
        os.makedirs(f"{new_root}{folder}", exist_ok=True)
    for name in DEVICES:
        Path(f"{new_root}/dev/{name}").touch()
        ns.bind_device(f"/dev/{name}", f"{new_root}/dev/{name}")
    ns.mount("proc", f"{new_root}/proc", "proc", ns.MS_NOSUID | ns.MS_NODEV | ns.MS_NOEXEC)


def _in_scratch(visible: list[str]) -> list[str]:
    """Those of the ``outermost`` paths that a private /tmp would hide."""
    return [path for path in visible if path.startswith(tuple(f"{folder}/" for folder in SCRATCH))]


def _show(path: str, target: str) -> None:
    """The same thing, read-only, at ``target``."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(path):  # /lib -> usr/lib
        os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        Path(target).touch()
    ns.bind_read_only(path, target)
