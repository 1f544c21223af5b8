"""Graded items come back from their two files as they were written."""

from dataclasses import replace

import pytest
import torch

from qlab_helpers.checking.codec import encode
from qlab_helpers.checking.reference import (
    Case,
    Item,
    Reference,
    ReferenceMissing,
    Rule,
    Variant,
    find_item,
    labs,
    load_reference,
    save_reference,
)


@pytest.fixture
def reference() -> Reference:
    tensor = torch.arange(6.0).reshape(2, 3)
    args, tensors = encode((tensor, 2), prefix="args.")
    expected, more = encode(tensor * 2, prefix="expected.")
    observed, rest = encode(tensor, prefix="observed.")
    variant = Variant(args, expected, {"tensor": observed})
    case = Case("small", "a small tensor", "multiply", True, 2.0, ("tensor",), (variant, variant))
    item = Item(
        "double",
        "function",
        "lab",
        3.0,
        ("tensor", "by"),
        (Rule("product", rtol=0.5),),
        "values",
        ("other",),
        (),
        (case,),
    )
    return Reference("lab", {"double": item}, {**tensors, **more, **rest})


def test_a_reference_comes_back_as_it_was_written(reference, tmp_path):
    save_reference(reference, tmp_path)
    back = load_reference("lab", tmp_path)
    assert back.items == reference.items
    assert back.tensors.keys() == reference.tensors.keys()
    assert all(torch.equal(back.tensors[key], tensor) for key, tensor in reference.tensors.items())


def test_the_same_reference_gives_the_same_bytes(reference, tmp_path):
    other = replace(reference, tensors=dict(reversed(reference.tensors.items())))
    first, second = save_reference(reference, tmp_path / "one"), save_reference(other, tmp_path / "two")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_every_call_gets_fresh_arguments(reference):
    variant = reference.items["double"].cases[0].variants[0]
    reference.arguments(variant)[0].zero_()
    tensor, factor = reference.arguments(variant)
    assert torch.equal(tensor, torch.arange(6.0).reshape(2, 3)) and factor == 2


def test_expected_and_observed_values_are_decoded(reference):
    variant = reference.items["double"].cases[0].variants[0]
    assert torch.equal(reference.expected(variant), 2 * torch.arange(6.0).reshape(2, 3))
    assert torch.equal(reference.observed(variant)["tensor"], torch.arange(6.0).reshape(2, 3))


def test_an_argument_marked_transposed_is_not_contiguous(reference, tmp_path):
    item = reference.items["double"]
    case = item.cases[0]
    tree = {"tuple": [{**case.variants[0].args["tuple"][0], "transposed": True}, {"int": 2}]}
    tensor, _ = reference.arguments(replace(case.variants[0], args=tree))
    assert not tensor.is_contiguous() and torch.equal(tensor, torch.arange(6.0).reshape(2, 3))


def test_an_item_is_found_in_whichever_lab_has_it(reference, tmp_path):
    save_reference(replace(reference, lab="a_lab", items={}), tmp_path)
    save_reference(reference, tmp_path)
    found, item = find_item("double", tmp_path)
    assert (found.lab, item.name) == ("lab", "double")
    assert labs(tmp_path) == ["a_lab", "lab"]
    assert find_item("triple", tmp_path) is None


def test_an_unknown_lab_is_named_with_those_there_are(reference, tmp_path):
    save_reference(reference, tmp_path)
    with pytest.raises(ReferenceMissing, match=r"'lab9' \(there are: lab\); run `qlab build`"):
        load_reference("lab9", tmp_path)


def test_a_file_of_another_format_is_refused(reference, tmp_path):
    path, _ = save_reference(reference, tmp_path)
    path.write_text(path.read_text().replace('"format": 2', '"format": 99'))
    with pytest.raises(ReferenceMissing, match="another version"):
        load_reference("lab", tmp_path)


def test_no_half_written_file_is_left(reference, tmp_path):
    save_reference(reference, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lab.json", "lab.safetensors"]
