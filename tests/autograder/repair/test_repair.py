"""Cells that lost their identity get it back; every graded cell of the release is there exactly once."""

import copy

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.nbgraderformat import MetadataValidator

from autograder.plan import sources_of
from autograder.repair import repair

from .small_release import QUESTION, RELEASE, STUB, WORK, cell_of, contents, position, solved, stripped


def test_an_intact_notebook_is_not_touched():
    repaired = repair(solved(), RELEASE)
    assert contents(repaired.notebook) == contents(solved())
    assert repaired.repairs == ()
    assert repaired.kind == "release"


def test_lost_metadata_is_restored_completely_and_noted():
    repaired = repair(stripped(solved()), RELEASE)
    assert contents(repaired.notebook) == contents(solved())
    (note,) = repaired.repairs
    assert "lost their nbgrader metadata" in note


def test_lost_metadata_of_an_untouched_notebook_is_restored():
    assert contents(repair(stripped(RELEASE), RELEASE).notebook) == contents(RELEASE)


def test_a_solution_without_metadata_is_found_though_its_cell_does_not_parse():
    notebook = stripped(solved())
    notebook.cells[3].source = "def double(x)\n    return x + x"
    assert cell_of(repair(notebook, RELEASE).notebook, "double").source.startswith("def double(x)\n")


def test_a_written_answer_without_metadata_is_found_by_its_question():
    notebook = stripped(solved())
    notebook.cells.insert(0, notebook.cells.pop(10))
    assert "Because." in cell_of(repair(notebook, RELEASE).notebook, "question_3_1").source


def test_a_written_answer_that_lost_its_heading_is_found_by_its_place():
    notebook = stripped(solved())
    notebook.cells[10].source = "Just because."
    assert cell_of(repair(notebook, RELEASE).notebook, "question_3_1").source == "Just because."


def test_of_duplicated_solution_cells_the_last_edited_one_counts_and_the_stub_copy_is_gone():
    notebook = solved()
    stub = copy.deepcopy(cell_of(RELEASE, "double"))
    notebook.cells.insert(4, stub)
    repaired = repair(notebook, RELEASE)
    assert cell_of(repaired.notebook, "double").source == WORK["double"]
    assert STUB.format(name="double") not in [cell.source for cell in repaired.notebook.cells]
    assert "more than once" in repaired.repairs[0]
    assert "double" in repaired.repairs[0]


def test_two_attempts_in_copies_of_one_cell_both_stay_and_the_last_counts():
    notebook = solved()
    second = copy.deepcopy(notebook.cells[3])
    second.source = "def double(x):\n    return 2 * x"
    notebook.cells.insert(4, second)
    repaired = repair(notebook, RELEASE)
    assert cell_of(repaired.notebook, "double").source == second.source
    assert WORK["double"] in [cell.source for cell in repaired.notebook.cells]


def test_a_copied_cell_that_was_used_for_a_helper_does_not_replace_the_function():
    notebook = solved()
    helper = copy.deepcopy(notebook.cells[3])
    helper.source = "def my_helper(x):\n    return x"
    notebook.cells.insert(4, helper)
    assert cell_of(repair(notebook, RELEASE).notebook, "double").source == WORK["double"]


def test_duplicated_check_cells_become_one():
    notebook = solved()
    notebook.cells.insert(5, copy.deepcopy(notebook.cells[4]))
    repaired = repair(notebook, RELEASE)
    assert contents(repaired.notebook) == contents(solved())


def test_deleted_check_cells_come_back_behind_their_functions():
    notebook = solved()
    notebook.cells = [cell for cell in notebook.cells if not cell.source.startswith("check")]
    repaired = repair(notebook, RELEASE)
    assert contents(repaired.notebook) == contents(solved())
    assert repaired.repairs == ("check cells were missing and were put back: double, halve, answer_5_1",)


def test_a_deleted_written_question_comes_back_unanswered():
    notebook = solved()
    del notebook.cells[10]
    assert cell_of(repair(notebook, RELEASE).notebook, "question_3_1").source == QUESTION


def test_an_edited_check_cell_is_restored_and_noted():
    notebook = solved()
    cell_of(notebook, "check_double").source = "print('full marks')"
    repaired = repair(notebook, RELEASE)
    assert contents(repaired.notebook) == contents(solved())
    assert repaired.repairs == ("locked cells had been changed and were restored: check_double",)


def test_points_and_kind_in_edited_metadata_are_those_of_the_release():
    notebook = solved()
    cell_of(notebook, "check_double").metadata.nbgrader.update(points=1000, grade=False, locked=False)
    assert contents(repair(notebook, RELEASE).notebook) == contents(solved())


def test_a_function_written_into_its_check_cell_is_kept():
    notebook = solved()
    cell_of(notebook, "double").source = STUB.format(name="double")
    cell_of(notebook, "check_double").source = WORK["double"] + "\ncheck(double)"
    repaired = repair(notebook, RELEASE)
    assert sources_of(repaired.notebook, ["double"])["double"] == WORK["double"]
    assert cell_of(repaired.notebook, "check_double").source == "check(double)"


def test_a_function_written_elsewhere_is_graded_where_it_stands():
    notebook = solved()
    cell_of(notebook, "double").source = STUB.format(name="double")
    notebook.cells.append(new_code_cell(WORK["double"]))
    repaired = repair(notebook, RELEASE)
    assert position(repaired.notebook, "check_double") == position(repaired.notebook, "double") + 1
    assert sources_of(repaired.notebook, ["double"])["double"] == WORK["double"]
    assert any("moved behind" in note for note in repaired.repairs)


def test_experiments_with_a_finished_function_do_not_replace_it():
    notebook = solved()
    notebook.cells.append(new_code_cell("def double(x):\n    return 'just trying'"))
    repaired = repair(notebook, RELEASE)
    assert cell_of(repaired.notebook, "double").source == WORK["double"]
    assert repaired.repairs == ()


def test_cells_merged_into_one_keep_both_functions_before_their_checks():
    notebook = solved()
    merged = cell_of(notebook, "double")
    merged.source = "\n".join([WORK["double"], "check(double)", WORK["halve"]])
    notebook.cells = [cell for cell in notebook.cells if cell.source not in (WORK["halve"], "check(double)")]
    repaired = repair(notebook, RELEASE)
    for name in ("double", "halve"):
        assert sources_of(repaired.notebook, [name])[name] == WORK[name]
        assert position(repaired.notebook, f"check_{name}") > position(repaired.notebook, "double")


def test_a_solution_cell_turned_into_text_is_turned_back():
    notebook = solved()
    text = new_markdown_cell(WORK["double"], metadata=cell_of(notebook, "double").metadata)
    notebook.cells[3] = text
    repaired = repair(notebook, RELEASE)
    assert contents(repaired.notebook) == contents(solved())
    assert "another type" in repaired.repairs[0]


def test_given_code_that_was_deleted_comes_back_and_edited_code_stays_edited():
    notebook = solved()
    notebook.cells[1].source = "import torch\nimport numpy"
    del notebook.cells[5]
    repaired = repair(notebook, RELEASE)
    code = [cell.source for cell in repaired.notebook.cells if cell.cell_type == "code"]
    assert code[0] == "import torch\nimport numpy"
    assert code.count("Pair = tuple\nWIDTH = 8") == 1
    assert "import math\nimport torch" not in code
    assert repaired.repairs == ("given cells were missing and were put back: `Pair = tuple`",)


def test_functions_of_another_course_are_found_by_name():
    other = new_notebook(
        cells=[
            new_code_cell("import math, torch\n\nPair = list"),
            new_code_cell(WORK["halve"], metadata={"nbgrader": {"grade_id": "hw1", "grade": True}}),
            new_code_cell(WORK["double"] + "\n\nWIDTH = 3"),
        ]
    )
    repaired = repair(other, RELEASE)
    assert repaired.kind == "foreign"
    sources = [cell.source for cell in repaired.notebook.cells]
    assert sources[:3] == [cell.source for cell in other.cells]
    assert sources[3:] == ["check(double)", "check(halve)", QUESTION, 'check_answer("answer_5_1", answer_5_1)']
    assert "double, halve" in repaired.repairs[0]
    assert sources_of(repaired.notebook, ["double"])["double"] == WORK["double"]


def test_given_code_that_another_course_does_not_have_comes_first():
    other = new_notebook(cells=[new_code_cell("import torch"), new_code_cell(WORK["double"])])
    sources = [cell.source for cell in repair(other, RELEASE).notebook.cells]
    assert sources[:4] == ["import math\nimport torch", "Pair = tuple\nWIDTH = 8", "import torch", WORK["double"]]


def test_an_empty_notebook_is_not_a_silent_zero():
    repaired = repair(new_notebook(), RELEASE)
    assert "nothing of this lab" in repaired.repairs[0]
    assert len(repaired.notebook.cells) == 4


def test_neither_notebook_is_changed():
    submitted, release = stripped(solved()), copy.deepcopy(RELEASE)
    before = copy.deepcopy(submitted)
    repair(submitted, release)
    assert submitted == before
    assert release == RELEASE


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_shuffled_torn_notebook_carries_every_graded_cell_once_and_is_valid_for_nbgrader(data):
    pool = [*solved().cells, *copy.deepcopy(RELEASE.cells), *stripped(solved()).cells]
    chosen = data.draw(st.lists(st.integers(0, len(pool) - 1), max_size=25))
    notebook = new_notebook()
    notebook.cells = [copy.deepcopy(pool[index]) for index in chosen]
    repaired = repair(notebook, RELEASE)
    nbformat.validate(repaired.notebook)
    MetadataValidator().validate_nb(repaired.notebook)
    graded = [
        cell.metadata.nbgrader for cell in repaired.notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")
    ]
    expected = [cell.metadata.nbgrader for cell in RELEASE.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    assert sorted(graded, key=str) == sorted(expected, key=str)
    for name in ("double", "halve"):
        if any(WORK[name] == cell.source for cell in notebook.cells):
            assert sources_of(repaired.notebook, [name])[name] == WORK[name]


@pytest.mark.parametrize("seed", range(3))
def test_repairing_twice_changes_nothing(seed):
    notebook = stripped(solved())
    notebook.cells = notebook.cells[seed:] + notebook.cells[:seed]
    once = repair(notebook, RELEASE)
    assert contents(repair(once.notebook, RELEASE).notebook) == contents(once.notebook)
