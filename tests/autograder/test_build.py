"""The build makes the same bytes every time, notices what is out of date, and refuses a lab that contradicts itself."""

import json
from pathlib import Path

import nbformat
import pytest
import torch

from autograder.build import BuildError, build
from autograder.course import CourseError, load_course
from autograder.drift import Generated, is_current
from autograder.recipes import HIDDEN_VARIANTS
from autograder.release import release
from qlab_helpers.checking.reference import load_reference

LAB = "lab_tiny"
ROOT = Path(__file__).parent.parent.parent


def generated(course):
    folders = (course.root / "notebooks", course.visible_reference, course.hidden_reference)
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(course.root).as_posix(): path.read_bytes() for path in files}


def edit(path, old, new):
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new))


def source(course):
    return course.solution(LAB)


def cases(course):
    return course.root / "autograder" / "cases" / f"{LAB}.py"


def reference(course, *, hidden):
    return load_reference.__wrapped__(LAB, course.hidden_reference if hidden else course.visible_reference)


def test_a_first_build_writes_notebook_references_and_manifest(tiny_course):
    changes = build(tiny_course)
    assert [change.path for change in changes] == [
        "notebooks/lab_tiny/lab_tiny.ipynb",
        "qlab_helpers/reference/lab_tiny.json",
        "qlab_helpers/reference/lab_tiny.safetensors",
        "autograder/reference/lab_tiny.json",
        "autograder/reference/lab_tiny.safetensors",
        "autograder/reference/manifest.json",
    ]
    assert all((tiny_course.root / change.path).is_file() for change in changes)
    assert str(changes[0]) == "wrote notebooks/lab_tiny/lab_tiny.ipynb"
    assert tiny_course.source(LAB).is_file()


def test_two_courses_give_the_same_bytes(make_tiny_course, tmp_path):
    first, second = make_tiny_course(tmp_path / "a"), make_tiny_course(tmp_path / "b")
    build(first)
    build(second)
    assert generated(first) == generated(second)


def test_a_second_build_changes_nothing(tiny_course):
    build(tiny_course)
    assert build(tiny_course) == []
    assert build(tiny_course, check=True) == []


def test_a_check_writes_nothing(tiny_course):
    assert len(build(tiny_course, check=True)) == 6
    assert generated(tiny_course) == {}
    assert [path.name for path in tiny_course.data.iterdir()] == ["secret"]


def test_the_release_has_no_solution_no_hidden_block_and_no_output(tiny_course):
    build(tiny_course)
    text = tiny_course.release(LAB).read_text()
    for secret in ("abs().max()", "LEVELS[bitwidth] if largest", 'answer_1 = \\"b\\"', "symmetric about zero", "stock"):
        assert secret not in text
    notebook = nbformat.reads(text, as_version=4)
    assert "raise NotImplementedError()" in notebook.cells[4].source
    assert all(not cell.get("outputs") for cell in notebook.cells)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    largest = tensor", "    largest  = tensor"),  # changes no output
        ("else 1.0", "else 2.0"),  # changes an expected value
        ("maps the largest", "carries the largest"),  # changes what students read
    ],
)
def test_one_changed_line_of_the_source_is_drift(tiny_course, old, new):
    build(tiny_course)
    edit(source(tiny_course), old, new)
    changes = build(tiny_course, check=True)
    assert changes
    for change in changes:
        assert "solutions/lab_tiny/lab_tiny.py" in str(change)
        assert "run `qlab build` and commit the result" in str(change)


def test_drift_of_the_notebook_names_both_files_and_the_next_command(tiny_course):
    build(tiny_course)
    tiny_course.release(LAB).write_text(tiny_course.release(LAB).read_text().replace("A tiny lab", "Mine"))
    assert [str(change) for change in build(tiny_course, check=True)] == [
        "notebooks/lab_tiny/lab_tiny.ipynb is not what solutions/lab_tiny/lab_tiny.py builds:"
        " run `qlab build` and commit the result"
    ]


def test_a_changed_hint_is_drift(tiny_course):
    build(tiny_course)
    edit(cases(tiny_course), "divide by 127", "divide by 127, not 128")
    assert "qlab_helpers/reference/lab_tiny.json" in [change.path for change in build(tiny_course, check=True)]


def test_generated_files_of_this_repository_are_up_to_date():
    changes = build(load_course(ROOT), check=True)
    assert not changes, "\n" + "\n".join(map(str, changes))


@pytest.mark.parametrize("lab", [lab.name for lab in load_course(ROOT).labs])
def test_one_changed_solution_line_of_this_repository_is_drift(copy_course, tmp_path, lab):
    course = copy_course(tmp_path / "course")
    path = course.solution(lab)
    lines = path.read_text().splitlines()
    lines.insert(lines.index("    ### END SOLUTION"), "    # changed")
    path.write_text("\n".join(lines) + "\n")
    assert [str(change) for change in build(course, labs=[lab], check=True)] == [
        f"autograder/reference/manifest.json is not what solutions/{lab}/{lab}.py with autograder/cases/{lab} builds:"
        " run `qlab build` and commit the result"
    ]


def test_visible_cases_ship_and_hidden_ones_stay(tiny_course):
    build(tiny_course)
    shown, hidden = reference(tiny_course, hidden=False), reference(tiny_course, hidden=True)
    assert [case.name for case in shown.items["scale_of"].cases] == ["8 bits"]
    assert [case.name for case in hidden.items["scale_of"].cases] == ["4 bits", "all zero"]
    assert shown.items["answer_1"].cases == ()
    assert shown.items["answer_1"].choices == ("a", "b")
    assert shown.items["quantize"].points == hidden.items["quantize"].points == 6.0
    assert shown.items["quantize"].parameters == ("tensor", "bitwidth")
    names = {name.split("/")[1] for name in shown.tensors}
    assert names == {"8 bits"}


def test_hidden_cases_come_in_variants_that_differ(tiny_course):
    build(tiny_course)
    hidden = reference(tiny_course, hidden=True)
    variants = hidden.items["quantize"].cases[0].variants
    inputs = [hidden.arguments(variant)[0] for variant in variants]
    assert len(inputs) == HIDDEN_VARIANTS
    assert not torch.equal(inputs[0], inputs[1])
    assert not torch.equal(inputs[1], inputs[2])


def test_expected_outputs_are_what_the_mathematics_says(tiny_course):
    build(tiny_course)
    hidden = reference(tiny_course, hidden=True)
    [case] = hidden.items["quantize"].cases
    for variant in case.variants:
        tensor, bitwidth = hidden.arguments(variant)
        assert bitwidth == 2
        levels = torch.round(tensor / tensor.abs().max()).to(torch.int8)  # one level on each side
        assert torch.equal(hidden.expected(variant), levels)


def test_named_tuples_observed_arguments_and_layout_survive_the_files(tiny_course):
    pair = "from collections import namedtuple\nPair = namedtuple('Pair', 'a b')\n"
    edit(source(tiny_course), "LEVELS = {", pair + "LEVELS = {")
    edit(
        source(tiny_course),
        "# %% tags",
        '# %% solution="swap"\ndef swap(pair, matrix):\n    ### BEGIN SOLUTION\n    assert type(pair) is Pair\n'
        "    assert not matrix.is_contiguous()\n    matrix.mul_(2)\n    return Pair(pair.b, pair.a)\n"
        '    ### END SOLUTION\n\n# %% check="swap" points=1\ncheck(swap)\n\n# %% tags',
    )
    edit(
        cases(tiny_course),
        "ITEMS = (",
        "from collections import namedtuple\nimport torch\nPair = namedtuple('Pair', 'a b')\n"
        "ITEMS = (ItemRecipe('swap', outputs=(Rule('a'), Rule('b')), cases=(CaseRecipe('one', tests='it',\n"
        "    hint='look', observe=('matrix',),\n"
        "    make=lambda draw: (Pair(torch.ones(2), torch.zeros(2)), torch.ones(2, 3).T)),)),",
    )
    build(tiny_course)
    assert build(tiny_course, check=True) == []
    shown = reference(tiny_course, hidden=False)
    [variant] = shown.items["swap"].cases[0].variants
    pair, matrix = shown.arguments(variant)
    assert torch.equal(pair.a, torch.ones(2))
    assert matrix.stride() == (1, 3)
    assert torch.equal(shown.expected(variant).a, torch.zeros(2))
    assert torch.equal(shown.observed(variant)["matrix"], torch.full((3, 2), 2.0))


def test_an_argument_may_be_a_dtype(tiny_course):
    edit(source(tiny_course), "def quantize(tensor, bitwidth):", "def quantize(tensor, bitwidth, dtype=torch.int8):")
    edit(source(tiny_course), "LEVELS[bitwidth]).to(torch.int8)", "LEVELS[bitwidth]).to(dtype)")
    edit(cases(tiny_course), "(draw.floats((6, 2), -2, 2), 2)", "(draw.floats((6, 2), -2, 2), 2, torch.int8)")
    edit(cases(tiny_course), "ITEMS = (", "import torch\nITEMS = (")
    build(tiny_course)
    hidden = reference(tiny_course, hidden=True)
    assert hidden.arguments(hidden.items["quantize"].cases[0].variants[0])[2] is torch.int8


def test_cases_may_be_a_package(tiny_course):
    build(tiny_course)
    before = generated(tiny_course)
    package = tiny_course.root / "autograder" / "cases" / LAB
    package.mkdir()
    cases(tiny_course).rename(package / "items.py")
    (package / "__init__.py").write_text("from .items import ITEMS\n")
    assert [change.path for change in build(tiny_course)] == ["autograder/reference/manifest.json"]
    del before["autograder/reference/manifest.json"]
    assert before.items() <= generated(tiny_course).items()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"scale_of",\n', '"scale",\n', "has cases for 'scale', but solutions/lab_tiny/lab_tiny.py has no cell"),
        ('ItemRecipe(\n        "quantize"', 'ItemRecipe(\n        "scale_of"', "has 2 items called 'scale_of'"),
        ('"4 bits", tests=', '"8 bits", tests=', "'scale_of' has 2 cases called '8 bits'"),
        ('uses=("scale_of",)', 'uses=("other",)', "'quantize' uses 'other', which is not another graded item"),
        ("weight=2", "weight=0", "has weight 0; it must be above 0"),
        ('answer("answer_1", "b"', 'answer("answer_1", "a"', "the solution of answer_1 does not pass case 'answer'"),
        ("draw.floats((4,), 0, 0)", "'text'", "the solution of scale_of fails on case 'all zero'"),
        ("draw.floats((4,), 0, 0)", "draw.nothing()", "case 'all zero' of 'scale_of'.*cannot make its inputs"),
        ("(draw.floats((4,), 0, 0), 8)", "[1]", "must make a tuple of arguments, not list"),
        ("weight=2,", "observe=('levels',),", "observes 'levels', which is not a parameter of scale_of"),
        ("weight=2,", "expected=lambda: 3.0,", "the solution of scale_of does not pass case 'all zero'"),
        ('uses=("scale_of",)', 'judge="eye"', "quantize has the judge 'eye'; there are"),
        ("ITEMS = (", "ITEMS = (1,", "ITEMS must be a tuple of ItemRecipe"),
        ("ITEMS = (", "ITEMS = (nothing,", "cannot be loaded: NameError: name 'nothing' is not defined"),
    ],
)
def test_cases_that_contradict_the_lab_are_refused_before_anything_is_written(tiny_course, old, new, complaint):
    edit(cases(tiny_course), old, new)
    with pytest.raises(BuildError, match=complaint):
        build(tiny_course)
    assert generated(tiny_course) == {}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('check_answer("answer_1", answer_1)', "check(answer_1)", "its check cell must be check_answer"),
        ("def quantize(", "quantize = 1\ndef quantise(", "'quantize' is checked as a function but is not one"),
        ("def quantize(", "def quantise(", "checks 'quantize', but no solution or given cell defines it"),
        ("answer_1", "answer_2", "answer_1"),
    ],
)
def test_a_source_that_contradicts_its_cases_is_refused(tiny_course, old, new, complaint):
    edit(source(tiny_course), old, new)
    with pytest.raises(BuildError, match=complaint):
        build(tiny_course)


def test_a_solution_line_in_the_release_is_refused(tiny_course, monkeypatch):
    solved = source(tiny_course).read_text()
    leak = solved[solved.index("    largest =") :].splitlines()[0].strip()
    monkeypatch.setattr("autograder.build.release", lambda *made: release(*made).replace("A tiny lab", leak))
    with pytest.raises(BuildError, match="shows a line that students may not see: largest = tensor"):
        build(tiny_course)


def test_nbgraders_own_complaint_is_passed_on(tiny_course):
    edit(source(tiny_course), "# # A tiny lab", "# # A tiny lab\n# BEGIN MARK SCHEME")
    with pytest.raises(
        BuildError, match="nbgrader cannot release lab_tiny: RuntimeError: No end mark scheme tests statement found"
    ):
        build(tiny_course)


def test_an_unknown_lab_is_named_with_those_there_are(tiny_course):
    with pytest.raises(CourseError, match="unknown lab 'lab9'; course.toml lists: lab_tiny"):
        build(tiny_course, labs=["lab9"])


def test_a_float_that_differs_in_its_last_bit_is_no_drift(tiny_course):
    build(tiny_course)
    path = tiny_course.hidden_reference / f"{LAB}.json"
    content = json.loads(path.read_text())
    node = content["items"]["scale_of"]["cases"][0]["variants"][0]["expected"]
    value = float.fromhex(node["float"])
    node["float"] = (value * (1 + 2**-50)).hex()
    path.write_text(json.dumps(content))
    assert build(tiny_course, check=True) == []
    node["float"] = (value * 1.001).hex()
    path.write_text(json.dumps(content))
    assert [change.path for change in build(tiny_course, check=True)] == ["autograder/reference/lab_tiny.json"]


def test_a_damaged_generated_file_is_drift(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"damaged")
    assert not is_current(Generated(path, b"made", "lab.py"))
