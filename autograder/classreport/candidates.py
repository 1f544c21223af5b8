"""Which pairs of a class may be alike, told from the rare passages that they share, without comparing all pairs."""

from collections import Counter
from collections.abc import Mapping

import numpy

CHUNK = 20_000  # passages that are counted at once: bounds the memory


def sharing_pairs(rare: Mapping[str, numpy.ndarray], *, share: float, least: int, most: int) -> list[tuple[str, str]]:
    """Pairs of students that share ``least`` passages or more, and ``share`` of those of one of them.

    At most ``most`` pairs, those that share most.
    ``rare`` has each student's passages, without repetitions. Passages should have few holders: the work grows with
    their square.
    """
    students = sorted(rare)
    sizes = numpy.array([len(rare[student]) for student in students], dtype=numpy.int64)
    if not sizes.sum():
        return []
    passages = numpy.concatenate([rare[student] for student in students])
    order = numpy.argsort(passages, kind="stable")
    passages, holders = passages[order], numpy.repeat(numpy.arange(len(students)), sizes)[order]
    starts = numpy.flatnonzero(numpy.r_[True, passages[1:] != passages[:-1]])
    lengths = numpy.diff(numpy.r_[starts, len(passages)])
    counts: Counter[int] = Counter()
    for at in range(0, len(starts), CHUNK):
        counts.update(_count(holders, starts[at : at + CHUNK], lengths[at : at + CHUNK], len(students)))
    likely = []
    for key, number in counts.items():
        one, other = divmod(key, len(students))
        if number >= least and number >= share * min(sizes[one], sizes[other]):
            likely.append((-number, students[one], students[other]))
    return [(one, other) for _, one, other in sorted(likely)[:most]]


def _count(holders: numpy.ndarray, starts: numpy.ndarray, lengths: numpy.ndarray, students: int) -> dict[int, int]:
    """How many of some passages each pair shares, by ``one * students + other``."""
    found = []
    for length in numpy.unique(lengths[lengths > 1]).tolist():
        block = holders[starts[lengths == length][:, None] + numpy.arange(length)]  # (passages, length)
        first, second = numpy.triu_indices(length, 1)
        found.append((block[:, first] * students + block[:, second]).ravel())
    if not found:
        return {}
    keys, times = numpy.unique(numpy.concatenate(found), return_counts=True)
    return dict(zip(keys.tolist(), times.tolist(), strict=True))
