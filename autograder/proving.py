"""Many implementations of one function, each asked for all its cases in the sandbox, as a student's would be.

They are the cells of one notebook: the lab's solution first, then one implementation after the other, each given a
name of its own and asked in a fork of its own. Nothing here is secret, so the solution may be in the sandbox.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from autograder.judging import judge_case, seen
from autograder.materials import Materials, StoredCase
from autograder.notebooks import LabSource
from autograder.oracle import Oracle
from autograder.sandbox import Template
from autograder.session import Call, Cell, Probe, RawOutcome, run_session
from qlab_helpers.checking.diagnosis import Diagnosis, diagnose

PATIENCE_S = 1200.0  # for all implementations of a function together
CASE_S = 2.0


@dataclass(frozen=True)
class Trial:
    """What became of one implementation: by case, for each variant whether it passed; and the raw outcomes."""

    stored: tuple[StoredCase, ...]
    raw: tuple[tuple[RawOutcome, ...], ...]  # by case and variant
    passed: tuple[tuple[bool, ...], ...]
    messages: tuple[str, ...]  # by case, of the first variant that fails

    @property
    def killers(self) -> tuple[str, ...]:
        """Cases that it fails in every variant, whichever a student is given."""
        return tuple(one.case.name for one, passed in zip(self.stored, self.passed, strict=True) if not any(passed))

    @property
    def share(self) -> float:
        """The part of the points for a student who is given the first variants."""
        weights = [one.case.weight for one in self.stored]
        earned = sum(weight for weight, passed in zip(weights, self.passed, strict=True) if passed[0])
        return earned / sum(weights)


def try_all(
    materials: Materials, lab: LabSource, function: str, sources: Mapping[str, str], *, template: Template
) -> dict[str, Trial]:
    """A trial of each source, by name. Raises what ``run_session`` raises when the sandbox fails."""
    item, stored = materials.items[function], materials.cases[function]
    asked = [(case, number) for case in stored for number in range(len(case.messages))]
    calls = tuple(Call(one.case.name, one.messages[number], one.case.observe) for one, number in asked)
    aliases = {f"{function}_number_{number}": name for number, name in enumerate(sources)}
    cells = [Cell(index, cell.source) for index, (_, cell) in enumerate(lab.solved_cells)]
    for alias, name in aliases.items():
        cells.append(Cell(len(cells), f"{sources[name]}\n{alias} = {function}\n", probe=alias))
    probes = {alias: Probe(alias, item.kind, item.parameters, calls, item.uses, item.driver) for alias in aliases}
    limits = replace(materials.limits, notebook_s=PATIENCE_S, case_s=min(CASE_S, materials.limits.case_s))
    output = run_session(template, cells, probes, limits=limits, oracle=Oracle(materials))
    found = {}
    for alias, name in aliases.items():
        raw = iter(output.items[alias])
        grouped = tuple(tuple(next(raw) for _ in one.messages) for one in stored)
        results = [
            [judge_case(item, one, number, outcome, limits=limits) for number, outcome in enumerate(outcomes)]
            for one, outcomes in zip(stored, grouped, strict=True)
        ]
        passed = tuple(tuple(result.outcome == "passed" for result in row) for row in results)
        messages = tuple(
            next((f"{r.outcome} {r.message}" for r in row if r.outcome != "passed"), "") for row in results
        )
        found[name] = Trial(stored, grouped, passed, messages)
    return found


def diagnosis_of(
    materials: Materials, function: str, trial: Trial, variant: int, *, visible: bool = False, without: str = ""
) -> Diagnosis | None:
    """What a student with this implementation is told: by the grader or, from the visible cases alone, by the check.

    ``without`` names a case that is left out.
    """
    chosen = []
    for stored, raw, passed in zip(trial.stored, trial.raw, trial.passed, strict=True):
        number = min(variant, len(raw) - 1)
        if (stored.case.visible or not visible) and stored.case.name != without:
            chosen.append(seen(stored, number, raw[number], passed=passed[number]))
    return diagnose(materials.items[function], chosen)
