"""Functions that do not return: not written yet, raising, ending the program, or running on."""

import re
import sys
import time

import pytest
import torch

from qlab_helpers import check
from qlab_helpers.checking import check as check_module


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
