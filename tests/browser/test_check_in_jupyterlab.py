"""A student's check in JupyterLab: readable in both themes, by eye and by screen reader."""

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BOXES = ("progress", "check-failed", "check-solved", "preflight")  # as they stand in the notebook
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
#: Elements wider than the room that they have.
TOO_WIDE = "box => [box, ...box.querySelectorAll('*')].filter(one => one.scrollWidth > one.clientWidth + 1"
TOO_WIDE += " && getComputedStyle(one).display !== 'inline').map(one => one.outerHTML.slice(0, 200))"


@pytest.fixture(scope="module")
def lab(context, open_notebook) -> Page:
    """The beginning of lab 2 and its last cell, all run; a wrong function is checked first, then the right one."""
    page = context.new_page()
    open_notebook(page, "lab2")
    page.evaluate("() => void jupyterapp.commands.execute('runmenu:run-all')")
    expect(page.locator(".qlab-check")).to_have_count(4)  # progress, both checks, preflight
    yield page
    page.close()


@pytest.fixture(params=THEMES)
def theme(request, lab) -> str:
    lab.evaluate(
        "name => void jupyterapp.commands.execute('apputils:change-theme', {theme: name})", THEMES[request.param]
    )
    lab.wait_for_function(
        "light => document.body.dataset.jpThemeLight === light", arg=str(request.param == "light").lower()
    )
    return request.param


def boxes(lab: Page) -> dict[str, Locator]:
    return dict(zip(BOXES, lab.locator(".qlab-check").all(), strict=True))


@pytest.mark.parametrize("name", BOXES)
def test_text_stands_out_from_its_background_whatever_the_theme(lab, theme, name, screenshot, unreadable):
    box = boxes(lab)[name]
    for system in ("light", "dark"):  # what the operating system likes must not matter
        lab.emulate_media(color_scheme=system)
        assert unreadable(box) == []
    screenshot(box, f"{name}-{theme}")


def test_the_theme_reaches_the_report(lab, theme):
    """Or both themes would be readable by looking alike."""
    red = boxes(lab)["check-failed"].evaluate("box => parseInt(getComputedStyle(box).backgroundColor.match(/\\d+/)[0])")
    assert red > 200 if theme == "light" else red < 60


@pytest.mark.parametrize("name", BOXES)
def test_nothing_is_wider_than_a_window_of_1000_pixels(lab, name):
    box = boxes(lab)[name]
    assert box.evaluate(TOO_WIDE) == []
    assert box.bounding_box()["width"] < 1000


def test_a_report_has_no_script_and_nothing_that_is_loaded(lab):
    for name, box in boxes(lab).items():
        assert box.locator("script, iframe, object, embed, link").count() == 0, name
        sources = [image.get_attribute("src") for image in box.locator("img").all()]
        assert all(source.startswith("data:image/svg+xml") for source in sources), name


def test_a_screen_reader_is_told_what_each_cell_of_the_table_belongs_to(lab):
    table = boxes(lab)["check-failed"].get_by_role("table", name="Cases")
    assert table.get_by_role("columnheader").all_inner_texts() == ["Case", "Result", "What it tests"]
    row = table.get_by_role("row", name="saturates at 8 bits")
    expect(row.get_by_role("rowheader")).to_have_text("saturates at 8 bits")
    expect(row.get_by_role("cell").first).to_have_text("passed")
    assert table.locator("th:not([scope])").count() == 0


def test_numbers_have_a_table_with_a_name_and_headers(lab):
    box = boxes(lab)["check-failed"]
    for name in ("Expected: (5, 5) int8", "Your result: (5, 5) int8"):
        table = box.get_by_role("table", name=name)
        assert table.get_by_role("columnheader").all_inner_texts() == ["0", "1", "2", "3", "4"]
        assert table.get_by_role("rowheader").all_inner_texts() == ["0", "1", "2", "3", "4"]


def test_the_picture_has_a_text_in_its_place(lab):
    for name in ("check-failed", "check-solved"):
        picture = boxes(lab)[name].get_by_role("img")
        expect(picture).to_have_accessible_name(
            "homework's 5x5 tensor. Matrices of numbers: original, expected, your result"
        )


def test_the_outcome_is_said_in_words(lab):
    found = boxes(lab)
    expect(found["check-failed"]).to_contain_text("2.4 of 12 points on the visible cases, 1 of 5 passed")
    expect(found["check-failed"]).to_contain_text("Your function cuts fractions off")
    expect(found["check-solved"]).to_contain_text("12 of 12 points on the visible cases, 5 of 5 passed")


def test_the_line_at_the_top_has_the_points_of_the_last_check(lab):
    """The first cell ran long before it; JupyterLab replaces what the cell shows."""
    top = boxes(lab)["progress"]
    expect(top).to_contain_text("lab2_linear: 12 of ")
    assert lab.locator(".jp-CodeCell").first.locator(".qlab-check").count() == 1
    bar = top.get_by_role("progressbar", name="Points so far")
    assert bar.get_attribute("value") == "12"
    expect(boxes(lab)["check-failed"]).to_contain_text("lab2_linear: 2.4 of ")


def test_preflight_lists_what_is_open_and_makes_the_file_to_hand_in(lab, course):
    box = boxes(lab)["preflight"]
    expect(box).to_contain_text("10 functions to write, 2 answers to give; 12 of 88 points")
    expect(box).to_contain_text("lab2_linear.ipynb, a copy of lab2.ipynb as it was last saved")
    row = box.get_by_role("table", name="Questions").get_by_role("row", name="linear_quantize")
    assert row.first.get_by_role("cell").all_inner_texts() == ["Function", "passed", "12 of 12", ""]
    handed_in = nbformat.read(course.root / "student" / "lab2_linear.ipynb", as_version=4)
    assert "check_linear_quantize" in [cell.id for cell in handed_in.cells]
