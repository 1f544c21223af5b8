"""The Linux calls that Python 3.11 lacks: namespaces, mounts, capabilities. Thin, and each raises ``OSError``.

They are called by ctypes in a process that is about to run untrusted code; nothing of the course uses them.
"""

import ctypes
import os
import signal
from pathlib import Path

CLONE_CHILD_SETTID = 0x01000000
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MS_REC, MS_PRIVATE = 16384, 1 << 18
MNT_DETACH = 2

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_GET_TID_ADDRESS = 1, 4, 24, 38, 40
CLONE = {"x86_64": 56, "aarch64": 220}
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
KEYCTL = {"x86_64": 250, "aarch64": 219}
KEYCTL_JOIN_SESSION_KEYRING = 1
MOUNT_SETATTR = 442  # the same on every processor
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID = 1, 2
CAPABILITY_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3

_libc = ctypes.CDLL(None, use_errno=True)
_libc_in_python = ctypes.PyDLL(None, use_errno=True)  # keeps the interpreter's lock, which a fork must have


def unshare(flags: int) -> None:
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def fork_into(flags: int) -> int:
    """``os.fork``, but the child begins in new namespaces, as the first process of a new pid namespace.

    To ``unshare`` and fork takes a process more, and with torch imported each costs 10 ms of a core. Only for a process
    with one thread: what other libraries have asked to be done at a fork is left out.
    """
    number, python = CLONE[os.uname().machine], ctypes.pythonapi
    flags, address = flags | signal.SIGCHLD, ctypes.c_void_p()
    if _libc.prctl(PR_GET_TID_ADDRESS, ctypes.byref(address), 0, 0, 0) == 0:  # glibc keeps the thread's number there
        flags |= CLONE_CHILD_SETTID
    last = (address, None) if os.uname().machine == "x86_64" else (None, address)
    python.PyOS_BeforeFork()
    child = _libc_in_python.syscall(ctypes.c_long(number), ctypes.c_ulong(flags), None, None, *last)
    error = ctypes.get_errno()
    if child == 0:
        python.PyOS_AfterFork_Child()
        return 0
    python.PyOS_AfterFork_Parent()
    if child < 0:
        raise OSError(error, f"clone: {os.strerror(error)}")
    return child


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    arguments = (source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())
    _check(_libc.mount(*arguments), f"mount {target}")


def mount_tmpfs(target: str, *, size_mib: int, mode: str = "0755", read_only: bool = False) -> None:
    flags = MS_NOSUID | MS_NODEV | (MS_RDONLY if read_only else 0)
    mount("tmpfs", target, "tmpfs", flags, f"size={size_mib}m,nr_inodes=16384,mode={mode}")


def bind_read_only(source: str, target: str) -> None:
    """Show ``source`` at ``target``, which exists, and let nobody write there."""
    mount(source, target, "none", MS_BIND | MS_REC)
    # With all that is mounted below it, where the kernel can (5.12).
    attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0, 0, 0)
    arguments = (ctypes.c_int(AT_FDCWD), target.encode(), ctypes.c_uint(AT_RECURSIVE), ctypes.byref(attributes))
    if _libc.syscall(ctypes.c_long(MOUNT_SETATTR), *arguments, ctypes.c_size_t(32)) == 0:
        return
    # A remount must keep the flags that the source's own mount is locked to.
    kept = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("none", target, "none", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | kept)


def bind_device(source: str, target: str) -> None:
    mount(source, target, "none", MS_BIND)


def make_mounts_private() -> None:
    mount("none", "/", "none", MS_REC | MS_PRIVATE)


def enter_root(new_root: str) -> None:
    """Make ``new_root``, a mount of its own, the root, read-only; the old root is gone."""
    old = f"{new_root}/.old"
    Path(old).mkdir()
    number = PIVOT_ROOT[os.uname().machine]
    _check(_libc.syscall(ctypes.c_long(number), new_root.encode(), old.encode()), "pivot_root")
    os.chdir("/")
    _check(_libc.umount2(b"/.old", MNT_DETACH), "umount2")
    Path("/.old").rmdir()
    mount("none", "/", "none", MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)


def map_user(*, inside: int, outside_uid: int, outside_gid: int) -> None:
    """In a new user namespace: be the user ``inside``, who is ``outside_uid`` to everybody else."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inside} {outside_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{inside} {outside_gid} 1")


def drop_capabilities() -> None:
    """Give up every capability for good, also those that a new program would bring."""
    for capability in range(64):
        if _libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) != 0:
            break  # past the last one that this kernel knows, or not allowed: then there are none to drop
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(ctypes.byref(header), ctypes.byref(nothing)), "capset")


def leave_session_keyring() -> None:
    """Take a new, empty one: keys of the grader's login are not to be read. Nothing happens where there are none."""
    number = KEYCTL.get(os.uname().machine)
    if number is not None:
        _libc.syscall(ctypes.c_long(number), ctypes.c_long(KEYCTL_JOIN_SESSION_KEYRING), None)


def prctl(option: int, value: int, more: int = 0) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(more), 0, 0), "prctl")


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
