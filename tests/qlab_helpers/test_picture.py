"""The picture of a case: which matrices are drawn, and that their numbers and colours are right."""

import base64
import math
from xml.etree import ElementTree

import pytest
import torch

from qlab_helpers.checking.picture import picture

TENSOR = torch.tensor([[-1.5, 0.25, 3.0], [100.0, -200.0, 0.0]])


def drawn(address: str) -> ElementTree.Element:
    kind, data = address.split(",")
    assert kind == "data:image/svg+xml;base64"
    return ElementTree.fromstring(base64.b64decode(data))


def test_the_picture_has_the_numbers_row_by_row_each_in_its_cell():
    root = drawn(picture(None, torch.tensor([[1.0, -0.004, math.nan]]), torch.tensor([[-128], [127]]))[0])
    texts = root.findall("{*}text")
    assert [text.text for text in texts] == ["Expected", "-128", "127", "Your result", "1.00", "-0.00", "nan"]
    cells = root.findall("{*}rect")[1:]
    for text, cell in zip([text for text in texts if text.get("font-size") is None], cells, strict=True):
        at, corner, size = ([float(one.get(name)) for name in names] for one, names in (
            (text, "xy"), (cell, "xy"), (cell, ("width", "height"))))  # fmt: skip
        assert at == [corner[0] + size[0] / 2, corner[1] + size[1] / 2]


def test_equal_numbers_have_one_colour_in_both_results_and_larger_ones_are_darker():
    root = drawn(picture(TENSOR, torch.tensor([[0, 1], [2, 3]]), torch.tensor([[3, 2], [1, 0]]))[0])
    paints = [cell.get("fill") for cell in root.findall("{*}rect")[1:]]
    assert set(paints[: TENSOR.numel()]) == {"#ffffff"}
    expected, got = paints[TENSOR.numel() :][:4], paints[TENSOR.numel() :][4:]
    assert expected == got[::-1]
    assert got == sorted(got, reverse=True)


@pytest.mark.parametrize(
    "got",
    [None, 3, TENSOR[0], torch.zeros(9, 2), torch.zeros(0, 2), TENSOR * 1e30, TENSOR / 0, TENSOR > 0, TENSOR * 1j],
)
def test_what_cannot_be_drawn_is_left_out(got):
    assert picture(TENSOR, got, None) is None


def test_a_constant_or_nan_matrix_is_drawn():
    assert picture(None, torch.full((2, 2), float("nan")), torch.zeros(2, 2)) is not None
