"""The checks of a made-up lab."""

from pathlib import Path

import pytest
import torch

from qlab_helpers.checking.codec import encode
from qlab_helpers.checking.reference import Case, Item, Reference, Rule, Variant, save_reference

from .lab import LEVELS, TENSOR, WIDE, Codebook


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Reference files of a made-up lab; the expected values are written down here, not computed by a solution."""
    tensors: dict[str, torch.Tensor] = {}

    def store(value, name: str):
        tree, found = encode(value, prefix=name)
        tensors.update(found)
        return tree

    def case(name: str, args: tuple, expected, *, weight: float = 1.0, observed: dict | None = None) -> Case:
        seen = {key: store(value, f"{name}.{key}.") for key, value in (observed or {}).items()}
        variant = Variant(store(args, f"{name}.args."), store(expected, f"{name}.expected."), seen)
        return Case(name, f"tests {name}", f"hint of {name}", True, weight, tuple(seen), (variant,))

    def item(name: str, parameters: str, rules: tuple[Rule, ...], *cases: Case, **options) -> Item:
        settings = {"kind": "function", "judge": "values", "choices": (), **options}
        return Item(name=name, lab="lab", points=8.0, parameters=tuple(parameters.split()), outputs=rules, uses=(),
                    cases=cases, **settings)  # fmt: skip

    book = Codebook(torch.tensor([0.0, 0.0]), torch.tensor([0, 1, 1]))
    updated = Codebook(torch.tensor([1.0, 2.5]), book.labels)
    items = [
        item("to_int8", "tensor", (Rule("levels", dtype="int8"),),
             case("small", (TENSOR,), LEVELS, weight=3.0, observed={"tensor": TENSOR}),
             case("one", (torch.tensor([[7.0]]),), torch.tensor([[7]], dtype=torch.int8))),
        item("twice", "tensor", (Rule("product"),), case("wide", (WIDE,), WIDE * 2)),
        item("update", "tensor codebook", (),
             case("in place", (torch.tensor([1.0, 2.0, 3.0]), book), None, observed={"codebook": updated})),
        item("largest", "tensor", (Rule("number", kind="number"),), case("nan", (TENSOR,), 100.0)),
        item("answer_1", "", (Rule("answer", kind="text"),), kind="answer", choices=("a", "b")),
        item("answer_2", "", (Rule("answer", kind="number"),), kind="answer"),
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("reference")
    save_reference(Reference("lab", {one.name: one for one in items}, tensors), path)
    return path
