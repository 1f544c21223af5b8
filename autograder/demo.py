"""A small class to try the grader on: one submission of every kind that a real class brings.

Each is made from the released notebook of lab2_linear, so the demo needs no data and no network. Folders are named
after what is in them.
"""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from autograder.course import Course
from autograder.notebooks import solved_notebook

LAB = "lab2_linear"

TRUNCATES = """
def linear_quantize(fp_tensor, bitwidth, scale, zero_point, dtype=torch.int8):
    quantized_min, quantized_max = get_quantized_range(bitwidth)
    shifted = (fp_tensor / scale).to(torch.int32) + zero_point
    return shifted.clamp(quantized_min, quantized_max).to(dtype)
"""
WRAPS = """
def linear_quantize(fp_tensor, bitwidth, scale, zero_point, dtype=torch.int8):
    quantized_min, quantized_max = get_quantized_range(bitwidth)
    return (torch.round(fp_tensor / scale).to(dtype) + zero_point).clamp(quantized_min, quantized_max)
"""
WRONG_END = """
def get_quantization_scale_and_zero_point(fp_tensor, bitwidth):
    quantized_min, quantized_max = get_quantized_range(bitwidth)
    low, high = fp_tensor.min().item(), fp_tensor.max().item()
    scale = (high - low) / (2**bitwidth)
    return scale, int(round(quantized_max - low / scale))
"""
FORGETS_ZERO_POINT = """
def quantized_linear(input, weight, bias, feature_bitwidth, weight_bitwidth, input_zero_point, output_zero_point,
                     input_scale, weight_scale, output_scale):
    total = torch.nn.functional.linear(input.to(torch.int32), weight.to(torch.int32), bias)
    output = total.float() * (input_scale * weight_scale.view(1, -1) / output_scale)
    return output.round().clamp(*get_quantized_range(feature_bitwidth)).to(torch.int8)
"""
ENDLESS = """
def quantized_conv2d(*arguments):
    while True:
        pass
"""
CRASHES = """
def fuse_conv_bn(conv, bn):
    import ctypes
    ctypes.string_at(0)
"""
EXITS = """
import os
os._exit(1)
"""
BROKEN = """
def extra_preprocess(x)
    return (x * 255 - 128).to(torch.int8)
"""


def make_class(course: Course, folder: Path) -> list[str]:
    """Write one folder a student under ``folder`` (emptied first); returns the students' names."""
    solved = perfect_submission(course, LAB)
    release = nbformat.read(course.release(LAB), as_version=4)
    if folder.exists():
        shutil.rmtree(folder)
    kinds: dict[str, NotebookNode | str] = {
        "01-perfect": solved,
        "02-untouched": release,
        "03-half-done": _half_done(solved, release),
        "04-truncates": _replace(solved, "linear_quantize", TRUNCATES),
        "05-casts-too-early": _replace(solved, "linear_quantize", WRAPS),
        "06-wrong-scale": _replace(solved, "get_quantization_scale_and_zero_point", WRONG_END),
        "07-forgets-zero-point": _replace(solved, "quantized_linear", FORGETS_ZERO_POINT),
        "08-infinite-loop": _replace(solved, "quantized_conv2d", ENDLESS),
        "09-crashes-in-a-function": _replace(solved, "fuse_conv_bn", CRASHES),
        "10-exits-in-a-cell": _with_cell(solved, EXITS),
        "11-syntax-error": _replace(solved, "extra_preprocess", BROKEN),
        "12-lost-metadata": _edit(solved, _strip_metadata),
        "13-duplicated-cells": _edit(solved, _duplicate_cells),
        "14-renamed-file": solved,
        "15-deleted-check-cells": _edit(solved, _delete_checks),
        "16-other-course": _functions_only(solved),
        "17-not-a-notebook": "PK\x03\x04 this was a zip file once",
    }
    for student, content in kinds.items():
        name = "Copy of lab2 (1) FINAL.ipynb" if student == "14-renamed-file" else f"{LAB}.ipynb"
        path = folder / student / LAB / name
        path.parent.mkdir(parents=True)
        path.write_text(content if isinstance(content, str) else nbformat.writes(content), encoding="utf-8")
    return list(kinds)


def perfect_submission(course: Course, lab: str) -> NotebookNode:
    """The released notebook with every solution filled in, as the best student hands it in."""
    answers = {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in solved_notebook(course, lab).cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }
    notebook = nbformat.read(course.release(lab), as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = answers[cell.metadata.nbgrader.grade_id]
    return notebook


def _edit(notebook: NotebookNode, change: Callable[[NotebookNode], object]) -> NotebookNode:
    edited = copy.deepcopy(notebook)
    change(edited)
    return edited


def _replace(notebook: NotebookNode, grade_id: str, source: str) -> NotebookNode:
    def change(edited: NotebookNode) -> None:
        for cell in edited.cells:
            if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id:
                cell.source = source.strip()

    return _edit(notebook, change)


def _half_done(solved: NotebookNode, release: NotebookNode) -> NotebookNode:
    """Solved up to the middle of the notebook, untouched after it."""
    half = copy.deepcopy(release)
    middle = len(half.cells) // 2
    half.cells[:middle] = copy.deepcopy(solved.cells[:middle])
    return half


def _with_cell(notebook: NotebookNode, source: str) -> NotebookNode:
    return _edit(notebook, lambda edited: edited.cells.insert(len(edited.cells) // 2, new_code_cell(source.strip())))


def _strip_metadata(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        cell.metadata = NotebookNode()


def _duplicate_cells(notebook: NotebookNode) -> None:
    graded = [index for index, cell in enumerate(notebook.cells) if "nbgrader" in cell.metadata]
    for index in (graded[1], graded[0]):  # from the back, so that the first index stays right
        twin = copy.deepcopy(notebook.cells[index])
        twin.id = f"{twin.id}-copy"  # JupyterLab, too, gives a pasted cell a new id and keeps its metadata
        notebook.cells.insert(index + 1, twin)


def _delete_checks(notebook: NotebookNode) -> None:
    checks = [cell for cell in notebook.cells if cell.source.startswith("check(")]
    notebook.cells = [cell for cell in notebook.cells if cell not in checks[::2]]


def _functions_only(notebook: NotebookNode) -> NotebookNode:
    """What a notebook of another course looks like to us: the same function names, nothing of ours around them."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code" and "def " in cell.source]
    imports = "import torch\nfrom torch import nn\nfrom torch.nn import functional\nfrom qlab_helpers.integer import *"
    return new_notebook(cells=[new_code_cell(imports), *(new_code_cell(source) for source in code)])
