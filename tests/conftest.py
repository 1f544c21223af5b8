"""Fixtures for all tests: a whole course in small, so that no test waits for a real lab."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from autograder.cli import main
from autograder.course import Course, load_course

ROOT = Path(__file__).parent.parent
TINY = "lab_tiny"
COPIED = (
    "solutions",
    "notebooks",
    "autograder/cases",
    "autograder/mutants",
    "autograder/reference",
    "qlab_helpers/reference",
)

#: Begun first, so that no worker is left alone with one of them at the end.
LONGEST = ("test_run_fast.py", "test_proofs.py", "test_attacks.py", "test_resume.py", "test_fuzz_submissions.py")

COURSE = f"""
[course]
id = "tiny"
title = "A tiny course"
repository = "https://github.com/someone/tiny"
tag = "v1"

[limits]
cell_s = 100  # a kernel imports torch in its first cell, perhaps on a busy machine
case_s = 3
notebook_s = 200

[[labs]]
name = "{TINY}"
title = "A tiny lab"
"""

SOURCE = '''\
# %% [markdown]
# # A tiny lab
# {{ colab_badge }}

# %% setup=true

# %%
import torch

from qlab_helpers import check, check_answer

LEVELS = {2: 1, 4: 7, 8: 127}

# %% [markdown]
# The scale maps the largest magnitude to the largest level.

# %% solution="scale_of"
def scale_of(tensor, bitwidth):
    """Scale of a symmetric quantizer, a float."""
    ### BEGIN SOLUTION
    largest = tensor.abs().max().item()
    return largest / LEVELS[bitwidth] if largest else 1.0
    ### END SOLUTION

# %% check="scale_of" points=4
check(scale_of)

# %% solution="quantize"
def quantize(tensor, bitwidth):
    """int8 levels of a tensor."""
    ### BEGIN SOLUTION
    steps = torch.round(tensor / scale_of(tensor, bitwidth))
    return steps.clamp(-LEVELS[bitwidth], LEVELS[bitwidth]).to(torch.int8)
    ### END SOLUTION

# %% check="quantize" points=6
check(quantize)

# %% tags=["skip-execution"]
raise RuntimeError("hours of training")

# %% [markdown]
# How many levels has an int8 quantizer that never uses -128? a) 256 b) 255

# %% solution="answer_1"
### BEGIN SOLUTION
answer_1 = "b"
### END SOLUTION

# %% check="answer_1" points=1
check_answer("answer_1", answer_1)

# %% [markdown] written="question_2" points=3
# Why is -128 left out?
#
# ### BEGIN SOLUTION
# So that the levels are symmetric about zero.
# ### END SOLUTION
'''

CASES = """\
from autograder.recipes import CaseRecipe, ItemRecipe, Rule, answer

ITEMS = (
    ItemRecipe(
        "scale_of",
        outputs=(Rule("scale", kind="number", rtol=1e-6),),
        cases=(
            CaseRecipe("8 bits", tests="the largest magnitude at 8 bits", hint="divide by 127",
                       make=lambda draw: (draw.floats((3, 4), -2, 2), 8)),
            CaseRecipe("4 bits", tests="the largest magnitude at 4 bits", hint="divide by 7", visible=False,
                       make=lambda draw: (draw.floats((5,), -4, 4), 4)),
            CaseRecipe("all zero", tests="a tensor of zeros", hint="the scale may not be zero", visible=False, weight=2,
                       make=lambda draw: (draw.floats((4,), 0, 0), 8)),
        ),
    ),
    ItemRecipe(
        "quantize",
        outputs=(Rule("levels", dtype="int8"),),
        uses=("scale_of",),
        cases=(
            CaseRecipe("8 bits", tests="a matrix at 8 bits", hint="round, then clamp",
                       make=lambda draw: (draw.floats((3, 4), -2, 2), 8)),
            CaseRecipe("2 bits", tests="a matrix at 2 bits", hint="round, then clamp", visible=False,
                       make=lambda draw: (draw.floats((6, 2), -2, 2), 2)),
        ),
    ),
    answer("answer_1", "b", tests="the number of levels", hint="count from -127 to 127", choices=("a", "b")),
)
"""


def pytest_configure() -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:  # several threads in each of several workers wait for each other
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)


@dataclass(frozen=True)
class Jupyter:
    """A running server."""

    base: str
    token: str

    def fetch(self, path: str) -> str:
        request = Request(f"{self.base}/{path}", headers={"Authorization": f"token {self.token}"})
        with urlopen(request, timeout=60) as reply:
            return reply.read().decode()


@pytest.fixture(scope="session")
def start_chromium() -> Callable:
    """A context manager: Chromium, as it is on the machine or as Playwright brought it; skips where there is none."""
    return _start_chromium


@contextlib.contextmanager
def _start_chromium() -> Iterator:
    from playwright.sync_api import Error, sync_playwright  # late: most tests need no browser

    with sync_playwright() as playwright:
        found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        try:
            running = playwright.chromium.launch(
                executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"]
            )
        except Error as error:
            if found:
                raise
            pytest.skip(f"no Chromium: {str(error).splitlines()[0]}")
        yield running
        running.close()


@pytest.fixture(scope="session")
def make_tiny_course() -> Callable[[Path], Course]:
    """Makes a course folder with one lab, not built: two functions (one uses the other), an answer, a written question.

    It has its own view of ``qlab_helpers``, so that programs started with ``tiny_environment`` check against its cases.
    """
    return _make_tiny_course


@pytest.fixture
def tiny_course(tmp_path: Path) -> Course:
    """A course made by ``make_tiny_course``, for one test alone."""
    return _make_tiny_course(tmp_path / "tiny")


@pytest.fixture
def qlab(course: Course, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable:
    """Runs ``qlab`` in the folder of the test's ``course``; returns exit code, output and error output."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.chdir(course.root)
        monkeypatch.setattr(sys, "argv", ["qlab", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def tiny_environment() -> Callable[[Course], dict[str, str]]:
    """Environment variables of a program that works in a tiny course: nbgrader, a kernel, a server."""

    def environment(course: Course) -> dict[str, str]:
        programs = Path(sys.executable).parent  # nbgrader starts alembic by name
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(course.root), str(ROOT)]),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
        }

    return environment


@pytest.fixture(scope="session")
def serve_jupyter(tiny_environment: Callable[[Course], dict[str, str]]) -> Callable:
    """A context with a Jupyter server in a course's folder, as ``Jupyter``; it reads no settings of this machine."""

    @contextlib.contextmanager
    def serve(course: Course, home: Path, *, extensions: tuple[str, ...], **options: object) -> Iterator[Jupyter]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        jupyter = Jupyter(f"http://127.0.0.1:{port}", "for-this-test-only")
        server = {"ip": "127.0.0.1", "port": port, "port_retries": 0, "open_browser": False, "allow_root": True}
        words = {f"ServerApp.{name}": value for name, value in {**server, "root_dir": course.root}.items()}
        words |= {"IdentityProvider.token": jupyter.token, **options}
        command = [sys.executable, "-m", "jupyter_server", *(f"--{name}={value}" for name, value in words.items())]
        command += [f"--ServerApp.jpserver_extensions={name}=True" for name in extensions]
        folders = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "RUNTIME", "DATA")}
        folders |= {f"JUPYTERLAB_{kind}_DIR": str(home / kind.lower()) for kind in ("SETTINGS", "WORKSPACES")}
        environment = {**tiny_environment(course), **folders, "JUPYTER_NO_CONFIG": "1"}
        log = home / "log.txt"
        with log.open("w") as output:
            running = subprocess.Popen(
                command, cwd=course.root, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            _wait_for(jupyter, running, log)
            yield jupyter
        finally:
            running.terminate()
            running.wait(30)

    return serve


@pytest.fixture(scope="session")
def copy_course() -> Callable[[Path], Course]:
    """Copies what this repository's course is made of, so that a test can change it."""
    return _copy_course


def _wait_for(jupyter: Jupyter, running: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and running.poll() is None:
        try:
            jupyter.fetch("api/status")
            return
        except (URLError, ConnectionError):
            time.sleep(0.1)
    pytest.fail(f"the server did not come up:\n{log.read_text()}")


def _copy_course(root: Path) -> Course:
    root.mkdir(parents=True, exist_ok=True)
    for name in ("course.toml", "nbgrader_config.py"):
        shutil.copy(ROOT / name, root)
    for name in COPIED:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    return _load(root)


def _make_tiny_course(root: Path) -> Course:
    files = {
        "course.toml": COURSE,
        f"solutions/{TINY}/{TINY}.py": SOURCE,
        f"autograder/cases/{TINY}.py": CASES,
        "nbgrader_config.py": (ROOT / "nbgrader_config.py").read_text(),
    }
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return _load(root)


def _load(root: Path) -> Course:
    """With the package's helpers, and a secret that is the same in every run: hidden cases are drawn alike."""
    helpers = root / "qlab_helpers"
    helpers.mkdir(exist_ok=True)
    for part in (ROOT / "qlab_helpers").iterdir():
        if part.name not in ("reference", "__pycache__"):
            (helpers / part.name).symlink_to(part)
    course = load_course(root)
    course.data.mkdir(exist_ok=True)
    (course.data / "secret").write_text("of the tests")
    return course
