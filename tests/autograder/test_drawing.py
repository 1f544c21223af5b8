"""The picture of a case: the numbers of the record, in the right places, and nothing where there is no matrix."""

import pytest
import torch

from autograder.drawing import draw_pair, read_matrix
from qlab_helpers.checking.values import clean, value_lines, window


def as_text(tensor: torch.Tensor, differs: torch.Tensor | None = None) -> str:
    return "\n".join(value_lines(tensor, differs))


TENSORS = {
    "integers": torch.arange(-6, 6).reshape(3, 4),
    "floats": torch.tensor([[1.5, -1e-20], [3e30, 0.1]]),
    "no numbers": torch.tensor([[float("nan"), float("inf"), -float("inf")]]),
    "truth values": torch.tensor([[True, False], [False, True]]),
    "a vector": torch.arange(7),
    "four dimensions": torch.arange(24).reshape(2, 2, 2, 3),
    "one number in a matrix": torch.ones(1, 1),
    "a part of a large one": torch.arange(4096).reshape(64, 64),
}


@pytest.mark.parametrize("name", TENSORS)
def test_a_matrix_is_read_as_it_was_written(name):
    tensor = TENSORS[name]
    differs = torch.zeros(tensor.shape, dtype=torch.bool)
    differs.view(-1)[-1] = True
    wanted, matrix = window(tensor, differs), read_matrix(as_text(tensor, differs))
    assert matrix.cells == wanted.cells
    assert (matrix.rows, matrix.columns, matrix.marked) == (wanted.rows, wanted.columns, wanted.marked)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3.5",
        "a tensor of shape (100, 100) and dtype int8",
        "(0, 3) int8",
        "(2, 2) int8\n   0  1\n0  1  2\n1  3  ...",
        "(2, 2) int8\n   0  1\n0  1  2\n...",
        "(2, 2) int8\n   0  1\n0  <b>  2\n1  3  4",
        "(1, 1) complex64\n   0\n0  (1+2j)",
    ],
)
def test_what_is_no_matrix_of_numbers_has_no_picture(text):
    assert draw_pair(text, text) is None


def test_a_text_that_was_cut_off_has_no_picture():
    whole = as_text(torch.arange(100).reshape(10, 10))
    for limit in range(8, len(whole)):
        assert read_matrix(clean(whole, limit)) is None


def test_one_value_has_one_colour_in_both_matrices():
    drawing = draw_pair(as_text(torch.tensor([[0, 5, 10]])), as_text(torch.tensor([[10, 5, 0]])))
    colours = [(box.text, box.tone, box.opacity) for box in drawing.boxes]
    assert set(colours[:3]) == set(colours[3:])
    assert colours[0][1:] == ("low", 0.6) and colours[2][1:] == ("high", 0.6) and colours[1][2] == 0.0


def test_values_that_differ_are_framed_and_counted_in_words():
    expected, got = torch.tensor([[1, 2], [3, 4]]), torch.tensor([[1, 9], [3, 4]])
    drawing = draw_pair(as_text(expected, expected != got), as_text(got, expected != got))
    assert [box.title for box in drawing.boxes if box.differs] == [
        "expected at [0, 1]: 2, differs",
        "your result at [0, 1]: 9, differs",
    ]
    assert "1 of the 4 values shown differ" in drawing.summary


@pytest.mark.parametrize(
    "values", [[[5e-324, 0.0]], [[1.7e308, -1.7e308]], [[float("inf"), 1.0]], [[float("nan")] * 2]]
)
def test_extreme_numbers_are_drawn_too(values):
    text = as_text(torch.tensor(values, dtype=torch.float64))
    drawing = draw_pair(text, text)
    assert all(0 <= box.opacity <= 0.6 for box in drawing.boxes)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (10, 10), (9,)])
def test_all_boxes_and_words_lie_inside_the_drawing(shape):
    tensor = torch.full(shape, -1.23456e-20)
    drawing = draw_pair(as_text(tensor), as_text(tensor))
    for box in drawing.boxes:
        assert box.x >= 0 and box.x + drawing.box_width <= drawing.width + 1e-6
        assert box.y >= 0 and box.y + drawing.box_height <= drawing.height + 1e-6
    assert all(0 <= label.x <= drawing.width and 0 <= label.y <= drawing.height for label in drawing.labels)
