"""The nursery's own process: it warms up, and forks a warm process whenever one is asked for.

It holds no secret, no answer and no submission, so none of those that it forks has any of another's.
"""

import contextlib
import json
import os
import select
import socket
from typing import NoReturn

from IPython.core.interactiveshell import InteractiveShell

from autograder import memory
from autograder.nursery import CONTROL, MAX_OPTIONS
from autograder.template import be_warm, warm_up

MAX_FILES = 4096


def main() -> NoReturn:
    """New lines come over the control socket, and options of a process over a line.

    When the control socket is closed it waits for what it has forked, which ends with its own, and ends.
    """
    shell = warm_up()
    memory.make_forks_cheap()
    lines = {CONTROL: socket.socket(fileno=CONTROL)}
    waiting = select.poll()
    waiting.register(CONTROL, select.POLLIN)
    while True:
        for number, _ in waiting.poll():
            message, descriptors = _received(lines[number])
            if not message and number == CONTROL:
                with contextlib.suppress(ChildProcessError):
                    while True:
                        os.wait()
                os._exit(0)
            elif not message:
                waiting.unregister(number)
                lines.pop(number).close()
            elif number == CONTROL:
                lines[descriptors[0]] = socket.socket(fileno=descriptors[0])
                waiting.register(descriptors[0], select.POLLIN)
            else:
                _fork(lines[number], message, descriptors[0], shell)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _received(line: socket.socket) -> tuple[bytes, list[int]]:
    """Nothing where the other side is gone, also when it went without having read its answer."""
    try:
        message, descriptors, _, _ = socket.recv_fds(line, MAX_OPTIONS, 1)
    except OSError:
        return b"", []
    return message, descriptors


def _fork(line: socket.socket, message: bytes, control: int, shell: InteractiveShell) -> None:
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            os.dup2(control, CONTROL)
            os.closerange(CONTROL + 1, MAX_FILES)  # the lines of others among them
            options = json.loads(message)
            os.environ["HOME"] = options["folder"]
            be_warm(options, shell)
        finally:
            os._exit(0)
    os.close(control)
    held = os.pidfd_open(child)
    try:
        with contextlib.suppress(OSError):  # who asked is gone, and with them the control socket: the child ends, too
            socket.send_fds(line, [json.dumps({"pid": child}).encode()], [held])
    finally:
        os.close(held)
