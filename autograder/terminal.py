"""What all commands print with: two consoles, progress, and what they know as JSON.

Colours and moving bars are for terminals alone; rich leaves them out elsewhere, and colours where NO_COLOR is set.
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from autograder.course import CourseError, load_course

console = Console()
errors = Console(stderr=True)
SCREEN = "-"


def printable(text: str) -> str:
    """Without control characters: what a submission says may not steer the assistant's terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def examples(*lines: str) -> str:
    """The end of a command's help: lines to type."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def json_option(command: Callable) -> Callable:
    """Adds ``--json``, the argument ``json_file``: None, the name of a file, or ``SCREEN``."""
    return click.option(
        "--json",
        "json_file",
        is_flag=False,
        flag_value=SCREEN,
        metavar="[FILE]",
        help="As JSON, to FILE as well or to the screen instead.",
    )(command)


def tell(content: Any, json_file: str | None) -> bool:
    """Write ``content`` where ``--json`` wants it. True when it was the screen, which then is for nothing else."""
    if json_file is None:
        return False
    text = json.dumps(content, indent=1, default=str) + "\n"
    if json_file == SCREEN:
        click.echo(text, nl=False)
        return True
    from autograder.results import write_atomically

    write_atomically(Path(json_file), text)
    return False


def progress(*, quiet: bool = False) -> Progress:
    """A bar with rate and time left."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors, transient=True, disable=quiet or console.quiet)


def status(text: str) -> AbstractContextManager:
    """What is being done, while it is; its ``update`` says something else."""
    return nullcontext(_Silent()) if console.quiet else errors.status(text)


def complete_lab(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """For the shell: the labs of the course."""
    try:
        return [CompletionItem(lab.name, help=lab.title) for lab in load_course().labs if lab.name.startswith(begun)]
    except CourseError:
        return []


class RateColumn(ProgressColumn):
    """How many in a second, or in a minute where they are slow."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(
            f"{speed:.1f} a second" if speed >= 1 else f"{60 * speed:.1f} a minute", style="progress.data.speed"
        )


class _Silent:
    def update(self, text: str) -> None:
        """Says nothing."""
