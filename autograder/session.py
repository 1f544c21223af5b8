"""One submission, driven from the trusted side: cell by cell, question by question, every answer with a deadline.

A cell or call that overruns is stopped inside by an alarm. What ignores the alarm, or takes its process down, costs the
process: the notebook is run again in a fresh one, with the guilty cell reduced to its definitions, or past the guilty
call. Everything together has one budget of wall time.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autograder import wire
from autograder.course import Limits
from autograder.results import CellResult
from autograder.sandbox import Child, Template, TemplateDied

GRACE_S = 1.5  # what an alarm inside may take to be heard
FIRST_ANSWER_S = 20.0  # for sending inputs to, and forking in, a process on a busy machine
HASTY_S = 1.0  # limit of a call whose function has run out of time before
MAX_TIMEOUTS = 3  # of one item; its other cases are not tried
MAX_RESTARTS = 25
MAX_QUESTIONS = 2000  # that a call may ask of the oracle
OUTCOMES = ("returned", "raised", "timed out", "out of memory", "missing")
SIGNALS = {6: "an abort", 8: "an arithmetic error", 9: "being killed", 11: "a crash in native code"}
BUDGET_USED = "the notebook's time was used up before this was tried"


@dataclass(frozen=True)
class Cell:
    """A code cell; ``run`` is "full", "definitions" or "skip". ``probe`` names the item whose check stands here."""

    index: int
    source: str
    run: str = "full"
    probe: str = ""


@dataclass(frozen=True)
class Call:
    case: str
    args: bytes  # packed by the codec
    observe: tuple[str, ...] = ()


@dataclass(frozen=True)
class Probe:
    """What to ask of one item. ``uses`` are functions that the trusted side computes in the student's stead."""

    item: str
    kind: str  # "function" or "answer"
    parameters: tuple[str, ...]
    calls: tuple[Call, ...]
    uses: tuple[str, ...] = ()


@dataclass(frozen=True)
class RawOutcome:
    """What became of one call; ``reply`` packs {"result": ..., "observed": {...}} and is not to be trusted."""

    outcome: str  # "returned", "raised", "timed out", "crashed", "out of memory", "missing", "not graded"
    reply: bytes = b""
    detail: str = ""


@dataclass(frozen=True)
class SessionOutput:
    cells: tuple[CellResult, ...]  # those that did not run to their end
    items: dict[str, tuple[RawOutcome, ...]]
    chained: dict[str, tuple[RawOutcome, ...]]  # with the student's own functions in place of ``uses``


def run_session(
    template: Template,
    cells: Sequence[Cell],
    probes: Mapping[str, Probe],
    *,
    limits: Limits,
    oracle: Callable[[str, bytes], bytes],
) -> SessionOutput:
    """Run a submission to its end. Never raises for anything that it does.

    Raises ``TemplateDied`` or ``SandboxUnavailable`` when the sandbox itself fails twice: that is our fault.
    """
    session = _Session(template, tuple(cells), probes, limits, oracle)
    unexplained = 0
    for _ in range(MAX_RESTARTS):
        generation = template.generation
        try:
            child = template.spawn()
        except TemplateDied:
            template.restart(generation)
            child = template.spawn()
        try:
            session.drive(child)
            break
        except _Lost as lost:
            status = child.end()
            if status != -1:
                session.blame(lost, status)
            else:  # the template went, and its children with it: nothing that this one did
                unexplained += 1
                if unexplained > 2:
                    raise TemplateDied("the sandbox's warm process keeps dying") from lost
        finally:
            child.end()
    return session.output()


class _Lost(Exception):
    """The child hung, died or talked nonsense; what it was doing is in ``_Session.doing``."""

    def __init__(self, outcome: str, detail: str = "") -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.detail = detail


@dataclass
class _Session:
    template: Template
    cells: tuple[Cell, ...]
    probes: Mapping[str, Probe]
    limits: Limits
    oracle: Callable[[str, bytes], bytes]
    runs: dict[int, str] = field(default_factory=dict)  # how a cell is run from now on, where not as planned
    troubles: dict[int, CellResult] = field(default_factory=dict)
    answers: dict[tuple[str, bool], list[RawOutcome]] = field(default_factory=dict)
    doing: Any = None  # a Cell, or (item, chained) of a call
    cells_s: float = 0.0  # wall time that cells have used, in all children

    def __post_init__(self) -> None:
        self.end_s = time.monotonic() + self.limits.notebook_s

    def drive(self, child: Child) -> None:
        done = set()
        for cell in self.cells:
            self._cell(child, cell)
            if cell.probe in self.probes:
                self._question(child, self.probes[cell.probe])
                done.add(cell.probe)
        for name, probe in self.probes.items():
            if name not in done:
                self._question(child, probe)

    def blame(self, lost: _Lost, status: int) -> None:
        """Note what was lost, so that the next child gets past it."""
        outcome, detail = lost.outcome, lost.detail
        if isinstance(self.doing, Cell):
            index = self.doing.index
            before = self.runs.get(index, self.doing.run)
            self.runs[index] = "definitions" if before == "full" else "skip"
            self.troubles.setdefault(index, CellResult(index, outcome, detail or _ended(status)))
        elif self.doing is not None:
            self.answers[self.doing].append(RawOutcome(outcome, detail=detail or _ended(status)))

    def output(self) -> SessionOutput:
        found: tuple[dict, dict] = ({}, {})
        for name, probe in self.probes.items():
            for chained in (False, True) if probe.uses else (False,):
                answers = self.answers.get((name, chained), [])
                missing = [RawOutcome("timed out", detail=BUDGET_USED)] * (len(probe.calls) - len(answers))
                found[chained][name] = (*answers, *missing)
        return SessionOutput(tuple(self.troubles[index] for index in sorted(self.troubles)), *found)

    def _cell(self, child: Child, cell: Cell) -> None:
        run = self.runs.get(cell.index, cell.run)
        left = self.limits.notebook_s / 2 - self.cells_s  # the other half is for the questions
        if run == "full" and left <= 0:
            run = "definitions"
            self.troubles.setdefault(cell.index, CellResult(cell.index, "timed out", BUDGET_USED))
        if run == "skip" or not cell.source.strip():
            return
        limit = min(self.limits.cell_s, max(left, HASTY_S)) if run == "full" else HASTY_S * 2
        self.doing = cell
        header = {"do": "cell", "index": cell.index, "source": cell.source, "run": run, "limit_s": limit}
        begin = time.monotonic()
        try:  # the alarm may strike twice: in the cell, and in its definitions afterwards
            answer, _ = self._exchange(child, header, deadline=begin + 2 * limit + GRACE_S)
        finally:
            self.cells_s += time.monotonic() - begin
        outcome = answer.get("outcome")
        if answer.get("cell") != cell.index or outcome not in ("passed", "failed", "timed out"):
            raise _Lost("crashed", "the notebook's process answered nonsense")
        if outcome != "passed" and run == "full":
            message = str(answer.get("message", ""))[:500]
            self.troubles.setdefault(cell.index, CellResult(cell.index, outcome, message))
        if outcome == "timed out":
            self.runs[cell.index] = "definitions"  # a second run need not wait for it again
        self.doing = None

    def _question(self, child: Child, probe: Probe) -> None:
        for chained in (False, True) if probe.uses else (False,):
            answers = self.answers.setdefault((probe.item, chained), [])
            while len(answers) < len(probe.calls) and not self._give_up(answers, probe):
                self._ask(child, probe, answers, chained)

    def _give_up(self, answers: list[RawOutcome], probe: Probe) -> bool:
        """Fill in the rest when an item has used up its patience."""
        late = sum(answer.outcome == "timed out" for answer in answers)
        if late < MAX_TIMEOUTS and time.monotonic() < self.end_s:
            return False
        detail = BUDGET_USED if late < MAX_TIMEOUTS else f"not tried after {late} calls that took too long"
        answers += [RawOutcome("timed out", detail=detail)] * (len(probe.calls) - len(answers))
        return True

    def _ask(self, child: Child, probe: Probe, answers: list[RawOutcome], chained: bool) -> None:
        """One fork in the sandbox: the calls not answered yet, until all are or the fork ends."""
        self.doing = (probe.item, chained)
        calls = probe.calls[len(answers) :]
        question = {
            "do": "question",
            "item": probe.item,
            "kind": probe.kind,
            "parameters": probe.parameters,
            "ask": [] if chained else list(probe.uses),
            "calls": len(calls),
        }
        self._send(child, question, b"", time.monotonic() + FIRST_ANSWER_S)
        for number, call in enumerate(calls):
            if self._give_up(answers, probe):
                self.doing = None  # nobody is to blame, but the fork waits for calls that will not come
                raise _Lost("timed out")
            late = any(answer.outcome == "timed out" for answer in answers)
            limit = min(self.limits.case_s, HASTY_S) if late else self.limits.case_s
            header = {"call": number, "limit_s": limit, "observe": call.observe}
            deadline = time.monotonic() + limit + GRACE_S + (FIRST_ANSWER_S if number == 0 else 0)
            self._send(child, header, call.args, deadline)
            answer, body = self._answer(child, time.monotonic() + limit + GRACE_S, chained, probe)
            if "ended" in answer:
                answers.append(RawOutcome("crashed", detail=_ended(answer["ended"])))
                self.doing = None
                return
            if answer.get("reply") != number or answer.get("outcome") not in OUTCOMES:
                raise _Lost("crashed", "the function's process answered nonsense")
            answers.append(RawOutcome(answer["outcome"], body, str(answer.get("detail", ""))[:4000]))
        self.doing = None
        answer, _ = self._receive(child, time.monotonic() + FIRST_ANSWER_S)
        if "ended" not in answer:
            raise _Lost("crashed")

    def _answer(self, child: Child, deadline: float, chained: bool, probe: Probe) -> tuple[dict, bytes]:
        """The reply to a call; until it comes, questions that it asks of the oracle are answered."""
        for _ in range(MAX_QUESTIONS):
            answer, body = self._receive(child, deadline)
            if "ask" not in answer:
                return answer, body
            if chained or answer["ask"] not in probe.uses:
                raise _Lost("crashed", "the function's process asked for what it may not have")
            self._send(child, {"answer": True}, self.oracle(answer["ask"], body), deadline)
        raise _Lost("timed out", f"more than {MAX_QUESTIONS} calls of another graded function")

    def _exchange(self, child: Child, header: dict, *, deadline: float) -> tuple[dict, bytes]:
        self._send(child, header, b"", deadline)
        return self._receive(child, deadline)

    def _send(self, child: Child, header: dict, body: bytes, deadline: float) -> None:
        try:
            wire.send(child.connection, header, body, deadline=deadline)
        except wire.WireTimeout as error:
            raise _Lost("timed out") from error
        except wire.WireError as error:
            raise _Lost("crashed") from error

    def _receive(self, child: Child, deadline: float) -> tuple[dict, bytes]:
        try:
            return wire.receive(child.connection, max_body=self.limits.output_mib << 20, deadline=deadline)
        except wire.WireTimeout as error:
            raise _Lost("timed out", "it took too long and did not listen to the alarm") from error
        except wire.WireError as error:
            raise _Lost("crashed", "" if "closed" in str(error) or "lost" in str(error) else str(error)) from error


def _ended(status: Any) -> str:
    """How a process ended, in words; ``status`` is an exit code, 128 + signal, or minus the signal."""
    if not isinstance(status, int) or status == -1:
        return "its process ended"
    number = -status if status < 0 else status - 128 if status > 128 else 0
    if not number:
        return f"its process ended itself with exit code {status}"
    return f"its process ended by {SIGNALS.get(number, f'signal {number}')}"
