"""A submission that was found -> a repaired notebook, or one sentence that says why there is none. Nothing is run."""

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autograder.repair import Repaired, repair
from autograder.submissions import Found, UnreadableNotebook, parse_notebook, read_submission

if TYPE_CHECKING:
    from autograder.materials import Materials  # imports torch, which is not needed to read a notebook


@dataclass(frozen=True)
class Opened:
    """A submission that could be read, repaired but not run."""

    found: Found
    submission_hash: str
    repaired: Repaired
    repairs: tuple[str, ...]  # from finding, reading and repairing


def open_submission(found: Found, materials: "Materials") -> Opened:
    """The submission, or the newest of its older attempts that can be graded; what was done is in ``repairs``.

    Raises ``UnreadableNotebook``, about the first, when there is nothing to grade.
    """
    try:
        return _open(found, materials)
    except UnreadableNotebook as error:
        reason = str(error).split(";")[0]
        for older in found.older:
            try:
                opened = _open(older, materials)
            except UnreadableNotebook:
                continue
            notes = (*found.notes, f"{reason}; an earlier attempt was graded instead, {older.file}")
            return replace(opened, repairs=(*notes, *opened.repairs))
        raise


def _open(found: Found, materials: "Materials") -> Opened:
    content = read_submission(found)
    notebook, mended = parse_notebook(content, name=found.file)
    repaired = repair(notebook, materials.release)
    if repaired.kind == "unrelated":
        raise UnreadableNotebook(f"nothing of {materials.lab} is in {found.file}; hand in the lab's own notebook")
    digest = hashlib.sha256(content).hexdigest()
    archive = (f"the notebook was taken out of a zip file: {found.file}",) if found.inside else ()
    return Opened(found, digest, repaired, (*found.notes, *archive, *mended, *repaired.repairs))
