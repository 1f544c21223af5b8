"""A class with every attacker in it: no points without work, no harm to the honest, nothing left behind.

The cells in attacks/ are what a clever student may hand in, for points or to do harm. Each stands in place of the first
function that is to be written; the others stay unwritten. FORGERIES change what stands around an unwritten one.
"""

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
import psutil
import pytest
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.server_extensions.formgrader.handlers import template_path
from traitlets.config import Config

from autograder.build import build
from autograder.classroom import Outcome, grade_and_publish
from autograder.course import Course
from autograder.demo import perfect_submission

from .elements import Elements
from .processes import without_servers

LAB = "lab_tiny"
MARK = "attacker-was-here"  # what they write and show
FILES = sorted((Path(__file__).parent / "attacks").glob("*/*.py"))
ATTACKS = {path.stem.replace("_", "-"): path.read_text() for path in FILES}


def more_points(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("points"):
            cell.metadata.nbgrader.points = 1000


def saved_outputs(notebook: NotebookNode) -> None:
    for cell in check_cells(notebook):
        cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": "11 / 11 points"})]
        cell.execution_count = 1


def own_checks(notebook: NotebookNode) -> None:
    for cell in check_cells(notebook):
        cell.source = "11.0"
        cell.metadata.nbgrader.update(locked=False, checksum="0" * 32)


def checks_twice(notebook: NotebookNode) -> None:
    for cell in check_cells(notebook):
        again = nbformat.from_dict({**cell, "source": "score = 11.0\nscore", "id": f"{cell.id}-2"})
        notebook.cells.insert(0, again)


def script_in_texts(notebook: NotebookNode) -> None:
    """For the browser of whoever opens them to grade them."""
    evil = f'{MARK} <img src=x onerror="alert(1)"><script>alert(1)</script> [x](javascript:alert(1)) ![](attachment:x)'
    next(cell for cell in notebook.cells if cell.id == "question_2").source = evil
    notebook.cells.append(nbformat.v4.new_markdown_cell(evil))
    notebook.cells.append(nbformat.v4.new_raw_cell(evil))


def check_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.source.startswith("check")]


#: What is done to the notebook of a student who wrote nothing.
FORGERIES = {
    change.__name__: change for change in (more_points, saved_outputs, own_checks, checks_twice, script_in_texts)
}


@dataclass(frozen=True)
class Run:
    """A class that was graded, and what was there before and after."""

    course: Course
    outcome: Outcome
    before: dict[Path, bytes]
    after: dict[Path, bytes]
    left_running: list[psutil.Process]

    def record(self, student: str):
        return next(record for record in self.outcome.records if record.student == student)

    def page(self, student: str) -> str:
        return (self.outcome.feedback_folder / f"{student}.html").read_text()


def shown_by_formgrader(course: Course, student: str) -> str:
    """As its handler makes it of the autograded notebook."""
    settings = Config()
    settings.HTMLExporter.template_name = "formgrade"
    settings.HTMLExporter.extra_template_basedirs = [template_path]
    names = ("submission_id", "notebook_id", "assignment_id", "last_name", "first_name", "base_url", "mathjax_url")
    resources = {**dict.fromkeys(names, ""), "index": 0, "total": 1}
    page, _ = HTMLExporter(config=settings).from_filename(str(course.autograded(student, LAB)), resources=resources)
    return page


def hand_in(folder: Path, course: Course, *, attackers: bool) -> Path:
    """ada: solved; bob: rounds down; and every attacker."""
    honest = perfect_submission(course, LAB)
    rough = perfect_submission(course, LAB)
    for cell in rough.cells:
        cell.source = cell.source.replace("torch.round", "torch.floor")
    notebooks = {"ada": honest, "bob": rough}
    for name, code in ATTACKS.items() if attackers else ():
        notebooks[name] = nbformat.read(course.release(LAB), as_version=4)
        stub = next(cell for cell in notebooks[name].cells if "def scale_of" in cell.source)
        stub.source = code
    for name, forge in FORGERIES.items() if attackers else ():
        notebooks[name] = nbformat.read(course.release(LAB), as_version=4)
        forge(notebooks[name])
    for student, notebook in notebooks.items():
        (folder / student).mkdir(parents=True)
        nbformat.write(notebook, folder / student / f"{LAB}.ipynb")
    return folder


def files_of(course: Course) -> dict[Path, bytes]:
    """Of the course itself, not what grading writes."""
    paths = [path for path in course.root.rglob("*") if path.is_file() and course.data not in path.parents]
    return {path: path.read_bytes() for path in paths if not path.is_symlink()}


@pytest.fixture(scope="module")
def run(make_tiny_course, tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("attacked")
    course = make_tiny_course(folder / "tiny")
    course = replace(course, limits=replace(course.limits, case_s=2, cell_s=5, notebook_s=15, memory_mib=1024))
    build(course)
    before, running = files_of(course), set(psutil.Process().children(recursive=True))
    class_folder = hand_in(folder / "class", course, attackers=True)
    outcome = grade_and_publish(course, LAB, class_folder, out=folder / "out", jobs=2)
    started = [process for process in psutil.Process().children(recursive=True) if process not in running]
    return Run(course, outcome, before, files_of(course), without_servers(started))


@pytest.mark.parametrize("attack", [*ATTACKS, *FORGERIES])
def test_an_attacker_has_a_record_and_no_points(run, attack):
    record = run.record(attack)
    assert record.graded, record.problem
    assert record.score == 0, {name: item.cases for name, item in record.items.items() if item.score}
    assert not record.needs_attention


def test_records_of_the_honest_are_the_same_without_attackers(run, tmp_path):
    quiet = hand_in(tmp_path / "class", run.course, attackers=False)
    grade_and_publish(run.course, LAB, quiet, out=tmp_path / "out", jobs=1)
    for student in ("ada", "bob"):
        alone = (tmp_path / "out" / "records" / f"{student}.json").read_bytes()
        assert (run.outcome.records_folder / f"{student}.json").read_bytes() == alone
    assert run.record("ada").score == 11


def test_nothing_runs_when_the_class_is_graded(run):
    assert run.left_running == []


def test_nothing_is_written_outside_or_changed(run):
    assert run.after == run.before
    places = [Path(tempfile.gettempdir()), Path("/dev/shm"), Path.home(), Path.cwd(), Path("/")]
    assert [place for place in places if MARK in os.listdir(place)] == []


def test_the_gradebook_has_their_zeros_and_the_points_of_the_honest(run):
    with Gradebook(run.course.gradebook_url) as gradebook:
        scores = {one.student.id: one.score for one in gradebook.assignment_submissions(LAB)}
    assert scores.pop("ada") == 11
    assert 0 < scores.pop("bob") < 11
    assert scores == dict.fromkeys([*ATTACKS, *FORGERIES], 0)


@pytest.mark.parametrize("attack", ["script-in-outputs", "terminal-escapes"])
def test_no_page_runs_or_loads_what_a_submission_printed(run, attack):
    page = run.page(attack)
    assert MARK in page  # as text
    for tag, attributes in Elements(page).found:
        assert tag not in ("script", "iframe", "object", "embed", "link", "base", "form")
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("src") or "data:").startswith("data:")
    assert not {character for character in page if ord(character) < 32} - {"\n", "\t"}


@pytest.mark.parametrize("attack", ["script-in-outputs", "script_in_texts"])
def test_formgrader_runs_nothing_of_what_it_shows(run, attack):
    page = shown_by_formgrader(run.course, attack)
    assert MARK in page  # as text
    assert Elements(page).active <= Elements(shown_by_formgrader(run.course, "ada")).active


def test_no_escape_of_a_submission_reaches_a_page_or_record_raw(run):
    cases = [case for item in run.record("terminal-escapes").items.values() for case in item.cases]
    told = "".join(case.message + case.traceback for case in cases)
    assert MARK in told
    assert not {character for character in told if not character.isprintable()} - {"\n"}
