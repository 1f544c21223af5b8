"""Graded items and their cases, as the build stores them.

Plain data is in ``<lab>.json``, tensors in ``<lab>.safetensors``. The package holds the visible cases of every lab, the
grader's folder the hidden ones in the same format. Nothing here is code: expected outputs are tensors, computed from
the lab's solution when the course was built.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from qlab_helpers.checking.codec import Tree, decode

REFERENCE = Path(__file__).parent.parent / "reference"
FORMAT = 2


class ReferenceMissing(RuntimeError):
    """The reference files of a lab are not there, or are of another version."""


@dataclass(frozen=True)
class Rule:
    """How one output is compared with the expected one.

    ``kind`` is "tensor", "integer" (an int, a 0-d tensor or a numpy integer all do), "number" or "text". Without
    ``rtol`` and ``atol`` values must be equal. ``dtype`` is demanded where given; "expected" stands for
    that of the expected tensor, where it differs from case to case. ``flat`` compares values in order and
    ignores how the tensor is shaped, for scales that may be [oc], [oc, 1] or [oc, 1, 1, 1].
    """

    name: str
    kind: str = "tensor"
    dtype: str | None = None
    rtol: float = 0.0
    atol: float = 0.0
    flat: bool = False


@dataclass(frozen=True)
class Variant:
    """One set of inputs of a case, with what the solution makes of them.

    ``observed`` holds the expected values, after the call, of the arguments that ``Case.observe`` names. ``wrong``
    holds, by misconception, what comes out of it here: {"result": ..., "observed": ...} or {"raised": type}; one that
    is not named passes.
    """

    args: Tree
    expected: Tree
    observed: dict[str, Tree] = field(default_factory=dict)
    wrong: dict[str, Tree] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    name: str  # short, unique in its item: "saturates at 8 bits"
    tests: str  # what it tests, one sentence
    hint: str  # what to look at when it fails, one sentence
    visible: bool
    weight: float
    observe: tuple[str, ...]  # parameters whose value after the call is compared too
    variants: tuple[Variant, ...]


@dataclass(frozen=True)
class Item:
    """A graded function ("function") or a short answer ("answer")."""

    name: str
    kind: str
    lab: str
    points: float
    parameters: tuple[str, ...]
    outputs: tuple[Rule, ...]
    judge: str  # how a case is judged: "values", "codebook" or "layer"; see compare.py
    uses: tuple[str, ...]  # other graded functions that this one may call
    choices: tuple[str, ...]  # for an answer that is a choice: what may be answered
    cases: tuple[Case, ...]
    misconceptions: dict[str, str] = field(default_factory=dict)  # name -> the hint that it deserves
    driver: str = ""  # of a class: which function of drivers.py tries it


@dataclass(frozen=True)
class Reference:
    """All items of one lab, from one folder, with their tensors."""

    lab: str
    items: dict[str, Item]
    tensors: dict[str, torch.Tensor]
    outcomes: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)  # see ``stored_outcome``

    def arguments(self, variant: Variant, **options: Any) -> tuple:
        """Fresh positional arguments of a case."""
        return decode(variant.args, self.tensors, **options)

    def expected(self, variant: Variant) -> Any:
        return decode(variant.expected, self.tensors)

    def observed(self, variant: Variant) -> dict[str, Any]:
        return {name: decode(tree, self.tensors) for name, tree in variant.observed.items()}


def labs(folder: Path = REFERENCE) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.json"))


@cache
def load_reference(lab: str, folder: Path = REFERENCE) -> Reference:
    """Raises ``ReferenceMissing`` with what to do when the lab is unknown here or written by another version."""
    path = folder / f"{lab}.json"
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        known = ", ".join(labs(folder)) or "none"
        raise ReferenceMissing(f"no reference tensors for {lab!r} (there are: {known}); run `qlab build`") from error
    if content.get("format") != FORMAT:
        raise ReferenceMissing(f"{path.name} was written by another version of qlab; run `qlab build`")
    items = {name: _item(entry) for name, entry in content["items"].items()}
    return Reference(lab, items, load_file(path.with_suffix(".safetensors")))


def find_item(name: str, folder: Path = REFERENCE) -> tuple[Reference, Item] | None:
    """The item of that name in whichever lab has it; function names are unique across the course."""
    for lab in labs(folder):
        reference = load_reference(lab, folder)
        if name in reference.items:
            return reference, reference.items[name]
    return None


def save_reference(reference: Reference, folder: Path) -> list[Path]:
    """Write both files, each whole or not at all; the same reference gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"format": FORMAT, "lab": reference.lab, "items": {n: _plain(i) for n, i in reference.items.items()}}
    path = folder / f"{reference.lab}.json"
    draft = path.with_suffix(".json.part")
    draft.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    tensors = path.with_suffix(".safetensors")
    tensors_draft = tensors.with_suffix(".safetensors.part")
    save_file(dict(sorted(reference.tensors.items())), tensors_draft)
    os.replace(tensors_draft, tensors)
    os.replace(draft, path)
    return [path, tensors]


def _plain(item: Item) -> dict[str, Any]:
    """The driver only where there is one, so that the files of labs without classes stay as they were."""
    return {name: value for name, value in asdict(item).items() if name != "driver" or value}


def _item(entry: dict[str, Any]) -> Item:
    return Item(
        **{
            **entry,
            "parameters": tuple(entry["parameters"]),
            "uses": tuple(entry["uses"]),
            "choices": tuple(entry["choices"]),
            "outputs": tuple(Rule(**rule) for rule in entry["outputs"]),
            "cases": tuple(_case(case) for case in entry["cases"]),
        }
    )


def _case(entry: dict[str, Any]) -> Case:
    variants = tuple(Variant(**variant) for variant in entry["variants"])
    return Case(**{**entry, "observe": tuple(entry["observe"]), "variants": variants})
