"""Cells that were split, merged, moved, deleted or doubled: no work in them is lost."""

import copy
import json
from difflib import SequenceMatcher

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from .handed_in import SPLIT, cell_of, items, position, split_with_metadata, with_answers, without_identity


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("where", range(2, 7))
def test_a_function_split_at_any_line_is_whole_again(hand_in, solved, perfect, where, lost):
    at = position(solved, SPLIT)
    lines = cell_of(perfect, SPLIT).source.count("\n") + 1
    solved.cells[at : at + 1] = split_with_metadata(solved.cells[at], max(1, lines - where))
    if lost:
        without_identity(solved)
    opened = hand_in({"lab2.ipynb": solved})
    assert items(opened.repaired.notebook) == items(perfect)
    assert any("joined" in note and SPLIT in note for note in opened.repairs)


@pytest.mark.parametrize("half", [0, 1])
def test_a_function_of_which_one_half_lost_its_metadata_is_whole_again(hand_in, solved, perfect, half):
    at = position(solved, SPLIT)
    halves = split_with_metadata(solved.cells[at], 1)
    halves[half].metadata = NotebookNode()
    solved.cells[at : at + 1] = halves
    assert items(hand_in({"lab2.ipynb": solved}).repaired.notebook) == items(perfect)


def test_a_function_split_into_three_is_whole_again(hand_in, solved, perfect):
    at = position(solved, SPLIT)
    head, rest = split_with_metadata(solved.cells[at], 1)
    middle, tail = split_with_metadata(rest, rest.source.count("\n"))
    solved.cells[at : at + 1] = [head, middle, tail]
    assert items(hand_in({"lab2.ipynb": solved}).repaired.notebook) == items(perfect)


def test_an_indented_line_tried_out_below_a_function_does_not_become_part_of_it(hand_in, solved, perfect):
    at = position(solved, SPLIT)
    solved.cells.insert(at + 1, new_code_cell(f"    print({SPLIT})"))
    opened = hand_in({"lab2.ipynb": solved})
    assert items(opened.repaired.notebook) == items(perfect)
    assert opened.repairs == ()


def test_functions_parted_and_merged_differently_are_all_found(hand_in, solved, perfect):
    """Two solution cells and the check between them in one cell, as Jupyter merges them: the first's metadata."""
    first = position(solved, "get_quantization_scale_for_weight")
    second = position(solved, "linear_quantize_weight_per_channel")
    merged = [cell for cell in solved.cells[first : second + 1] if cell.cell_type == "code"]
    merged[0].source = "\n".join(cell.source for cell in merged)
    gone = [id(cell) for cell in merged[1:]]
    solved.cells = [cell for cell in solved.cells if id(cell) not in gone]
    opened = hand_in({"lab2.ipynb": solved})
    assert items(opened.repaired.notebook) == items(perfect)
    assert opened.repairs


def test_code_that_was_merged_into_a_text_cell_is_graded(hand_in, solved, perfect):
    at = position(solved, SPLIT)
    text = new_markdown_cell("Write it.\n\n" + solved.cells[at].source + "\n\nDone.")
    solved.cells[at] = text
    opened = hand_in({"lab2.ipynb": solved})
    assert items(opened.repaired.notebook) == items(perfect)
    assert any("stood in a text cell" in note for note in opened.repairs)


def test_deleted_duplicated_and_reordered_cells_lose_no_work(hand_in, solved, perfect):
    with_answers(solved)
    solved.cells = [cell for cell in solved.cells if not cell.source.startswith("check")][::-1]
    solved.cells += copy.deepcopy(solved.cells[:20])
    for number, cell in enumerate(solved.cells):
        cell.id = f"c{number}"
    opened = hand_in({"lab2.ipynb": solved})
    assert items(opened.repaired.notebook) == items(perfect)
    assert "Because of question_10." in cell_of(opened.repaired.notebook, "question_10").source


def test_metadata_that_cannot_be_copied_or_written_harms_nobody(hand_in, solved):
    raw = json.loads(nbformat.writes(solved))
    raw["cells"][1]["metadata"] = {"nbgrader": {"grade_id": "x", "deep": "DEEP"}, "tags": ["\ud800"]}
    text = json.dumps(raw).replace('"DEEP"', "[" * 900 + "]" * 900)
    repaired = hand_in({"lab2.ipynb": text}).repaired
    assert nbformat.writes(repaired.notebook).encode()


def test_cells_that_are_slow_to_tell_from_an_experiment_are_not_all_compared(hand_in, solved, monkeypatch):
    """The same letters in another order, as often as somebody likes."""
    compared = []
    real = SequenceMatcher.ratio
    monkeypatch.setattr(SequenceMatcher, "ratio", lambda self: compared.append(1) or real(self))
    monkeypatch.setattr("autograder.matching.MAX_COMPARISONS", 5)
    long = next(cell for cell in solved.cells if "tags" in cell.metadata)
    source = "#" + "".join(sorted(long.source.replace("\n", "")))
    solved.cells = [cell for cell in solved.cells if cell is not long]
    solved.cells += [new_code_cell(source, id=f"x{number}") for number in range(50)]
    hand_in({"lab2.ipynb": solved})
    assert len(compared) == 5


def test_a_function_that_python_refuses_though_it_parses_leaves_the_others_alone(hand_in, solved, perfect):
    refused = cell_of(solved, SPLIT)
    refused.source = refused.source.replace("bitwidth: int,", "bitwidth: int,\n    bitwidth: int,", 1)
    found = items(hand_in({"lab2.ipynb": solved}).repaired.notebook)
    assert found == {**items(perfect), SPLIT: refused.source}
