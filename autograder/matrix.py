"""Proofs as tables for the terminal and as a picture for the README."""

import io
from collections.abc import Sequence

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from autograder.verify import Proof

WIDTH = 110  # columns of the picture


def overview(proofs: Sequence[Proof]) -> Table:
    """One line a function."""
    table = Table("function", "misconceptions", "automatic mutants", "alternatives", "diagnosed", "by check", "cases")
    for proof in proofs:
        counts = proof.as_dict()
        auto, told = counts["auto_mutants"], counts["diagnosed"]
        same = len(auto["equivalent"])
        table.add_row(
            proof.function,
            f"{counts['mutants']['killed']} of {counts['mutants']['total']} killed",
            f"{auto['killed']} of {auto['total'] - same} killed" + (f", {same} equivalent" if same else ""),
            f"{counts['alternatives']['accepted']} of {counts['alternatives']['total']} accepted",
            f"{told['right']} right, {told['wrong']} wrong",
            str(told["by_check"]),
            f"{len(proof.visible)} + {len(proof.cases) - len(proof.visible)}",
        )
    return table


def kill_matrix(proof: Proof) -> Group:
    """A row for each mutant, a column for each case: a dot where the case kills it whatever variant is drawn."""
    table = Table(title=f"{proof.function}: which case kills which mutant", title_justify="left", padding=(0, 0))
    table.add_column("", no_wrap=True, max_width=64)
    for number, case in enumerate(proof.cases, 1):
        table.add_column(str(number), justify="center", style="green" if case in proof.visible else "cyan")
    for kills in (proof.kills, proof.auto_kills):
        for mutant, killers in kills.items():
            if mutant in proof.equivalent:
                continue
            dots = ["●" if case in killers else "" for case in proof.cases]
            table.add_row(Text(mutant, style="" if killers else "bold red"), *dots)
        table.add_section()
    cases = [
        Text(f"{number:3d}  {case}" + ("" if case in proof.visible else " (hidden)"))
        for number, case in enumerate(proof.cases, 1)
    ]
    return Group(table, *cases)


def redundant_cases(proofs: Sequence[Proof]) -> Table:
    table = Table("function", "cases that the proof could do without, one at a time")
    for proof in proofs:
        table.add_row(proof.function, ", ".join(proof.redundant) or "none")
    return table


def as_svg(proofs: Sequence[Proof]) -> str:
    """The matrices of misconceptions as one picture."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for proof in proofs:
        console.print(kill_matrix(proof))
    return console.export_svg(title="qlab verify --matrix")
