"""One submission, driven from the trusted side: cell by cell, question by question, each with its time.

A cell or call that overruns is stopped inside by an alarm; a call that ignores it, by the notebook's process. What
takes that process down is noted, and the notebook is run again in a fresh one, with the guilty cell reduced to its
definitions, or past the guilty call. Everything together has one budget of wall time.

A function that may use others is asked after these have been answered for good: what it could learn from the
solution's replies comes too late for them.

Making a fork is most of what a question costs. So in a notebook that defines nothing twice, whose functions are at its
end what they were at their checks, all questions are asked at the end and share a fork, and only an item whose answers
are not all right is asked again at the beginning of a new one: what others broke does not count against it. One that is
not written yet is not asked twice.

What is right with the student's own helpers, as in their notebook, is right. Only else is it asked with the solution's
in their place, so that one early mistake does not cost every later question.
"""

import re
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from autograder.conversation import DEFINITIONS_S, Conversation, Lost, Quota, describe_end
from autograder.course import Limits
from autograder.questions import Call, Cell, Probe, RawOutcome, SessionOutput
from autograder.results import CellResult
from autograder.sandbox import Child, Ending, Template, TemplateDied

__all__ = ["Call", "Cell", "Probe", "RawOutcome", "SessionOutput", "run_session"]

#: Share of its limit that a call has in a fork that others have used, since what takes longer is asked again, and that
#: it has after its function has run out of time once.
HASTY = 0.25
CELLS_SHARE = 0.75  # of the budget; the rest is for the questions
LAST_S = 5.0  # after the budget, for the definitions in cells not run yet
MAX_TIMEOUTS = 3  # of one item; its other cases are not tried
MAX_RESTARTS = 25
MAX_FAULTS = 1  # losses of the warm process that are made good
BUDGET_USED = "the notebook's time was used up before this was tried"
FAULT = "the sandbox failed twice"
NOT_WRITTEN = re.compile(r"^cell \d+, line \d+: raise NotImplementedError.*\nNotImplementedError[^\n]*\Z", re.MULTILINE)


def run_session(
    template: Template,
    cells: Sequence[Cell],
    probes: Mapping[str, Probe],
    *,
    limits: Limits,
    oracle: Callable[[str, bytes], bytes],
    is_right: Callable[[str, Sequence[RawOutcome]], bool] | None = None,
    shared: bool = True,
) -> SessionOutput:
    """Run a submission to its end. Never raises for anything that it does; where the sandbox fails, "not graded".

    ``is_right(item, outcomes)`` tells what need not be asked again. With it questions may be ``shared``, asked in one
    fork; else each is asked at its check cell, in its own.

    Raises ``TemplateDied`` or ``SandboxUnavailable`` when no warm process can be had: that is our fault too.
    """
    session = _Session(tuple(cells), probes, limits, is_right, shared and is_right is not None)
    quota = Quota(limits.output_mib << 20)
    faults = 0
    for _ in range(MAX_RESTARTS):
        child = _spawn(template)
        try:
            session.drive(Conversation(child, limits, quota, oracle))
            break
        except Lost as lost:
            ending = child.end()
            if ending.known:
                session.blame(lost, ending)
            elif faults < MAX_FAULTS:
                faults += 1  # nobody knows whose fault it was: once more
            else:
                return session.output(RawOutcome("not graded", detail=FAULT))
        finally:
            child.end()
    return session.output(RawOutcome("timed out", detail=BUDGET_USED))


def _spawn(template: Template) -> Child:
    generation = template.generation
    try:
        return template.spawn()
    except TemplateDied:
        template.restart(generation)
        return template.spawn()


@dataclass
class _Session:
    """What is known of a submission so far; it outlives the processes that are lost."""

    cells: tuple[Cell, ...]
    probes: Mapping[str, Probe]
    limits: Limits
    is_right: Callable[[str, Sequence[RawOutcome]], bool] | None
    shared: bool
    settled: set[tuple[str, bool]] = field(default_factory=set)  # item and chained: right, or to be asked alone
    runs: dict[int, str] = field(default_factory=dict)  # how a cell is run from now on, where not as planned
    troubles: dict[int, CellResult] = field(default_factory=dict)
    answers: dict[tuple[str, bool], list[RawOutcome]] = field(default_factory=dict)
    doing: Cell | tuple[str, bool] | None = None  # a cell, or item and chained of a call
    cells_s: float = 0.0  # wall time that cells have used, in all processes

    def __post_init__(self) -> None:
        self.end_s = time.monotonic() + self.limits.notebook_s

    def drive(self, child: Conversation) -> None:
        """Raises ``Lost``."""
        due: list[str] = []
        for cell in self.cells:
            self._cell(child, cell)
            if cell.probe in self.probes and not self.shared:
                due = self._questions(child, [*due, cell.probe])
        rest = [*due, *(name for name in self.probes if name not in due)]
        while rest := self._questions(child, rest):
            self._question(child, self.probes[rest[0]])  # they use each other: one has to be the first

    def blame(self, lost: Lost, ending: Ending) -> None:
        """Note what was lost, so that the next process gets past it."""
        outcome = "out of memory" if ending.out_of_memory else lost.outcome
        detail = lost.detail or ("" if ending.out_of_memory else describe_end(ending.status))
        if isinstance(self.doing, Cell):
            index = self.doing.index
            before = self.runs.get(index, self.doing.run)
            self.runs[index] = "definitions" if before == "full" else "skip"
            self._trouble(index, outcome, detail)
        elif self.doing is not None:
            self.answers[self.doing].append(RawOutcome(outcome, detail=detail))
        self.doing = None

    def output(self, otherwise: RawOutcome) -> SessionOutput:
        """``otherwise`` is what became of calls without an answer."""
        found: tuple[dict, dict] = ({}, {})
        for name, probe in self.probes.items():
            for chained in _rounds(probe):
                answers = self.answers.get((name, chained), [])
                found[chained][name] = (*answers, *[otherwise] * (len(probe.calls) - len(answers)))
        return SessionOutput(tuple(self.troubles[index] for index in sorted(self.troubles)), *found)

    def _cell(self, child: Conversation, cell: Cell) -> None:
        run = self.runs.get(cell.index, cell.run)
        now = time.monotonic()
        left_s = min(self.limits.notebook_s * CELLS_SHARE - self.cells_s, self.end_s - now)
        if run == "skip" or not cell.source.strip():
            return
        if run == "full" and left_s <= 0:
            run = "definitions"
            self._trouble(cell.index, "timed out", BUDGET_USED)
        if now > self.end_s + LAST_S:
            return
        limit_s = min(self.limits.cell_s, left_s) if run == "full" else DEFINITIONS_S
        self.doing = cell
        try:
            outcome, message = child.run_cell(cell, run, limit_s)
        finally:
            self.cells_s += time.monotonic() - now
        self.doing = None
        if run == "full" and outcome != "passed":
            whole = limit_s == self.limits.cell_s
            stopped = f"stopped after {limit_s:g} seconds" if whole else BUDGET_USED
            self._trouble(cell.index, outcome, stopped if outcome == "timed out" else message)
        if outcome == "timed out":
            self.runs[cell.index] = "definitions"  # a second run need not wait for it again

    def _trouble(self, index: int, outcome: str, message: str) -> None:
        self.troubles.setdefault(index, CellResult(index, outcome, message))

    def _questions(self, child: Conversation, names: Iterable[str]) -> list[str]:
        """Ask those whose helpers are answered, as long as there are any; returns the others."""
        waiting = list(names)
        while ready := [name for name in waiting if self._is_ready(name)]:
            for name in ready:
                self._question(child, self.probes[name])
            waiting = [name for name in waiting if name not in ready]
        return [name for name in waiting if not self._is_answered(name)]

    def _is_ready(self, name: str) -> bool:
        return all(self._is_answered(use) for use in self.probes[name].uses if use in self.probes and use != name)

    def _is_answered(self, name: str) -> bool:
        return len(self.answers.get((name, False), ())) == len(self.probes[name].calls)

    def _question(self, child: Conversation, probe: Probe) -> None:
        for chained in _rounds(probe):
            if self.shared and (probe.item, chained) not in self.settled:
                self._share(child, probe, chained)
            answers = self.answers.setdefault((probe.item, chained), [])
            while len(answers) < len(probe.calls) and not self._give_up(answers, probe):
                child.close()
                self._ask(child, probe, answers, chained, keep=self.shared)
                if any(answer.outcome not in ("returned", "raised") for answer in answers):
                    child.close()  # something of it may still run
            if chained and self.is_right is not None and self.is_right(probe.item, answers):
                self.answers[probe.item, False] = list(answers)
                return

    def _share(self, child: Conversation, probe: Probe, chained: bool) -> None:
        """Ask in a fork that others have used, unless it is the first; forget the answers if they are not right."""
        answers = self.answers.setdefault((probe.item, chained), [])
        alone = not child.fork and not answers
        if len(answers) < len(probe.calls) and not self._give_up(answers, probe):
            self._ask(child, probe, answers, chained, keep=True, hasty=not alone)
        final = len(answers) == len(probe.calls) and (_not_written(answers) or self.is_right(probe.item, answers))
        if not final and not alone:
            answers.clear()
        self.settled.add((probe.item, chained))

    def _give_up(self, answers: list[RawOutcome], probe: Probe) -> bool:
        """Fill in the rest when an item has used up its patience."""
        late = sum(answer.outcome == "timed out" for answer in answers)
        if late < MAX_TIMEOUTS and time.monotonic() < self.end_s:
            return False
        detail = BUDGET_USED if late < MAX_TIMEOUTS else f"not tried after {late} calls that took too long"
        answers += [RawOutcome("timed out", detail=detail)] * (len(probe.calls) - len(answers))
        return True

    def _ask(
        self,
        child: Conversation,
        probe: Probe,
        answers: list[RawOutcome],
        chained: bool,
        *,
        keep: bool = False,
        hasty: bool = False,
    ) -> None:
        """One fork in the sandbox: the calls not answered yet, until all are or the fork ends.

        ``hasty``: the first that does not return, and soon, ends it, since all will be asked again.
        """
        self.doing = (probe.item, chained)
        replies = child.ask(probe, probe.calls[len(answers) :], chained=chained, keep=keep)
        waits = next(replies) is None
        while waits:
            short = hasty or any(answer.outcome == "timed out" for answer in answers)
            limit_s = self.limits.case_s * (HASTY if short else 1)
            answer = replies.send(limit_s)
            assert answer is not None
            if answer.outcome == "timed out":
                answer = RawOutcome("timed out", detail=f"took longer than {limit_s:g} s")
            answers.append(answer)
            in_vain = hasty and answer.outcome != "returned" and not _not_written(answers)
            enough = in_vain or len(answers) == len(probe.calls)
            if enough or self._give_up(answers, probe):
                self.doing = None  # whatever happens now, all have been answered
            # It ends by itself after the last call, and when the fork has ended.
            waits = next(replies, answer) is None
            if waits and self.doing is None:
                waits = _finish(replies)
        self.doing = None


def _finish(replies: Generator) -> bool:
    """Have the fork end before it has been asked everything."""
    try:
        replies.send(None)
    except StopIteration:
        pass
    return False


def _not_written(answers: Sequence[RawOutcome]) -> bool:
    """No function, or the stub of the released notebook: nothing that others do makes a function look so."""
    return all(
        answer.outcome == "missing" or (answer.outcome == "raised" and NOT_WRITTEN.search(answer.detail))
        for answer in answers
    )


def _rounds(probe: Probe) -> tuple[bool, ...]:
    """Chained, then not: what is right with the student's own helpers need not be asked with others."""
    return (True, False) if probe.uses else (False,)
