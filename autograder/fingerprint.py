"""What a question's result depends on, as hashes: so that a lab that was built again regrades only what has changed.

An item's hash covers its cases, visible and hidden, with everything that is compared with or told of them, and the code
that answers for the functions it may use. A question's hash adds what is one student's: the draw, and the cells as they
are run, in which the given and locked cells of the released notebook stand. Equal hashes, the same environment: equal
results, word for word.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from autograder.messages import own_message
from autograder.notebooks import LabSource
from autograder.questions import Cell
from qlab_helpers.checking.reference import Case, Item, Reference


def hash_item(name: str, references: Sequence[Reference], source: LabSource) -> str:
    """``references`` are those of the lab that have the item; the names of its tensors there do not count."""
    digest = hashlib.sha256()
    for reference in references:
        item = reference.items[name]
        _add(digest, asdict(replace(item, cases=())))
        for case in item.cases:
            _add_case(digest, case, reference)
    for code in _helper_code(references[0].items, name, source):
        _add(digest, code)
    return digest.hexdigest()


def hash_questions(
    item_hashes: Mapping[str, str], draws: Mapping[str, Mapping[str, int]], plan: Sequence[Cell]
) -> dict[str, str]:
    """``draws`` are the student's variants of each case, ``plan`` what the sandbox does with the cells."""
    cells = hashlib.sha256()
    _add(cells, [(cell.index, cell.source, cell.run) for cell in plan if cell.run != "skip"])
    hashes = {}
    for name, item_hash in item_hashes.items():
        places = [cell.index for cell in plan if cell.probe == name]
        digest = cells.copy()
        _add(digest, [item_hash, dict(draws[name]), places])
        hashes[name] = digest.hexdigest()
    return hashes


def _add_case(digest: Any, case: Case, reference: Reference) -> None:
    _add(digest, asdict(replace(case, variants=())))
    for variant in case.variants:
        for tree in (variant.args, variant.expected, variant.observed, variant.wrong):
            _add(digest, own_message(tree, reference.tensors))


def _helper_code(items: Mapping[str, Item], name: str, source: LabSource) -> list[str]:
    """The solution's code that answers when the item calls another graded function: theirs, and the given cells."""
    helpers, waiting = set(), set(items[name].uses)
    while waiting:
        helpers |= waiting
        waiting = {use for one in waiting if one in items for use in items[one].uses} - helpers
    if not helpers:
        return []
    others = source.items.keys() - helpers
    return [cell.source for _, cell in source.solved_cells if cell.name not in others]


def _add(digest: Any, content: Any) -> None:
    data = content if isinstance(content, bytes) else json.dumps(content, sort_keys=True).encode()
    digest.update(len(data).to_bytes(8, "big") + data)
