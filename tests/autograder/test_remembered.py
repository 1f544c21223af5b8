"""Results that are kept by what they were made of: made once, bounded, and never another's."""

from dataclasses import replace

from autograder.build import build
from autograder.materials import load_materials
from autograder.oracle import Oracle
from autograder.remembered import OVERHEAD, Remembered, digest
from qlab_helpers.checking.codec import encode
from qlab_helpers.checking.packing import pack

LAB = "lab_tiny"


class Maker:
    def __init__(self, value: str) -> None:
        self.value = value
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        return self.value


def test_a_result_is_made_once_for_each_key():
    remembered, one, other = Remembered(), Maker("one"), Maker("other")
    assert [remembered.recall("a", one), remembered.recall("a", one), remembered.recall("b", other)] == [
        "one",
        "one",
        "other",
    ]
    assert (one.calls, other.calls) == (1, 1)


def test_what_was_not_used_for_longest_is_forgotten_first():
    remembered, make = Remembered(2 * (OVERHEAD + 10)), Maker("0123456789")
    for key in ("a", "b", "a", "c", "a", "b"):  # "c" pushes "b" out, not "a"
        remembered.recall(key, make)
    assert make.calls == 4


def test_a_value_larger_than_the_memory_is_made_each_time_and_displaces_nothing():
    remembered, small, large = Remembered(OVERHEAD + 10), Maker("0123456789"), Maker("0" * 11)
    for key, make in (("a", small), ("b", large), ("b", large), ("a", small)):
        remembered.recall(key, make)
    assert (small.calls, large.calls) == (1, 2)


def test_parts_that_join_to_the_same_text_have_different_digests():
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("ab", b"c") == digest(b"ab", "c")


def test_the_solution_is_run_once_for_the_same_question_and_its_errors_are_kept_too(make_tiny_course, tmp_path):
    course = make_tiny_course(tmp_path / "tiny")
    build(course)
    materials = load_materials(course, LAB)
    [(item, name)] = [(item, use) for item in materials.items.values() for use in item.uses][:1]
    assert name in item.uses
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        raise ValueError("asked")

    counting = replace(materials, solution={**materials.solution, name: counted})
    message = pack(*encode((1.0,)))
    replies = [Oracle(counting)(name, message) for _ in range(2)]
    assert replies[0] == replies[1] and b"ValueError: asked" in replies[0]
    assert len(calls) == 1
    assert Oracle(materials)(name, message) != replies[0]  # another solution remembers for itself
