"""What a student sees of a check: points, cases, the first difference, and nothing that escapes into the page."""

import copy
import os
import pickle
import re
import subprocess
import sys
import time
from collections import namedtuple
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from nbformat.v4 import new_code_cell, new_output
from nbgrader.utils import determine_grade, get_partial_grade

from qlab_helpers import check, check_answer
from qlab_helpers.checking import check as check_module
from qlab_helpers.checking.check import CheckResult
from qlab_helpers.checking.codec import encode
from qlab_helpers.checking.reference import Case, Item, Reference, Rule, Variant, save_reference

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>&\x1b[31m"
TENSOR = torch.tensor([[-1.5, 0.25, 3.0], [100.0, -200.0, 0.0]])
LEVELS = TENSOR.round().clamp(-128, 127).to(torch.int8)
WIDE = torch.arange(4 * 5 * 40.0).reshape(4, 5, 40)
Codebook = namedtuple("Codebook", ["centroids", "labels"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Reference files of a made-up lab; the expected values are written down here, not computed by a solution."""
    tensors: dict[str, torch.Tensor] = {}

    def store(value, name: str):
        tree, found = encode(value, prefix=name)
        tensors.update(found)
        return tree

    def case(name: str, args: tuple, expected, *, weight: float = 1.0, observed: dict | None = None) -> Case:
        seen = {key: store(value, f"{name}.{key}.") for key, value in (observed or {}).items()}
        variant = Variant(store(args, f"{name}.args."), store(expected, f"{name}.expected."), seen)
        return Case(name, f"tests {name}", f"hint of {name}", True, weight, tuple(seen), (variant,))

    def item(name: str, parameters: str, rules: tuple[Rule, ...], *cases: Case, **options) -> Item:
        settings = {"kind": "function", "judge": "values", "choices": (), **options}
        return Item(name=name, lab="lab", points=8.0, parameters=tuple(parameters.split()), outputs=rules, uses=(),
                    cases=cases, **settings)  # fmt: skip

    book = Codebook(torch.tensor([0.0, 0.0]), torch.tensor([0, 1, 1]))
    updated = Codebook(torch.tensor([1.0, 2.5]), book.labels)
    items = [
        item("to_int8", "tensor", (Rule("levels", dtype="int8"),),
             case("small", (TENSOR,), LEVELS, weight=3.0, observed={"tensor": TENSOR}),
             case("one", (torch.tensor([[7.0]]),), torch.tensor([[7]], dtype=torch.int8))),
        item("twice", "tensor", (Rule("product"),), case("wide", (WIDE,), WIDE * 2)),
        item("update", "tensor codebook", (),
             case("in place", (torch.tensor([1.0, 2.0, 3.0]), book), None, observed={"codebook": updated})),
        item("largest", "tensor", (Rule("number", kind="number"),), case("nan", (TENSOR,), 100.0)),
        item("answer_1", "", (Rule("answer", kind="text"),), kind="answer", choices=("a", "b")),
        item("answer_2", "", (Rule("answer", kind="number"),), kind="answer"),
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("reference")
    save_reference(Reference("lab", {one.name: one for one in items}, tensors), path)
    return path


def to_int8(tensor):
    return tensor.round().clamp(-128, 127).to(torch.int8)


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")

    def handle_data(self, data):
        self.text += data


def page(result: CheckResult) -> Page:
    return Page(result._repr_html_())


# Points


def test_a_right_function_gets_all_points(folder):
    result = check(to_int8, folder=folder)
    assert float(result) == 8.0
    assert "8 of 8 points" in str(result) and "2 of 2 passed" in str(result)


def test_points_are_the_passed_share_of_the_weights(folder):
    def wraps(tensor):
        return tensor.round().to(torch.int64).to(torch.int8) if tensor.numel() > 1 else to_int8(tensor)

    assert float(check(wraps, name="to_int8", folder=folder)) == 2.0  # weights 3 and 1: a quarter of 8 points


def test_nbgrader_reads_the_points_from_the_displayed_text(folder):
    result = check(to_int8, folder=folder)
    output = new_output("execute_result", data={"text/plain": repr(result), "text/html": result._repr_html_()})
    assert get_partial_grade(output, 8.0) == 8.0
    cell = new_code_cell("check(to_int8)", outputs=[output])
    cell.metadata["nbgrader"] = {"grade": True, "solution": False, "locked": True, "points": 8, "grade_id": "check"}
    assert determine_grade(cell) == (8.0, 8.0)


def test_ipython_displays_the_points_as_plain_text_and_the_report_as_html(folder):
    formatter = pytest.importorskip("IPython.core.formatters").DisplayFormatter()
    data, _ = formatter.format(check(to_int8, folder=folder))
    assert data["text/plain"] == "8.0"
    assert data["text/html"].startswith("<div")


def test_a_result_can_be_copied_and_pickled(folder):
    result = check(to_int8, folder=folder)
    assert str(copy.deepcopy(result)) == str(pickle.loads(pickle.dumps(result))) == str(result)


# What is shown


def test_the_first_difference_is_marked_at_its_place(folder):
    def wrong(tensor):
        levels = to_int8(tensor)
        if levels.shape == (2, 3):
            levels[0, 2], levels[1, 1] = 99, -99
        return levels

    result = check(wrong, name="to_int8", folder=folder)
    assert "2 of 6 values differ, the first at [0, 2]: expected 3, got 99" in str(result)
    html = result._repr_html_()
    assert re.findall(r'<td class="first" title="differs"><mark>(.*?)</mark>', html) == ["3", "99"]
    assert re.findall(r'<td title="differs"><mark>(.*?)</mark>', html) == ["-128", "-99"]
    assert "hint of small" in html and "hint of small" in str(result)


def test_of_a_large_tensor_the_rows_around_the_first_difference_are_shown(folder):
    def twice(tensor):
        product = tensor * 2
        product[3, 1, 30] += 1
        return product

    text = str(check(twice, folder=folder))
    assert "(4, 5, 40) float32, in part" in text
    assert "  1340*  " in text and "  1341*  " in text
    assert re.search(r"^ *3, 1 ", text, re.MULTILINE)
    assert len(text) < 4000


def test_every_case_is_listed_with_its_outcome_in_words(folder):
    shown = page(check(lambda tensor: to_int8(tensor).float(), name="to_int8", folder=folder))
    assert shown.text.count("failed") == 2
    assert "tests small" in shown.text and "tests one" in shown.text
    assert {"row", "col"} == set(shown.attributes["scope"])
    assert "wrong dtype: expected int8, got float32" in shown.text


def test_a_wrong_shape_is_told(folder):
    text = str(check(lambda tensor: to_int8(tensor).t(), name="to_int8", folder=folder))
    assert "expected shape (2, 3), got shape (3, 2)" in text


def test_nan_is_shown_and_is_not_equal(folder):
    text = str(check(lambda tensor: float("nan"), name="largest", folder=folder))
    assert "expected 100, got nan" in text


def test_a_modified_input_is_told(folder):
    def modifies(tensor):
        return to_int8(tensor.mul_(1) if tensor.numel() == 1 else tensor.round_())

    result = check(modifies, name="to_int8", folder=folder)
    assert float(result) == 2.0
    assert "the argument tensor must not be modified" in str(result)


def test_a_function_that_changes_its_argument_in_place_is_judged_by_it(folder):
    def update(tensor, codebook):
        for label in (0, 1):
            codebook.centroids[label] = tensor[codebook.labels == label].mean()

    def forgets(tensor, codebook):
        return Codebook(torch.tensor([1.0, 2.5]), codebook.labels)

    assert float(check(update, folder=folder)) == 8.0
    assert "must be changed in place" in str(check(forgets, name="update", folder=folder))


def test_the_student_gets_the_named_tuple_of_the_notebook(folder):
    seen = []
    scope = {"Codebook": namedtuple("Codebook", ["means", "index"]), "seen": seen}
    exec("def update(tensor, codebook):\n    seen.append(codebook)", scope)
    check(scope["update"], folder=folder)
    assert type(seen[0]) is scope["Codebook"]


def test_the_picture_has_a_text_in_its_place(folder):
    for function in (to_int8, lambda tensor: to_int8(tensor) + 1):
        shown = page(check(function, name="to_int8", folder=folder))
        assert shown.attributes["src"][0].startswith("data:image/svg+xml;base64,")
        assert shown.attributes["alt"] == ["small. Matrices of numbers: original, expected, your result"]


# Functions that do not return


def test_a_stub_is_not_written_yet(folder):
    def stub(tensor):
        raise NotImplementedError

    result = check(stub, name="to_int8", folder=folder)
    assert float(result) == 0.0 and "not written yet" in str(result)


def test_hint_of_a_case_is_left_out_where_a_diagnosis_says_more_and_before_anything_is_written():
    def linear_quantize(fp_tensor, bitwidth, scale, zero_point, dtype=torch.int8):
        return (fp_tensor / scale + zero_point).clamp(-(1 << bitwidth - 1), (1 << bitwidth - 1) - 1).to(dtype)

    def unwritten(*arguments):
        raise NotImplementedError

    diagnosed, stub = str(check(linear_quantize)), str(check(unwritten, name="linear_quantize"))
    assert "Diagnosis:" in diagnosed and "Hint:" not in diagnosed + stub
    assert "Hint:" in str(check(lambda *arguments: 1, name="linear_quantize"))


@pytest.mark.parametrize("value", [None, ...])
def test_a_function_that_returns_nothing_is_told_so(folder, value):
    result = check(lambda tensor: value, name="to_int8", folder=folder)
    assert float(result) == 0.0 and "returns nothing yet" in str(result)


def test_an_exception_is_shown_with_the_line_of_the_student(folder):
    def broken(tensor):
        scale = 0
        return torch.reshape(tensor, (scale, 7))

    text = str(check(broken, name="to_int8", folder=folder))
    assert "RuntimeError: " in text
    assert re.search(r"line \d+: return torch.reshape\(tensor, \(scale, 7\)\)", text)


def test_a_function_that_ends_the_program_does_not(folder):
    assert "SystemExit" in str(check(lambda tensor: sys.exit(3), name="to_int8", folder=folder))


def test_an_interrupt_by_the_user_gets_through(folder):
    def interrupted(tensor):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(interrupted, name="to_int8", folder=folder)


@pytest.mark.parametrize("waits", [False, True], ids=["busy", "waiting"])
def test_an_endless_loop_is_stopped(folder, waits, monkeypatch):
    monkeypatch.setattr(check_module, "LIMIT_S", 0.2)

    def endless(tensor):
        while True:
            try:
                time.sleep(0.05 if waits else 0)
            except Exception:  # noqa: BLE001  (as a student may write)
                pass

    started = time.monotonic()
    text = str(check(endless, name="largest", folder=folder))
    assert "timed out" in text and "stopped after 0.2 seconds" in text
    assert time.monotonic() - started < 60


def test_settings_of_torch_and_its_random_numbers_are_left_as_they_were(folder):
    torch.manual_seed(3)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    check(lambda tensor: torch.rand(3), name="to_int8", folder=folder)
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads


def test_what_a_function_prints_is_left_alone(folder, capsys):
    check(lambda tensor: print("my own line"), name="to_int8", folder=folder)
    assert "my own line" in capsys.readouterr().out


# Nothing escapes


class Hostile:
    def __repr__(self) -> str:
        return HOSTILE


Hostile.__name__ = HOSTILE


def raises_hostile(tensor):
    raise ValueError(HOSTILE)


def raises_textless(tensor):
    class Textless(Exception):
        def __str__(self) -> str:
            raise ValueError

    raise Textless


def hostile_number(tensor):
    return namedtuple("Codebook", ["a", "b"])(HOSTILE, Hostile())


@pytest.mark.parametrize("function", [raises_hostile, hostile_number, raises_textless, lambda tensor: Hostile()])
def test_hostile_text_stays_text(folder, function):
    result = check(function, name="to_int8", folder=folder)
    shown = page(result)
    assert "script" not in shown.tags
    assert not any(name.startswith("on") for name in shown.attributes)
    assert "\x1b" not in result._repr_html_() and "\x1b" not in str(result)


def test_hostile_text_in_a_text_result_stays_text(folder):
    shown = page(check(lambda tensor: HOSTILE, name="largest", folder=folder))
    assert "script" not in shown.tags and "src" not in shown.attributes


def test_a_page_loads_nothing_and_has_no_script(folder):
    html = check(to_int8, folder=folder)._repr_html_()
    assert "http" not in html and "<script" not in html and "@import" not in html


def test_a_flood_of_text_is_cut(folder):
    def floods(tensor):
        raise ValueError("x" * 10_000_000)

    result = check(floods, name="to_int8", folder=folder)
    assert len(str(result)) < 3000 and len(result._repr_html_()) < 60_000


# Names


def test_an_unknown_name_is_answered_with_names_near_it(folder):
    def to_int(tensor):
        return tensor

    assert "there is no check called 'to_int'; did you mean to_int8" in str(check(to_int, folder=folder))


def test_what_is_no_function_is_told(folder):
    assert "check needs the function itself, such as check(to_int8)" in str(check(3, name="to_int8", folder=folder))
    assert 'use check_answer("answer_1", answer_1)' in str(check("b", name="answer_1", folder=folder))


def test_an_installation_without_checks_says_what_to_do(tmp_path):
    assert "install it again" in str(check(to_int8, folder=tmp_path))


# Answers


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("answer_1", "b", "answer_1 is recorded: b"),
        ("answer_1", " A", "answer_1 is recorded"),
        ("answer_1", "c", "'c' is not one of the choices: a, b"),
        ("answer_1", 1, "1 is not one of the choices"),
        ("answer_1", None, "answer_1 is still empty"),
        ("answer_1", ..., "answer_1 is still empty"),
        ("answer_1", " ", "answer_1 is still empty"),
        ("answer_2", 16, "answer_2 is recorded: 16"),
        ("answer_2", torch.tensor(16), "answer_2 is recorded: 16"),
        ("answer_2", "16", "answer_2 must be a number, not '16'"),
        ("answer_2", True, "answer_2 must be a number"),
        ("answer_3", 1, "did you mean answer_2"),
        ("to_int8", 1, "to_int8 is a function; use check(to_int8)"),
    ],
)
def test_an_answer_is_recorded_but_not_judged(folder, name, value, says):
    result = check_answer(name, value, folder=folder)
    assert says in str(result)
    assert float(result) == 0.0


def test_a_hostile_answer_stays_text(folder):
    assert "script" not in page(check_answer("answer_2", HOSTILE, folder=folder)).tags


# Where it runs


def test_outside_a_notebook_the_report_is_printed(folder, capsys):
    result = check(to_int8, folder=folder)
    assert capsys.readouterr().out == f"{result}\n"


def test_in_a_notebook_nothing_is_printed(folder, capsys, monkeypatch):
    ipython = pytest.importorskip("IPython")
    monkeypatch.setattr(ipython, "get_ipython", lambda: type("Shell", (), {"kernel": object()})())
    check(to_int8, folder=folder)
    assert capsys.readouterr().out == ""


def test_importing_the_package_imports_nothing_heavy_beside_torch():
    code = "import qlab_helpers, sys; print([m for m in ('matplotlib', 'IPython', 'torchvision') if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(Path(check_module.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_arguments_live_there_and_tf32_is_off(folder):
    devices = []

    def on_device(tensor):
        devices.append(
            (
                tensor.device.type,
                (torch.full((64, 64), 1 + 2**-12, device="cuda") @ torch.eye(64, device="cuda"))[0, 0].item(),
            )
        )
        return to_int8(tensor)

    before = torch.backends.cudnn.allow_tf32
    assert float(check(on_device, name="to_int8", folder=folder)) == 8.0
    assert devices[0] == ("cuda", 1 + 2**-12)
    assert torch.backends.cudnn.allow_tf32 == before
