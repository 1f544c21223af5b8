"""Landlock: a second wall around files, TCP and signals, drawn by the process itself, which cannot take it down again.

The namespaces already hide what a submission may not see; this holds where a flaw of theirs would show it. Thin over
three system calls, the same on every processor: the binding on PyPI knows neither the rights on TCP nor the scopes.
"""

import ctypes
import os
import struct
from collections.abc import Sequence

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION = 1  # flag of CREATE_RULESET: only tell the version
PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
TRUNCATE, IOCTL_DEVICE = 1 << 14, 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE  # all others are rights on folders
USE_DEVICE = WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
#: How many rights on files, of TCP, and scopes (abstract sockets, signals) a version of the kernel's interface has.
KNOWN = {1: (13, 0, 0), 2: (14, 0, 0), 3: (15, 0, 0), 4: (15, 2, 0), 5: (16, 2, 0), 6: (16, 2, 2)}

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Of the kernel's interface; 0 where there is none."""
    return max(0, _libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(VERSION)))


def restrict(*, readable: Sequence[str], writable: Sequence[str], devices: Sequence[str]) -> None:
    """From now on this process and all that it starts have these folders and files, no TCP, and no signals for others.

    Needs no_new_privs; nothing happens where the kernel has no Landlock. Raises ``OSError``.
    """
    known = KNOWN.get(min(version(), max(KNOWN)))
    if known is None:
        return
    everything, tcp, scopes = ((1 << count) - 1 for count in known)
    rules = struct.pack("QQQ", everything, tcp, scopes)[: 8 * (1 + (tcp > 0) + (scopes > 0))]
    ruleset = _call(CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), ctypes.c_uint(0))
    try:
        for rights, paths in ((READ, readable), (everything, writable), (USE_DEVICE, devices)):
            for path in paths:
                _allow(ruleset, path, rights & everything & (-1 if os.path.isdir(path) else OF_FILES))
        _call(RESTRICT_SELF, ruleset, ctypes.c_uint(0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _call(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, descriptor), ctypes.c_uint(0))
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    result = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock: {os.strerror(error)}")
    return result
