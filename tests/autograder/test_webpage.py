"""What all pages have in common: how text is made visible, and the policy."""

import unicodedata

import pytest

from autograder.webpage import format_points, visible


@pytest.mark.parametrize(("value", "text"), [(10.0, "10"), (7.5, "7.5"), (0.0, "0"), (3.3333, "3.33"), (100.0, "100")])
def test_points_are_written_without_needless_zeros(value, text):
    assert format_points(value) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "<U+001B>[31mred"),
        ("a\u202eb", "a<U+202E>b"),
        ("\ud800", "<U+D800>"),
        ("line\r\nline\ttab\n", "line\nline\ttab\n"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text, shown):
    assert visible(text) == shown


def test_no_control_character_and_no_mark_of_direction_stays():
    turning = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    for number in range(0x30000):
        one = chr(number)
        if unicodedata.category(one) in ("Cc", "Cs") or unicodedata.bidirectional(one) in turning:
            assert one in "\n\t" or visible(one) != one, f"U+{number:04X}"


@pytest.mark.parametrize("name", ["Łukasz", "Мария", "محمد", "דנה", "नेहा", "小林", "O'Brien", "Zoë\u0301"])
def test_names_in_any_script_stay_as_they_are(name):
    assert visible(name) == name
