"""The same reports where JupyterLab's colours are not: in Colab, in VS Code and on a bare page."""

import pytest

from qlab_helpers import check, check_answer
from qlab_helpers.checking.preflight_page import Line, Preflight
from qlab_helpers.checking.progress import Progress
from qlab_helpers.checking.reference import load_reference

LAB = "lab_tiny"
pytestmark = pytest.mark.browser
#: What the front end puts around a report, and the brightness that the report's background then has.
AROUND = {
    "Colab light": ('<html theme="light"><body style="background: #ffffff">', "light"),
    "Colab dark": ('<html theme="dark"><body style="background: #383838">', "dark"),
    "VS Code light": ('<html style="--vscode-editor-background: #fff; --vscode-editor-foreground: #3b3b3b">', "light"),
    "VS Code dark": ('<html style="--vscode-editor-background: #1f1f1f; --vscode-editor-foreground: #ccc">', "dark"),
    "bare": ("<html><body>", "as the system"),
}


def scale_of(tensor, bitwidth):
    return tensor.abs().max().item() / 128


@pytest.fixture(scope="module")
def reports(course):
    folder = course.visible_reference
    lines = (
        Line("scale_of", "function", "passed", True, earned=4.0, of=4.0),
        Line("question_2", "written", "unanswered", False, "write your answer in its cell"),
    )
    return [
        check(scale_of, folder=folder),
        check(lambda tensor, bitwidth: 1 / 0, name="quantize", folder=folder),
        check_answer("answer_1", "b", folder=folder),
        check_answer("answer_1", "z", folder=folder),
        Preflight(LAB, lines, notes=("one more thing",), handin="lab_tiny.ipynb"),
        Progress(LAB, tuple(load_reference(LAB, folder).items.values()), {"scale_of": 4.0}),
    ]


@pytest.mark.parametrize("system", ["light", "dark"])
@pytest.mark.parametrize("around", AROUND)
def test_text_stands_out_and_fits_whatever_is_around_it(page, reports, around, system, unreadable):
    opening, brightness = AROUND[around]
    page.emulate_media(color_scheme=system)
    page.set_content("<!doctype html>" + opening + "".join(report._repr_html_() for report in reports))
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    boxes = page.locator(".qlab-check").all()
    assert len(boxes) == len(reports)
    for box in boxes:
        assert unreadable(box) == []
        shade = box.evaluate("box => parseInt(getComputedStyle(box).backgroundColor.match(/[0-9]+/)[0])")
        assert (shade > 128) == (brightness == "light" or (brightness == "as the system" and system == "light"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 1000
