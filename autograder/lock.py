"""One grader at a time on a course.

The lock is the kernel's (flock): it goes when its process does, however that ends, so there is nothing to clean up. The
file stays, and says who has the lock or had it last.
"""

import contextlib
import errno
import os
import platform
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from autograder.course import Course, CourseError

BUSY = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


def lock_path(course: Course) -> Path:
    return course.data / "grading.lock"


@contextlib.contextmanager
def grading_lock(course: Course, doing: str) -> Iterator[None]:
    """Hold the course's lock inside; ``doing`` tells others what for, "grades lab2_linear".

    Raises ``CourseError``, which names the process that has it.
    """
    path = lock_path(course)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _lock(descriptor, path)
        who = f"process {os.getpid()} on {platform.node()}, which {doing} since {datetime.now():%Y-%m-%d %H:%M:%S}"
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, who.encode(), 0)
        yield
    finally:
        os.close(descriptor)


def lock_holder(course: Course) -> str:
    """Who grades now, "" if nobody does. Nothing is changed."""
    import fcntl

    try:
        descriptor = os.open(lock_path(course), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _who(descriptor)
    finally:
        os.close(descriptor)
    return ""


def _lock(descriptor: int, path: Path) -> None:
    import fcntl  # not there on Windows, where submissions cannot be run anyway

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in BUSY:
            raise CourseError(
                f"{path} cannot be locked ({error.strerror}): put the course on a disk of this machine"
            ) from error
        raise CourseError(
            f"this course is being graded by {_who(descriptor)}: wait until it is done, or stop it, and then type this"
            " again; what it has finished is kept"
        ) from error


def _who(descriptor: int) -> str:
    return os.pread(descriptor, 500, 0).decode(errors="replace") or "another process"
