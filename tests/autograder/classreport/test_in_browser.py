"""Report and feedback in a real Chromium: nothing of a submission runs, tables sort, plots answer the mouse, print is
whole. With ``QLAB_SCREENSHOTS`` set to a folder, pictures of both pages of the demo's class are left there."""

import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from autograder.classreport.page import write_summary
from autograder.report import write_feedback
from autograder.results import CellResult

pytestmark = pytest.mark.browser

MATRIX = "(3, 4) int8\n    0  1    2    3\n0   1  {0}   -8    7\n1  -3  0    {1}   5\n2   7  -1   2   -6"
BREAK_IN = (
    '<script>window.pwned = 1</script><img src="SERVER/x.png" onerror="window.pwned = 1">'
    '<div style="position: fixed; inset: 0; background: red">x</div><style>main { display: none }</style>'
    '<a id="bait" href="javascript:window.pwned = 1">x</a><iframe src="data:text/html,x"></iframe>'
    '<form action="SERVER/"><button>break in</button></form><base href="SERVER/">'
)


@pytest.fixture
def server():
    """A server that notes in ``asked`` what reaches it. In threads: Chromium may open connections and not use them."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked = []
        running.address = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def records(made, hostile):
    """Twelve students; the last one hands in what is hostile, everywhere."""
    case, item, record = made.case, made.item, made.record
    found = []
    for at in range(11):
        wrong = case(
            "failed" if at % 3 == 0 else "passed",
            "four bits",
            message="quantized tensor: 2 of 12 values differ" if at % 3 == 0 else "",
            expected=MATRIX.format("4*", "6*"),
            got=MATRIX.format("3*", "9*"),
            hint="Round.",
        )
        cases = [case("passed" if one < at else "failed", f"case {one}", visible=False) for one in range(10)]
        found.append(record(f"s{at:02d}", item("quantize", wrong, *cases, source="def quantize(x):\n    return x\n")))
    bad = case("failed", message=hostile, traceback=hostile, expected="1", got=hostile, hint="Round.")
    found.append(
        record(
            hostile,
            item("quantize", bad, source=f'x = """{hostile}"""\n# {hostile}\n{hostile}', chained=hostile),
            file=hostile,
            repairs=(hostile,),
            cells=(CellResult(1, "crashed", hostile),),
        )
    )
    return found


@pytest.fixture
def written(records, tmp_path):
    """The report, and a feedback page a student (by number)."""
    links = {record.student: f"feedback/{at}.html" for at, record in enumerate(records)}
    write_summary(
        records, tmp_path / "summary.html", lab_title="Lab", links=links, seconds={one.student: 2.0 for one in records}
    )
    for at, record in enumerate(records):
        write_feedback(record, tmp_path / f"feedback/{at}.html", lab_title="Lab")
    return tmp_path


@pytest.fixture
def opened(browser, written):
    """Opens a page of ``written`` from its file; all that it asks the network for is noted in ``asked``."""
    contexts = []

    def open_page(name: str = "summary.html", **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("dialog", lambda dialog: page.asked.append(dialog.message))
        page.goto((written / name).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", ["summary.html", "feedback/11.html"])
def test_hostile_text_of_a_submission_runs_and_loads_nothing(opened, written, name):
    page = opened(name)
    for details in page.locator("details").all():
        details.evaluate("one => { one.open = true }")
    for drawing in page.locator("svg:visible").all()[:20]:
        drawing.hover()
    page.wait_for_timeout(300)
    assert page.evaluate("window.pwned === undefined")
    assert page.asked == [(written / name).as_uri()]


@pytest.mark.parametrize("name", ["summary.html", "feedback/0.html"])
def test_the_policy_holds_even_where_markup_got_through(opened, written, server, name):
    path = written / name
    path.write_text(path.read_text().replace("</h1>", "</h1>" + BREAK_IN.replace("SERVER", server.address)))
    page = opened(name)
    page.locator("#bait").evaluate("link => link.click()")
    page.get_by_role("button", name="break in").evaluate("one => one.click()")
    page.wait_for_timeout(300)
    assert page.evaluate("window.pwned === undefined")
    assert server.asked == []
    assert page.locator("main").is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('h1 + script ~ div')).position") == "static"


def names(page) -> list[str]:
    return page.locator("#submissions tbody th").all_inner_texts()


def test_a_click_on_a_heading_sorts_and_a_second_one_turns_round(opened):
    page = opened()
    heading = page.locator("#submissions").get_by_role("columnheader", name="Points")
    points = page.locator("#submissions tbody td:nth-child(2)")
    heading.get_by_role("button").click()
    falling = [float(one.get_attribute("data-key")) for one in points.all()]
    assert falling == sorted(falling, reverse=True) and falling[0] > falling[-1]
    assert heading.get_attribute("aria-sort") == "descending"
    heading.get_by_role("button").click()
    rising = [float(one.get_attribute("data-key")) for one in points.all()]
    assert rising == sorted(falling)
    assert heading.get_attribute("aria-sort") == "ascending"


def test_the_keyboard_sorts_too_and_no_row_is_lost(opened):
    page = opened()
    before = names(page)
    page.locator("#submissions").get_by_role("button", name="Student").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert sorted(names(page)) == sorted(before) and names(page) != before


def test_without_its_script_the_report_is_complete(opened):
    page = opened(java_script_enabled=False)
    assert len(names(page)) == 12
    assert page.get_by_role("button").count() == 0


def test_a_bar_that_is_hovered_lights_up_and_names_its_students(opened):
    page = opened()
    group = page.locator("#points g", has=page.locator("title", has_text="(s10)"))
    bar = group.locator(".bar")
    colour = "one => getComputedStyle(one).fill"
    before = bar.evaluate(colour)
    bar.hover()
    assert bar.evaluate(colour) != before
    assert re.search(r"points: 1 student \(s10\)", group.locator("title").text_content())


def test_a_screen_reader_hears_what_the_plots_and_bars_say(opened):
    page = opened()
    assert page.locator("#points").get_by_role("img", name=re.compile("Histogram of 12 students")).count() == 1
    assert page.get_by_role("img", name=re.compile("with all points")).count() >= 1
    assert page.get_by_role("link", name="Skip to the report").count() == 1
    feedback = opened("feedback/0.html")
    assert feedback.get_by_role("img", name=re.compile("2 of the 12 values shown differ")).count() == 1


def test_names_lead_to_the_feedback_pages(opened):
    page = opened()
    page.locator("#submissions").get_by_role("link", name="s03").click()
    assert page.locator("h1").inner_text() == "Lab" and "s03" in page.title()


@pytest.mark.parametrize("name", ["summary.html", "feedback/0.html", "feedback/11.html"])
def test_a_narrow_screen_need_not_be_pushed_sideways(opened, name):
    page = opened(name, viewport={"width": 380, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 380


@pytest.mark.parametrize("name", ["summary.html", "feedback/0.html", "feedback/11.html"])
def test_print_fits_on_the_width_of_a_page(opened, name):
    page = opened(name, viewport={"width": 688, "height": 900})  # A4 without its margins, 96 pixels an inch
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= 688


@pytest.mark.parametrize("name", ["summary.html", "feedback/10.html"])
def test_print_has_what_is_folded_on_the_screen_in_dark_ink_on_white(opened, name):
    page = opened(name, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    folded = page.locator("details:not([open], .again) > :not(summary)")
    assert folded.count()
    assert all(one.evaluate("one => one.checkVisibility({contentVisibilityAuto: true})") for one in folded.all())
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 32, 36)"


@pytest.mark.parametrize("name", ["summary.html", "feedback/0.html"])
def test_words_stand_out_from_their_ground_in_light_and_dark(opened, name):
    """4.5 to 1, which WCAG asks for at its level AA."""
    for scheme in ("light", "dark"):
        page = opened(name, color_scheme=scheme)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        for kind in ("p", "a", ".quiet", ".good", ".bad", "th", "summary", "figcaption"):
            for one in page.locator(f"{kind}:visible").all()[:3]:
                ink = one.evaluate("one => getComputedStyle(one).color")
                assert contrast(ink, paper) >= 4.5, (scheme, kind, ink, paper)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("name", "kind"), [("summary.html", "class-report"), ("feedback/04-truncates.html", "feedback")]
)
def test_pages_of_the_demo_as_pictures(browser, demo, tmp_path, name, kind, scheme):
    path = Path(os.environ.get("QLAB_SCREENSHOTS") or tmp_path) / f"{kind}-{scheme}.png"
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1100, "height": 1250})
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.goto((demo.summary.parent / name).as_uri())
    page.screenshot(path=path)
    context.close()
    assert said == []  # a policy that forbids a part of our own page would be told here
    assert path.stat().st_size > 10_000


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2 of two colours as a browser writes them."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
