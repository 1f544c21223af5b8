"""What ``preflight`` found, as HTML for a notebook and as plain text elsewhere; it looks like a check's report."""

from dataclasses import dataclass
from html import escape

from qlab_helpers.checking.render import MAX_TEXT, points_text
from qlab_helpers.checking.style import frame
from qlab_helpers.checking.values import clean

KINDS = {"function": "Function", "answer": "Answer", "written": "Written question"}


@dataclass(frozen=True)
class Line:
    """One question. ``ready`` says whether there is nothing left to do; ``points`` are those of the visible cases."""

    name: str
    kind: str  # "function", "answer" or "written"
    state: str  # "passed", "2 of 3 cases", "not written", "missing", "empty", "recorded", "unanswered", ...
    ready: bool
    todo: str = ""
    earned: float | None = None
    of: float | None = None


@dataclass(frozen=True)
class Preflight:
    """Displays itself. ``lines`` is empty where ``notice`` says why nothing could be looked at."""

    lab: str = ""
    lines: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()
    handin: str = ""  # what to hand in, one sentence
    notice: str = ""

    @property
    def ready(self) -> bool:
        """Whether every question has an answer and every visible case passes."""
        return bool(self.lines) and not self.notes and all(line.ready for line in self.lines)

    @property
    def headline(self) -> str:
        earned = sum(line.earned or 0.0 for line in self.lines)
        top = sum(line.of or 0.0 for line in self.lines)
        open_ = [line for line in self.lines if not line.ready]
        counts = [
            _count(
                [line for line in open_ if line.kind == "function" and line.state in NOT_THERE], "function", "to write"
            ),
            _count(
                [line for line in open_ if line.kind == "function" and line.state not in NOT_THERE],
                "function",
                "failing",
            ),
            _count([line for line in open_ if line.kind == "answer"], "answer", "to give"),
            _count([line for line in open_ if line.kind == "written"], "written question", "to answer"),
        ]
        done = "functions and answers done, written questions not looked at" if self.notes else "nothing left to do"
        left = ", ".join(filter(None, counts)) or done
        return f"{left}; {points_text(earned)} of {points_text(top)} points on the visible cases"

    def __repr__(self) -> str:
        return self.as_text()

    def __str__(self) -> str:
        return self.as_text()

    def _repr_html_(self) -> str:
        return self.as_html()

    def as_text(self) -> str:
        """Plain text without control sequences."""
        if not self.lines:
            return clean("\n".join(filter(None, (self.notice, *self.notes, self.handin))), MAX_TEXT)
        wide = max(len(line.state) for line in self.lines)
        rows = [f"{self.lab}: {self.headline}"]
        for line in self.lines:
            todo = f": {line.todo}" if line.todo else ""
            rows.append(f"  {line.state:<{wide}}  {line.name}{_of(line, ' ({})')}{todo}")
        return clean("\n".join([*rows, "", *self.notes, f"To hand in: {self.handin}"]), MAX_TEXT)

    def as_html(self) -> str:
        """Self-contained HTML, without scripts."""
        if not self.lines:
            body = "".join(f"<p>{_text(text)}</p>" for text in filter(None, (self.notice, *self.notes, self.handin)))
            return frame("some", body)
        rows = "".join(
            f'<tr><th scope="row">{_text(line.name)}</th><td>{KINDS[line.kind]}</td><td>{_state(line)}</td>'
            f"<td>{_of(line, '{}')}</td><td>{_text(line.todo)}</td></tr>"
            for line in self.lines
        )
        titles = "".join(f'<th scope="col">{title}</th>' for title in ("Question", "Kind", "State", "Points", "To do"))
        parts = [
            f"<p><strong>{_text(self.lab)}</strong>: {_text(self.headline)}</p>",
            f'<table class="cases" aria-label="Questions"><thead><tr>{titles}</tr></thead>'
            f"<tbody>{rows}</tbody></table>",
            *(f"<p><strong>Note:</strong> {_text(note)}</p>" for note in self.notes),
            f"<p><strong>To hand in:</strong> {_text(self.handin)}</p>",
        ]
        return frame("all" if self.ready else "some", "".join(parts))


NOT_THERE = ("missing", "not written")


def _count(lines: list[Line], what: str, to_do: str) -> str:
    return f"{len(lines)} {what}{'' if len(lines) == 1 else 's'} {to_do}" if lines else ""


def _of(line: Line, form: str) -> str:
    return "" if line.of is None else form.format(f"{points_text(line.earned or 0.0)} of {points_text(line.of)}")


def _state(line: Line) -> str:
    return _text(line.state) if line.ready else f"<strong>{_text(line.state)}</strong>"


def _text(text: str) -> str:
    return escape(clean(text, 1000), quote=True)
