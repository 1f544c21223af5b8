"""Where the benches of a class stand on this machine: threads that share one, or processes that have one each.

A workplace takes what was found and gives back what is done, in any order. It is asked for no more than a few ahead,
since a finished submission holds a notebook, and ten thousand of them would not fit into memory.
"""

import multiprocessing
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from threading import Thread
from typing import Any

from autograder.bench import Assignment, Bench, Done
from autograder.course import CourseError
from autograder.nursery import Nursery, prepare_processes
from autograder.results import Record
from autograder.submissions import Found
from qlab_helpers.checking.reference import ReferenceMissing

MAX_LOSSES = 2  # processes that one submission may cost, before it is left ungraded
MAX_STARTS = 4  # in a row, without a result
LOST = "the process that graded it ended, twice"
AHEAD = 2  # submissions that a process has beside the one it grades, so that it need not wait for what is written
END_S = 10.0
Recall = Callable[[Found], Record | None]  # the record that is known of a submission; None to grade it anew


def in_threads(
    bench: Bench, found: Iterable[Found], recall: Recall, on_begun: Callable[[], object], *, jobs: int
) -> Iterator[Done]:
    """Results as they come; ``on_begun`` is called before, while the first submissions are graded.

    Leaving early drops what has not begun; what runs ends with its template.
    """
    executor = ThreadPoolExecutor(jobs, thread_name_prefix="grade")
    queue = iter(found)
    waiting: set[Future[Done]] = set()
    try:
        for one in islice(queue, 2 * jobs):
            waiting.add(executor.submit(bench.finish, one, recall(one)))
        on_begun()
        while waiting:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for one in islice(queue, len(finished)):
                waiting.add(executor.submit(bench.finish, one, recall(one)))
            for future in finished:
                yield future.result()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def in_processes(
    assignment: Assignment,
    found: Iterable[Found],
    recall: Recall,
    on_begun: Callable[[], object],
    *,
    jobs: int,
    nursery: Nursery,
) -> Iterator[Done]:
    """The same, in ``jobs`` processes, each with its own template. One that dies is replaced.

    Where there is one for each core, each has a core of its own: with its sandbox it takes turns, a message here and an
    answer there, and to wake somebody on another core takes longer than most answers do.

    Raises ``CourseError`` when a bench cannot be set up. Leaving early ends all of them.
    """
    prepare_processes()
    queue = iter(found)
    answers = SimpleQueue[tuple[_Place, Any]]()
    places: list[_Place] = []
    try:
        for number, one in zip(range(jobs), queue, strict=False):
            places.append(_Place(assignment, nursery, _core(number, jobs), answers, one, recall))
        for place in AHEAD * places:
            place.give(next(queue, None), recall)
        on_begun()
        while any(place.waiting for place in places):
            place, answer = answers.get()
            done = place.take(answer, recall)
            if done is None:
                continue  # its process had died: what it had is tried again in another
            place.give(next(queue, None), recall)  # before what is done is written
            yield done
    finally:
        for place in places:
            place.stop()
        for place in places:
            place.end()


@dataclass(frozen=True)
class _Refused:
    sentence: str


class _Place:
    """One process, with what it grades and a few submissions more; what it answers is put into ``answers``."""

    def __init__(
        self,
        assignment: Assignment,
        nursery: Nursery,
        core: int | None,
        answers: SimpleQueue,
        first: Found,
        recall: Recall,
    ) -> None:
        self.assignment = assignment
        self.nursery = nursery
        self.core = core
        self.answers = answers
        self.waiting: deque[Found] = deque()  # the first of them is being graded
        self.losses = 0
        self._start()
        self.give(first, recall)

    def give(self, one: Found | None, recall: Recall) -> None:
        """None: there is no more."""
        if one is not None:
            self.waiting.append(one)
        self._send(one, recall)

    def take(self, answer: Any, recall: Recall) -> Done | None:
        """What it has done; None when it had ended, and was replaced if need be. Raises ``CourseError``."""
        if isinstance(answer, _Refused):
            raise CourseError(answer.sentence)
        if answer is not None:
            self.waiting.popleft()
            self.losses = 0
            return answer
        if not self.waiting:
            return None
        self.losses += 1
        if self.losses == MAX_STARTS:
            raise CourseError("a process that grades ends again and again, as for want of memory: try fewer --jobs")
        self.stop()
        self.end()
        self._start()
        for one in self.waiting:
            self._send(one, recall)
        return None

    def _send(self, one: Found | None, recall: Recall) -> None:
        with suppress(OSError):  # it has died: ``take`` will notice
            if one is None:
                self.connection.send(None)
                return
            lost = self.losses >= MAX_LOSSES and one is self.waiting[0]
            self.connection.send((one, None if lost else recall(one), lost))

    def stop(self) -> None:
        """Ask it to end, with what it has started."""
        if self.waiting:  # else it knows already that there is no more
            self._process.terminate()

    def end(self) -> None:
        self._process.join(END_S)
        self._process.kill()
        self._process.join()
        self._listener.join()  # nobody is at the other end any more
        self.connection.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("forkserver")
        self.connection, theirs = context.Pipe()
        line = self.nursery.line()
        self._process: BaseProcess = context.Process(
            target=_work, args=(self.assignment, theirs, line, self.core), daemon=True
        )
        self._process.start()
        theirs.close()
        line.close()
        self._listener = Thread(target=self._listen, args=(self.connection,), daemon=True)
        self._listener.start()

    def _listen(self, connection: Connection) -> None:
        """In a thread: a process that has done something need not wait while the last result is still written."""
        _receive(connection, lambda answer: self.answers.put((self, answer)))


def _core(number: int, jobs: int) -> int | None:
    """For the process of this number; None where each may run on any."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return cores[number % len(cores)] if cores and jobs >= len(cores) else None


def _work(assignment: Assignment, connection: Connection, line: socket.socket, core: int | None) -> None:
    """A process of its own: grades what it is sent until it is sent nothing, or nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the grader's Ctrl-C: it will end this process
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # by this, which leaves nothing behind
    _die_with_parent()
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        with Bench(assignment, line=line) as bench, suppress(OSError):
            sent = SimpleQueue[Any]()
            Thread(target=_receive, args=(connection, sent.put), daemon=True).start()
            while (one := sent.get()) is not None:
                found, earlier, lost = one
                connection.send(bench.give_up(found, LOST, LOST) if lost else bench.finish(found, earlier))
    except (CourseError, ReferenceMissing) as error:
        with suppress(OSError):
            connection.send(_Refused(str(error)))
    os._exit(0)  # all is sent; to take torch down in good order takes a second


def _receive(connection: Connection, put: Callable[[Any], object]) -> None:
    """All the time, so that nobody waits to send. At the end, or when the other side is gone, it puts None."""
    try:
        while (one := connection.recv()) is not None:
            put(one)
    except (EOFError, OSError):
        pass
    finally:
        put(None)


def _die_with_parent() -> None:
    from autograder import namespaces as ns  # calls of Linux

    with suppress(OSError, AttributeError):  # an extra: it notices at its next result that nobody is there
        ns.prctl(ns.PR_SET_PDEATHSIG, signal.SIGTERM)
