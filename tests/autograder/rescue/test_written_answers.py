"""Written answers are found by their question, wherever they were written."""

import copy

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from .handed_in import cell_of, position, sources, split_with_metadata, without_identity

ANSWER = "The clamp does it."


def merged_with_question(notebook: NotebookNode, at: int) -> None:
    question, answer = notebook.cells[at - 1 : at + 1]
    question.source += f"\n\nYour answer:\n\n{ANSWER}"
    notebook.cells.remove(answer)


def merged_with_next_question(notebook: NotebookNode, at: int) -> None:
    answer, following = notebook.cells[at : at + 2]
    answer.source = f"Your answer:\n\n{ANSWER}\n\n{following.source}"
    notebook.cells.remove(following)


def in_a_cell_below(notebook: NotebookNode, at: int) -> None:
    notebook.cells.insert(at + 1, new_markdown_cell(ANSWER))


def instead_of_the_cell(notebook: NotebookNode, at: int) -> None:
    notebook.cells[at] = new_markdown_cell(ANSWER)


def below_an_edited_question(notebook: NotebookNode, at: int) -> None:
    notebook.cells[at - 1].source = "So.\n\n### Question 9.2 (4 points)\n\nThe int8 model: why?"
    notebook.cells[at] = new_markdown_cell(ANSWER)


def written_into_the_question(notebook: NotebookNode, at: int) -> None:
    notebook.cells[at - 1].source += f"\n\n{ANSWER}"


def split_in_two(notebook: NotebookNode, at: int) -> None:
    notebook.cells[at].source = f"Your answer:\n\nI think.\n{ANSWER}"
    notebook.cells[at : at + 1] = split_with_metadata(notebook.cells[at], 3)


def behind_a_cell_of_code(notebook: NotebookNode, at: int) -> None:
    notebook.cells[at : at + 1] = [new_code_cell("2 + 2"), new_markdown_cell(ANSWER)]


WRITTEN = [
    merged_with_question,
    merged_with_next_question,
    in_a_cell_below,
    instead_of_the_cell,
    below_an_edited_question,
    written_into_the_question,
    split_in_two,
    behind_a_cell_of_code,
]


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("change", WRITTEN)
def test_a_written_answer_is_found_by_its_question(hand_in, solved, release, change, lost):
    for grade_id in ("question_9_2", "question_10"):
        cell_of(solved, grade_id).source = cell_of(release, grade_id).source
    change(solved, position(solved, "question_9_2"))
    if lost:
        without_identity(solved)
    opened = hand_in({"lab2.ipynb": solved})
    assert ANSWER in cell_of(opened.repaired.notebook, "question_9_2").source
    assert ANSWER not in cell_of(opened.repaired.notebook, "question_10").source
    assert len(opened.repaired.notebook.cells) <= len(solved.cells) + 2
    assert opened.repairs


def test_text_of_the_lab_is_not_taken_for_an_answer(hand_in, release):
    for notebook in (copy.deepcopy(release), without_identity(copy.deepcopy(release))):
        repaired = hand_in({"lab2.ipynb": notebook}).repaired.notebook
        assert sources(repaired) == sources(release)
