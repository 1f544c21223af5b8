"""Reading a downloaded archive: a zip, or the folder that a browser has unpacked it to.

File names and contents are the students'. Names are only ever compared, never used as paths; what is read is bounded in
number and size, each file by itself and all together, by what really comes out and not by what the archive says of it.
"""

import lzma
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from autograder.course import CourseError

MAX_ENTRIES = 50_000
MAX_TOTAL = 16 * 2**30  # bytes: a class of 800 with notebooks full of pictures has 4 GB
UTF8_NAME = 0x800  # flag of a zip entry whose name is said to be UTF-8
ENCRYPTED = 0x1


class Unreadable(CourseError):
    """One file of an archive cannot be taken; the message says why."""


@dataclass(frozen=True)
class Entry:
    """``path`` is what the archive calls it, with "/" between folders; ``key`` is for the archive itself."""

    path: str
    key: zipfile.ZipInfo | Path

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.path.split("/"))

    @property
    def name(self) -> str:
        return self.parts[-1]


@dataclass(frozen=True)
class Archive:
    """``read(entry, limit)`` gives the bytes of an entry and raises ``Unreadable``, for one above ``limit`` too."""

    name: str
    entries: tuple[Entry, ...]
    read: Callable[[Entry, int], bytes]


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """The files in ``path``, without those that computers add (``__MACOSX``, ``.DS_Store``).

    Raises ``CourseError`` for what is neither a zip nor a folder, or holds more files than a class hands in.
    """
    if path.is_dir():
        files = [one for one in sorted(path.rglob("*")) if one.is_file() and not one.is_symlink()]
        entries = [Entry(one.relative_to(path).as_posix(), one) for one in files]
        yield Archive(path.name, _kept(entries, path), _within(_read_file))
        return
    if not path.exists():
        raise CourseError(f"there is no {path}; name the zip of submissions that you downloaded")
    try:
        with zipfile.ZipFile(path) as opened:
            found = [one for one in opened.infolist() if not one.is_dir() and not _is_link(one)]
            entries = [Entry(_name(one), one) for one in found]
            yield Archive(path.name, _kept(entries, path), _within(_zip_reader(opened)))
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise CourseError(f"{path.name} is not a zip that can be read ({error}); download it again") from error


def _kept(entries: list[Entry], path: Path) -> tuple[Entry, ...]:
    if len(entries) > MAX_ENTRIES:
        raise CourseError(f"{path.name} holds {len(entries)} files, more than {MAX_ENTRIES}; name a zip of submissions")
    return tuple(one for one in entries if "__MACOSX" not in one.parts and not one.name.startswith("."))


def _within(read: Callable[[Entry, int], bytes]) -> Callable[[Entry, int], bytes]:
    """``read`` that stops when all entries together were too large."""
    total = 0

    def bounded(entry: Entry, limit: int) -> bytes:
        nonlocal total
        content = read(entry, min(limit, MAX_TOTAL - total) + 1)
        total += len(content)
        if total > MAX_TOTAL:
            raise CourseError(f"the archive unpacks to more than {MAX_TOTAL // 2**30} GB; it is no class's work")
        if len(content) > limit:
            raise Unreadable(f"larger than {limit // 2**20} MB; ask for it again with its outputs cleared")
        return content

    return bounded


def _zip_reader(opened: zipfile.ZipFile) -> Callable[[Entry, int], bytes]:
    def read(entry: Entry, limit: int) -> bytes:
        if entry.key.flag_bits & ENCRYPTED:
            raise Unreadable("encrypted; ask for it without a password")
        try:
            with opened.open(entry.key) as file:
                return file.read(limit)
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError) as error:
            raise Unreadable(f"damaged in the archive ({error}); download the archive again") from error

    return read


def _read_file(entry: Entry, limit: int) -> bytes:
    try:
        with entry.key.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from error


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16)


def _name(info: zipfile.ZipInfo) -> str:
    """Programs write UTF-8 names and do not say so; Python then reads them as the code page of old DOS."""
    name = info.filename
    if not info.flag_bits & UTF8_NAME:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass  # it is that code page, or nothing that can be known
    return name.replace("\\", "/")
