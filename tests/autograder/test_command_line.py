"""What all commands have in common: help that ends with examples, JSON, quiet and verbose, completion, colours."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from rich.console import Console
from rich.progress import Task

from autograder import terminal
from autograder.cli import cli

TINY = "lab_tiny"
ROOT = Path(__file__).parents[2]


def examples_of(name: str) -> list[str]:
    """The lines at the end of a command's help."""
    command = cli.commands[name]
    text = command.get_help(click.Context(command, info_name=f"qlab {name}", max_content_width=200))
    _, _, end = text.partition("Examples:\n")
    return [line.strip() for line in end.splitlines()]


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_help_ends_with_examples_that_are_accepted(name):
    lines = examples_of(name)
    assert 1 <= len(lines) <= 2
    for line in lines:
        program, command, *arguments = shlex.split(line)
        assert (program, command) == ("qlab", name)
        cli.commands[name].make_context(name, arguments)  # raises for what is not an option or has a wrong value


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_can_say_it_as_json(name):
    assert "--json" in [option for parameter in cli.commands[name].params for option in parameter.opts]


def test_json_without_a_file_is_all_that_stands_on_the_screen(qlab):
    code, out, _ = qlab("build", "--json")
    assert code == 0 and json.loads(out) == {"up to date": True, "changes": []}


def test_json_in_a_file_leaves_the_screen_as_it_was(qlab, tmp_path):
    code, out, _ = qlab("build", "--json", tmp_path / "build.json")
    assert code == 0 and "everything is up to date" in out
    assert json.loads((tmp_path / "build.json").read_text())["up to date"] is True


def test_records_and_what_is_collected_come_as_json(qlab, course, tmp_path):
    path = tmp_path / "in" / "ada" / f"{TINY}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_bytes(course.release(TINY).read_bytes())
    code, out, _ = qlab("grade", TINY, "--submissions", tmp_path / "in", "--out", tmp_path / "out", "--json")
    assert code == 0 and [record["student"] for record in json.loads(out)] == ["ada"]


def test_quiet_prints_nothing_but_errors(qlab):
    assert qlab("--quiet", "build") == (0, "", "")
    code, out, err = qlab("--quiet", "build", "lab9_missing")
    assert (code, out) == (1, "") and err.startswith("error: ")
    assert qlab("build")[1] == "everything is up to date\n"  # the next one speaks again


def test_verbose_says_where_an_error_came_from_and_how_long_it_took(qlab):
    code, _, err = qlab("--verbose", "grade", "lab9_missing", "--submissions", ".")
    assert code == 1 and "Traceback" in err and "course.py" in err and "took" in err
    assert err.strip().splitlines()[-1].startswith(("error: ", "course.toml"))


def program(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """`qlab` in a process of its own, as a shell starts it."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    command = [sys.executable, "-c", "from autograder.cli import main; main()", *arguments]
    environment = {**kept, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_completion_script(shell):
    script = program(_QLAB_COMPLETE=f"{shell}_source").stdout
    assert "_QLAB_COMPLETE" in script and "qlab" in script


def test_commands_options_and_labs_are_completed():
    def completed(words: str) -> list[str]:
        number = str(len(words.split(" ")) - 1)
        done = program(_QLAB_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=number)
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert completed("qlab gra") == ["grade"]
    assert completed("qlab grade lab2") == ["lab2_linear"]
    assert "--submissions" in completed("qlab grade lab2_linear --s")


def test_there_are_no_colours_where_nobody_sees_them():
    assert "\x1b" not in program("build", "lab9_missing").stderr


def test_no_color_turns_colours_off_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("NO_COLOR", "1")
    Console(force_terminal=True, stderr=True).print("[red]error:[/red] words")
    assert "\x1b[31m" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "done", "words"), [(2.0, 10, "5.0 a second"), (60.0, 15, "15.0 a minute"), (1.0, 0, "")]
)
def test_rate_is_said_by_the_second_or_the_minute(seconds, done, words):
    times = iter([0.0, 0.0, seconds])
    task = Task(0, "grading", 100, done, _get_time=lambda: next(times, seconds))
    task.start_time, task.stop_time, task.finished_speed = 0.0, seconds, done / seconds
    assert terminal.RateColumn().render(task).plain == words


def test_progress_shows_rate_and_time_left():
    kinds = {type(column).__name__ for column in terminal.progress().columns}
    assert {"RateColumn", "TimeRemainingColumn"} <= kinds
