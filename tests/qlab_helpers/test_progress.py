"""The line at the top of a notebook has the points of each check as they come, and nothing of another session."""

import sys
from types import SimpleNamespace

import pytest

from autograder.build import build
from qlab_helpers import check, check_answer, preflight, progress
from qlab_helpers.checking.progress import NAME
from qlab_helpers.checking.reference import load_reference

LAB = "lab_tiny"
BOTH = "4 of 10 points on the visible cases so far, 0 of 1 answers recorded"


def scale_of(tensor, bitwidth):
    return tensor.abs().max().item() / {2: 1, 4: 7, 8: 127}[bitwidth]


@pytest.fixture(scope="module")
def folder(make_tiny_course, tmp_path_factory):
    """Of a lab with functions of 4 and 6 points and one answer."""
    course = make_tiny_course(tmp_path_factory.mktemp("progress") / "tiny")
    build(course)
    return course.visible_reference


@pytest.fixture
def shown(monkeypatch):
    """What a notebook's front end is told, as (text, HTML, whether it replaces what was shown)."""
    ipython = pytest.importorskip("IPython")
    told = []
    shell = SimpleNamespace(kernel=object(), user_ns={})
    monkeypatch.setattr(ipython, "get_ipython", lambda: shell)
    monkeypatch.setattr(
        "IPython.display.display",
        lambda page, *, display_id, update: told.append((repr(page), page._repr_html_(), update)),
    )
    return SimpleNamespace(told=told, names=shell.user_ns)


def test_each_check_brings_the_line_at_the_top_up_to_date(folder, shown):
    progress(LAB, folder=folder)
    check(scale_of, folder=folder)
    check_answer("answer_1", "b", folder=folder)
    assert [(text, update) for text, _, update in shown.told] == [
        (f"{LAB}: 0 of 10 points on the visible cases so far, 0 of 1 answers recorded", False),
        (f"{LAB}: {BOTH}", True),
        (f"{LAB}: {BOTH.replace('0 of 1', '1 of 1')}", True),
    ]


def test_points_fall_when_a_function_is_broken_again_and_an_emptied_answer_is_no_longer_recorded(folder, shown):
    progress(LAB, folder=folder)
    check(scale_of, folder=folder)
    check_answer("answer_1", "b", folder=folder)
    check(lambda tensor, bitwidth: 0.0, name="scale_of", folder=folder)
    check_answer("answer_1", ..., folder=folder)
    assert shown.told[-1][0].endswith("0 of 10 points on the visible cases so far, 0 of 1 answers recorded")


def test_the_first_cell_run_again_keeps_the_points_and_a_new_session_has_none(folder, shown):
    progress(LAB, folder=folder)
    check(scale_of, folder=folder)
    progress(LAB, folder=folder)
    assert shown.told[-1][0] == f"{LAB}: {BOTH}"
    shown.names.clear()  # a new kernel
    progress(LAB, folder=folder)
    assert "0 of 10 points" in shown.told[-1][0]


def test_each_check_says_the_points_so_far_below_its_cases(folder, shown):
    assert "so far" not in str(check(scale_of, folder=folder))  # nobody asked for progress
    progress(LAB, folder=folder)
    result = check(scale_of, folder=folder)
    assert str(result).endswith(f"\n\n{LAB}: {BOTH}")
    assert f'<p class="so-far">{LAB}: {BOTH}</p>' in result._repr_html_()


def test_the_page_lists_each_question_has_no_script_and_closes_its_tags(folder, shown, left_open):
    progress(LAB, folder=folder)
    check(scale_of, folder=folder)
    page = shown.told[-1][1]
    for question, state in {
        "scale_of": "4 of 4 points",
        "quantize": "not checked yet, 6 points",
        "answer_1": "not answered yet",
    }.items():
        assert f'<th scope="row">{question}</th><td>{state}</td>' in page
    assert '<progress value="4" max="10" aria-label="Points so far">' in page
    assert "<script" not in page and "http" not in page
    assert left_open(page) == []


def test_the_frame_is_that_of_a_finished_lab_once_all_is_done(folder, shown):
    progress(LAB, folder=folder)
    items = load_reference(LAB, folder).items.values()
    shown.names[NAME][LAB].update({item.name: item.points if item.kind == "function" else 0.0 for item in items})
    assert 'class="qlab-check note"' in shown.told[-1][1]
    progress(LAB, folder=folder)
    assert 'class="qlab-check all"' in shown.told[-1][1]


def test_preflight_counts_too(folder, shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    progress(LAB, folder=folder)
    preflight(LAB, namespace={"scale_of": scale_of}, folder=folder)
    assert shown.told[-1][0] == f"{LAB}: {BOTH}"


@pytest.mark.parametrize("spoilt", [None, 3, {LAB: 3}, {LAB: {"quantize": "6"}}])
def test_a_name_that_a_student_has_overwritten_stops_no_check(folder, shown, spoilt):
    progress(LAB, folder=folder)
    shown.names[NAME] = spoilt
    assert check(scale_of, folder=folder) == 4.0
    progress(LAB, folder=folder)


def test_nothing_is_shown_outside_a_notebook_or_while_a_lab_is_graded(folder, shown, monkeypatch, capsys):
    monkeypatch.setenv("QLAB_GRADING", "1")
    progress(LAB, folder=folder)
    monkeypatch.delenv("QLAB_GRADING")
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: None)
    progress(LAB, folder=folder)
    assert not shown.told and not capsys.readouterr().out


def test_an_unknown_lab_is_told_in_a_sentence(folder, shown, capsys):
    progress("lab7", folder=folder)
    assert "no reference tensors for 'lab7'" in capsys.readouterr().out


class Pretty:
    """What IPython shows of a result as plain text."""

    def __init__(self, result):
        self.shown = ""
        result._repr_pretty_(self, cycle=False)

    def text(self, text):
        self.shown += text


def test_a_front_end_without_html_shows_the_report(folder, shown):
    assert Pretty(check(scale_of, folder=folder)).shown.startswith("scale_of: 4 of 4 points on the visible cases")


def test_nbgrader_is_shown_the_points_of_a_check_and_that_an_answer_is_recorded(folder, shown, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    assert Pretty(check(scale_of, folder=folder)).shown == "4.0"
    assert Pretty(check_answer("answer_1", "b", folder=folder)).shown == "recorded"
    assert Pretty(check_answer("answer_1", ..., folder=folder)).shown == "0.0"
