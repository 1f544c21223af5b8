"""What the trusted side asks of one submission, and what comes back: plain records."""

from dataclasses import dataclass

from autograder.results import CellResult


@dataclass(frozen=True)
class Cell:
    """A code cell; ``run`` is "full", "definitions" or "skip". ``probe`` names the item whose check stands here."""

    index: int
    source: str
    run: str = "full"
    probe: str = ""


@dataclass(frozen=True)
class Call:
    case: str
    args: bytes  # packed by the codec
    observe: tuple[str, ...] = ()


@dataclass(frozen=True)
class Probe:
    """What to ask of one item. ``uses`` are functions that the trusted side computes in the student's stead."""

    item: str
    kind: str  # "function" or "answer"
    parameters: tuple[str, ...]
    calls: tuple[Call, ...]
    uses: tuple[str, ...] = ()
    driver: str = ""  # of a class; see qlab_helpers.checking.drivers


@dataclass(frozen=True)
class RawOutcome:
    """What became of one call; ``reply`` packs {"result": ..., "observed": {...}} and is not to be trusted."""

    outcome: str  # "returned", "raised", "timed out", "crashed", "out of memory", "missing", "not graded"
    reply: bytes = b""
    detail: str = ""


@dataclass(frozen=True)
class SessionOutput:
    cells: tuple[CellResult, ...]  # those that did not run to their end
    items: dict[str, tuple[RawOutcome, ...]]  # what counts: of what is right when chained, the same
    chained: dict[str, tuple[RawOutcome, ...]]  # with the student's own functions in place of ``uses``
