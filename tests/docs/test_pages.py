"""Each page for a role is worked through as it stands: every command of it runs, on a course in small.

Fenced blocks are what a reader types: `sh` commands; `python` cells, or with a path a file to write. The course has one
lab that goes by the name of the lab in the pages. What cannot be run here is named in ELSEWHERE, with the test that
runs it, or in EQUIVALENT, with what is run in its place; whatever is in neither table is run.
"""

import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import writes_json

from autograder.build import build
from autograder.course import Course, load_course
from autograder.demo import perfect_submission
from autograder.solution import load_solution

ROOT = Path(__file__).parents[2]
TINY = "lab_tiny"
PAGES = ("student", "assistant", "instructor", "adding_a_lab")
BLOCK = re.compile(r"^```(\w+)[ ]?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: What stands in the pages -> what the course in small has.
NAMES = {"lab2_linear": TINY, "linear_quantize": "quantize", "doejane_12345": "doejane_12"}
#: Commands for which something else is run: a program of another's that only has to be there, or a dry run.
EQUIVALENT = {
    "jupyter lab": [sys.executable, "-m", "jupyterlab", "--version"],
    f"jupyter lab {TINY}.ipynb": [sys.executable, "-m", "jupyterlab", "--version"],
    "make test": ["make", "--dry-run", "test"],
    "make check": ["make", "--dry-run", "check"],
    "source .venv/bin/activate": [sys.executable, "-c", "import autograder.cli"],
}
#: Commands that a test of their own runs, because they take long or make an environment.
ELSEWHERE = {
    "python -m venv .venv": ("handout/test_release.py", "test_solved_notebook_runs_with_the_helpers"),
    "pip install -r requirements.txt": (
        "handout/test_release.py",
        "test_solved_notebook_runs_with_the_helpers_of_the_zip",
    ),
    f"qlab release {TINY} --out dist": ("handout/test_release.py", "test_a_release_is_written_and_says_each_step"),
    f"qlab release {TINY} --gradescope --out staff": (
        "test_gradescope.py",
        "test_command_proves_the_lab_and_tries_the_zip",
    ),
    f"qlab release {TINY} --gradescope --visibility after_due_date --out staff": (
        "test_gradescope.py",
        "test_command_proves_the_lab_and_tries_the_zip",
    ),
    'eval "$(_QLAB_COMPLETE=bash_source qlab)"': ("test_command_line.py", "test_each_shell_gets_a_completion_script"),
}


@dataclass(frozen=True)
class Block:
    language: str
    path: str
    content: str

    @property
    def commands(self) -> list[str]:
        lines = [line.partition("  #")[0].strip() for line in self.content.splitlines()]
        return [line for line in lines if line]


def blocks(page: str) -> list[Block]:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    return [Block(*found) for found in BLOCK.findall(text)]


def small(text: str) -> str:
    for name, other in NAMES.items():
        text = text.replace(name, other)
    return text


@pytest.fixture(scope="module")
def course(make_tiny_course, tmp_path_factory) -> Course:
    """With what an assistant has: the zip of a class, and the gradebook that Canvas exports."""
    made = make_tiny_course(tmp_path_factory.mktemp("pages") / "tiny")
    source = made.solution(TINY)
    source.write_text(source.read_text().replace('raise RuntimeError("hours of training")', "print(quantize)"))
    build(made)
    with zipfile.ZipFile(made.root / "submissions.zip", "w") as archive:
        archive.writestr(f"doejane_12_100_{TINY}.ipynb", writes_json(perfect_submission(made, TINY)))
        archive.writestr(f"leeann_LATE_34_102_{TINY}.ipynb", made.release(TINY).read_text())
    (made.root / "gradebook.csv").write_text(
        "Student,ID,Section,A tiny lab (4711)\n    Points Possible,,,14\n"
        '"Doe, Jane",12,Section 1,\n"Lee, Ann",34,Section 1,\n'
    )
    return made


@pytest.fixture
def type_in(course, qlab, tiny_environment) -> Callable[[str], None]:
    """Types a command of a page, in the course's folder."""

    def run(line: str) -> None:
        line = small(line)
        if line.startswith("qlab export") and "--automatic" not in line:
            mark_written(course)
        if line in ELSEWHERE:
            file, test = ELSEWHERE[line]
            assert re.search(rf"^def {test}", (ROOT / "tests" / "autograder" / file).read_text(), re.MULTILINE)
        elif line in EQUIVALENT:
            done = subprocess.run(EQUIVALENT[line], cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{line}: {done.stderr}"
        elif line.startswith("qlab "):
            code, out, err = qlab(*shlex.split(line)[1:])
            assert code == 0, f"{line}: exit code {code}\n{out}{err}"
        else:
            done = subprocess.run(
                shlex.split(line),
                cwd=course.root,
                env=tiny_environment(course),
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"

    return run


def mark_written(course: Course) -> None:
    """What a person does in formgrader."""
    from nbgrader.api import Gradebook

    with Gradebook(course.gradebook_url, course.id) as book:
        for submission in book.assignment_submissions(TINY):
            for notebook in submission.notebooks:
                grade = notebook.grades[[one.name for one in notebook.grades].index("question_2")]
                grade.manual_score, grade.needs_manual_grade = 2.0, False
        book.db.commit()


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page):
    text = (ROOT / "docs" / f"{page}.md").read_text()
    assert text.count("```") == 2 * len(blocks(page))
    assert {block.language for block in blocks(page)} <= {"sh", "python", "toml"}


@pytest.mark.filterwarnings("ignore:.*TCP without encryption:Warning")
@pytest.mark.parametrize("page", ["assistant", "instructor"])
def test_commands_of_a_page_run_in_their_order(page, type_in):
    commands = [line for block in blocks(page) for line in block.commands]
    assert len(commands) > 8
    for line in commands:
        type_in(line)


def test_student_page_runs_in_a_notebook_of_the_real_lab(type_in, tmp_path, monkeypatch, capsys):
    for block in blocks("student"):
        if block.language == "sh":
            for line in block.commands:
                type_in(line)
    course = load_course(ROOT)
    monkeypatch.chdir(tmp_path)
    solved = perfect_submission(course, "lab2_linear")
    nbformat.write(solved, tmp_path / "my_copy.ipynb")
    from qlab_helpers import check

    namespace = {**load_solution(course, "lab2_linear"), "check": check}
    capsys.readouterr()
    for block in blocks("student"):
        if block.language == "python":
            exec(block.content, namespace)
    shown = capsys.readouterr().out
    assert "linear_quantize" in shown and "my_copy.ipynb" in shown


@pytest.mark.filterwarnings("ignore:.*TCP without encryption:Warning")
def test_page_on_adding_a_lab_makes_a_lab_that_is_proven(course, type_in):
    for block in blocks("adding_a_lab"):
        if block.path == "course.toml":
            with (course.root / "course.toml").open("a") as registry:
                registry.write(f"\n{block.content}")
        elif block.path:
            (course.root / block.path).parent.mkdir(parents=True, exist_ok=True)
            (course.root / block.path).write_text(block.content)
        else:
            for line in block.commands:
                type_in(line)
    assert (course.root / "notebooks" / "lab9_topic" / "lab9_topic.ipynb").is_file()
    assert (course.root / "runs" / "lab9_topic-fast" / "metrics.json").is_file()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_pages_that_are_there(page):
    text = (ROOT / "docs" / f"{page}.md").read_text()
    assert [link for link in re.findall(r"\]\(([^)]+)\)", text) if not (ROOT / "docs" / link).is_file()] == []
