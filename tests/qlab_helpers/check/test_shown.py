"""What a student sees of a check: its cases, the first difference, the picture."""

import re
from collections import namedtuple

import torch

from qlab_helpers import check

from .lab import Codebook, to_int8
from .pages import page


def test_the_first_difference_is_marked_at_its_place(folder):
    def wrong(tensor):
        levels = to_int8(tensor)
        if levels.shape == (2, 3):
            levels[0, 2], levels[1, 1] = 99, -99
        return levels

    result = check(wrong, name="to_int8", folder=folder)
    assert "2 of 6 values differ, the first at [0, 2]: expected 3, got 99" in str(result)
    html = result._repr_html_()
    assert re.findall(r'<td class="first" title="differs"><mark>(.*?)</mark>', html) == ["3", "99"]
    assert re.findall(r'<td title="differs"><mark>(.*?)</mark>', html) == ["-128", "-99"]
    assert "hint of small" in html and "hint of small" in str(result)


def test_of_a_large_tensor_the_rows_around_the_first_difference_are_shown(folder):
    def twice(tensor):
        product = tensor * 2
        product[3, 1, 30] += 1
        return product

    text = str(check(twice, folder=folder))
    assert "(4, 5, 40) float32, in part" in text
    assert "  1340*  " in text and "  1341*  " in text
    assert re.search(r"^ *3, 1 ", text, re.MULTILINE)
    assert len(text) < 4000


def test_every_case_is_listed_with_its_outcome_in_words(folder):
    shown = page(check(lambda tensor: to_int8(tensor).float(), name="to_int8", folder=folder))
    assert shown.text.count("failed") == 2
    assert "tests small" in shown.text and "tests one" in shown.text
    assert {"row", "col"} == set(shown.attributes["scope"])
    assert "wrong dtype: expected int8, got float32" in shown.text


def test_a_wrong_shape_is_told(folder):
    text = str(check(lambda tensor: to_int8(tensor).t(), name="to_int8", folder=folder))
    assert "expected shape (2, 3), got shape (3, 2)" in text


def test_nan_is_shown_and_is_not_equal(folder):
    text = str(check(lambda tensor: float("nan"), name="largest", folder=folder))
    assert "expected 100, got nan" in text


def test_a_modified_input_is_told(folder):
    def modifies(tensor):
        return to_int8(tensor.mul_(1) if tensor.numel() == 1 else tensor.round_())

    result = check(modifies, name="to_int8", folder=folder)
    assert float(result) == 2.0
    assert "the argument tensor must not be modified" in str(result)


def test_a_function_that_changes_its_argument_in_place_is_judged_by_it(folder):
    def update(tensor, codebook):
        for label in (0, 1):
            codebook.centroids[label] = tensor[codebook.labels == label].mean()

    def forgets(tensor, codebook):
        return Codebook(torch.tensor([1.0, 2.5]), codebook.labels)

    assert float(check(update, folder=folder)) == 8.0
    assert "must be changed in place" in str(check(forgets, name="update", folder=folder))


def test_the_student_gets_the_named_tuple_of_the_notebook(folder):
    seen = []
    scope = {"Codebook": namedtuple("Codebook", ["means", "index"]), "seen": seen}
    exec("def update(tensor, codebook):\n    seen.append(codebook)", scope)
    check(scope["update"], folder=folder)
    assert type(seen[0]) is scope["Codebook"]


def test_the_picture_has_a_text_in_its_place(folder):
    for function in (to_int8, lambda tensor: to_int8(tensor) + 1):
        shown = page(check(function, name="to_int8", folder=folder))
        assert shown.attributes["src"][0].startswith("data:image/svg+xml;base64,")
        assert shown.attributes["alt"] == ["small. Matrices of numbers: original, expected, your result"]
