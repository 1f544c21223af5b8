"""One submission -> one record: read, repair, plan, draw the cases, run in the sandbox, judge on the trusted side.

A case that could not be graded by a fault of ours counts neither as passed nor as a zero that is final: the item keeps
the score of its other cases over the full weight, and ``Record.needs_attention`` is true until it is graded again.

With the record of an earlier run only those questions are asked that it does not answer already: see ``regrade.py``.
"""

import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy
import torch
from nbformat import NotebookNode

from autograder.cells import analyse, defines_nothing_twice, normalise
from autograder.draw import Draws, draw_cases, draw_id
from autograder.fingerprint import hash_questions
from autograder.judging import judge_case, seen
from autograder.materials import Materials, StoredCase
from autograder.opening import Opened, open_submission
from autograder.oracle import Oracle
from autograder.plan import plan_cells, sources_of
from autograder.regrade import kept_items
from autograder.remembered import digest
from autograder.repair import Repaired
from autograder.results import CaseResult, ItemResult, Record, WrittenResult
from autograder.sandbox import Template
from autograder.session import Call, Cell, Probe, RawOutcome, SessionOutput, run_session
from autograder.submissions import Found, UnreadableNotebook
from qlab_helpers.checking.diagnosis import Diagnosis, Seen, agreement, diagnose
from qlab_helpers.checking.reference import Item
from qlab_helpers.checking.scoring import score
from qlab_helpers.checking.values import clean


@dataclass(frozen=True)
class Graded:
    """A record and the notebook it is about: repaired, for nbgrader; None when nothing could be read."""

    found: Found
    record: Record
    notebook: NotebookNode | None
    fresh: bool = True  # False: the record is that of an earlier run
    asked: tuple[str, ...] = ()  # questions that were put to the submission; the others' results are an earlier run's


def grade_submission(found: Found, *, materials: Materials, template: Template) -> Graded:
    """Never raises for what a student handed in; an unreadable notebook gives a record that is not graded."""
    try:
        opened = open_submission(found, materials)
    except UnreadableNotebook as error:
        return Graded(found, problem_record(found, materials, str(error), template=template), None)
    return grade_opened(opened, materials=materials, template=template)


def grade_opened(opened: Opened, *, materials: Materials, template: Template, earlier: Record | None = None) -> Graded:
    """``earlier`` is a record of this student whose results are kept where they would come out the same."""
    draws = draw_cases(materials, opened.found.student)
    plan = plan_cells(opened.repaired)
    record = replace(
        empty_record(opened.found, materials, template=template),
        graded=True,
        submission_hash=opened.submission_hash,
        written=_written(opened.repaired, materials),
        repairs=opened.repairs,
    )
    hashes = hash_questions(materials.item_hashes, draws, plan)
    kept = kept_items(earlier, record, hashes)
    asked = tuple(name for name in hashes if name not in kept)
    if asked or earlier is None:
        judge = _Judge(materials, draws)
        output = _run(plan, asked, judge, template)
        cells = tuple(replace(cell, message=clean(cell.message)) for cell in output.cells)
        sources = sources_of(opened.repaired.notebook, asked)
        new = {name: _item_result(name, sources[name], judge, plan, output) for name in asked}
        found = {**kept, **{name: replace(item, question_hash=hashes[name]) for name, item in new.items()}}
    else:
        cells, found = earlier.cells, kept  # the cells that would run are the same, so they end as they did
    items = {name: found[name] for name in materials.items}
    record = replace(
        record,
        score=round(sum(item.score for item in items.values()), 4),
        functions={name: item for name, item in items.items() if item.kind == "function"},
        answers={name: item for name, item in items.items() if item.kind == "answer"},
        cells=cells,
    )
    return Graded(opened.found, record, opened.repaired.notebook, asked=asked)


@dataclass(frozen=True)
class _Judge:
    """Judges what the sandbox gave, the same answers once: for the session, which asks if they are right, and after."""

    materials: Materials
    draws: Draws
    known: dict[tuple[str, tuple[RawOutcome, ...]], tuple[CaseResult, ...]] = field(default_factory=dict)

    def is_right(self, name: str, raw: Sequence[RawOutcome]) -> bool:
        return all(case.outcome == "passed" for case in self.cases(name, raw))

    def cases(self, name: str, raw: Sequence[RawOutcome]) -> tuple[CaseResult, ...]:
        """One result a case; where the sandbox gave none, that is a fault of ours."""
        stored = self.materials.cases[name]
        raw = (*raw, *[RawOutcome("not graded")] * (len(stored) - len(raw)))
        if (name, raw) not in self.known:
            self.known[name, raw] = tuple(self._case(name, *pair) for pair in zip(stored, raw, strict=False))
        return self.known[name, raw]

    def agreements(self, name: str, raw: Sequence[RawOutcome], cases: Sequence[CaseResult]) -> list[frozenset[str]]:
        """For each case, the misconceptions with which it comes out the same; ``cases`` are the results."""
        stored = self.materials.cases[name]
        return [self._agreement(name, *three) for three in zip(stored, raw, cases, strict=True)]

    def _case(self, name: str, stored: StoredCase, raw: RawOutcome) -> CaseResult:
        item, variant, limits = self.materials.items[name], self._variant(name, stored), self.materials.limits
        key = ("case", name, stored.case.name, variant, _key(raw))
        return self.materials.remembered.recall(
            key, lambda: judge_case(item, stored, variant, raw, limits=limits), size=_size
        )

    def _agreement(self, name: str, stored: StoredCase, raw: RawOutcome, case: CaseResult) -> frozenset[str]:
        item, variant, passed = self.materials.items[name], self._variant(name, stored), case.outcome == "passed"
        key = ("agreement", name, stored.case.name, variant, passed, _key(raw))
        return self.materials.remembered.recall(key, lambda: agreement(item, seen(stored, variant, raw, passed=passed)))

    def _variant(self, name: str, stored: StoredCase) -> int:
        return self.draws[name][stored.case.name]


def _key(raw: RawOutcome) -> bytes:
    return digest(raw.outcome, raw.detail, raw.reply)


def _size(case: CaseResult) -> int:
    return 4 * sum(map(len, (case.message, case.traceback, case.expected, case.got)))


def _run(plan: Sequence[Cell], asked: Collection[str], judge: _Judge, template: Template) -> SessionOutput:
    materials = judge.materials
    plain = defines_nothing_twice(cell.source for cell in plan if cell.run != "skip")
    return run_session(
        template,
        plan,
        {name: _probe(materials, name, judge.draws) for name in asked},
        limits=materials.limits,
        oracle=Oracle(materials),
        is_right=judge.is_right,
        shared=plain,
    )


def empty_record(found: Found, materials: Materials, *, template: Template) -> Record:
    """What is known of a submission before it is graded."""
    return Record(
        student=found.student,
        lab=materials.lab,
        score=0.0,
        max_score=sum(item.points for item in materials.items.values()),
        written_max_score=sum(materials.written.values()),
        graded=False,
        problem="",
        file=found.file,
        submission_hash="",
        lab_hash=materials.lab_hash,
        draw=draw_id(draw_cases(materials, found.student)),
        repairs=found.notes,
        environment=environment(materials, template),
    )


def problem_record(found: Found, materials: Materials, problem: str, *, template: Template) -> Record:
    return replace(empty_record(found, materials, template=template), problem=problem)


def environment(materials: Materials, template: Template) -> dict[str, Any]:
    """Everything outside submission and lab that may change a result."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
        "device": "cpu",
        "sandbox": dict(template.layers),
        "limits": asdict(materials.limits),
    }


def _probe(materials: Materials, name: str, draws: Draws) -> Probe:
    item = materials.items[name]
    calls = tuple(
        Call(one.case.name, one.messages[draws[name][one.case.name]], one.case.observe) for one in materials.cases[name]
    )
    return Probe(name, item.kind, item.parameters, calls, item.uses, item.driver)


def _item_result(name: str, source: str, judge: _Judge, plan: Sequence[Cell], output: SessionOutput) -> ItemResult:
    item = judge.materials.items[name]
    raw = output.items.get(name, ())
    cases = judge.cases(name, raw)
    diagnosis = _diagnose(name, judge, raw, cases)
    cases = tuple(_explain_missing(case, name, plan, output) for case in cases)
    return ItemResult(
        name=name,
        kind=item.kind,
        score=score(item.points, [(case.weight, case.outcome == "passed") for case in cases]),
        max_score=item.points,
        cases=cases,
        source=source,
        chained=_chained(item, cases, judge.cases(name, output.chained.get(name, ()))),
        misconception=diagnosis.name if diagnosis else "",
        diagnosis=diagnosis.sentence if diagnosis else "",
    )


def _diagnose(name: str, judge: _Judge, raw: Sequence[RawOutcome], cases: Sequence[CaseResult]) -> Diagnosis | None:
    if not raw or all(one.outcome == "missing" for one in raw):
        return None
    passed = [case.outcome == "passed" for case in cases]
    if all(passed):
        return None
    variants = [
        (stored.reference, stored.case.variants[judge.draws[name][stored.case.name]])
        for stored in judge.materials.cases[name]
    ]
    found = [Seen(*variant, passed=one) for variant, one in zip(variants, passed, strict=True)]
    return diagnose(judge.materials.items[name], found, judge.agreements(name, raw, cases))


def _explain_missing(case: CaseResult, name: str, plan: Sequence[Cell], output: SessionOutput) -> CaseResult:
    """A function is often missing because its cell did not run."""
    if case.outcome != "missing" or case.message == "not written yet":
        return case
    defining = {cell.index for cell in plan if name in analyse(cell.source).defines}
    for cell in output.cells:
        if cell.index in defining and "NotImplementedError" in cell.message:
            return replace(case, message="not written yet")
        if cell.index in defining:
            return replace(
                case, message=clean(f"{case.message}: its cell ({cell.index + 1}) {cell.outcome}: {cell.message}")
            )
    return case


def _chained(item: Item, cases: Sequence[CaseResult], own: Sequence[CaseResult]) -> str:
    """What is different with the student's own helper functions; it decides nothing."""
    if not item.uses or any(case.outcome == "not graded" for case in (*cases, *own)):
        return ""
    passed = sum(case.outcome == "passed" for case in cases)
    passed_own = sum(case.outcome == "passed" for case in own)
    if passed_own == passed:
        return ""
    helpers = ", ".join(item.uses)
    return (
        f"Graded with the reference in place of your {helpers}: {passed} of {len(cases)} cases pass. "
        f"With your own: {passed_own}. This does not change the score."
    )


def _written(repaired: Repaired, materials: Materials) -> dict[str, WrittenResult]:
    """Answered means: not as it was released. In a notebook of another course a person has to look for the answers."""
    released = _sources(materials.release)
    handed_in = _sources(repaired.notebook)
    text = any(cell.cell_type == "markdown" and "nbgrader" not in cell.metadata for cell in repaired.notebook.cells)
    return {
        name: WrittenResult(
            name,
            points,
            answered=normalise(handed_in[name]) not in ("", normalise(released[name]))
            or (repaired.kind == "foreign" and text),
        )
        for name, points in materials.written.items()
    }


def _sources(notebook: NotebookNode) -> Mapping[str, str]:
    marked = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    return {cell.metadata.nbgrader.grade_id: cell.source for cell in marked}
