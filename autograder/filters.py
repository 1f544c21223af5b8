"""A seccomp filter for what namespaces do not cover: system calls that no notebook needs.

Written as the few instructions of classic BPF that it is, so that nothing need be installed. The refused calls fail
with an error code, as on a kernel without them; nobody is killed for trying. In a list of what is refused, a call that
was forgotten is allowed: this is one wall behind others.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Sequence

from autograder import namespaces as ns

LOAD, JUMP_EQUAL, JUMP_GREATER_EQUAL, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
X32 = 0x40000000
PR_SET_SECCOMP, FILTER_MODE = 22, 2
LOCAL_FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: all of the submission's own network
NO_NETWORK = (1,)  # where the network is not its own

#: (audit architecture, number of socket(), numbers of the refused calls)
TABLES = {
    "x86_64": (
        0xC000003E,
        41,
        # ptrace, mount, umount2, pivot_root, swapon, reboot, init_module, delete_module, add_key, request_key, keyctl
        (101, 165, 166, 155, 167, 169, 175, 176, 248, 249, 250)
        # kexec_load, perf_event_open, setns, process_vm_readv, process_vm_writev, kcmp, finit_module, bpf, userfaultfd
        + (246, 298, 308, 310, 311, 312, 313, 321, 323)
        # unshare, io_uring_*, open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr, pidfd_getfd
        + (272, 425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 438),
    ),
    "aarch64": (
        0xC00000B7,
        198,
        (117, 40, 39, 41, 224, 142, 105, 106, 217, 218, 219)
        + (104, 241, 268, 270, 271, 272, 273, 280, 282)
        + (97, 425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 438),
    ),
}


def supported() -> bool:
    return platform.machine() in TABLES and os.path.exists("/proc/sys/kernel/seccomp/actions_avail")


def install(families: Sequence[int] = LOCAL_FAMILIES) -> None:
    """For this process and all that it starts, with sockets of these ``families``; needs no_new_privs.

    Raises ``OSError``; nothing happens where unsupported.
    """
    if not supported():
        return
    program = _program(*TABLES[platform.machine()], families)
    instructions = ctypes.create_string_buffer(program, len(program))
    described = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(instructions)))
    ns.prctl(PR_SET_SECCOMP, FILTER_MODE, ctypes.addressof(described))


def _program(architecture: int, socket: int, refused: tuple[int, ...], families: Sequence[int]) -> bytes:
    """The filter; the two numbers of a jump say how many instructions to skip when it holds, and when not."""
    refuse = _instruction(RETURN, ERRNO | errno.EPERM)
    allow = _instruction(RETURN, ALLOW)
    parts = [
        _instruction(LOAD, ARCHITECTURE),
        _instruction(JUMP_EQUAL, architecture, 1, 0),
        refuse,  # calls in the manner of another processor, which would have other numbers
        _instruction(LOAD, NUMBER),
        _instruction(JUMP_GREATER_EQUAL, X32, 0, 1),
        refuse,
    ]
    for number in refused:
        parts += [_instruction(JUMP_EQUAL, number, 0, 1), refuse]
    parts += [_instruction(JUMP_EQUAL, socket, 1, 0), allow, _instruction(LOAD, FIRST_ARGUMENT)]
    for family in families:
        parts += [_instruction(JUMP_EQUAL, family, 0, 1), allow]
    return b"".join([*parts, _instruction(RETURN, ERRNO | errno.EAFNOSUPPORT)])


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)
