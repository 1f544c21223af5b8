"""Proofs as tables for the terminal and as a picture for the README."""

import io
import re
from collections.abc import Sequence

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from autograder.verify import Proof

FOREIGN_FONTS = re.compile(r"@font-face\s*\{[^}]*\}\s*")  # a picture of ours loads nothing from elsewhere
WIDTH = 90  # columns of the picture


def overview(proofs: Sequence[Proof]) -> Table:
    """One line a function: killed of all, and so on."""
    table = Table(
        "function", "misconceptions", "automatic", "equivalent", "alternatives", "diagnosed", "by check", "cases"
    )
    for proof in proofs:
        counts = proof.as_dict()
        auto, told = counts["auto_mutants"], counts["diagnosed"]
        table.add_row(
            proof.function,
            f"{counts['mutants']['killed']}/{counts['mutants']['total']}",
            f"{auto['killed']}/{auto['total'] - len(auto['equivalent'])}",
            str(len(auto["equivalent"])),
            f"{counts['alternatives']['accepted']}/{counts['alternatives']['total']}",
            f"{told['right']}/{told['total']}" + (f", {told['wrong']} wrong" if told["wrong"] else ""),
            str(told["by_check"]),
            f"{len(proof.visible)} + {len(proof.cases) - len(proof.visible)} hidden",
        )
    return table


def kill_matrix(proof: Proof, *, automatic: bool = True) -> Group:
    """A row for each mutant, a column for each case: a dot where the case kills it whatever variant is drawn."""
    table = Table(
        title=f"{proof.function}: which case kills which mutant", title_justify="left", box=box.SIMPLE, padding=0
    )
    table.add_column("", no_wrap=True, max_width=40)
    for number, case in enumerate(proof.cases, 1):
        style = "green" if case in proof.visible else "cyan"
        table.add_column(f"{number:>2}", justify="right", style=style, min_width=3, no_wrap=True)
    for kills in (proof.kills, proof.auto_kills) if automatic else (proof.kills,):
        for mutant, killers in kills.items():
            if mutant in proof.equivalent:
                continue
            dots = ["●" if case in killers else "" for case in proof.cases]
            table.add_row(Text(mutant, style="" if killers else "bold red"), *dots)
        table.add_section()
    cases = [
        Text(f"{number:3d}  {case}", style="green" if case in proof.visible else "cyan")
        for number, case in enumerate(proof.cases, 1)
    ]
    return Group(table, Text("green: in the notebook's check; blue: hidden"), *cases)


def redundant_cases(proofs: Sequence[Proof]) -> Table:
    table = Table("function", "cases that the proof could do without, one at a time")
    for proof in proofs:
        table.add_row(proof.function, ", ".join(proof.redundant) or "none")
    return table


def as_svg(proofs: Sequence[Proof]) -> str:
    """The matrices of misconceptions as one picture."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for proof in proofs:
        console.print(kill_matrix(proof, automatic=False))
    picture = console.export_svg(title="qlab verify --matrix")
    return FOREIGN_FONTS.sub("", picture).replace("Fira Code, ", "")
