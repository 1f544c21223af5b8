"""The commands that README and CONTRIBUTING print exist, with the options that they print."""

import re
import shlex
from pathlib import Path

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


CODE = sorted(set(code(README) + code(CONTRIBUTING)))


@pytest.mark.parametrize("line", [line for line in CODE if line.startswith("qlab ")])
def test_a_printed_qlab_command_exists_with_its_options(line):
    _, name, *arguments = shlex.split(line)
    options = {option for parameter in cli.commands[name].params for option in parameter.opts}
    assert {argument for argument in arguments if argument.startswith("-")} <= options


@pytest.mark.parametrize("line", [line for line in CODE if line.startswith("make ")])
def test_a_printed_make_target_exists(line):
    target = line.split()[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_readme_has_exactly_two_set_up_commands():
    assert re.findall(r"^    (\S.*?)\s+#", README, re.MULTILINE) == ["make demo", "make test"]


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
