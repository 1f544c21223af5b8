"""Submissions whose own code is nearly the same: something for a person to look at, never a verdict.

copydetect (winnowing, as in MOSS) compares the code in two ways: as it stands, and with names and texts put aside, so
that renaming hides nothing. As in MOSS, passages that many have say nothing and are left out, as are those of the
released and the solved notebook: a class that solves the same short exercises is alike by nature. So what everybody
writes alike is not found, and what is found may have an honest reason.

Not all pairs are compared: the passages that few share tell which pairs may be alike. The work grows with the class,
not with its square.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy

from autograder.classreport.candidates import sharing_pairs
from autograder.classreport.fingerprints import Fingerprint, fingerprint, passages, plain, shared
from autograder.results import Record

ALIKE = 0.8  # the share of a student's rarer code that another has, too
ENOUGH = 200  # characters of rarer code that are shared; less may be chance
MOST = 30_000  # characters of a submission that are compared; a lab has a third of it
FEW, SHARE, MANY = 5, 0.1, 20  # who may have a rare passage: so many, or this share of the class, never more than that
MAX_PAIRS = 5_000  # that are compared exactly, those that share most
MAX_GROUPS, MAX_SHOWN = 50, 5  # groups that are told, and pairs of each

Codes = Mapping[str, Mapping[str, str]]  # student -> question -> own code


@dataclass(frozen=True)
class Pair:
    students: tuple[str, str]
    structure: int  # per cent of the rarer code in common, names and texts put aside
    text: int  # the same of the code as it stands
    length: int  # characters of rarer code in common
    questions: tuple[str, ...]  # those in which they are alike


@dataclass(frozen=True)
class Group:
    """Students each of whom is alike to another. ``pairs`` are the most alike of them, in all there are ``count``."""

    students: tuple[str, ...]
    pairs: tuple[Pair, ...]
    count: int


@dataclass(frozen=True)
class Found:
    """The most alike first; ``more`` groups are less alike and not told."""

    groups: tuple[Group, ...]
    more: int = 0


@dataclass(frozen=True, eq=False)
class _View:
    """One way to read code: ``read`` puts names aside or leaves all as it stands; ``common`` says nothing then."""

    read: Callable[[str], str]
    texts: Mapping[str, str]  # of each student
    passages: Mapping[str, numpy.ndarray]
    common: numpy.ndarray

    def fingerprint(self, text: str) -> Fingerprint:
        return fingerprint(text, without=self.common)


def near_identical(records: Sequence[Record], given: Sequence[str]) -> Found:
    """``given`` is code that anybody may have: the cells as released and as solved."""
    lines = {line.strip() for source in given for line in source.splitlines()}
    codes = {
        record.student: {item.name: _own(item.source, lines) for item in record.functions.values()}
        for record in records
        if record.graded
    }
    codes = {student: code for student, code in codes.items() if len(_whole(code)) >= ENOUGH}
    if len(codes) < 2:
        return Found(())
    views = [_view(codes, given, read) for read in (plain, str)]
    links: dict[tuple[str, str], tuple[float, int]] = {}  # share and length: the best of the views
    for view in views:
        for students, alike in _links(view):
            links[students] = max(alike, links.get(students, alike))
    ranked = sorted(links, key=lambda students: (*(-one for one in links[students]), students))
    connected = _connected(ranked)
    groups = [
        Group(
            tuple(sorted({student for pair in pairs for student in pair})),
            tuple(_pair(students, codes, views) for students in pairs[:MAX_SHOWN]),
            len(pairs),
        )
        for pairs in connected[:MAX_GROUPS]
    ]
    return Found(tuple(groups), len(connected) - len(groups))


def _own(source: str, given: set[str]) -> str:
    """Without the lines that were given."""
    return "\n".join(line for line in source.splitlines() if line.strip() and line.strip() not in given)


def _whole(code: Mapping[str, str]) -> str:
    return "\n".join(code.values())[:MOST]


def _view(codes: Codes, given: Sequence[str], read: Callable[[str], str]) -> _View:
    texts = {student: _whole({name: read(own) for name, own in code.items()}) for student, code in codes.items()}
    found = {student: passages(text) for student, text in texts.items()}
    different = dict(zip(texts.values(), found.values(), strict=True))  # copies of one another count once
    values, holders = numpy.unique(numpy.concatenate(list(different.values())), return_counts=True)
    many = min(max(FEW, round(SHARE * len(different))), MANY)
    known = [passages(read(source)) for source in given]
    return _View(read, texts, found, numpy.unique(numpy.concatenate([values[holders > many], *known])))


def _links(view: _View) -> Iterator[tuple[tuple[str, str], tuple[float, int]]]:
    """Pairs that are alike, with share and length. Those with the same code are paired with the first of them only."""
    same: dict[str, list[str]] = defaultdict(list)
    for student in sorted(view.texts):
        same[view.texts[student]].append(student)

    @cache
    def fingerprint_of(student: str) -> Fingerprint:
        return view.fingerprint(view.texts[student])

    for first, *others in same.values():
        if others and fingerprint_of(first).length >= ENOUGH:
            yield from (((first, other), (1.0, fingerprint_of(first).length)) for other in others)
    firsts = [first for first, *_ in same.values()]
    rare = {one: numpy.setdiff1d(view.passages[one], view.common, assume_unique=True) for one in firsts}
    # Of a passage that was changed, all that overlap it are lost: the share of passages is smaller than of characters.
    for one, other in sharing_pairs(rare, share=ALIKE / 2, least=ENOUGH // 4, most=MAX_PAIRS):
        length, share = shared(fingerprint_of(one), fingerprint_of(other))
        if length >= ENOUGH and share >= ALIKE:
            yield (one, other), (share, length)


def _pair(students: tuple[str, str], codes: Codes, views: Sequence[_View]) -> Pair:
    one, other = students
    both = [shared(*(view.fingerprint(view.texts[student]) for student in students)) for view in views]
    lengths, shares = zip(*both, strict=True)
    best = views[shares.index(max(shares))]
    questions = []
    for name in (name for name in codes[one] if name in codes[other]):
        parts = [best.fingerprint(best.read(codes[student][name])) for student in students]
        if shared(*parts)[1] >= ALIKE:
            questions.append(name)
    structure, text = (round(100 * share) for share in shares)
    return Pair(students, structure, text, max(lengths), tuple(questions))


def _connected(pairs: Sequence[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Pairs that have a student in common belong together."""
    group_of: dict[str, list[str]] = {}
    for pair in pairs:
        one, other = (group_of.setdefault(student, [student]) for student in pair)
        if one is not other:
            one += other
            group_of.update(dict.fromkeys(other, one))
    found: dict[int, list[tuple[str, str]]] = {}
    for pair in pairs:
        found.setdefault(id(group_of[pair[0]]), []).append(pair)
    return list(found.values())
