"""What came back from the sandbox for one case -> its result, in words that give no hidden value away.

A reply is untrusted bytes, a traceback untrusted text. Of a hidden case a student learns what happened, never the
values: an exception's text could carry the inputs out, so only the type of a built-in exception is told.
"""

import builtins
import re
from typing import Any

from autograder.course import Limits
from autograder.materials import StoredCase
from autograder.results import CaseResult
from autograder.session import RawOutcome
from qlab_helpers.checking.codec import CodecError, decode
from qlab_helpers.checking.compare import judge
from qlab_helpers.checking.diagnosis import UNREADABLE, Outcome, Seen
from qlab_helpers.checking.packing import unpack
from qlab_helpers.checking.reference import Item
from qlab_helpers.checking.values import clean, value_lines

MAX_TRACEBACK = 4000
MAX_SHOWN = 3000
#: Types whose name may be told of a hidden case; a student's own class could be called anything.
PLAIN_TYPES = ("dict", "set", "frozenset", "bytes", "complex", "function", "method", "generator", "ellipsis", "type")
ENDED_PYTHON = "ended the Python process"
PLACE = re.compile(r"cell \d+, line \d+: ")


def judge_case(item: Item, stored: StoredCase, variant: int, raw: RawOutcome, *, limits: Limits) -> CaseResult:
    """``missing`` outcomes get their reason from the caller, who knows the notebook."""
    case = stored.case
    if raw.outcome == "returned":
        return _judge_reply(item, stored, variant, raw.reply)
    if raw.outcome == "raised":
        return _describe_exception(item, stored, raw.detail)
    messages = {
        "timed out": f"took longer than {limits.case_s:g} s",
        "crashed": ENDED_PYTHON,
        "out of memory": f"needed more than {limits.memory_mib} MiB",
        "missing": "not answered" if item.kind == "answer" else "there is no function of this name",
        "not graded": "could not be graded by a fault of the grader; it does not count as wrong",
    }
    outcome = raw.outcome if raw.outcome in messages else "not graded"
    message = messages[outcome]
    if outcome == "timed out" and raw.detail:
        message = raw.detail  # the session's own words
    if case.visible and outcome in ("crashed", "not graded") and raw.detail:
        message += f" ({clean(raw.detail.strip(), 200)})"
    return _result(stored, outcome, message)


def seen(stored: StoredCase, number: int, raw: RawOutcome, *, passed: bool) -> Seen:
    """The same outcome for a diagnosis, which is told by values and by the types of exceptions."""
    variant, outcome = stored.case.variants[number], None
    if raw.outcome == "raised":
        outcome = Outcome(raised=_last_line(clean(raw.detail, MAX_TRACEBACK)).split(":")[0])
    elif raw.outcome == "returned" and not passed:
        try:
            result, observed = returned(raw.reply)
        except (CodecError, KeyError, AttributeError):
            result, observed = UNREADABLE, {}
        outcome = Outcome(result=result, observed=observed)
    return Seen(stored.reference, variant, passed, outcome)


def returned(reply: bytes, *, names: bool = True) -> tuple[Any, dict[str, Any]]:
    """Result and observed arguments. Raises ``CodecError``, ``KeyError`` or ``AttributeError`` for another message."""
    tree, tensors = unpack(reply)
    if not names:
        tree = _without_names(tree)
    observed = {str(name): decode(node, tensors) for name, node in tree.get("observed", {}).items()}
    return decode(tree["result"], tensors), observed


def _judge_reply(item: Item, stored: StoredCase, number: int, reply: bytes) -> CaseResult:
    variant = stored.case.variants[number]
    try:
        got, observed = returned(reply, names=stored.case.visible)
    except (CodecError, KeyError, AttributeError):
        return _result(stored, "failed", "returned something that is not a tensor or number")
    try:
        verdict = judge(stored.reference, item, stored.case, variant, got, observed)
    except Exception as error:  # noqa: BLE001  (whatever a student returns, a comparison that fails is our fault)
        return _result(
            stored, "not graded", f"could not be compared ({type(error).__name__}); it does not count as wrong"
        )
    if verdict:
        return _result(stored, "passed")
    if not stored.case.visible:
        return _result(stored, "failed", clean(verdict.message))
    values = {"expected": verdict.expected, "got": verdict.got} if verdict.expected is not None else {}
    shown = {name: clean("\n".join(value_lines(value, verdict.differs)), MAX_SHOWN) for name, value in values.items()}
    return _result(stored, "failed", clean(verdict.detail or verdict.message), **shown)


def _describe_exception(item: Item, stored: StoredCase, detail: str) -> CaseResult:
    """``detail`` has a line for each place in the student's cells, then the exception's type and text."""
    detail = clean(detail, MAX_TRACEBACK).rstrip()
    last = _last_line(detail)
    name = last.split(":")[0]
    if name == "NotImplementedError":
        return _result(stored, "missing", "not written yet")
    if not stored.case.visible:
        known = isinstance(getattr(builtins, name, None), type)
        return _result(stored, "crashed", f"raised {name}" if known else "raised an exception")
    return _result(stored, "crashed", clean(last or "raised an exception"), traceback=detail)


def _last_line(detail: str) -> str:
    """The exception itself, without the places in the student's cells."""
    return next((line for line in detail.split("\n") if not PLACE.match(line)), "")


def _without_names(node: Any) -> Any:
    """The tree with the names of unknown types taken out."""
    if isinstance(node, list):
        return [_without_names(one) for one in node]
    if not isinstance(node, dict):
        return node
    if "other" in node:
        return {"other": node["other"] if node["other"] in PLAIN_TYPES else "object"}
    return {key: _without_names(value) for key, value in node.items()}


def _result(stored: StoredCase, outcome: str, message: str = "", **shown: str) -> CaseResult:
    case = stored.case
    return CaseResult(
        name=case.name,
        tests=case.tests,
        visible=case.visible,
        weight=case.weight,
        outcome=outcome,
        message=message,
        hint=case.hint if outcome == "failed" else "",
        **shown,
    )
