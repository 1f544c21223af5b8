"""The file that comes out: a copy with the lab's name, which overwrites nobody's work."""

import nbformat

from qlab_helpers import preflight

from .small_lab import DOUBLE, HALVE, SQUARE, notebook, session


def test_copy_to_hand_in_has_the_labs_name(looked, tmp_path):
    found = looked(DOUBLE)
    written = tmp_path / "work" / "lab_small.ipynb"
    assert nbformat.read(written, as_version=4).cells[0].source == DOUBLE
    assert found.handin == "lab_small.ipynb, a copy of my notebook.ipynb as it was last saved"


def test_file_that_is_there_already_is_not_overwritten(looked, tmp_path):
    mine = tmp_path / "work" / "lab_small.ipynb"
    mine.write_text("the lab as it was given out")
    assert looked(DOUBLE).handin.startswith("lab_small-handin.ipynb, a copy")
    assert mine.read_text() == "the lab as it was given out"
    assert looked(DOUBLE, HALVE).handin.startswith("lab_small-handin.ipynb")
    written = nbformat.read(tmp_path / "work" / "lab_small-handin.ipynb", as_version=4)
    assert written.cells[1].source == HALVE


def test_copy_is_replaced_as_long_as_nobody_has_worked_in_it(looked, tmp_path):
    """Or an old copy under the better name would be handed in."""
    looked(DOUBLE)
    assert looked(DOUBLE, SQUARE).handin.startswith("lab_small.ipynb, a copy")
    written = tmp_path / "work" / "lab_small.ipynb"
    copy = nbformat.read(written, as_version=4)
    assert copy.cells[1].source == SQUARE
    copy.cells[1].source = "my own work"
    nbformat.write(copy, written)
    assert looked(DOUBLE).handin.startswith("lab_small-handin.ipynb, a copy")
    assert nbformat.read(written, as_version=4).cells[1].source == "my own work"


def test_copy_that_is_open_itself_is_what_is_handed_in(looked, folder, tmp_path):
    looked(DOUBLE)
    found = preflight(namespace=session(DOUBLE), path=tmp_path / "work" / "lab_small.ipynb", folder=folder)
    assert found.handin == "lab_small.ipynb, this notebook as it was last saved"


def test_notebook_with_the_right_name_is_handed_in_itself(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nbformat.write(notebook(DOUBLE), tmp_path / "lab_small.ipynb")
    before = (tmp_path / "lab_small.ipynb").read_bytes()
    found = preflight(namespace=session(DOUBLE), path="lab_small.ipynb", folder=folder)
    assert found.handin == "lab_small.ipynb, this notebook as it was last saved"
    assert [one.name for one in tmp_path.iterdir()] == ["lab_small.ipynb"]
    assert (tmp_path / "lab_small.ipynb").read_bytes() == before


def test_folder_that_cannot_be_written_to_is_no_failure(looked, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("qlab_helpers.notebook_file.os.replace", refuse)
    assert looked(DOUBLE).handin.startswith("no copy could be written (Permission denied)")
