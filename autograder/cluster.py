"""A class graded by a Dask cluster: each of its workers keeps one bench, with its own warm template.

The cluster only grades; what comes back is written by the process that asked, as on one machine. A worker that dies
costs time: what it had not given back is graded by another. All machines see the course's folder, its data folder and
the submissions under the same paths; a bench that finds another lab or secret there refuses to grade.

Dask's messages are pickles, and its ports ask nobody who they are: a cluster belongs on a network that students are
not on, or behind Dask's own TLS (``tls://``). From inside a submission nothing of it can be reached.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from threading import Lock
from typing import Any

from autograder.bench import Assignment, Bench, Done, fingerprint
from autograder.course import CourseError
from autograder.materials import hash_lab
from autograder.results import Record
from autograder.submissions import Found
from qlab_helpers.checking.reference import ReferenceMissing

CONNECT_S = 15
AHEAD = 2  # submissions sent for each thread of the cluster
LOST = "the workers that graded it ended, one after the other"
_opening = Lock()  # a worker may have several threads, and needs one bench


def on_cluster(
    assignment: Assignment,
    found: Iterable[Found],
    recall: Callable[[Found], Record | None],
    on_begun: Callable[[], object],
    *,
    address: str,
) -> Iterator[Done]:
    """Results as they come, from the workers of the scheduler at ``address``; see ``workplaces``.

    Raises ``CourseError`` when the extra ``dask`` is not installed, when nobody answers, or when a worker refuses.
    """
    course, lab = assignment.course, assignment.lab
    assignment = replace(assignment, fingerprint=fingerprint(hash_lab(course, lab), course.secret()))
    distributed = _dask()
    try:
        client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise CourseError(
            f"no Dask scheduler answers at {address}: start `dask scheduler` there, `dask worker {address}` on each"
            " machine, and try again"
        ) from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise CourseError(f"the Dask scheduler at {address} has no workers: start `dask worker {address}`")
        queue, run = iter(found), secrets.token_hex(8)
        sent: dict[str, tuple[Any, Found]] = {}

        def send(one: Found) -> Any:
            future = client.submit(_grade, run, assignment, one, recall(one), pure=False)
            sent[future.key] = future, one
            return future

        running = distributed.as_completed(loop=client.loop)
        for one in (one for _, one in zip(range(AHEAD * threads), queue, strict=False)):
            running.add(send(one))
        try:
            on_begun()
            for future in running:
                _, one = sent.pop(future.key)
                done = _result(distributed, client, future, run, assignment, one)
                if (following := next(queue, None)) is not None:
                    running.add(send(following))
                yield done
        finally:
            client.cancel([future for future, _ in sent.values()])
            _end_run(client, run)


def _result(distributed: Any, client: Any, future: Any, run: str, assignment: Assignment, found: Found) -> Done:
    try:
        return future.result()
    except distributed.KilledWorker:  # several workers died of it: one more only says so
        return client.submit(_give_up, run, assignment, found, pure=False).result()
    except ReferenceMissing as error:
        raise CourseError(str(error)) from error
    except (CancelledError, OSError) as error:
        raise CourseError(
            "the Dask scheduler is gone: start it and its workers, and type this again; what was finished is kept"
        ) from error


def _grade(run: str, assignment: Assignment, found: Found, earlier: Record | None) -> Done:
    """On a worker."""
    return _bench(run, assignment).finish(found, earlier)


def _give_up(run: str, assignment: Assignment, found: Found) -> Done:
    return _bench(run, assignment).give_up(found, LOST, LOST)


def _bench(run: str, assignment: Assignment) -> Bench:
    """The worker's for this run, made when it is first needed."""
    from distributed import get_worker

    worker = get_worker()
    with _opening:
        benches = worker.__dict__.setdefault("qlab_benches", {})  # by run; None for one that has ended
        if run not in benches:
            benches[run] = Bench(assignment).__enter__()
        if benches[run] is None:
            raise CourseError("the run has ended")
        return benches[run]


def _end_run(client: Any, run: str) -> None:
    """The templates end with their workers at the latest; but a cluster may live on after this class."""
    try:
        client.run(_close_bench, run, on_error="ignore")
    except (OSError, ValueError):
        pass  # the scheduler is gone, and its workers go with it


def _close_bench(run: str, dask_worker: Any) -> None:
    """On every worker. What is still queued there finds that its run has ended."""
    with _opening:
        bench = dask_worker.__dict__.setdefault("qlab_benches", {}).get(run)
        dask_worker.qlab_benches[run] = None
    if bench is not None:
        bench.__exit__(None, None, None)


def _dask() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise CourseError(
            "--scheduler needs Dask, which is not installed here: type `pip install 'qlab-kit[dask]'`, or in a"
            " checkout `pip install -e '.[grader,dask]'`"
        ) from error
    return distributed
