"""Look into a zip file that a student handed in, and into a zip inside it. Nothing is written to disk.

Sizes that an archive claims are not believed: what is read is counted. Nothing is extracted, so a member called
``../../x`` is a name like any other. Only the two compressions that everybody's tools write are opened; the others can
ask for gigabytes before the first byte.
"""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

SIGNATURE = b"PK\x03\x04"
MAX_ARCHIVE_BYTES = 500 * 2**20  # a handed-in folder may hold its data set
MAX_MEMBERS = 20_000
MAX_INNER = 5  # archives inside one archive
MAX_INNER_BYTES = 50 * 2**20
MAX_DEPTH = 2
BLOCK = 2**20
ENTRY = b"PK\x01\x02"  # begins every entry of an archive's directory
READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: Whatever zipfile answers to bytes that are no archive, or only half of one.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    LookupError,
    OverflowError,
)


class BadArchive(ValueError):
    """An archive that is not opened; the message says why, to follow its name."""


@dataclass(frozen=True)
class Member:
    """A file in an archive. ``inside``: its name, after that of the archive in the archive if it is there."""

    inside: tuple[str, ...]
    changed: tuple[int, ...]  # year, month, day, hour, minute, second, as the student's machine wrote it

    @property
    def parts(self) -> tuple[str, ...]:
        """Folders and file names, outermost first; some tools write Windows' separator."""
        return tuple(part for name in self.inside for part in PurePosixPath(name.replace("\\", "/")).parts)


def is_archive(path: Path) -> bool:
    """Whether the file begins like a zip file, whatever its name."""
    try:
        with path.open("rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False


def list_members(path: Path) -> list[Member]:
    """The files of an archive and of archives in it, hidden ones left out. Raises ``BadArchive``."""
    with path.open("rb") as file:
        return _list(file, depth=1)


def read_member(path: Path, inside: tuple[str, ...], *, max_bytes: int) -> bytes:
    """A member, of a large one ``max_bytes + 1`` bytes, so that the caller sees it. Raises ``BadArchive``."""
    with path.open("rb") as file:
        source: IO[bytes] = file
        for name in inside[:-1]:
            source = io.BytesIO(_read(source, name, max_bytes=MAX_INNER_BYTES))
        return _read(source, inside[-1], max_bytes=max_bytes)


def _list(file: IO[bytes], *, depth: int) -> list[Member]:
    members, inner = [], []
    with _opened(file) as archive:
        entries = {info.filename: info for info in archive.infolist() if _is_file(info)}  # the last of a name counts
        for name, info in entries.items():
            member = Member((name,), tuple(info.date_time))
            if any(part.startswith((".", "~", "__MACOSX")) and part != ".." for part in member.parts):
                continue
            (inner if name.lower().endswith(".zip") else members).append(member)
    for one in inner[:MAX_INNER] if depth < MAX_DEPTH else ():
        try:
            content = _read(file, one.inside[0], max_bytes=MAX_INNER_BYTES)
            found = _list(io.BytesIO(content), depth=depth + 1) if len(content) <= MAX_INNER_BYTES else []
        except BadArchive:
            continue  # one that is damaged does not hide its neighbours
        members += [Member((*one.inside, *member.inside), member.changed) for member in found]
    return members


def _read(file: IO[bytes], name: str, *, max_bytes: int) -> bytes:
    with _opened(file) as archive:
        info = archive.getinfo(name)
        if info.flag_bits & 1:
            raise BadArchive("is locked with a password")
        if info.compress_type not in READABLE:
            raise BadArchive("is compressed in a way that is not read")
        with archive.open(info) as member:
            return member.read(max_bytes + 1)


@contextmanager
def _opened(file: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """The archive, if its directory is one that fits into memory."""
    try:
        _check_size(file)
        with zipfile.ZipFile(file) as archive:
            yield archive
    except BadArchive:
        raise
    except BROKEN as error:
        raise BadArchive("is a damaged zip file") from error


def _check_size(file: IO[bytes]) -> None:
    """Count the entries of the directory before zipfile makes an object of each: the count that it states may lie."""
    file.seek(0)
    total, entries, tail = 0, 0, b""
    while block := file.read(BLOCK):
        total += len(block)
        entries += (tail + block).count(ENTRY)
        tail = block[-len(ENTRY) + 1 :]
        if total > MAX_ARCHIVE_BYTES or entries > MAX_MEMBERS:
            raise BadArchive("is a zip file far larger than a notebook")
    file.seek(0)


def _is_file(info: zipfile.ZipInfo) -> bool:
    """Not a folder; not a link, whose content would be the name of something else."""
    return bool(info.filename) and not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16)
