"""Hostile text of a submission stays text in both pages, and the pages' policies are exact."""

import base64
import hashlib

import pytest

from autograder.classreport.page import write_summary
from autograder.report import feedback_page
from autograder.results import CellResult, WrittenResult
from autograder.webpage import UNSEEN

HARMLESS = "harmless"
#: Where text of a submission gets into a record.
FIELDS = ("student", "file", "message", "traceback", "got", "source", "repair", "cell", "problem", "chained")


@pytest.fixture
def pages(made, tmp_path):
    """Feedback and report of a class whose records have ``text`` in the ``fields``."""

    def write(text: str, fields: tuple[str, ...] = FIELDS) -> tuple[str, str]:
        def put(field: str) -> str:
            return text if field in fields else HARMLESS

        failed = made.case(
            "failed", message=put("message"), traceback=put("traceback"), expected="1", got=put("got"), hint="Round."
        )
        crashed = made.case("crashed", "hidden", visible=False, message=put("message"), traceback=put("traceback"))
        item = made.item("f", failed, crashed, source=put("source"), chained=put("chained"))
        record = made.record(
            put("student"),
            item,
            file=put("file"),
            repairs=(put("repair"),),
            cells=(CellResult(3, "crashed", put("cell")),),
            written={"question_1": WrittenResult("question_1", 4.0, True)},
        )
        unread = made.record(put("student") + "2", graded=False, problem=put("problem"))
        path = tmp_path / "summary.html"
        links = {record.student: f"feedback/{record.student}.html"}
        write_summary([record, unread], path, lab_title="Lab", links=links, seconds={record.student: 3.0})
        feedback = feedback_page(record, lab_title="Lab") + feedback_page(unread, lab_title="Lab")
        return feedback, path.read_text(encoding="utf-8")

    return write


@pytest.mark.parametrize("field", FIELDS)
def test_hostile_text_changes_no_tag_and_no_attribute(pages, hostile, parse, field):
    for written, plain in zip(pages(hostile, (field,)), pages(HARMLESS), strict=True):
        # Pygments colours words of the code: its spans differ, and have nothing but a class.
        tags = [[one for one in parse(page).tags if one[0] != "span"] for page in (written, plain)]
        assert tags[0] == tags[1]
        assert {names for tag, names in parse(written).tags if tag == "span"} <= {("class",), ()}


@pytest.mark.parametrize("field", FIELDS)
def test_no_control_sequence_and_no_turned_text_reaches_a_page(pages, hostile, field):
    assert not [page for page in pages(hostile, (field,)) if UNSEEN.search(page)]


def test_names_are_isolated_so_that_their_direction_turns_nothing_else(pages, parse):
    for page in pages("\u05d0\u05d1\u05d2"):
        assert "\u05d0\u05d1\u05d2" in parse(page).text["bdi"]


def test_hostile_text_is_still_shown(pages, hostile, parse):
    for page in pages(hostile):
        assert "<script>window.pwned = 1</script>" in parse(page).words


def test_links_lead_to_files_beside_the_page_only(pages, hostile, parse):
    targets = [value for _, name, value in parse(pages(hostile)[1]).attributes if name == "href"]
    assert targets and all(target.startswith(("#", "feedback/")) for target in targets)


def test_no_element_has_a_style_or_an_event_of_its_own(pages, hostile, parse):
    for page in pages(hostile):
        names = {name for _, name, _ in parse(page).attributes}
        assert not {name for name in names if name.startswith("on") or name == "style"}


def test_feedback_has_no_script_and_forbids_all(pages, parse, made):
    page = parse(feedback_page(made.record("ada", made.item("f", made.case())), lab_title="Lab"))
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.policy["default-src"] == "'none'" and "script-src" not in page.policy


def test_the_report_allows_its_own_script_by_its_hash_and_no_other(pages, parse):
    page = parse(pages(HARMLESS)[1])
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert page.policy["script-src"] == hash_of("".join(page.text["script"]))


def test_styles_are_allowed_by_their_hash_and_no_other(pages, parse):
    page = parse(pages(HARMLESS)[1])
    assert page.policy["style-src"] == hash_of("".join(page.text["style"]))


def test_script_and_policy_are_the_same_whatever_is_handed_in(pages, hostile, parse):
    ours, theirs = (parse(pages(text)[1]) for text in (HARMLESS, hostile))
    assert ours.policy == theirs.policy and ours.text["script"] == theirs.text["script"]


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
