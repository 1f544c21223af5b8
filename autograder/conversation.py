"""What is said between the trusted side and one process of a submission: bounded, timed, and believed in nothing.

A message that is late, too large, out of order or senseless ends the conversation with ``Lost``; the process is killed
then. Nothing that a process says is used but the bytes of a reply, compared elsewhere, and text, shown to its author.
"""

import re
import secrets
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from autograder import wire
from autograder.course import Limits
from autograder.questions import Call, Cell, Probe, RawOutcome
from autograder.sandbox import Child

NO_MORE = -1  # in place of a call's number
GRACE_S = 1.5  # beyond every limit: what an alarm, and the ending of a process, may take
FIRST_ANSWER_S = 20.0  # for a fork on a busy machine, and for a process that is only to read what it is sent
PATIENCE = 6  # a call that waits for a core of a busy machine may take so many times its limit
DEFINITIONS_S = 1.0  # for the definitions of a cell alone
MAX_QUESTIONS = 2000  # that a call may ask of the oracle
SHARE = 4  # an item may return this part of all that a submission may return
CALL_OUTCOMES = ("returned", "raised", "timed out", "out of memory", "missing")
CELL_OUTCOMES = ("passed", "failed", "timed out")
ADDRESS = re.compile(r"0x[0-9a-f]{6,16}")
SIGNALS = {
    4: "an illegal instruction",
    6: "an abort",
    8: "an arithmetic error",
    9: "being killed",
    11: "a crash in native code",
}


class Lost(Exception):
    """The process hung, died or talked nonsense: it cannot be used any more."""

    def __init__(self, outcome: str, detail: str = "") -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.detail = detail


@dataclass
class Quota:
    """Bytes that a submission may return, over all its processes; each item has its share."""

    limit: int
    used: dict[str, int] = field(default_factory=dict)

    def left(self, item: str) -> int:
        own = self.limit // SHARE - self.used.get(item, 0)
        return max(min(own, self.limit - sum(self.used.values())), 0)

    def use(self, item: str, size: int) -> None:
        self.used[item] = self.used.get(item, 0) + size


@dataclass
class Conversation:
    child: Child
    limits: Limits
    quota: Quota
    oracle: Callable[[str, bytes], bytes]
    fork: str = ""  # the question for which the fork was made that waits for another; "" when there is none

    def close(self) -> None:
        """End the fork that waits for another question, if there is one."""
        if self.fork:
            self._send({"do": "close"}, b"", time.monotonic() + FIRST_ANSWER_S)
            self._await_end(self.fork)

    def run_cell(self, cell: Cell, run: str, limit_s: float) -> tuple[str, str]:
        """How it ended ("passed", "failed", "timed out") and the error's text."""
        wall_s = 2 * limit_s
        limits = {"limit_s": limit_s, "wall_s": wall_s, "definitions_s": DEFINITIONS_S}
        deadline = time.monotonic() + wall_s + 2 * DEFINITIONS_S + GRACE_S
        self._send({"do": "cell", "index": cell.index, "source": cell.source, "run": run, **limits}, b"", deadline)
        answer, _ = self._receive(deadline, max_body=0)
        outcome = answer.get("outcome")
        if answer.get("cell") != cell.index or outcome not in CELL_OUTCOMES:
            raise Lost("crashed", "the notebook's process answered nonsense")
        return outcome, plain_text(answer.get("message", ""), 500)

    def ask(
        self, probe: Probe, calls: tuple[Call, ...], *, chained: bool, keep: bool = False
    ) -> Generator[RawOutcome | None, float | None, None]:
        """Outcomes of the calls, in one fork, which waits for another question with ``keep``; fewer when it ends early.

        Send each call's time limit in seconds into the iterator, or None to ask no more: it yields None when it waits
        for that.
        """
        name = secrets.token_hex(8)  # so that what an earlier fork still says is not taken for an answer
        question = {
            "do": "question",
            "question": name,
            "item": probe.item,
            "kind": probe.kind,
            "parameters": probe.parameters,
            "driver": probe.driver,
            "ask": [] if chained else list(probe.uses),
            "calls": len(calls),
            "keep": keep,
        }
        fork = self.fork or name
        self._send(question, b"", time.monotonic() + FIRST_ANSWER_S)
        allowed = () if chained else probe.uses
        for number, call in enumerate(calls):
            limit_s = yield None
            if limit_s is None:
                self._send({"call": NO_MORE}, b"", time.monotonic() + FIRST_ANSWER_S)
                break
            begin = time.monotonic()
            deadline = begin + PATIENCE * limit_s + GRACE_S + (FIRST_ANSWER_S if number == 0 else 0)
            limits = {"limit_s": limit_s, "wall_s": PATIENCE * limit_s, "max_bytes": self.quota.left(probe.item)}
            self._send({"call": number, "observe": call.observe, **limits}, call.args, deadline)
            answer, body = self._answer(deadline, allowed, probe.item)
            if answer.get("question") != (fork if "ended" in answer else name):
                raise Lost("crashed", "the function's process answered nonsense")
            if "ended" in answer:
                self.fork = ""
                late = time.monotonic() - begin >= limit_s and answer["ended"] == -9
                yield RawOutcome("timed out") if late else RawOutcome("crashed", detail=describe_end(answer["ended"]))
                return
            outcome = answer.get("outcome")
            if answer.get("reply") != number or outcome not in CALL_OUTCOMES:
                raise Lost("crashed", "the function's process answered nonsense")
            self.quota.use(probe.item, len(body))
            yield RawOutcome(outcome, body, plain_text(answer.get("detail", ""), 4000))
        self.fork = fork
        if not keep:
            self._await_end(fork)

    def _await_end(self, fork: str) -> None:
        answer, _ = self._receive(time.monotonic() + FIRST_ANSWER_S, max_body=0)
        if "ended" not in answer or answer.get("question") != fork:
            raise Lost("crashed", "the function's process answered twice")
        self.fork = ""

    def _answer(self, deadline: float, allowed: tuple[str, ...], item: str) -> tuple[dict[str, Any], bytes]:
        """The reply to a call; until it comes, questions that it asks of the oracle are answered."""
        for _ in range(MAX_QUESTIONS):
            answer, body = self._receive(deadline, max_body=self.quota.left(item))
            if "ask" not in answer:
                return answer, body
            if answer["ask"] not in allowed:
                raise Lost("crashed", "the function's process asked for what it may not have")
            begin = time.monotonic()
            reply = self.oracle(answer["ask"], body)
            deadline += time.monotonic() - begin  # that was our time
            self._send({"answer": True}, reply, deadline)
        raise Lost("timed out", f"more than {MAX_QUESTIONS} calls of another graded function")

    def _send(self, header: dict[str, Any], body: bytes, deadline: float) -> None:
        try:
            wire.send(self.child.connection, header, body, deadline=deadline)
        except wire.WireTimeout as error:
            raise Lost("timed out") from error
        except wire.WireError as error:
            raise Lost("crashed") from error

    def _receive(self, deadline: float, *, max_body: int) -> tuple[dict[str, Any], bytes]:
        try:
            return wire.receive(self.child.connection, max_body=max_body, deadline=deadline)
        except wire.WireTimeout as error:
            raise Lost("timed out", "it took too long and did not listen to the alarm") from error
        except wire.WireError as error:
            raise Lost("crashed", "" if "closed" in str(error) or "lost" in str(error) else str(error)) from error


def describe_end(status: Any) -> str:
    """How a process ended, in words; ``status`` is an exit code, 128 + signal, or minus the signal."""
    if not isinstance(status, int) or not -64 <= status <= 255:
        return "its process ended"
    number = -status if status < 0 else status - 128 if 128 < status <= 192 else 0
    if number:
        return f"its process ended by {SIGNALS.get(number, f'signal {number}')}"
    return f"its process ended itself with exit code {status}"


def plain_text(text: Any, limit: int) -> str:
    """Text of a submission that can be stored: bounded, valid Unicode, the same in every run (no addresses)."""
    shown = str(text)[:limit] if isinstance(text, str) else ""
    return ADDRESS.sub("0x...", shown.encode(errors="replace").decode())
