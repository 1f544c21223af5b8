"""The class list that a learning management system exports, and which of our students is which of its rows."""

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from autograder.course import CourseError
from autograder.lms.collected import Collected

MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Roster:
    """A CSV as it was read: all text, rows as long as the header."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, *titles: str) -> int | None:
        """Number of the first column with one of these titles, in whatever case."""
        for title in titles:
            for number, found in enumerate(self.header):
                if found.strip().casefold() == title.casefold():
                    return number
        return None

    def get(self, row: Sequence[str], *titles: str) -> str:
        column = self.column(*titles)
        return "" if column is None else row[column].strip()


@dataclass(frozen=True)
class Person:
    """One row of a roster: who it is about. ``ids`` are the system's own, ``others`` a login, an e-mail, a name."""

    row: int
    label: str
    ids: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class Matched:
    rows: dict[str, int]  # student -> number of the row
    unknown: tuple[str, ...]  # students in no row, or in more than one
    without: tuple[str, ...]  # people of the roster without a record


def read_roster(path: Path) -> Roster:
    """Raises ``CourseError`` for a file that is not there, not UTF-8 or has no rows."""
    try:
        text = path.read_bytes()[: MAX_BYTES + 1].decode("utf-8-sig")
    except FileNotFoundError as error:
        raise CourseError(f"there is no {path}; name the CSV of the class that you exported") from error
    except (UnicodeDecodeError, OSError) as error:
        raise CourseError(f"{path.name} is not a CSV in UTF-8; export it again and do not save it in Excel") from error
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True) if any(row)]
    except csv.Error as error:
        raise CourseError(f"{path.name} is not a CSV that can be read ({error}); export it again") from error
    if len(rows) < 2:
        raise CourseError(f"{path.name} names no students; export it again")
    header = tuple(rows[0])
    return Roster(path.name, header, tuple(tuple((row + [""] * len(header))[: len(header)]) for row in rows[1:]))


def match_students(
    students: Iterable[str], people: Sequence[Person], collected: Mapping[str, Collected], *, lms: str
) -> Matched:
    """Certain matches only: whoever fits two rows, or a row with somebody else, fits none. See ``_row``."""
    index = _Index.of(people)
    found: dict[str, int] = {}
    unknown = []
    for student in students:
        row = _row(student, collected.get(student), index, lms)
        if row is None:
            unknown.append(student)
        else:
            found[student] = row
    taken = Counter(found.values())
    twice = [student for student, row in found.items() if taken[row] > 1]
    kept = {student: row for student, row in found.items() if taken[row] == 1}
    without = tuple(person.label for person in people if person.row not in taken)
    return Matched(kept, tuple(sorted([*unknown, *twice])), without)


def squashed(name: str) -> str:
    """A name as Canvas puts it into file names: lower case, letters and digits only."""
    return re.sub(r"\W", "", name).lower()


def _row(student: str, about: Collected | None, index: "_Index", lms: str) -> int | None:
    """By what was collected; else by login, e-mail or name; else by an id behind the right name ("doejane_12345").

    An id alone is not enough: a folder "smith_12" that somebody made by hand is not participant 12.
    """
    tries = []
    if about is not None:
        own = about.lms == lms
        tries.append(index.ids[about.lms_id.casefold()] if own else index.others[about.lms_id.casefold()])
        tries.append(index.ids[about.email.casefold()] | index.others[about.email.casefold()])
    tries.append(index.ids[student.casefold()] | index.others[student.casefold()])
    name, _, suffix = student.rpartition("_")
    tries.append({row for row in index.ids[suffix.casefold()] if index.names[row] == squashed(name)})
    for rows in tries:
        if rows:
            return next(iter(rows)) if len(rows) == 1 else None
    return None


@dataclass(frozen=True)
class _Index:
    """Rows by key; nothing is found under an empty key."""

    ids: defaultdict[str, set[int]]
    others: defaultdict[str, set[int]]
    names: dict[int, str]

    @classmethod
    def of(cls, people: Sequence[Person]) -> Self:
        ids: defaultdict[str, set[int]] = defaultdict(set)
        others: defaultdict[str, set[int]] = defaultdict(set)
        for person in people:
            for keys, found in ((person.ids, ids), (person.others, others)):
                for key in filter(None, keys):
                    found[key.casefold()].add(person.row)
        return cls(ids, others, {person.row: squashed(person.label) for person in people})
