"""The record of a graded submission: frozen dataclasses, written as JSON, whole or not at all.

The same submission, lab, secret and environment give the same record byte for byte, whatever ran beside it; that is why
times are kept apart, in ``timings.jsonl``.
"""

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1

#: What can become of a case. "not graded" is our fault: it is never a zero and always reported.
OUTCOMES = ("passed", "failed", "crashed", "timed out", "out of memory", "missing", "not graded")


class OtherSchema(ValueError):
    """A record that another version of qlab wrote, in a form that this one cannot read."""


@dataclass(frozen=True)
class CaseResult:
    name: str
    tests: str
    visible: bool
    weight: float
    outcome: str
    message: str = ""  # what went wrong, safe to show the student: never a hidden value
    hint: str = ""
    traceback: str = ""  # the student's own, for "crashed"
    expected: str = ""  # visible cases only, short text
    got: str = ""  # visible cases only, short text


@dataclass(frozen=True)
class ItemResult:
    """One graded function or answer."""

    name: str
    kind: str  # "function" or "answer"
    score: float
    max_score: float
    cases: tuple[CaseResult, ...]
    source: str = ""  # the student's code of it, for the feedback page
    chained: str = ""  # what happened with the student's own helper functions, where it differs; decides nothing
    misconception: str = ""  # the known mistake that it makes, or nearly makes, and what to say of it
    diagnosis: str = ""
    question_hash: str = ""  # of the cases, the draw and the cells that were run; "" in records of older versions

    @property
    def needs_attention(self) -> bool:
        return any(case.outcome == "not graded" for case in self.cases)


@dataclass(frozen=True)
class WrittenResult:
    """A question that a person grades in formgrader."""

    name: str
    max_score: float
    answered: bool


@dataclass(frozen=True)
class CellResult:
    """A cell that did not run to its end."""

    index: int
    outcome: str  # "failed", "timed out", "crashed"
    message: str


@dataclass(frozen=True)
class Record:
    student: str
    lab: str
    score: float
    max_score: float  # of what is graded automatically
    written_max_score: float
    graded: bool  # False: nothing could be graded, ``problem`` says why, no score is to be believed
    problem: str
    file: str  # name of the notebook that was graded
    submission_hash: str
    lab_hash: str
    draw: str  # identifies the draw of hidden cases: a hash that does not reveal the secret
    functions: dict[str, ItemResult] = field(default_factory=dict)
    answers: dict[str, ItemResult] = field(default_factory=dict)
    written: dict[str, WrittenResult] = field(default_factory=dict)
    cells: tuple[CellResult, ...] = ()
    repairs: tuple[str, ...] = ()  # what was mended in the notebook before it could be graded
    environment: dict[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @property
    def items(self) -> dict[str, ItemResult]:
        """Everything that is graded automatically."""
        return {**self.functions, **self.answers}

    @property
    def needs_attention(self) -> bool:
        return not self.graded or any(item.needs_attention for item in self.items.values())


def to_dict(record: Record) -> dict[str, Any]:
    """As JSON has it: lists, no tuples."""
    return json.loads(json.dumps(record, default=vars))


def from_dict(content: dict[str, Any]) -> Record:
    """Raises ``OtherSchema`` for a record of another schema version."""
    if content.get("schema_version") != SCHEMA_VERSION:
        raise OtherSchema(f"record of schema version {content.get('schema_version')}, this is {SCHEMA_VERSION}")
    return Record(
        **{
            **content,
            "functions": {name: _item(item) for name, item in content["functions"].items()},
            "answers": {name: _item(item) for name, item in content["answers"].items()},
            "written": {name: WrittenResult(**item) for name, item in content["written"].items()},
            "cells": tuple(CellResult(**cell) for cell in content["cells"]),
            "repairs": tuple(content["repairs"]),
        }
    )


def write_record(record: Record, path: Path) -> None:
    """Keys are not sorted: a record that is read back has its questions in the order of the lab, as a new one has."""
    write_atomically(path, "{\n" + ",\n".join(_line(*one) for one in vars(record).items()) + "\n}\n")


def _line(name: str, value: Any) -> str:
    """One line, and one for each question: the encoder that indents takes ten times as long as this one."""
    if isinstance(value, dict) and value:
        return f"{json.dumps(name)}: {{\n " + ",\n ".join(_line(*one) for one in value.items()) + "\n}"
    return f"{json.dumps(name)}: {json.dumps(value, default=vars)}"


def read_record(path: Path) -> Record:
    return from_dict(json.loads(path.read_text()))


def check_schema(path: Path) -> None:
    """What ``read_record`` raises for another schema version, mostly without reading the whole record."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 100))
        if not file.read().endswith(b'"schema_version": %d\n}\n' % SCHEMA_VERSION):
            read_record(path)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Readers see the old file or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(path)
    draft.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    os.replace(draft, path)


def draft_of(path: Path) -> Path:
    """Where to write what is then put in the place of ``path``."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def remove_drafts(*folders: Path) -> None:
    """What a process that was killed while it wrote has left right in ``folders``; call it where nobody writes."""
    for folder in folders:
        for path in folder.glob(".*.part"):
            if not path.suffixes[-2:-1] or not path.suffixes[-2][1:].isdigit():
                continue  # somebody else's
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _item(content: dict[str, Any]) -> ItemResult:
    return ItemResult(**{**content, "cases": tuple(CaseResult(**case) for case in content["cases"])})
