"""The proof of a lab's graders: what is right keeps its points, what is wrong loses some, and hints are true.

Each graded function is tried in the sandbox as its solution, its untouched stub, every misconception, every valid
alternative and every automatic mutant; ``leaks`` looks for what students may not see.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from autograder.bank import Bank, load_bank, solution_text, sources
from autograder.course import Course
from autograder.judging import returned
from autograder.materials import Materials, load_materials
from autograder.mutation import mutants
from autograder.notebooks import LabSource, read_lab
from autograder.proving import Trial, diagnosis_of, try_all
from autograder.recipes import HIDDEN_VARIANTS
from autograder.sandbox import Template
from qlab_helpers.checking.values import short

SOLUTION, STUB = "the solution", "the stub"


@dataclass(frozen=True)
class Proof:
    """What was found out about one function. ``kills`` names, by mutant, the cases that kill it."""

    lab: str
    function: str
    cases: tuple[str, ...]
    visible: tuple[str, ...]
    solution: float
    stub: float
    kills: dict[str, tuple[str, ...]]  # misconceptions
    auto_kills: dict[str, tuple[str, ...]]
    equivalent: dict[str, str]  # automatic mutants that survive, with the reason
    alternatives: dict[str, str]  # what is wrong with it, "" for an accepted one
    diagnosed: dict[str, tuple[str, ...]]  # by misconception: what all who have it are told; "" for nothing
    checked: dict[str, str]  # the same by the notebook's check
    redundant: tuple[str, ...] = ()  # where asked for: cases without any one of which the proof would still hold
    problems: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The summary that ``qlab verify --json`` writes."""
        survivors = [name for name, cases in self.kills.items() if not cases]
        auto = {name: cases for name, cases in self.auto_kills.items() if name not in self.equivalent}
        right = sum(set(told) == {name} for name, told in self.diagnosed.items())
        wrong = sum(not set(told) <= {name, ""} for name, told in self.diagnosed.items())
        return {
            "lab": self.lab,
            "solution": self.solution,
            "stub": self.stub,
            "mutants": {"total": len(self.kills), "killed": len(self.kills) - len(survivors), "survivors": survivors},
            "auto_mutants": {
                "total": len(self.auto_kills),
                "killed": sum(bool(cases) for cases in auto.values()),
                "equivalent": sorted(self.equivalent),
            },
            "alternatives": {
                "total": len(self.alternatives),
                "accepted": sum(not trouble for trouble in self.alternatives.values()),
            },
            "diagnosed": {
                "total": len(self.diagnosed),
                "right": right,
                "wrong": wrong,
                "by_check": sum(told == name for name, told in self.checked.items()),
            },
        }


def verify(
    course: Course,
    labs: Sequence[str],
    *,
    functions: Sequence[str] = (),
    minimal: bool = False,
    jobs: int = 2,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Proof]:
    """A proof of every graded function that has a bank, in the order of the labs.

    ``minimal`` also looks for redundant cases, which takes a diagnosis of everything without each case.
    """
    work = [
        (materials, source, bank)
        for materials, source, banks in _labs(course, labs)
        for bank in banks
        if not functions or bank.function in functions
    ]
    done = 0
    on_progress(done, len(work))
    with Template(course.limits) as template, ThreadPoolExecutor(jobs) as pool:

        def prove(one: tuple[Materials, LabSource, Bank]) -> Proof:
            nonlocal done
            proof = _prove(course, *one, template=template, minimal=minimal)
            done += 1
            on_progress(done, len(work))
            return proof

        return list(pool.map(prove, work))


def _labs(course: Course, labs: Sequence[str]) -> Iterator[tuple[Materials, LabSource, list[Bank]]]:
    for lab in labs:
        banks = load_bank(course, lab)
        source = read_lab(course, lab)
        yield load_materials(course, lab), source, [banks[name] for name in source.items if name in banks]


def _prove(
    course: Course, materials: Materials, lab: LabSource, bank: Bank, *, template: Template, minimal: bool
) -> Proof:
    function = bank.function
    solution = solution_text(lab, function)
    wrong = sources(course, lab.lab, bank, bank.misconceptions)
    right = sources(course, lab.lab, bank, bank.alternatives)
    automatic = {mutant.name: mutant.source for mutant in mutants(solution)}
    all_sources = {SOLUTION: solution, STUB: _stub(materials, function), **wrong, **right}
    trials = try_all(materials, lab, function, all_sources | _numbered(automatic), template=template)
    auto_trials = {name: trials[key] for key, name in zip(_numbered(automatic), automatic, strict=True)}
    stored = materials.cases[function]
    proof = Proof(
        lab=lab.lab,
        function=function,
        cases=tuple(one.case.name for one in stored),
        visible=tuple(one.case.name for one in stored if one.case.visible),
        solution=trials[SOLUTION].share,
        stub=trials[STUB].share,
        kills={name: trials[name].killers for name in wrong},
        auto_kills={name: trial.killers for name, trial in auto_trials.items()},
        equivalent=dict(bank.equivalent),
        alternatives={name: _trouble(trials[name]) for name in right},
        diagnosed={name: _told(materials, function, trials[name]) for name in wrong},
        checked={name: _told(materials, function, trials[name], visible=True)[0] for name in wrong},
    )
    told = {name: trials[name] for name in wrong}
    return replace(
        proof,
        redundant=tuple(case for case in proof.cases if minimal and _is_redundant(materials, proof, told, case)),
        problems=tuple(_problems(proof, trials, auto_trials)),
    )


def _is_redundant(materials: Materials, proof: Proof, wrong: dict[str, Trial], case: str) -> bool:
    """Without ``case`` the proof would be no weaker.

    Every mutant still loses points. A visible case is also needed where it alone shows a misconception to the student
    or lets the check tell which it is; a hidden one, where it alone kills a mutant for whom the visible answers were
    copied.
    """
    peers = [one for one in proof.cases if (one in proof.visible) == (case in proof.visible)]
    auto = [proof.auto_kills[name] for name in proof.auto_kills.keys() - proof.equivalent.keys()]
    kills = [*proof.kills.values(), *auto]
    alone = [killers for killers in kills if killers == (case,)]
    shown = proof.kills.values() if case in proof.visible else kills
    alone += [killers for killers in shown if [one for one in killers if one in peers] == [case]]
    if alone:
        return False
    for name, trial in wrong.items():
        for visible, told in ((False, set(proof.diagnosed[name])), (True, {proof.checked[name]})):
            found = diagnosis_of(materials, proof.function, trial, 0, visible=visible, without=case)
            if told == {name} and (found is None or found.name != name):
                return False
    return True


def _numbered(automatic: dict[str, str]) -> dict[str, str]:
    """Under keys that no misconception has."""
    return {f"automatic {number}": source for number, source in enumerate(automatic.values())}


def _stub(materials: Materials, function: str) -> str:
    return next(
        cell.source for cell in materials.release.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == function
    )


def _told(materials: Materials, function: str, trial: Trial, *, visible: bool = False) -> tuple[str, ...]:
    """The name of the misconception that each draw of hidden cases leads to; "" for none."""
    found = [
        diagnosis_of(materials, function, trial, variant, visible=visible)
        for variant in range(1 if visible else HIDDEN_VARIANTS)
    ]
    return tuple(one.name if one else "" for one in found)


def _trouble(trial: Trial) -> str:
    failed = [
        f"{stored.case.name}: {message}"
        for stored, message in zip(trial.stored, trial.messages, strict=True)
        if message
    ]
    return failed[0] if failed else ""


def _problems(proof: Proof, trials: dict[str, Trial], auto_trials: dict[str, Trial]) -> Iterator[str]:
    """What keeps the proof from holding, one sentence each."""
    name = proof.function
    if trouble := _trouble(trials[SOLUTION]):
        yield f"{name}: the solution fails {trouble}"
    if proof.stub:
        yield f"{name}: the untouched stub gets {100 * proof.stub:.0f} % of the points"
    for kind, kills, tried in (
        ("misconception", proof.kills, trials),
        ("automatic mutant", proof.auto_kills, auto_trials),
    ):
        for mutant, cases in kills.items():
            if not cases and mutant not in proof.equivalent:
                yield f"{name}: the {kind} {mutant!r} keeps all points; {_survival(tried[mutant])}"
    for mutant in proof.equivalent:
        if mutant not in proof.auto_kills:
            yield f"{name}: {mutant!r} is listed as equivalent and is no automatic mutant of the solution any more"
        elif trouble := _trouble(auto_trials[mutant]):
            yield f"{name}: {mutant!r} is listed as equivalent and fails {trouble}"
    for one, why in proof.alternatives.items():
        if why:
            yield f"{name}: the valid alternative {one!r} fails {why}"
    for mutant, told in proof.diagnosed.items():
        for said in sorted({*told, proof.checked[mutant]} - {mutant, ""}):
            yield f"{name}: {mutant!r} is taken for {said!r}"


def _survival(trial: Trial) -> str:
    """What can be said of a mutant that lives: the outputs that should have been others."""
    partly = [stored.case.name for stored, passed in zip(trial.stored, trial.passed, strict=True) if not all(passed)]
    if partly:
        return f"some variants of {partly[0]!r} tell it, others do not"
    case, raw = trial.stored[0].case.name, trial.raw[0][0]
    result, observed = returned(raw.reply)
    shown = ", ".join(short(value, 100) for value in (result, *observed.values()))
    return (
        f"its outputs pass every case (in {case!r}: {shown}); add a case where they should differ, or list it as "
        "equivalent with the reason"
    )
