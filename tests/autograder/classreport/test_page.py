"""The class report: what is in it, and that it is a page that anybody can read."""

from pathlib import Path

import pytest

from autograder.classreport.page import write_summary


@pytest.fixture
def report(tmp_path: Path):
    def write(records, **options) -> str:
        write_summary(records, tmp_path / "summary.html", lab_title="Linear", links=options.pop("links", {}), **options)
        return (tmp_path / "summary.html").read_text()

    return write


@pytest.fixture
def class_(made):
    case, item, record = made.case, made.item, made.record
    return [
        record("ada", item("f", case(), case("passed", "clamps")), item("g", case("failed", "zero"))),
        record("bob", item("f", case("failed"), case("passed", "clamps"), misconception="cuts off"), repairs=("lost",)),
        record("eve", item("f", case("timed out"), case("missing", "clamps"))),
        record("gus", graded=False, problem="not a notebook"),
    ]


def test_it_says_how_many_there_are_and_who_needs_attention(report, class_, parse):
    words = parse(report(class_)).words
    assert "4 submissions, 3 graded" in words
    assert "gus : not a notebook" in words.replace("gus:", "gus :")


def test_students_are_led_to_their_pages(report, class_):
    page = report(class_, links={"ada": "feedback/ada.html", "bob": "feedback/b#b%20?.html"})
    assert 'href="feedback/ada.html"' in page
    assert 'href="feedback/b%23b%2520%3F.html"' in page


def test_an_empty_class_is_still_a_page(report):
    assert "0 submissions" in report([])


def test_a_class_of_which_nothing_could_be_graded_is_still_a_page(report, made):
    assert "1 submissions, 0 graded" in report([made.record("ada", graded=False, problem="a zip")])


def test_misconceptions_are_listed_with_who_has_them(report, class_, parse):
    page = parse(report(class_))
    assert "Misconceptions" in page.text["h2"] and "cuts off" in page.text["td"] and "bob" in page.text["td"]


def test_a_class_without_misconceptions_has_no_table_of_them(report, made):
    assert "Misconceptions" not in report([made.record("ada", made.item("f", made.case()))])


def test_cases_that_nobody_and_that_everybody_passes_are_named(report, class_, parse):
    words = parse(report(class_)).words
    nobody = words[words.index("Cases that nobody passes") : words.index("Cases that everybody passes")]
    everybody = words[words.index("Cases that everybody passes") : words.index("All cases")]
    assert "zero" in nobody and "clamps" not in nobody
    assert "clamps" in everybody and "zero" not in everybody


def test_slow_and_repaired_submissions_are_named(report, class_, parse):
    words = parse(report(class_, seconds={"ada": 40.0, "bob": 1.0, "eve": 1.0})).words
    slow = words[words.index("Slow and crashed Ran") : words.index("Repaired What")]
    assert "1 case timed out" in slow and "40.0 slow" in slow
    assert "lost" in words[words.index("Repaired What") :]


def test_the_same_class_gives_the_same_bytes(report, class_):
    assert report(class_, seconds={"ada": 1.0, "bob": 2.0}) == report(class_, seconds={"ada": 1.0, "bob": 2.0})


def test_the_page_loads_nothing(report, class_, parse):
    page = parse(report(class_, seconds={"ada": 1.0, "bob": 2.0}))
    loading = [(tag, name) for tag, name, _ in page.attributes if name in ("src", "srcset", "data", "background")]
    assert not loading and "link" not in {tag for tag, _ in page.tags}
    assert page.policy["default-src"] == "'none'"


def test_it_can_be_read_by_a_screen_reader(report, class_, parse):
    page = parse(report(class_, seconds={"ada": 1.0, "bob": 2.0}))
    drawings = [names for tag, names in page.tags if tag == "svg"]
    assert drawings and all("aria-label" in names or "aria-hidden" in names for names in drawings)
    assert all("scope" in names for tag, names in page.tags if tag == "th")
    assert ("html", "lang", "en") in page.attributes and page.text["title"]
    headings = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3", "h4", "h5")]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in zip(headings, headings[1:], strict=False))


def test_every_bar_has_words_for_who_hovers_it(report, class_, parse):
    page = parse(report(class_))
    assert any("1 student (ada)" in one for one in page.text["g"])
    assert sum(tag == "title" for tag, _ in page.tags) > 10
