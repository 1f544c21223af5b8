"""Nothing of a student's text escapes into the page, and a flood of it is cut."""

from collections import namedtuple

import pytest

from qlab_helpers import check, check_answer

from .lab import to_int8
from .pages import page

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>&\x1b[31m"


class Hostile:
    def __repr__(self) -> str:
        return HOSTILE


Hostile.__name__ = HOSTILE


def raises_hostile(tensor):
    raise ValueError(HOSTILE)


def raises_textless(tensor):
    class Textless(Exception):
        def __str__(self) -> str:
            raise ValueError

    raise Textless


def hostile_number(tensor):
    return namedtuple("Codebook", ["a", "b"])(HOSTILE, Hostile())


@pytest.mark.parametrize("function", [raises_hostile, hostile_number, raises_textless, lambda tensor: Hostile()])
def test_hostile_text_stays_text(folder, function):
    result = check(function, name="to_int8", folder=folder)
    shown = page(result)
    assert "script" not in shown.tags
    assert not any(name.startswith("on") for name in shown.attributes)
    assert "\x1b" not in result._repr_html_() and "\x1b" not in str(result)


def test_hostile_text_in_a_text_result_stays_text(folder):
    shown = page(check(lambda tensor: HOSTILE, name="largest", folder=folder))
    assert "script" not in shown.tags and "src" not in shown.attributes


def test_a_page_loads_nothing_and_has_no_script(folder):
    html = check(to_int8, folder=folder)._repr_html_()
    assert "http" not in html and "<script" not in html and "@import" not in html


def test_a_flood_of_text_is_cut(folder):
    def floods(tensor):
        raise ValueError("x" * 10_000_000)

    result = check(floods, name="to_int8", folder=folder)
    assert len(str(result)) < 3000 and len(result._repr_html_()) < 60_000


def test_a_hostile_answer_stays_text(folder):
    assert "script" not in page(check_answer("answer_2", HOSTILE, folder=folder)).tags
