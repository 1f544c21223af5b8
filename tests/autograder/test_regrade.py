"""A lab was built again after a case was mended: only its question is asked again, and no person's work is lost."""

import copy
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbgrader import api

from autograder import classroom, grade
from autograder.batch import grade_class
from autograder.build import build
from autograder.classroom import Outcome, grade_and_publish
from autograder.cli import main
from autograder.course import Course, CourseError
from autograder.demo import perfect_submission
from autograder.draw import draw_cases
from autograder.materials import load_materials
from autograder.regrade import Move, as_table, lay_aside, moves, take_moves
from autograder.results import read_record, write_record
from autograder.sandbox import Template

LAB = "lab_tiny"
#: The case that is mended: with it, who divides by 127 at every bit width loses 1 of the 4 points, without it none.
FOUR_BITS = "draw.floats((5,), -4, 4), 4)"
EIGHT_BITS = "draw.floats((5,), -4, 4), 8)"


@pytest.fixture(scope="module")
def template(tmp_path_factory, make_tiny_course):
    with Template(make_tiny_course(tmp_path_factory.mktemp("template") / "tiny").limits) as template:
        yield template


@pytest.fixture
def course(tiny_course) -> Course:
    build(tiny_course)
    return tiny_course


@pytest.fixture
def handed_in(course, tmp_path) -> Path:
    """ada: solved; bob: divides by 127 whatever the bit width; cyd: solved, with a cell that fails."""
    folder = tmp_path / "class"
    solved = perfect_submission(course, LAB)
    wrong, failing = copy.deepcopy(solved), copy.deepcopy(solved)
    for cell in wrong.cells:
        cell.source = cell.source.replace("largest / LEVELS[bitwidth]", "largest / 127")
    failing.cells.append(nbformat.v4.new_code_cell("1 / 0"))
    for student, notebook in {"ada": solved, "bob": wrong, "cyd": failing}.items():
        (folder / student).mkdir(parents=True)
        nbformat.write(notebook, folder / student / "lab.ipynb")
    return folder


@pytest.fixture
def asked(monkeypatch) -> list[tuple[str, ...]]:
    """The questions of each session that the sandbox runs from now on."""
    found: list[tuple[str, ...]] = []

    def counted(template, plan, probes, **options):
        found.append(tuple(probes))
        return run_session(template, plan, probes, **options)

    run_session = grade.run_session
    monkeypatch.setattr(grade, "run_session", counted)
    return found


@pytest.fixture
def publish(course, handed_in, tmp_path, template, monkeypatch) -> Callable[..., Outcome]:
    """Grades the class into out/, in the warm sandbox of this module."""

    def warm(*arguments, sandboxed, **options):
        return grade_class(*arguments, template=template, **options)

    monkeypatch.setattr(classroom, "grade_class", warm)

    def run(*, out: str = "out", **options) -> Outcome:
        return grade_and_publish(course, LAB, handed_in, out=tmp_path / out, jobs=1, **options)

    return run


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def mend_case(course: Course, before: str = FOUR_BITS, after: str = EIGHT_BITS) -> None:
    edit(course.root / "autograder" / "cases" / f"{LAB}.py", before, after)
    build(course)


def with_other_draws(course: Course, data: Path) -> Course:
    """With a secret that gives ada another variant of a case of each function, and the same of the answer."""
    before = draw_cases(load_materials(course, LAB), "ada")
    other = replace(course, data=data)
    data.mkdir()
    for number in range(1000):
        (data / "secret").write_text(str(number))
        draws = draw_cases(load_materials(other, LAB), "ada")
        if [name for name in draws if draws[name] != before[name]] == ["scale_of", "quantize"]:
            return other
    raise AssertionError("no such secret")


def records(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "records").iterdir()}


def test_only_the_question_of_the_mended_case_is_asked_again_and_records_are_as_if_all_were(
    course, publish, asked, tmp_path
):
    publish()
    assert asked == [("scale_of", "quantize", "answer_1")] * 3
    asked.clear()
    mend_case(course)
    publish()
    assert asked == [("scale_of",)] * 3
    publish(out="afresh")
    assert records(tmp_path / "out") == records(tmp_path / "afresh")
    asked.clear()
    publish()
    assert asked == []


def test_moved_grades_are_told_with_student_question_before_and_after(course, publish, tmp_path):
    assert publish().moved == []
    mend_case(course)
    # Weights are 1 for 8 bits, 1 for 4 bits and 2 for zeros; of 4 points the second is one.
    assert publish().moved == [Move("bob", "scale_of", 3.0, 4.0)]
    assert json.loads((tmp_path / "out" / "moved.json").read_text()) == [
        {"student": "bob", "question": "scale_of", "before": 3.0, "after": 4.0}
    ]
    assert publish().moved == []


def test_a_new_text_changes_no_question_and_runs_nothing(course, publish, asked, tmp_path):
    publish()
    before = {record.student: record for record in publish().records}
    asked.clear()
    edit(course.solution(LAB), "The scale maps", "A scale maps")
    build(course)
    after = publish().records
    assert asked == []
    assert all(record.lab_hash != before[record.student].lab_hash for record in after)
    assert [replace(record, lab_hash="") for record in after] == [
        replace(before[record.student], lab_hash="") for record in after
    ]
    publish(out="afresh")
    assert records(tmp_path / "out") == records(tmp_path / "afresh")


def test_a_changed_helper_of_the_solution_asks_those_who_may_use_it(course, publish, asked):
    publish()
    asked.clear()
    edit(course.solution(LAB), "    largest = tensor", "    largest = 1 * tensor")  # as before, for the cases there are
    build(course)
    publish()
    assert asked == [("quantize",)] * 3  # it may call scale_of, which the solution answers


def test_changed_points_ask_their_question_again_and_move_its_grade(course, publish, asked):
    publish()
    asked.clear()
    edit(course.solution(LAB), 'check="quantize" points=6', 'check="quantize" points=12')
    build(course)
    outcome = publish()
    assert asked == [("quantize",)] * 3
    assert [(move.student, move.before, move.after) for move in outcome.moved if move.student == "ada"] == [
        ("ada", 6.0, 12.0)
    ]


def test_a_new_question_and_one_that_is_gone_are_moves_to_and_from_nothing(course, publish):
    ada = publish().records[0]
    without = replace(ada, answers={})
    assert moves(ada, without) == [Move("ada", "answer_1", 1.0, None)]
    assert moves(without, ada) == [Move("ada", "answer_1", None, 1.0)]
    assert moves(replace(ada, submission_hash="another"), without) == []
    assert moves(replace(ada, graded=False), without) == []


def test_what_could_not_be_graded_is_asked_again_alone(course, publish, asked, tmp_path):
    publish()
    asked.clear()
    path = tmp_path / "out" / "records" / "ada.json"
    good = path.read_bytes()
    record = read_record(path)
    item = record.functions["quantize"]
    doubtful = replace(item, cases=(replace(item.cases[0], outcome="not graded"), *item.cases[1:]))
    write_record(replace(record, functions={**record.functions, "quantize": doubtful}), path)
    publish()
    assert asked == [("quantize",)]
    assert path.read_bytes() == good


@pytest.mark.parametrize("change", ["secret", "limits", "submission"])
def test_nothing_is_kept_of_another_draw_environment_or_submission(
    course, publish, asked, handed_in, tmp_path, template, change
):
    publish(students=["ada"])
    asked.clear()
    if change == "secret":
        course = with_other_draws(course, tmp_path / "elsewhere")
    elif change == "limits":
        course = replace(course, limits=replace(course.limits, case_s=2))
    else:
        path = handed_in / "ada" / "lab.ipynb"
        path.write_text(path.read_text() + "\n")
    grade_class(course, LAB, handed_in, out=tmp_path / "out", students=["ada"], template=template)
    assert asked == [("scale_of", "quantize") if change == "secret" else ("scale_of", "quantize", "answer_1")]


def test_a_record_without_question_hashes_is_read_and_graded_again_as_a_whole(course, publish, asked, tmp_path):
    publish(students=["bob"])
    asked.clear()
    path = tmp_path / "out" / "records" / "bob.json"
    content = json.loads(path.read_text())
    for item in [*content["functions"].values(), *content["answers"].values()]:
        del item["question_hash"]
    path.write_text(json.dumps(content))
    mend_case(course)
    assert publish(students=["bob"]).moved == [Move("bob", "scale_of", 3.0, 4.0)]
    assert asked == [("scale_of", "quantize", "answer_1")]


def test_a_record_of_another_version_is_replaced_only_by_fresh(course, publish, tmp_path):
    publish(students=["ada"])
    path = tmp_path / "out" / "records" / "ada.json"
    good = path.read_bytes()
    strange = json.dumps({**json.loads(good), "schema_version": 99})
    path.write_text(strange)
    with pytest.raises(CourseError, match=r"ada\.json was written by another version of qlab .* add --fresh"):
        publish()
    assert path.read_text() == strange
    publish(resume=False)
    assert path.read_bytes() == good


def test_moves_of_a_run_that_was_stopped_are_told_by_the_next(course, publish, tmp_path, monkeypatch):
    publish()
    mend_case(course)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(on_progress=stop)
    assert publish().moved == [Move("bob", "scale_of", 3.0, 4.0)]
    assert not (tmp_path / "out" / "before").exists()


def test_a_grade_that_moved_and_moved_back_has_not_moved(course, publish, tmp_path):
    ada = publish().records[0]
    worse = replace(ada, functions={**ada.functions, "scale_of": replace(ada.functions["scale_of"], score=1.0)})
    lay_aside(ada, worse, tmp_path / "out")
    lay_aside(worse, ada, tmp_path / "out")
    assert take_moves(tmp_path / "out") == []


def test_manual_grades_and_comments_outlive_a_regrade(course, publish):
    publish()
    with api.Gradebook(course.gradebook_url, course.id) as book:
        written = book.find_grade("question_2", LAB, LAB, "bob")
        written.manual_score, written.needs_manual_grade = 2.5, False
        extra = book.find_grade("check_quantize", LAB, LAB, "bob")
        extra.extra_credit = 0.5
        overridden = book.find_grade("check_scale_of", LAB, LAB, "bob")
        overridden.manual_score, overridden.needs_manual_grade = 3.5, False
        book.find_comment("question_2", LAB, LAB, "bob").manual_comment = "Well said."
        book.find_comment("scale_of", LAB, LAB, "bob").manual_comment = "See the lecture."
        book.find_submission_notebook(LAB, LAB, "bob").flagged = True
        book.db.commit()
    mend_case(course)
    publish()
    with api.Gradebook(course.gradebook_url, course.id) as book:
        grades = {grade.name: grade for grade in book.find_submission_notebook(LAB, LAB, "bob").grades}
        assert (grades["question_2"].manual_score, grades["question_2"].needs_manual_grade) == (2.5, False)
        assert grades["check_quantize"].extra_credit == 0.5
        moved = grades["check_scale_of"]
        assert (moved.manual_score, moved.auto_score, moved.score) == (3.5, 4.0, 3.5)
        assert moved.needs_manual_grade  # a person decides whether their score still holds
        comments = {one.name: one.manual_comment for one in book.find_submission_notebook(LAB, LAB, "bob").comments}
        assert (comments["question_2"], comments["scale_of"]) == ("Well said.", "See the lecture.")
        assert book.find_submission_notebook(LAB, LAB, "bob").flagged


def test_assistant_sees_the_moved_grades_on_screen_and_in_the_json(
    course, publish, handed_in, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(course.root)
    file = tmp_path / "all.json"
    words = ["grade", LAB, "--submissions", handed_in, "--out", tmp_path / "out", "--json", file]
    monkeypatch.setattr(sys, "argv", ["qlab", *map(str, words)])
    main()
    assert "grades that moved" not in capsys.readouterr().out
    assert all(one["moved"] == [] for one in json.loads(file.read_text()))
    mend_case(course)
    main()
    shown = capsys.readouterr().out
    assert "grades that moved" in shown
    [row] = [line for line in shown.splitlines() if "scale_of" in line]
    assert [word.strip() for word in row.strip("│").split("│")] == ["bob", "scale_of", "3", "4"]
    by_student = {one["student"]: one["moved"] for one in json.loads(file.read_text())}
    assert by_student == {"ada": [], "bob": [{"question": "scale_of", "before": 3.0, "after": 4.0}], "cyd": []}


def test_a_table_of_moves_shows_what_is_new_and_gone():
    table = as_table([Move("ada", "new", None, 1.5), Move("ada", "gone", 2.0, None)])
    assert [list(column.cells) for column in table.columns] == [["ada"] * 2, ["new", "gone"], ["-", "2"], ["1.5", "-"]]


def test_two_courses_of_the_same_files_give_the_same_hashes(course, publish, tmp_path, template, handed_in):
    """A regrade on another machine keeps what it may."""
    publish(students=["ada"])
    other = tmp_path / "other"
    shutil.copytree(course.root, other, symlinks=True)
    elsewhere = replace(course, root=other, data=other / "course")
    fresh = []
    grade_class(
        elsewhere,
        LAB,
        handed_in,
        out=tmp_path / "out",
        students=["ada"],
        template=template,
        on_result=lambda one, *_: fresh.append(one.graded.fresh),
    )
    assert fresh == [False]
    assert load_materials(course, LAB).item_hashes == load_materials(elsewhere, LAB).item_hashes
