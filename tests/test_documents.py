"""The commands that the documents print exist, with the options that they print; tests/docs types them."""

import re
import shlex
from pathlib import Path

import click
import pytest

from autograder.cli import cli
from autograder.course import load_course
from autograder.notebooks import read_lab

ROOT = Path(__file__).parent.parent
README, CONTRIBUTING = ((ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md"))
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


def code(document: str) -> list[str]:
    """Lines of fenced and indented code, and code spans of a document."""
    fenced = [line for block in FENCED.findall(document) for line in block.splitlines()]
    text = FENCED.sub("", document)
    lines = [line.partition("#")[0].strip() for line in [*fenced, *re.findall(r"^    .*", text, re.MULTILINE)]]
    return lines + re.findall(r"`([^`]*)`", text)


PAGES = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
CODE = sorted({line for text in (README, CONTRIBUTING, *PAGES.values()) for line in code(text)})


def options_of(command: click.Command) -> set[str]:
    return {"--help", *(option for parameter in command.params for option in parameter.opts)}


@pytest.mark.parametrize("line", [line for line in CODE if line.startswith("qlab ")])
def test_a_printed_qlab_command_exists_with_its_options(line):
    _, *arguments = shlex.split(line)
    while arguments[0].startswith("--"):
        assert arguments.pop(0) in options_of(cli)
    name, *arguments = arguments
    assert {argument for argument in arguments if argument.startswith("-")} <= options_of(cli.commands[name])


@pytest.mark.parametrize("line", [line for line in CODE if line.startswith("make ")])
def test_a_printed_make_target_exists(line):
    target = line.split()[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_readme_has_exactly_two_set_up_commands():
    assert re.findall(r"^    (\S.*?)\s+#", README, re.MULTILINE) == ["make demo", "make test"]


def test_readme_is_short_and_leads_to_the_page_of_each_role():
    assert len(README.splitlines()) <= 210
    assert {"student.md", "assistant.md", "instructor.md", "adding_a_lab.md"} <= set(PAGES)
    for name in ("student", "assistant", "instructor", "adding_a_lab"):
        assert f"](docs/{name}.md)" in README


def test_readme_names_every_attack_of_the_suite():
    text = " ".join(README.split())
    attacks = [path.stem.replace("_", " ") for path in (ROOT / "tests" / "autograder" / "attacks").glob("*/*.py")]
    assert len(attacks) > 30
    assert [attack for attack in attacks if attack not in text] == []


def test_readme_gives_each_labs_points_in_the_order_of_the_registry():
    rows = re.findall(r"^\| `(lab\w+)` \|.*?\| (\d+) \+ (\d+) \|", README, re.MULTILINE)
    course = load_course()
    sources = [read_lab(course, lab.name) for lab in course.labs]
    counted = [(one.lab, sum(one.items.values()), sum(one.written.values())) for one in sources]
    assert [(name, float(checks), float(person)) for name, checks, person in rows] == counted
