"""Code as copydetect sees it: the set of its passages, and how much of one code another has.

A passage is a hash of ``PASSAGE`` characters. All of them are kept (a window of one): copydetect's winnowing chooses by
the hashes, which Python changes from run to run, and the report must not.
"""

from dataclasses import dataclass
from functools import lru_cache
from io import StringIO
from typing import Any

import numpy

PASSAGE = 25  # characters; copydetect's own threshold of noise


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """``length`` counts the characters of the passages that are compared."""

    print: Any  # copydetect's CodeFingerprint
    length: int


@lru_cache(maxsize=4096)  # many a short function is the same as another's
def plain(code: str) -> str:
    """Python with names, texts and comments put aside."""
    from copydetect.utils import filter_code  # here: copydetect takes as long to import as a class to compare

    return filter_code(code, "code.py", "python")[0]


def passages(text: str) -> numpy.ndarray:
    """Sorted hashes without repetitions."""
    from copydetect.utils import hashed_kgrams

    return numpy.unique(hashed_kgrams(text, PASSAGE)).astype(numpy.int64)


def fingerprint(text: str, *, without: numpy.ndarray) -> Fingerprint:
    """Of the passages that are not in ``without``. ``text`` is taken as it is; see ``plain``."""
    from copydetect import CodeFingerprint
    from copydetect.utils import get_token_coverage

    made = CodeFingerprint("code.py", PASSAGE, 1, filter=False, fp=StringIO(text))
    made.hashes = set(numpy.setdiff1d(numpy.fromiter(made.hashes, numpy.int64), without).tolist())
    rest = {value: made.hash_idx[value] for value in made.hashes}
    made.token_coverage = get_token_coverage(rest, PASSAGE, len(text))
    return Fingerprint(made, int(made.token_coverage))


def shared(one: Fingerprint, other: Fingerprint) -> tuple[int, float]:
    """How many characters they share, and which share that is of the one that has less."""
    from copydetect import compare_files

    if not one.length or not other.length:
        return 0, 0.0
    overlap, shares, _ = compare_files(one.print, other.print)
    return int(overlap), min(1.0, float(max(shares)))
