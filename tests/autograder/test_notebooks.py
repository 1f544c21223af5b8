"""A lab's source becomes a notebook that nbgrader accepts, the same every time."""

import nbformat
import pytest
from nbgrader.nbgraderformat import MetadataValidator

from autograder.notebooks import BuildError, parse_lab, read_lab, solved_notebook, source_notebook
from autograder.solution import load_solution, points_of

LAB = "lab_tiny"


def cells_of(notebook):
    return {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}


def parse(text):
    return parse_lab(text, lab=LAB, place="lab.py")


def test_points_are_read_in_the_order_of_the_notebook(tiny_course):
    source = points_of(tiny_course, LAB)
    assert list(source.items.items()) == [("scale_of", 4.0), ("quantize", 6.0), ("answer_1", 1.0)]
    assert source.written == {"question_2": 3.0}


def test_source_notebook_passes_nbgraders_own_validation(tiny_course):
    notebook = source_notebook(tiny_course, LAB)
    MetadataValidator().validate_nb(notebook)
    nbformat.validate(notebook)


@pytest.mark.parametrize(
    ("grade_id", "grade", "solution", "locked", "points"),
    [
        ("scale_of", False, True, False, None),
        ("check_scale_of", True, False, True, 4),
        ("check_answer_1", True, False, True, 1),
        ("question_2", True, True, False, 3),
    ],
)
def test_short_keys_become_nbgrader_metadata(tiny_course, grade_id, grade, solution, locked, points):
    data = cells_of(source_notebook(tiny_course, LAB))[grade_id].metadata.nbgrader
    assert (data.grade, data.solution, data.locked, data.get("points")) == (grade, solution, locked, points)
    assert (data.schema_version, data.task) == (3, False)


def test_every_cell_id_is_known_beforehand(tiny_course):
    first, second = source_notebook(tiny_course, LAB), source_notebook(tiny_course, LAB)
    assert nbformat.writes(first) == nbformat.writes(second)
    assert [cell.id for cell in first.cells][:4] == ["cell-001", "cell-002", "cell-003", "cell-004"]
    assert "check_quantize" in [cell.id for cell in first.cells]


def test_badge_opens_the_released_notebook_of_the_courses_tag(tiny_course):
    title = source_notebook(tiny_course, LAB).cells[0].source
    address = "https://colab.research.google.com/github/someone/tiny/blob/v1/notebooks/lab_tiny/lab_tiny.ipynb"
    assert f"({address})" in title
    assert "{{" not in title


def test_setup_cell_installs_the_courses_tag_and_is_python(tiny_course):
    setup = source_notebook(tiny_course, LAB).cells[1].source
    assert '"qlab-kit @ git+https://github.com/someone/tiny@v1"' in setup
    compile(setup, "setup", "exec")


def test_setup_cell_shows_versions_and_device_where_nothing_is_missing(tiny_course, capsys):
    exec(source_notebook(tiny_course, LAB).cells[1].source, {})
    shown = capsys.readouterr().out
    assert "Python 3" in shown
    assert "torchvision" in shown
    assert "running on" in shown


def test_setup_cell_says_what_to_do_when_the_install_fails(tiny_course, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    failed = type("Failed", (), {"returncode": 1, "stderr": "no network"})
    monkeypatch.setattr("subprocess.run", lambda *arguments, **options: failed)
    with pytest.raises(RuntimeError, match="could not be installed; check your connection and run this cell again"):
        exec(source_notebook(tiny_course, LAB).cells[1].source, {})


def test_only_the_source_notebook_has_hidden_blocks(tiny_course):
    assert 'points("lab_tiny", "quantize", globals())' in nbformat.writes(source_notebook(tiny_course, LAB)).replace(
        '\\"', '"'
    )
    assert "HIDDEN TESTS" not in nbformat.writes(solved_notebook(tiny_course, LAB))


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ('# %% soluton="f"\n1', "has the key 'soluton'; known keys are solution, check"),
        ('# %% check="f" points=2\ncheck(g)', r"must be exactly `check\(f\)`"),
        ('# %% check="f"\ncheck(f)', "cell 1 needs points="),
        ('# %% check="f" points=-1\ncheck(f)', "points are a number above 0"),
        ('# %% solution="f"\ndef f(): pass', "needs its solution between `### BEGIN SOLUTION`"),
        ('# %% solution="f"\n### END SOLUTION\n1\n### BEGIN SOLUTION', "needs its solution between"),
        ("# %%\n### BEGIN SOLUTION\n1\n### END SOLUTION", 'a solution region but no solution="name"'),
        ('# %% written="q" points=2\n### BEGIN SOLUTION\n### END SOLUTION', "must be a markdown cell"),
        ('# %% solution="f" tags=["skip-execution"]\n### BEGIN SOLUTION\n### END SOLUTION', "may not be tagged"),
        ('# %% check="f" points=1\ncheck(f)\n# %% check="f" points=1\ncheck(f)', "has 2 cells for 'check_f'"),
        ('# %% solution="a b"\n### BEGIN SOLUTION\n### END SOLUTION', "is called 'a b'"),
        ('# %% setup=true check="f" points=1\ncheck(f)', "is marked setup and check"),
    ],
)
def test_a_cell_that_breaks_the_format_is_named(cell, complaint):
    with pytest.raises(BuildError, match=complaint):
        parse(cell + "\n")


def test_a_missing_source_is_one_sentence(tiny_course):
    tiny_course.solution(LAB).unlink()
    with pytest.raises(BuildError, match="there is no solutions/lab_tiny/lab_tiny.py; write it or take lab_tiny out"):
        read_lab(tiny_course, LAB)


def test_solution_namespace_has_the_functions_and_answers(tiny_course):
    solution = load_solution(tiny_course, LAB)
    torch = solution["torch"]
    assert solution["scale_of"](torch.tensor([-254.0, 1.0]), 8) == 2.0
    assert solution["answer_1"] == "b"


def test_solution_runs_once_and_prints_nothing(tiny_course, capsys):
    path = tiny_course.solution(LAB)
    path.write_text(path.read_text().replace("LEVELS = {", 'print("loud")\nLEVELS = {'))
    assert load_solution(tiny_course, LAB) is load_solution(tiny_course, LAB)
    assert capsys.readouterr().out == ""


def test_a_failing_solution_cell_is_named(tiny_course):
    path = tiny_course.solution(LAB)
    path.write_text(path.read_text().replace("LEVELS = {", "LEVELS = nothing, {"))
    with pytest.raises(BuildError, match="lab_tiny.py, cell 3 fails: NameError: name 'nothing' is not defined"):
        load_solution(tiny_course, LAB)


def test_cell_magics_are_for_notebooks_only(tiny_course):
    path = tiny_course.solution(LAB)
    path.write_text(path.read_text().replace("LEVELS = {", "# %matplotlib inline\nLEVELS = {"))
    assert "%matplotlib inline" in source_notebook(tiny_course, LAB).cells[2].source
    assert load_solution(tiny_course, LAB)["answer_1"] == "b"
