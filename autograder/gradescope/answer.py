"""A record -> Gradescope's results.json.

Gradescope wants a score, of the whole or of each test. What could not be graded has none and no tests either: that is
an autograder error there, never a zero. Of a hidden case the record holds no values, so none can be shown. All text is
marked as plain text, because some of it is a student's.
"""

from typing import Any

from autograder.results import CaseResult, ItemResult, Record

VISIBILITIES = ("visible", "after_due_date", "after_published", "hidden")


def answer(record: Record, *, visibility: str, seconds: float) -> dict[str, Any]:
    """``visibility`` of the tests and with them of the score: one of ``VISIBILITIES``."""
    if not record.graded:
        return no_answer(record.problem, walls=_walls(record))
    if doubtful := [name for name, item in record.items.items() if item.needs_attention]:
        fault = f"{', '.join(doubtful)} could not be graded by a fault of the grader; the staff have to grade again"
        return no_answer(fault, walls=_walls(record))
    return {
        "score": record.score,
        "execution_time": round(seconds),
        "output": "\n".join(_remarks(record)),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": visibility,
        "stdout_visibility": "hidden",
        "tests": [_test(item, visibility) for item in record.items.values()],
        "extra_data": {"lab_hash": record.lab_hash, "draw": record.draw, "sandbox": _walls(record)},
    }


def no_answer(why: str, *, walls: dict[str, str] | None = None) -> dict[str, Any]:
    """Of a submission without a score; ``why`` is one sentence for student and staff."""
    return {
        "output": f"This submission was not graded, and that is no zero: {why}",
        "output_format": "text",
        "stdout_visibility": "hidden",
        "extra_data": {"sandbox": walls or {}},
    }


def _walls(record: Record) -> dict[str, str]:
    return dict(record.environment["sandbox"])


def _remarks(record: Record) -> list[str]:
    lines = [f"Graded: {record.file}"]
    if record.written_max_score:
        lines.append(f"Written answers, up to {record.written_max_score:g} points more, are graded by people.")
    lines += [f"Left empty: {one.name}" for one in record.written.values() if not one.answered]
    lines += [f"Mended before grading, at no cost: {repair}" for repair in record.repairs]
    lines += [f"Cell {cell.index + 1} {cell.outcome}{_after(cell.message)}" for cell in record.cells]
    return lines


def _test(item: ItemResult, visibility: str) -> dict[str, Any]:
    lines = [_case(case) for case in item.cases]
    if item.diagnosis:
        lines.insert(0, f"Diagnosis: {item.diagnosis}")
    if item.chained:
        lines.append(item.chained)
    return {
        "name": item.name,
        "score": item.score,
        "max_score": item.max_score,
        "status": "passed" if item.score == item.max_score else "failed",
        "output": "\n".join(lines),
        "output_format": "text",
        "visibility": visibility,
    }


def _case(case: CaseResult) -> str:
    head = f"{case.name}{'' if case.visible else ' (hidden)'}: {case.outcome}"
    if case.outcome == "passed":
        return head
    lines = [f"{head}{_after(case.message)}", f"  tests {case.tests}"]
    if case.hint:
        lines.append(f"  hint: {case.hint}")
    shown = {"expected": case.expected, "got": case.got, "where": case.traceback} if case.visible else {}
    lines += [f"  {title}:\n{_indented(text)}" for title, text in shown.items() if text]
    return "\n".join(lines)


def _after(message: str) -> str:
    return f": {message}" if message else ""


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
