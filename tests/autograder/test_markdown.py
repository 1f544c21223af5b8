"""What students write stays as it is; what would run in the browser of staff is put out of action.

Rendered as nbgrader's formgrader renders it, by nbconvert.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbconvert.filters.markdown_mistune import InvalidNotebook, markdown2html_mistune

from autograder.markdown import harmless, without_lost

from .elements import Elements

HARMLESS = [
    "Because $s < 1$ and `x < y`, a < b > c.",
    "line<br>line<BR />\n<b>bold</b> <sub>i</sub> <div align='center'>middle</div>",
    '<img src="https://example.org/a.png" alt="a plot" width=300> ![plot](attachment:plot.png) ![x](plot-1.png)',
    "[paper](https://arxiv.org/abs/1712.05877), <https://example.org/?a=1&b=2>, <ada@example.org>, [below](#below)",
    "[1] shows\n\n[1]: https://example.org/x 'a title'\n",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n> quoted: a list[0] (of two)\n\n```python\nx = a[0](b)\nif a <= b: pass\n```",
]
HARMFUL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<div\nonclick=alert(1)>",
    "<a href='&#106;avascript:alert(1)'>a</a>",
    "<a href=' javascript:alert(1)'>a</a>",
    "[a](javascript:alert(1))",
    "[a](  javascript:alert(1))",
    "[a](JavaScript&colon;alert(1))",
    "![a](data:text/html,x)",
    "[r]\n\n[r]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "<iframe src='https://example.org'></iframe>",
    "<form action=/x><button>",
    "<style>@import 'x'</style>",
    "<meta http-equiv=refresh content='0;url=//x'>",
    "<base href=//x>",
    "<div style='position:fixed'>",
    "<!-- --><script>alert(1)</script>",
]
ODD = [  # nbconvert takes these for text; a later version may not
    "<svg/onload=alert(1)>",
    "[a](<java\tscript:alert(1)>)",
    "[r]\n\n[r]:\n  javascript:alert(1)",
    "<![CDATA[<script>alert(1)</script>]]>",
    "$<img src=x onerror=alert(1)>$",
]
PARTS = [*HARMFUL, *ODD, *HARMLESS, *"<>[()'\"`$\n\\& x", "](", "]:", "```\n", "    ", "<!--", "-->", "&lt;"]
PARTS += ["<b title='", "<a href=", "<img ", "javascript:", "onclick=alert(1) "]


def rendered(text: str) -> Elements:
    return Elements(markdown2html_mistune(text))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_students_write_stays_as_it_is(text):
    assert harmless(text) == text
    assert not rendered(without_lost(text, ())).active


@pytest.mark.parametrize("text", [*HARMFUL, *ODD])
def test_what_would_run_does_not(text):
    assert not rendered(harmless(text)).active


@pytest.mark.parametrize("text", HARMFUL)
def test_as_it_was_typed_it_would_run(text):
    assert rendered(text).active


def test_a_picture_that_is_not_in_the_file_does_not_stop_the_page():
    text = "![a](attachment:a.png) <img src='attachment:b.png'>"
    with pytest.raises(InvalidNotebook):
        rendered(text)
    assert [tag for tag, _ in rendered(without_lost(text, ())).found] == ["p", "img", "img"]
    assert without_lost(text, {"a.png": {}, "b.png": {}}) == text


@settings(deadline=None, max_examples=400)
@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join))
def test_no_mixture_of_it_runs(text):
    made = harmless(text)
    assert not rendered(without_lost(made, ())).active
    assert made.replace(" ", "") == text.replace(" ", "")
