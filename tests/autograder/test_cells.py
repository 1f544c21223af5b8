"""What the text of a cell says about itself, however long or strange."""

import pytest

from autograder import cells
from autograder.cells import LONG, MAX_SOURCE, analyse, definition, normalise
from autograder.wellformed import MAX_CELLS, MAX_CODE


def test_the_last_statement_that_binds_a_name_is_its_definition():
    source = "def f(x):\n    return x\n\nif True:\n    @staticmethod\n    def f(x):\n        return 2 * x\ny = f"
    assert definition(source, "f") == "    @staticmethod\n    def f(x):\n        return 2 * x"
    assert definition(source, "y") == "y = f"
    assert definition(source, "x") == ""


def test_of_a_cell_that_does_not_parse_all_is_the_definition():
    assert definition("def f(x):\n  return (", "f") == "def f(x):\n  return ("
    assert definition("def f(x):\n  return (", "g") == ""


@pytest.mark.parametrize("line", ["%matplotlib inline", "  !pip install torch", "\t%time f(1)"])
def test_lines_of_ipython_do_not_keep_a_cell_from_being_read(line):
    assert analyse(f"if True:\n    pass\n{line.strip()}\ndef f(x):\n    return x % 2").defines == {"f"}
    assert analyse(f"for n in ():\n    {line.strip()}\ny = 1").defines == {"y"}


@pytest.mark.parametrize(
    "source",
    [
        "def f(a, a):\n    return a",
        "def f(x):\n    global x",
        "nonlocal y\ndef f(x):\n    return x",
        "def f(x):\n    return [y for y in x for y.z in y] + \0",
        "def f(x):\n" + "(" * 5000,
    ],
    ids=["argument twice", "global argument", "nonlocal outside", "null character", "brackets"],
)
def test_a_cell_that_python_refuses_later_than_its_parser_is_one_that_does_not_parse(source):
    assert not analyse(source).parses
    assert analyse(source).defines == {"f"}


def test_a_remainder_and_a_comparison_are_no_lines_of_ipython():
    source = "y = ('%d'\n  % 2)\nz = y != 3"
    assert definition(source, "z") == "z = y != 3"


@pytest.mark.parametrize("length", [LONG, LONG + 1, MAX_SOURCE])
def test_long_cells_are_read_as_short_ones_are(length):
    source = "def f(x):\n    return x\n\n\n#"
    source += "." * (length - len(source))
    assert analyse(source).parses
    assert definition(source, "f") == "def f(x):\n    return x"
    assert normalise(source + "\n\n").startswith("def f(x):\n    return x\n#")


def test_a_cell_that_is_too_long_is_looked_through_but_not_parsed():
    source = "def f(x):\n    return x\n" + "#" * MAX_SOURCE
    assert not analyse(source).parses
    assert definition(source, "f") == source


def test_ten_thousand_assignments_on_one_line_are_kept_as_one_place():
    source = ";".join(f"a{number}=1" for number in range(10_000))
    code = analyse(source)
    assert len(code.defines) == 10_000
    assert {(place.start, place.stop) for place in code.places.values()} == {(0, 1)}
    assert definition(source, "a77") == source


@pytest.mark.parametrize(("number", "length"), [(MAX_CELLS, 20), (MAX_CODE // (LONG + 50), LONG + 50), (5, MAX_SOURCE)])
def test_each_cell_of_the_largest_notebook_is_parsed_once(monkeypatch, number, length):
    parsed = []
    monkeypatch.setattr(cells, "_parse", lambda source: parsed.append(source))
    sources = [f"x{index} = {length}".ljust(length) for index in range(number)]
    for source in 3 * sources:
        analyse(source)
    assert parsed == sources
