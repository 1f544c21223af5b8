"""Time limits inside the sandbox: an alarm that interrupts a student's code, fair on a busy machine.

A neighbour may burn every core. The time that a process was ready to run and had no core is told by Linux, and is not
counted against it, up to a bound in wall time. Whoever disarms the alarm is stopped from outside at that bound.
"""

import os
import signal
import time
from types import FrameType, TracebackType
from typing import Self

REPEAT_S = 0.5  # a bare except may swallow the first alarm


class TimeUp(BaseException):
    """Raised in student code by the alarm; not an Exception, so that ``except Exception`` does not swallow it."""


class Stopwatch:
    """``with Stopwatch(limit_s, wall_s):`` raises ``TimeUp`` inside after ``limit_s``, at most ``wall_s``."""

    def __init__(self, limit_s: float, wall_s: float) -> None:
        self._limit_s = limit_s
        self._spare_s = max(wall_s - limit_s, 0.0)
        self._excused_s = 0.0
        self.before_s = 0.0  # without a core, before it began

    def __enter__(self) -> Self:
        self._begin_s = time.monotonic()
        self.before_s = waited_s()
        signal.signal(signal.SIGALRM, self._ring)  # each time: a student's code may have put its own there
        signal.setitimer(signal.ITIMER_REAL, self._limit_s, REPEAT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def excuse(self, seconds: float) -> None:
        """Do not count this time: it was spent by others."""
        self._excused_s += seconds

    def _ring(self, number: int, frame: FrameType | None) -> None:
        excused_s = min(self._excused_s + waited_s() - self.before_s, self._spare_s)
        left_s = self._limit_s + excused_s - (time.monotonic() - self._begin_s)
        if left_s <= 0.005:
            raise TimeUp
        signal.setitimer(signal.ITIMER_REAL, left_s, REPEAT_S)


def waited_s(process: int | str = "self") -> float:
    """Seconds that the main thread of ``process`` was ready to run and had no core; 0 where nobody counts them."""
    try:
        file = os.open(f"/proc/{process}/schedstat", os.O_RDONLY)
    except OSError:
        return 0.0
    try:
        return int(os.read(file, 128).split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
    finally:
        os.close(file)
