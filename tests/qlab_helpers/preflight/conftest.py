"""The checks of a small lab, and a look at it before handing in."""

from pathlib import Path

import nbformat
import pytest
import torch

from qlab_helpers import preflight
from qlab_helpers.checking.codec import encode
from qlab_helpers.checking.preflight_page import Preflight
from qlab_helpers.checking.reference import Case, Item, Reference, Rule, Variant, save_reference

from .small_lab import notebook, session


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """A lab of three functions and two answers, and another lab; expected values are computed by hand."""
    tensors: dict[str, torch.Tensor] = {}

    def store(value: object, name: str) -> object:
        tree, found = encode(value, prefix=name)
        tensors.update(found)
        return tree

    def case(name: str, x: torch.Tensor, expected: torch.Tensor) -> Case:
        variant = Variant(store((x,), f"{name}.args."), store(expected, f"{name}.expected."))
        return Case(name, f"tests {name}", f"hint of {name}", True, 1.0, (), (variant,))

    def item(name: str, *cases: Case, lab: str = "lab_small", **options: object) -> Item:
        settings = {
            "kind": "function",
            "judge": "values",
            "choices": (),
            "uses": (),
            "outputs": (Rule("y"),),
            **options,
        }
        return Item(name=name, lab=lab, points=4.0, parameters=("x",), cases=cases, **settings)

    text = {"kind": "answer", "outputs": (Rule("answer", kind="text"),)}
    items = [
        item("double", case("two", torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0]))),
        item("halve", case("half", torch.tensor([2.0]), torch.tensor([1.0]))),
        item("square", case("above 0", torch.tensor([3.0]), torch.tensor([9.0])),
             case("below 0", torch.tensor([-3.0]), torch.tensor([9.0]))),
        item("answer_1", **text, choices=("a", "b")),
        item("answer_2", **text),
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("reference")
    save_reference(Reference("lab_small", {one.name: one for one in items}, tensors), path)
    other = item("triple", case("three", torch.tensor([1.0]), torch.tensor([3.0])), lab="lab_other")
    save_reference(Reference("lab_other", {"triple": other}, tensors), path)
    return path


@pytest.fixture
def looked(folder, tmp_path, monkeypatch):
    """Runs preflight in an empty folder for the sources given, of the session and (by default) the notebook."""
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def run(*sources: str, saved: nbformat.NotebookNode | None = None, **options: object) -> Preflight:
        path = tmp_path / "my notebook.ipynb"
        nbformat.write(saved or notebook(*sources), path)
        return preflight(namespace=session(*sources), path=path, folder=folder, **options)

    return run
