"""Damage of any kind, made up by Hypothesis: what is opened is valid and whole, or refused in one sentence."""

import copy
import io
import zipfile
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.nbgraderformat import MetadataValidator

from autograder.archives import BadArchive, list_members, read_member
from autograder.course import load_course
from autograder.demo import perfect_submission
from autograder.opening import open_submission
from autograder.plan import plan_cells, sources_of
from autograder.repair import Repaired, repair
from autograder.scripts import read_script
from autograder.submissions import Found, UnreadableNotebook, find_submissions
from autograder.wellformed import wellformed

LAB = "lab1_kmeans"
RELEASE = nbformat.read(load_course().release(LAB), as_version=4)
SOLVED = perfect_submission(load_course(), LAB)
CONTENT = nbformat.writes(SOLVED).encode()
MATERIALS = SimpleNamespace(release=RELEASE, lab=LAB)
GRADED = [cell.metadata.nbgrader for cell in RELEASE.cells if cell.metadata.get("nbgrader", {}).get("grade")]
NAMES = [data.grade_id.removeprefix("check_") for data in GRADED if not data.solution]
QUICK = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SLOW = settings(max_examples=20, deadline=None)
#: What may stand where a byte was: brackets, quotes and escapes break more than letters do.
SHARP = st.sampled_from([b"", b"\0", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b"\n", b"\xff", b"\xe9", b"null", b"1"])


def check_repaired(repaired: Repaired) -> None:
    nbformat.validate(repaired.notebook)
    MetadataValidator().validate_nb(repaired.notebook)
    assert nbformat.writes(repaired.notebook).encode()
    marked = [cell.metadata.nbgrader for cell in repaired.notebook.cells if "nbgrader" in cell.metadata]
    assert sorted((one for one in marked if one.grade), key=str) == sorted(GRADED, key=str)
    probes = [cell.probe for cell in plan_cells(repaired) if cell.probe]
    assert sorted(probes) == sorted(NAMES)
    assert all("\n" not in note for note in repaired.repairs)


def check_opened(found: Found) -> None:
    """No exception but the one, whose message is a sentence."""
    try:
        opened = open_submission(found, MATERIALS)
    except UnreadableNotebook as error:
        said = [str(error)]
    else:
        said = list(opened.repairs)
        check_repaired(opened.repaired)
    assert said != [""]
    assert all("\n" not in sentence for sentence in said)
    assert "".join([found.file, *said]).encode()


@st.composite
def edited(draw: st.DrawFn, content: bytes) -> bytes:
    """A few edits of bytes anywhere: replaced, cut out, put twice, cut off."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        length = draw(st.sampled_from([0, 1, 1, 2, 30, 3000]))
        match draw(st.sampled_from(["sharp", "bytes", "cut", "twice", "off", "zero"])):
            case "sharp":
                content[at : at + length] = draw(SHARP)
            case "bytes":
                content[at : at + length] = draw(st.binary(max_size=20))
            case "cut":
                del content[at : at + length]
            case "twice":
                content[at:at] = content[at : at + length]
            case "off":
                del content[at:]
            case "zero":
                content[at : at + length] = bytes(length)
    return bytes(content)


@QUICK
@given(content=edited(CONTENT))
def test_any_edit_of_the_bytes_is_graded_or_refused(tmp_path, content):
    path = tmp_path / "lab.ipynb"
    path.write_bytes(content)
    check_opened(Found("ada", path))


@QUICK
@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8"))))
def test_any_bytes_under_any_name_are_graded_or_refused(tmp_path, content):
    for name in ("lab.ipynb", "lab.py", "lab.json"):
        path = tmp_path / name
        path.write_bytes(content)
        check_opened(Found("ada", path))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = {
    "cell_type": st.sampled_from(["code", "markdown", "raw", "heading"]) | JSON,
    "source": st.sampled_from([cell.source for cell in SOLVED.cells]) | st.lists(st.text(max_size=20)) | JSON,
    "metadata": st.fixed_dictionaries(
        {},
        optional={
            "nbgrader": st.fixed_dictionaries(
                {"grade_id": st.sampled_from([data.grade_id for data in GRADED]) | JSON}, optional={"grade": JSON}
            )
            | JSON,
            "tags": st.lists(st.text(max_size=4)) | JSON,
        },
    )
    | JSON,
    "id": st.text(max_size=70) | JSON,
    "outputs": st.lists(st.dictionaries(st.sampled_from(["output_type", "data", "text", "name"]), JSON)) | JSON,
    "attachments": st.dictionaries(st.text(max_size=3), st.dictionaries(st.just("image/png"), JSON)) | JSON,
    "execution_count": JSON,
}
CELL = st.fixed_dictionaries({}, optional=KEYS) | JSON


@SLOW
@given(cells=st.lists(CELL, max_size=6), old=st.booleans())
def test_any_json_that_has_cells_becomes_a_valid_notebook(cells, old):
    raw = {"worksheets": [{"cells": cells}, 3]} if old else {"cells": cells, "metadata": 3}
    check_repaired(repair(wellformed(raw)[0], RELEASE))


@QUICK
@given(text=st.text(alphabet=st.sampled_from("# %In[1]:\n\n\"'md \t(){}x=@\\") | st.characters(), max_size=200))
def test_any_script_becomes_a_valid_notebook(text):
    check_repaired(repair(wellformed(read_script(text))[0], RELEASE))


@st.composite
def mangled(draw: st.DrawFn) -> NotebookNode:
    """Cells deleted, duplicated, moved, split, merged, stripped and turned into another type, a few times."""
    notebook = copy.deepcopy(SOLVED)
    cells = notebook.cells
    for _ in range(draw(st.integers(1, 12))):
        if not cells:
            break
        at = draw(st.integers(0, len(cells) - 1))
        cell = cells[at]
        match draw(st.sampled_from(["delete", "double", "move", "split", "merge", "strip", "turn", "new"])):
            case "delete":
                del cells[at]
            case "double":
                cells.insert(draw(st.integers(0, len(cells))), copy.deepcopy(cell))
            case "move":
                cells.insert(draw(st.integers(0, len(cells) - 1)), cells.pop(at))
            case "split":
                lines = cell.source.split("\n")
                line = draw(st.integers(0, len(lines)))
                twin = copy.deepcopy(cell)
                cell.source, twin.source = "\n".join(lines[:line]), "\n".join(lines[line:])
                cells.insert(at + 1, twin)
            case "merge":
                for other in cells[at + 1 : at + 2]:
                    cell.source += "\n\n" + other.source
                del cells[at + 1 : at + 2]
            case "strip":
                cell.metadata = NotebookNode()
            case "turn":
                make = new_markdown_cell if cell.cell_type == "code" else new_code_cell
                cells[at] = make(cell.source, metadata=cell.metadata)
            case "new":
                cells.insert(at, draw(st.sampled_from([new_code_cell, new_markdown_cell]))(draw(st.text(max_size=30))))
    return notebook


@SLOW
@given(notebook=mangled())
def test_any_mangled_notebook_is_whole_again_and_repaired_only_once(notebook):
    before = copy.deepcopy(notebook)
    repaired = repair(notebook, RELEASE)
    assert notebook == before
    check_repaired(repaired)
    again = repair(repaired.notebook, RELEASE)
    check_repaired(again)
    for name in NAMES:
        assert sources_of(again.notebook, [name]) == sources_of(repaired.notebook, [name])


@SLOW
@given(st.data())
def test_cells_that_are_split_moved_or_doubled_lose_no_function(data):
    """Every function is still somewhere, whole, once or in copies: so every function is graded."""
    notebook = copy.deepcopy(SOLVED)
    for cell in data.draw(st.lists(st.sampled_from(notebook.cells), max_size=10, unique_by=id)):
        notebook.cells.insert(data.draw(st.integers(0, len(notebook.cells))), copy.deepcopy(cell))
    if data.draw(st.booleans()):
        notebook.cells = data.draw(st.permutations(notebook.cells))
    if data.draw(st.booleans()):
        for cell in notebook.cells:
            cell.metadata = NotebookNode()
    repaired = repair(notebook, RELEASE).notebook
    for name in NAMES:
        assert sources_of(repaired, [name]) == sources_of(SOLVED, [name])


@pytest.fixture(scope="module")
def archive() -> bytes:
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("b/lab.ipynb", CONTENT[:3000])
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("a.zip", inner.getvalue())
        target.writestr("lab.ipynb", CONTENT[:3000])
    return outer.getvalue()


@QUICK
@given(data=st.data())
def test_any_edit_of_a_zip_is_read_or_refused(tmp_path, archive, data):
    path = tmp_path / "class" / "ada" / "work.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.draw(edited(archive)))
    with suppress(BadArchive):
        for member in list_members(path):
            read_member(path, member.inside, max_bytes=10_000)
    (found,) = find_submissions(path.parent.parent, LAB)
    check_opened(found)


def test_numbers_in_names_of_files_may_have_any_length(tmp_path):
    folder = tmp_path / "ada"
    folder.mkdir()
    for name in ("1" * 200, "2" * 200, "\u0663\u00b2", "x" * 100 + " (10)", "x" * 100 + " (9)"):
        (folder / f"{name}.ipynb").write_bytes(CONTENT)
    (found,) = find_submissions(tmp_path, LAB)
    assert len(found.older) == 4
    assert Path(found.path).exists()
