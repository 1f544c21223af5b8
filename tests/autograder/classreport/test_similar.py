"""Near-identical submissions: copies are found, renamed or not; what everybody has is not. The code is made up."""

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from autograder.classreport.candidates import sharing_pairs
from autograder.classreport.similar import near_identical

ROOT = Path(__file__).parents[3]
NAMES = ("scale", "codes", "table", "low", "high", "rest", "middle", "total", "levels")
LINES = (
    "{0} = torch.round({1} / {2}).clamp({3}, {4})",
    "{0} = ({1} - {2}).abs().max() * {3}",
    "for {0} in range({3}, len({1})): {2}.append({0} * {4})",
    "{0} = [{1}[{4} - at] for at in range({3}) if at % {2}]",
    "if {0} > {3} or {1} is None: {2} = {0} ** {4}",
    "while {0} < {4}: {0}, {1} = {1}, {0} + {2} * {3}",
    "{0} = torch.where({1} >= {2}, {1} << {3}, {2} >> {4})",
    "assert {0}.shape[{3} % 2] == {1}.numel() // {4}, {2!r}",
)


def code(seed: int, lines: int = 14) -> str:
    """A function that nobody else writes."""
    chance = random.Random(seed)
    body = [
        chance.choice(LINES).format(*chance.sample(NAMES, 3), chance.randrange(100), chance.randrange(100))
        for _ in range(lines)
    ]
    return "def f(tensor):\n" + "\n".join(f"    {line}" for line in body)


def renamed(source: str) -> str:
    for at, name in enumerate(NAMES):
        source = re.sub(rf"\b{name}\b", f"mine_{at}", source)
    return source.replace("\n", "  # as I understood it\n")


@pytest.fixture
def alike(made):
    """The groups of students of a class with these codes of one function."""

    def find(codes: dict[str, str], given: tuple[str, ...] = ()):
        records = [made.record(student, made.item("f", made.case(), source=one)) for student, one in codes.items()]
        return near_identical(records, given).groups

    return find


def test_students_who_wrote_for_themselves_are_not_named(alike):
    assert alike({f"s{seed}": code(seed) for seed in range(40)}) == ()


def test_a_copy_is_found_and_so_is_where(alike):
    class_ = {f"s{seed}": code(seed) for seed in range(20)}
    (group,) = alike({**class_, "copy": class_["s3"]})
    (pair,) = group.pairs
    assert group.students == ("copy", "s3") and (pair.structure, pair.text) == (100, 100)
    assert pair.questions == ("f",)


def test_names_and_comments_hide_no_copy(alike):
    class_ = {f"s{seed}": code(seed) for seed in range(20)}
    (group,) = alike({**class_, "copy": renamed(class_["s3"])})
    (pair,) = group.pairs
    assert group.students == ("copy", "s3") and pair.structure == 100 and pair.text < 50


def test_a_copy_with_some_lines_of_its_own_is_found(alike):
    class_ = {f"s{seed}": code(seed, lines=30) for seed in range(20)}
    changed = class_["s3"].splitlines()
    changed[10], changed[20] = "    print('hello')", "    tensor = tensor.clone()"
    (group,) = alike({**class_, "copy": "\n".join(changed)})
    assert group.students == ("copy", "s3")
    assert 80 <= group.pairs[0].structure < 100


def test_what_was_given_and_what_the_solution_has_says_nothing(alike):
    solution = code(1)
    assert alike({"a": solution, "b": renamed(solution), "c": code(2), "d": code(3)}, (solution,)) == ()


def test_what_many_write_says_nothing(alike):
    common = code(99)
    class_ = {f"s{seed}": f"{common}\n{code(seed, lines=3)}" for seed in range(40)}
    assert alike(class_) == ()


def test_little_code_says_nothing(alike):
    assert alike({"a": code(1, lines=2), "b": code(1, lines=2), "c": code(2)}) == ()


def test_a_ring_that_is_larger_than_many_is_one_group(alike):
    ring = {f"ring{at:02d}": code(77) for at in range(30)}
    (group,) = alike({**ring, **{f"s{seed}": code(seed) for seed in range(30)}})
    assert group.students == tuple(ring)
    assert group.count == 29 and len(group.pairs) == 5


def test_only_what_could_be_graded_is_compared(made):
    item = made.item("f", made.case(), source=code(1))
    records = [made.record("a", item), made.record("b", item, graded=False)]
    assert near_identical(records, ()).groups == ()


@pytest.mark.parametrize("source", ["", "\x00\x1b[31m" * 90, "def f(:\n" * 90, "'" * 400, "é\u202e" * 300, "\n" * 900])
def test_no_code_is_too_broken_to_be_compared(alike, source):
    groups = alike({"a": source, "b": source, "c": code(1), "d": code(1)})
    assert ("c", "d") in [group.students for group in groups]


def test_the_result_does_not_depend_on_the_order_of_hashes():
    """Python changes the hashes of strings from run to run."""
    program = (
        "import runpy\n"
        f"tests = runpy.run_path({str(Path(__file__))!r}); code = tests['code']\n"
        "from autograder.results import ItemResult, Record\n"
        "def record(student, source):\n"
        "    item = ItemResult('f', 'function', 1.0, 1.0, (), source=source)\n"
        "    return Record(student, 'lab', 1.0, 1.0, 0.0, True, '', '', '', '', '', {'f': item})\n"
        "class_ = [record(f's{at}', code(at % 7) + code(at, lines=3)) for at in range(12)]\n"
        "print(tests['near_identical'](class_, ()))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1 and "Group(" in found.pop()


def test_pairs_are_counted_by_what_they_share():
    sets = {"a": [1, 2, 3, 4], "b": [3, 4, 5], "c": [4, 9], "d": [20, 30]}
    rare = {student: numpy.array(values) for student, values in sets.items()}
    assert sharing_pairs(rare, share=0.5, least=1, most=9) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert sharing_pairs(rare, share=0.6, least=1, most=9) == [("a", "b")]
    assert sharing_pairs(rare, share=0.0, least=2, most=9) == [("a", "b")]
    assert sharing_pairs(rare, share=0.5, least=1, most=1) == [("a", "b")]
