"""What all commands print with."""

from rich.console import Console

console = Console()
errors = Console(stderr=True)


def printable(text: str) -> str:
    """Without control characters: what a submission says may not steer the assistant's terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
