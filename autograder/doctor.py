"""What this machine gives for grading, and what that means: each thing is tried, not guessed.

Nothing is changed: no gradebook or folder is made, and a trial submission runs in the same sandbox as the real ones.
"""

import importlib.metadata
import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.markup import escape
from rich.table import Table
from sqlalchemy import make_url

from autograder import machine
from autograder.course import Course, CourseError, Limits, load_course
from autograder.lock import lock_holder
from autograder.sandbox import SandboxUnavailable, Template
from autograder.session import Call, Cell, Probe, run_session
from qlab_helpers.checking.codec import decode, encode
from qlab_helpers.checking.packing import pack, unpack
from qlab_helpers.checking.reference import ReferenceMissing, load_reference
from qlab_helpers.data import find_data_sets
from qlab_helpers.weights import MODELS, WeightsDamaged, WeightsMissing, load_pretrained

GOOD, LESS, BAD = "good", "less", "bad"
COLOURS = {GOOD: "green", LESS: "yellow", BAD: "red"}
NEEDED_PYTHON = (3, 11)
#: What becomes of a submission where a namespace is not to be had.
NAMESPACES = {
    "user": "a submission has no rights on this machine",
    "pid": "it sees and can kill only its own processes",
    "mount": "it sees the Python environment alone, and cannot write there",
    "net": "it has no network",
}
CONTAINER = "docs/container.md has a recipe"
TRIAL = "import torch\ndef double(x):\n    return 2 * x"


@dataclass(frozen=True)
class Check:
    """``status``: "good"; "less", where grading works all the same; "bad", where it would not."""

    name: str
    status: str
    found: str
    means: str


def examine(find_course: Callable[[], Course] = load_course) -> list[Check]:
    """Everything that grading needs or uses, in the order of the table."""
    course, checks = None, [_system()]
    try:
        course = find_course()
    except CourseError as error:
        missing = Check("course", BAD, "none", str(error))
    if sys.platform.startswith("linux"):
        checks += [*_kernel(), *_trial(course.limits if course else Limits())]
    checks += [*_hardware(course.limits if course else Limits()), *_programs(), *_files()]
    checks += [*_course(course)] if course else [missing]
    return checks


def reasons(checks: Sequence[Check]) -> list[str]:
    """Why `qlab grade` would not work here; empty when it would. What has one remedy is named together."""
    names: dict[str, list[str]] = {}
    for check in checks:
        if check.status == BAD:
            names.setdefault(check.means, []).append(check.name)
    return [f"{', '.join(together)}: {means}" for means, together in names.items()]


def as_dict(checks: Sequence[Check]) -> dict[str, Any]:
    why = reasons(checks)
    return {"grading": not why, "reasons": why, "checks": [asdict(check) for check in checks]}


def as_table(checks: Sequence[Check]) -> Table:
    table = Table("what", "", "found", "what that means", title="qlab doctor")
    for check in checks:
        status = f"[{COLOURS[check.status]}]{check.status}[/]"
        table.add_row(escape(check.name), status, escape(check.found), escape(check.means))
    return table


def _system() -> Check:
    found = f"{platform.system()} {platform.release()} {platform.machine()}"
    if sys.platform.startswith("linux"):
        return Check("system", GOOD, found, "submissions can be contained, if the kernel allows what follows")
    refused = "`qlab grade` refuses to run, since submissions can be contained on Linux only: grade in "
    if sys.platform == "win32":
        return Check("system", BAD, found, f"{refused}WSL 2 or a Linux container ({CONTAINER})")
    trusting = "or add --no-sandbox if you trust every one of them"
    return Check("system", BAD, found, f"{refused}a Linux machine or container ({CONTAINER}), {trusting}")


def _kernel() -> Iterator[Check]:
    kernel = machine.try_kernel()
    settings = machine.forbidding_settings()
    remedy = "; ".join(settings) or f"grade on another machine, or in a container that allows it ({CONTAINER})"
    for name, means in NAMESPACES.items():
        reason = kernel.refused[name]
        yield Check(f"{name} namespace", BAD if reason else GOOD, reason or "yes", remedy if reason else means)
    reason = kernel.refused["seccomp"]
    without = "submissions may make every system call: one wall less, the others stand"
    filtered = "system calls that no notebook needs are refused"
    yield Check("seccomp filter", LESS if reason else GOOD, reason or "yes", without if reason else filtered)
    abi = kernel.landlock_abi
    means = "a second wall around files, TCP and signals" if abi else "one wall less: the namespaces stand alone"
    yield Check("Landlock", GOOD if abi else LESS, f"kernel ABI {abi}" if abi else "no", means)
    group = machine.cgroup()
    found = f"v{group.version}, {'' if group.writable else 'not '}writable" if group.version else "none"
    means = "not used: memory is limited by address space and by a watch, which may be a tenth of a second late"
    yield Check("cgroup v2", GOOD if group.version == 2 and group.writable else LESS, found, means)


def _trial(limits: Limits) -> Iterator[Check]:
    """A submission of ours, from cell to value."""
    try:
        with Template(limits) as template:
            call = Call("trial", pack(*encode((torch.ones(2),))))
            output = run_session(
                template,
                [Cell(0, TRIAL), Cell(1, "", "skip", "double")],
                {"double": Probe("double", "function", ("x",), (call,))},
                limits=limits,
                oracle=lambda name, message: b"",
            )
            layers = "; ".join(f"{name}: {value}" for name, value in template.layers.items())
    except (SandboxUnavailable, RuntimeError) as error:
        yield Check("trial submission", BAD, "the sandbox did not start", str(error))
        return
    answer = output.items["double"][0]
    tree, tensors = unpack(answer.reply) if answer.outcome == "returned" else ({}, {})
    if tree and torch.equal(torch.as_tensor(decode(tree["result"], tensors)), torch.full((2,), 2.0)):
        yield Check("trial submission", GOOD, "graded in the sandbox", layers)
    else:
        found = f"{answer.outcome} {answer.detail}".strip()
        yield Check("trial submission", BAD, found, "an honest submission is not graded; see what is bad above")


def _hardware(limits: Limits) -> Iterator[Check]:
    cores, memory = machine.cores(), machine.memory_mib()
    yield Check("cores", GOOD, str(cores), f"{cores} submissions at a time, unless --jobs says otherwise")
    each = f"a submission may take {limits.memory_mib} MiB (course.toml)"
    if memory is None:
        yield Check("memory", LESS, "unknown", each)
    else:
        fit = max(1, memory // limits.memory_mib)
        enough = memory >= limits.memory_mib * cores
        means = each if enough else f"{each}; if many do, --jobs {fit} is safe"
        yield Check("memory", GOOD if enough else LESS, f"{memory} MiB", means)


def _programs() -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    old = sys.version_info[:2] < NEEDED_PYTHON
    yield Check("Python", BAD if old else GOOD, version, "qlab needs 3.11 or later; records name it")
    yield Check("torch", GOOD, str(torch.__version__), "records name it: with another one everything is graded again")
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "no"
    yield Check("CUDA", GOOD, cuda, "grading is done on the CPU; labs run faster with a GPU")
    try:
        yield Check("nbgrader", GOOD, importlib.metadata.version("nbgrader"), "keeps the gradebook, shows formgrader")
    except importlib.metadata.PackageNotFoundError:
        yield Check("nbgrader", BAD, "not installed", "there is no gradebook: pip install 'qlab-kit[grader]'")
    alembic = shutil.which("alembic")
    lost = "nbgrader's own commands fail, `qlab grade` does not: source .venv/bin/activate"
    yield Check("alembic", *((GOOD, alembic, "nbgrader starts it by name") if alembic else (LESS, "not on PATH", lost)))


def _files() -> Iterator[Check]:
    for name, folder in find_data_sets().items():
        means = "for `qlab run` and the labs; grading needs none"
        download = f"{means}; it is downloaded when a lab asks for it, or set QLAB_DATA to a folder that has it"
        yield Check(name, *((GOOD, str(folder), means) if folder else (LESS, "not found", download)))
    for name in MODELS:
        try:
            load_pretrained(name)
            yield Check(f"weights {name}", GOOD, "as recorded", "readable, and their SHA-256 is right")
        except (WeightsMissing, WeightsDamaged) as error:
            yield Check(f"weights {name}", LESS, type(error).__name__, f"labs that start from them stop: {error}")


def _course(course: Course) -> Iterator[Check]:
    yield Check("course", GOOD, str(course.root), f"{course.title}: {len(course.labs)} labs")
    for lab in course.labs:
        try:
            if not course.release(lab.name).is_file():
                raise ReferenceMissing("no released notebook")
            for folder in (course.visible_reference, course.hidden_reference):
                load_reference.__wrapped__(lab.name, folder)
            yield Check(lab.name, GOOD, "built", lab.title)
        except (ReferenceMissing, OSError, ValueError) as error:
            yield Check(lab.name, BAD, "not built", f"it cannot be graded ({error}): run `qlab build`")
    yield _data(course)
    yield _gradebook(course)


def _data(course: Course) -> Check:
    parent = next(folder for folder in (course.data, *course.data.parents) if folder.exists())
    if not os.access(parent, os.W_OK):
        return Check("course data", BAD, str(course.data), f"cannot be written: chmod u+w {parent}")
    if holder := lock_holder(course):
        return Check("course data", LESS, str(course.data), f"being graded by {holder}; a second run is refused")
    free = shutil.disk_usage(parent).free >> 20
    means = f"gradebook, notebooks and secret; {free} MiB free"
    return Check("course data", GOOD if free >= 1024 else LESS, str(course.data), means)


def _gradebook(course: Course) -> Check:
    path = Path(make_url(course.gradebook_url).database or "")
    if not path.exists():
        return Check("gradebook", GOOD, "none yet", "made by the first `qlab grade`")
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        try:
            [[sound]] = connection.execute("PRAGMA quick_check(1)")
            [[students]] = connection.execute("SELECT count(*) FROM student")
        finally:
            connection.close()
    except sqlite3.Error as error:
        if "readonly" in str(error):  # left by a run that was killed; sqlite puts it right when it may write
            return Check("gradebook", LESS, str(path), "a change was broken off; the next `qlab grade` undoes it")
        sound, students = str(error), 0
    if sound != "ok":
        return Check("gradebook", BAD, str(path), f"it is damaged ({sound}): put a copy of it back, or move it away")
    if not os.access(path, os.W_OK):
        return Check("gradebook", BAD, str(path), f"cannot be written: chmod u+w {path}")
    return Check("gradebook", GOOD, str(path), f"sound; {students} students")
