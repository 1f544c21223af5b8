"""The proof of the graders, on the tiny course: what is proven, and what is said when it is not."""

import json
import sys
from pathlib import Path

import pytest

from autograder.build import BuildError, build
from autograder.cli import main
from autograder.course import Course
from autograder.leaks import find_leaks
from autograder.verify import Proof, verify

LAB = "lab_tiny"
BANK = '''
from autograder.bank import Bank, right, wrong

BANK = (
    Bank(
        "quantize",
        misconceptions=(
            wrong("cuts off", "Your function cuts off; round.", ("torch.round(", "torch.trunc(")),
            wrong("does not clamp", "Your function does not clamp.",
                  (".clamp(-LEVELS[bitwidth], LEVELS[bitwidth]).to", ".mul(1.5).to")),
            wrong("never ends", "Your function never ends.", """
def quantize(tensor, bitwidth):
    while True:
        pass
"""),
        ),
        alternatives=(
            right("other names", """
def quantize(x, bits):
    return torch.clamp((x / scale_of(x, bits)).round(), -LEVELS[bits], LEVELS[bits]).char()
"""),
        ),
    ),
)
'''


def make(course: Course, bank: str = BANK) -> Course:
    path = course.root / "autograder" / "mutants" / f"{LAB}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(bank)
    build(course)
    return course


def prove(course: Course) -> Proof:
    (proof,) = verify(course, [LAB])
    return proof


@pytest.fixture(scope="module")
def proof(make_tiny_course, tmp_path_factory) -> Proof:
    return prove(make(make_tiny_course(tmp_path_factory.mktemp("verify") / "tiny")))


def test_the_solution_has_all_points_and_the_stub_none(proof):
    assert (proof.solution, proof.stub) == (1.0, 0.0)


def test_every_misconception_is_killed_even_one_that_never_ends(proof):
    assert proof.kills["cuts off"] and proof.kills["never ends"] == ("8 bits", "2 bits")


def test_a_valid_alternative_is_accepted(proof):
    assert proof.alternatives == {"other names": ""}


def test_each_misconception_is_told_by_its_own_name_or_by_none(proof):
    assert set(proof.diagnosed["cuts off"]) == {"cuts off"}
    assert set(proof.diagnosed["never ends"]) == {""}  # nothing came out to compare


def test_automatic_mutants_that_clamp_differently_survive_these_two_cases(proof):
    survivors = [name for name, cases in proof.auto_kills.items() if not cases]
    assert any("clamp" in name for name in survivors)
    assert len(proof.problems) == len(survivors)
    assert all("keeps all points" in problem for problem in proof.problems)


def test_counts_are_those_of_the_issue(proof):
    counts = proof.as_dict()
    assert counts["mutants"] == {"total": 3, "killed": 3, "survivors": []}
    assert counts["alternatives"] == {"total": 1, "accepted": 1}
    assert counts["diagnosed"]["wrong"] == 0
    assert set(counts["auto_mutants"]) == {"total", "killed", "equivalent"}


def test_a_survivor_a_false_alternative_and_a_false_equivalent_are_named(tiny_course):
    bank = BANK.replace('"torch.trunc("', '"1.0 * torch.round("').replace(".char()", ".int()")
    bank = bank.replace(
        "        alternatives=(", '        equivalent={"gone -> gone": "it is the same"},\n        alternatives=('
    )
    problems = "\n".join(prove(make(tiny_course, bank)).problems)
    assert "quantize: the misconception 'cuts off' keeps all points" in problems
    assert "quantize: the valid alternative 'other names' fails 8 bits: failed levels: wrong dtype" in problems
    assert "'gone -> gone' is listed as equivalent and is no automatic mutant" in problems


def test_a_change_that_does_not_fit_the_solution_stops_the_build(tiny_course):
    with pytest.raises(BuildError, match=r"'cuts off' changes 'torch.round2\(', which is not in the solution"):
        make(tiny_course, BANK.replace('"torch.round("', '"torch.round2("'))


def test_a_changed_hint_is_noticed_by_the_drift_check(tiny_course):
    course = make(tiny_course)
    make_path = course.root / "autograder" / "mutants" / f"{LAB}.py"
    make_path.write_text(BANK.replace("cuts off; round", "cuts off"))
    changed = {change.path for change in build(course, check=True)}
    assert f"qlab_helpers/reference/{LAB}.json" in changed


def test_a_solution_line_in_the_package_is_a_leak(tiny_course):
    course = make(tiny_course)
    assert find_leaks(course, LAB) == []
    line = "steps = torch.round(tensor / scale_of(tensor, bitwidth))"
    Path(course.root / "qlab_helpers" / "leak.py").write_text(f"def f():\n    {line}\n")
    assert find_leaks(course, LAB) == [f"qlab_helpers/leak.py shows a line of the solution of {LAB}: {line}"]


def test_a_wrong_line_in_the_release_is_a_leak(tiny_course):
    course = make(tiny_course)
    line = "steps = torch.trunc(tensor / scale_of(tensor, bitwidth))"
    Path(course.root / "qlab_helpers" / "leak.py").write_text(f"{line}\n")
    assert find_leaks(course, LAB)[0].startswith("qlab_helpers/leak.py shows a line of the misconception 'cuts off'")


def test_the_command_writes_counts_and_fails_with_the_survivors_names(tiny_course, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(make(tiny_course).root)
    out = tmp_path / "proof.json"
    monkeypatch.setattr(sys, "argv", ["qlab", "verify", "--json", str(out)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "the graders are not proven" in capsys.readouterr().err
    assert json.loads(out.read_text())["quantize"]["mutants"]["killed"] == 3
