"""What the sandbox is to do with each cell of a repaired notebook."""

from nbformat.v4 import new_code_cell, new_notebook

from autograder.plan import plan_cells
from autograder.repair import repair

from .small_release import RELEASE, WORK, cell_of, solved, stripped


def test_check_cells_are_places_to_call_and_never_run():
    plan = {cell.index: cell for cell in plan_cells(repair(solved(), RELEASE))}
    assert {index: cell.probe for index, cell in plan.items() if cell.probe} == {
        4: "double",
        8: "halve",
        12: "answer_5_1",
    }
    assert all(cell.run == "skip" for cell in plan.values() if cell.probe)
    assert plan[3].run == "full"
    assert set(plan) == {index for index, cell in enumerate(RELEASE.cells) if cell.cell_type == "code"}


def test_long_experiments_are_skipped_though_their_tag_was_lost():
    plan = {cell.index: cell for cell in plan_cells(repair(stripped(solved()), RELEASE))}
    assert plan[9].run == "skip"


def test_an_edited_experiment_without_its_tag_is_still_skipped():
    notebook = stripped(solved())
    notebook.cells[9].source = "for step in range(10**8):\n    pass"
    plan = {cell.index: cell for cell in plan_cells(repair(notebook, RELEASE))}
    assert plan[9].run == "skip"


def test_experiments_of_another_course_do_not_run_but_what_they_define_is_there():
    loop = new_code_cell("for epoch in range(10**9):\n    pass\n\n" + WORK["double"])
    other = new_notebook(cells=[new_code_cell('"""Setup."""\nimport torch\ndevice = torch.device("cpu")'), loop])
    modes = {cell.source: cell.run for cell in plan_cells(repair(other, RELEASE))}
    assert modes[loop.source] == "definitions"
    assert modes[other.cells[0].source] == "full"


def test_a_graded_cell_that_students_tag_to_be_skipped_runs():
    notebook = solved()
    cell_of(notebook, "double").metadata["tags"] = ["skip-execution"]
    assert {cell.index: cell.run for cell in plan_cells(repair(notebook, RELEASE))}[3] == "full"


def test_a_function_moved_into_a_long_experiment_is_defined_without_running_the_experiment():
    notebook = solved()
    del notebook.cells[7]
    notebook.cells[8].source += "\n" + WORK["halve"]
    repaired = repair(notebook, RELEASE)
    (cell,) = [cell for cell in plan_cells(repaired) if "10**9" in cell.source]
    assert cell.run == "definitions"
