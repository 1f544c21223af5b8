"""The best walls that a container gives for one submission.

A container of Gradescope runs as root and holds one submission. Where its engine allows namespaces, the submission is
contained as in `qlab grade`. Where it does not, root still can be somebody else: the submission runs as a user who may
read nothing of the course, which is tried before it starts. Where neither is to be had, nothing is graded.
"""

import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from autograder.course import CourseError, Limits
from autograder.machine import try_kernel
from autograder.sandbox import SandboxUnavailable, Template, TemplateDied

STRANGER = 64999  # a user id that nobody has
OPEN = 7  # exit code of a process that could read what it may not


@contextmanager
def best_template(limits: Limits, *, secrets: Collection[Path]) -> Iterator[Template]:
    """A warm process behind the best walls; ``secrets`` are the files and folders that hold answers.

    Raises ``CourseError`` when a submission could read them.
    """
    with ExitStack() as stack:
        try:
            _ask_kernel()
            template = stack.enter_context(Template(limits))
            template.spawn().end()  # the walls of one submission are tried as well
        except (SandboxUnavailable, TemplateDied) as error:
            stack.close()
            print(f"no sandbox: {error}")  # for the staff
            if os.geteuid() != 0:
                raise SandboxUnavailable(f"{error}; only root could give it walls of another kind") from error
            close(secrets)
            _need([Path(os.__file__), Path(__file__)])
            template = stack.enter_context(Template(limits, sandboxed=False, user=STRANGER))
        yield template


def _ask_kernel() -> None:
    """Before torch is imported for nothing. Raises ``SandboxUnavailable``."""
    refused = {name: why for name, why in try_kernel().refused.items() if why and name != "seccomp"}
    if refused:
        raise SandboxUnavailable("; ".join(f"{name} namespace: {why}" for name, why in refused.items()))


def close(secrets: Collection[Path]) -> None:
    """Only root may read them from here on; raises ``CourseError`` where that is not so."""
    for path in secrets:
        if path.exists():
            path.chmod(0o700 if path.is_dir() else 0o600)
    open_ones = [str(path) for path in secrets if path.exists() and _can_read(path, STRANGER)]
    if open_ones:
        raise CourseError(f"{', '.join(open_ones)} can be read by others than root, so nothing is graded")


def _need(programs: Collection[Path]) -> None:
    closed = [str(path.parent) for path in programs if not _can_read(path, STRANGER)]
    if closed:
        raise CourseError(
            f"{', '.join(closed)} must be readable for everybody, for a submission to run without a sandbox"
        )


def _can_read(path: Path, user: int) -> bool:
    """Tried, not guessed: modes are not all that decides it."""
    child = os.fork()
    if child == 0:
        code = 0
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            os.listdir(path) if path.is_dir() else path.read_bytes()
            code = OPEN
        except PermissionError:
            pass
        except BaseException:  # noqa: BLE001  (whatever it is, this child must end here)
            code = OPEN
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) != 0
