"""One Chromium and one Jupyter server for all tests of what people see; nothing is loaded from elsewhere."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from autograder.build import build
from autograder.course import Course, load_course
from autograder.demo import TRUNCATES, perfect_submission

ROOT = Path(__file__).parent.parent.parent
LAB, REAL = "lab_tiny", "lab2_linear"
ADDRESS = "http://127.0.0.1"
WAIT_MS = 120_000  # for what a busy machine does slowly; a test that finds what it waits for waits no longer
READABLE = 4.5  # WCAG 2.1, success criterion 1.4.3, for text of usual size
NBGRADER = ("formgrader", "validate_assignment", "assignment_list", "course_list")
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # all cells are on the page, seen or not
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@pytest.fixture(scope="package")
def chromium(start_chromium) -> Iterator[Browser]:
    """Ends with this folder: while it runs, no other test could start an event loop."""
    expect.set_options(timeout=WAIT_MS)
    with start_chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def context(chromium: Browser, jupyter) -> Iterator[BrowserContext]:
    """A window of 1000 pixels that is logged in and reaches this machine alone."""
    context = chromium.new_context(viewport={"width": 1000, "height": 900})
    context.set_default_timeout(WAIT_MS)
    context.route(lambda address: not address.startswith((ADDRESS, "data:", "blob:")), lambda route: route.abort())
    # Jupyter's cookie is good for the folder of the page that gave it: here for all.
    context.request.get(f"{jupyter.base}/login?token={jupyter.token}", max_redirects=0)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    yield page
    page.close()


@pytest.fixture(scope="package")
def course(make_tiny_course: Callable[[Path], Course], tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A tiny course where the checks of lab 2 work, too, with what a student has in the folder ``student``."""
    course = make_tiny_course(tmp_path_factory.mktemp("browser") / "tiny")
    build(course)
    for ending in ("json", "safetensors"):
        shutil.copy(ROOT / "qlab_helpers" / "reference" / f"{REAL}.{ending}", course.visible_reference)
    notebooks = {
        "lab2": _beginning_of_lab2(),
        "solved": perfect_submission(course, LAB),
        "untouched": nbformat.read(course.release(LAB), as_version=4),
    }
    (course.root / "student").mkdir()
    for name, notebook in notebooks.items():
        nbformat.write(notebook, course.root / "student" / f"{name}.ipynb")
    return course


@pytest.fixture(scope="package")
def jupyter(course: Course, serve_jupyter: Callable, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """JupyterLab and all of nbgrader's extensions, in the course's folder."""
    home = tmp_path_factory.mktemp("jupyter")
    for name, settings in SETTINGS.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(settings))
    extensions = ("jupyterlab", *(f"nbgrader.server_extensions.{name}" for name in NBGRADER))
    with serve_jupyter(course, home, extensions=extensions, **{"LabApp.expose_app_in_browser": True}) as jupyter:
        yield jupyter


@pytest.fixture(scope="package")
def open_notebook(jupyter) -> Callable[[Page, str], None]:
    """Opens one of the student's notebooks in JupyterLab, in a workspace of its own, and waits for its kernel."""
    ready = """() => {
        const panel = window.jupyterapp?.shell.currentWidget;
        return panel?.sessionContext?.isReady && panel.content?.widgets?.length > 1
            && panel.sessionContext.session?.kernel?.connectionStatus === "connected";
    }"""

    def open_(page: Page, name: str) -> None:
        page.goto(f"{jupyter.base}/lab/workspaces/{name}/tree/student/{name}.ipynb", wait_until="domcontentloaded")
        page.wait_for_function(ready)
        page.evaluate("() => void jupyterapp.commands.execute('application:toggle-left-area')")

    return open_


@pytest.fixture(scope="package")
def unreadable() -> Callable[[Locator], list[tuple[str, float]]]:
    """The texts of an element that stand out too little from their background, with their contrast."""
    script = Path(__file__).with_name("contrasts.js").read_text()

    def find(box: Locator) -> list[tuple[str, float]]:
        contrasts = box.evaluate(script)
        assert contrasts, "there is no text"
        return [(text, contrast) for text, contrast in contrasts if contrast < READABLE]

    return find


@pytest.fixture(scope="package")
def screenshot() -> Callable[[Page | Locator, str], None]:
    """Takes a picture into the folder that QLAB_SCREENSHOTS names, if it names one."""

    folder = os.environ.get("QLAB_SCREENSHOTS")

    def take(shown: Page | Locator, name: str) -> None:
        if folder:
            shown.screenshot(path=Path(folder).absolute() / f"{name}.png", animations="disabled")

    return take


def _beginning_of_lab2() -> NotebookNode:
    """The released lab up to its first check, with a wrong function; then the right one, its check, the last cell."""
    course = load_course(ROOT)
    released = nbformat.read(course.release(REAL), as_version=4)
    solution = {cell.id: cell for cell in perfect_submission(course, REAL).cells}["linear_quantize"]
    last = [cell.id for cell in released.cells].index("check_linear_quantize")
    preflight = NotebookNode(released.cells[-1])
    released.cells = [
        cell for cell in released.cells[: last + 1] if "skip-execution" not in cell.metadata.get("tags", [])
    ]
    released.cells[-2].source = TRUNCATES.strip()
    check = NotebookNode(released.cells[-1], id="check_again")
    released.cells += [NotebookNode(solution, id="right"), check, preflight]
    return released
