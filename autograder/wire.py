"""Framed messages over a Unix socket: a JSON header and a body of bytes, both bounded before they are read.

Both sides of the sandbox use it. The trusted side takes every header for hostile: it is parsed as plain JSON, its size
and the body's are checked first, and each read has a deadline.
"""

import json
import socket
import struct
import time
from typing import Any

PREFIX = struct.Struct("<II")
MAX_HEADER = 1 << 18
CHUNK = 1 << 20


class WireError(RuntimeError):
    """The other side closed the connection, or sent what no honest side sends."""


class WireTimeout(WireError):
    """Nothing, or not all of a message, came before the deadline."""


def send(
    connection: socket.socket, header: dict[str, Any], body: bytes = b"", *, deadline: float | None = None
) -> None:
    """Raises ``WireError`` when the other side is gone, or does not read until ``deadline`` (of ``time.monotonic``)."""
    text = json.dumps(header).encode()
    try:
        _set_timeout(connection, deadline)
        connection.sendall(PREFIX.pack(len(text), len(body)) + text + body)
    except TimeoutError as error:
        raise WireTimeout("not read in time") from error
    except OSError as error:
        raise WireError(f"connection lost: {error}") from error


def receive(connection: socket.socket, *, max_body: int, deadline: float | None = None) -> tuple[dict[str, Any], bytes]:
    """The next message. Raises ``WireTimeout`` at the deadline, ``WireError`` for anything else that is wrong."""
    header_size, body_size = PREFIX.unpack(_read(connection, PREFIX.size, deadline))
    if header_size > MAX_HEADER or body_size > max_body:
        raise WireError(f"message of {header_size} + {body_size} bytes is too large")
    content = _read(connection, header_size + body_size, deadline)
    body = content[header_size:]
    try:
        header = json.loads(content[:header_size])
    except (ValueError, RecursionError) as error:
        raise WireError("header is not JSON") from error
    if not isinstance(header, dict):
        raise WireError("header is not an object")
    return header, body


def _read(connection: socket.socket, size: int, deadline: float | None) -> bytes:
    parts = []
    while size:
        try:
            _set_timeout(connection, deadline)
            part = connection.recv(min(size, CHUNK))
        except TimeoutError as error:
            raise WireTimeout("no answer in time") from error
        except OSError as error:
            raise WireError(f"connection lost: {error}") from error
        if not part:
            raise WireError("connection closed")
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _set_timeout(connection: socket.socket, deadline: float | None) -> None:
    if deadline is None:
        if connection.gettimeout() is not None:
            connection.settimeout(None)
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)
