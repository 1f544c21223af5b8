"""A warm sandbox for all tests that need one, short ways to ask it, and the demo's class, graded."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autograder.build import build
from autograder.classroom import Outcome, grade_and_publish
from autograder.course import Course, Limits, load_course
from autograder.demo import LAB, make_class
from autograder.nursery import Nursery
from autograder.sandbox import Template
from autograder.session import Call, Cell, Probe, RawOutcome, SessionOutput, run_session
from qlab_helpers.checking.codec import decode, encode
from qlab_helpers.checking.packing import pack, unpack


class Box:
    """A template with small limits, and an honest function to see whether it still grades."""

    honest = "import torch\ndef double(x):\n    return 2 * x"

    def __init__(self, template: Template, *, shared: bool = False) -> None:
        self.template = template
        self.limits = template.limits
        self.shared = shared  # questions share a fork

    def call(self, *arguments: object, name: str = "case", observe: tuple[str, ...] = ()) -> Call:
        return Call(name, pack(*encode(arguments)), observe)

    def question(self, item: str, *calls: Call, uses: tuple[str, ...] = (), kind: str = "function") -> Probe:
        return Probe(item, kind, ("x",), calls or (self.call(torch.ones(2)),), uses)

    def run(
        self,
        *sources: str,
        probes: tuple[Probe, ...] = (),
        checks: dict[int, str] | None = None,
        oracle: Callable[[str, bytes], bytes] = lambda name, body: b"",
        template: Template | None = None,
        limits: Limits | None = None,
        right: bool = True,
    ) -> SessionOutput:
        """Run the cells ``sources``; ``checks`` names the item asked after a cell, by the cell's number.

        Questions that share a fork: what returns is right, or nothing is.
        """
        cells = [Cell(index, source, probe=(checks or {}).get(index, "")) for index, source in enumerate(sources)]
        asked = {probe.item: probe for probe in probes or (self.question("double"),)}
        return run_session(
            template or self.template,
            cells,
            asked,
            limits=limits or self.limits,
            oracle=oracle,
            is_right=(_returned if right else _wrong) if self.shared else None,
        )

    def value(self, outcome: RawOutcome) -> object:
        assert outcome.outcome == "returned", outcome
        tree, tensors = unpack(outcome.reply)
        return decode(tree["result"], tensors)

    def attack(self, code: str, **limits: float) -> object:
        """What a function with the body ``code`` returns from inside; ``limits`` in place of the box's own."""
        body = "\n".join(f"    {line}" for line in code.strip().splitlines())
        source, asked = f"import os, torch\ndef attack(x):\n{body}", (self.question("attack"),)
        output = self.run(source, probes=asked, limits=replace(self.limits, **limits))
        return self.value(output.items["attack"][0])

    def is_fine(self, output: SessionOutput) -> bool:
        return torch.equal(self.value(output.items["double"][0]), torch.full((2,), 2.0))


def _returned(item: str, raw: Sequence[RawOutcome]) -> bool:
    return all(one.outcome == "returned" for one in raw)


def _wrong(item: str, raw: Sequence[RawOutcome]) -> bool:
    return False


@pytest.fixture(scope="module")
def course(make_tiny_course: Callable[[Path], Course], tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The tiny course, built, for all tests of a file."""
    made = make_tiny_course(tmp_path_factory.mktemp("course") / "tiny")
    build(made)
    return made


@pytest.fixture(scope="session")
def warm() -> Iterator[Template]:
    limits = Limits(cell_s=2, case_s=1, notebook_s=60, memory_mib=1024, output_mib=8, processes=32)
    with Nursery() as nursery, nursery.line() as line, Template(limits, line=line) as template:  # as in a class
        yield template


@pytest.fixture
def box(request: pytest.FixtureRequest, warm: Template) -> Box:
    """Each question in a fork of its own. Where a file is parametrized with "shared", questions share one, too."""
    return Box(warm, shared=getattr(request, "param", "alone") == "shared")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The demo: a class of every kind, graded in the real sandbox on lab 2; its files lie beside the report."""
    out = tmp_path_factory.mktemp("demo")
    course = load_course(data=out / "course")
    make_class(course, out / "submissions")
    return grade_and_publish(course, LAB, out / "submissions", out=out, jobs=2)
