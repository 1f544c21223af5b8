"""Drivers make an object of a student's class and return plain values; check uses them as it uses functions."""

import inspect
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from qlab_helpers import check
from qlab_helpers.checking.drivers import DRIVERS, apply
from qlab_helpers.checking.reference import Item, Reference, load_reference, save_reference


class Recorder(nn.Module):
    """Tells what was done with it."""

    def __init__(self, *options):
        super().__init__()
        self.options, self.seen, self.asked = options, [], 0

    def forward(self, x):
        self.seen.append(x)
        return x + 1

    def calculate_qparams(self):
        self.asked += 1
        return (*self.options, len(self.seen)), self.asked


def test_observer_is_shown_every_tensor_and_asked_after_each():
    state, asked, passed_on = apply("observe", Recorder, ((-8, 7), [torch.zeros(2), torch.ones(3)]))
    assert state == (-8, 7, 2) and asked == 3
    assert passed_on.tolist() == [2.0, 2.0, 2.0]


def test_observer_that_sees_nothing_is_asked_once():
    state, asked, passed_on = apply("observe", Recorder, ((), []))
    assert (state, asked, passed_on.numel()) == ((0,), 1, 0)


def test_power_of_two_observer_is_asked_for_each_scale_with_the_limits_given():
    class Observer(Recorder):
        def __init__(self, dtype, qscheme):
            super().__init__(dtype, qscheme)

        def scale_approximate(self, scale, limit=8):
            return scale * limit

    _, _, scales = apply("observe_power_of_two", Observer, ("quint8", [torch.ones(1)], [0.5, 2], (3,)))
    assert scales.tolist() == [1.5, 6.0]
    state, _, scales = apply("observe_power_of_two", Observer, ("quint8", [torch.ones(1)], [], ()))
    assert state == (torch.quint8, torch.per_tensor_symmetric, 1) and scales.numel() == 0


def test_without_a_driver_a_function_is_called():
    assert apply("", lambda a, b: a - b, (5, 3)) == 2


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_takes_the_class_or_function_and_only_positional_arguments(name):
    parameters = list(inspect.signature(DRIVERS[name]).parameters.values())
    assert len(parameters) > 1
    assert all(one.kind is one.POSITIONAL_OR_KEYWORD and one.default is one.empty for one in parameters)


def test_a_driver_is_stored_with_its_item_and_nothing_is_stored_for_a_function(tmp_path):
    item = Item("f", "function", "lab_x", 1.0, ("x",), (), "values", (), (), ())
    for name, driver in (("lab_x", ""), ("lab_y", "observe")):
        save_reference(Reference(name, {"f": replace(item, driver=driver)}, {}), tmp_path)
        assert load_reference(name, tmp_path).items["f"].driver == driver
    assert "driver" not in (tmp_path / "lab_x.json").read_text()


def test_check_shows_the_line_of_a_method_that_fails():
    class MinMaxObserver(nn.Module):
        def __init__(self, qmin=-128, qmax=127, symmetric=False):
            super().__init__()

        def forward(self, x):
            return x

        def calculate_qparams(self):
            return SimpleNamespace().scale

    text = str(check(MinMaxObserver))
    assert "return SimpleNamespace().scale" in text


def test_check_says_of_a_class_without_its_methods_that_it_is_not_written():
    class MinMaxObserver(nn.Module):
        def __init__(self, qmin=-128, qmax=127, symmetric=False):
            super().__init__()

        def forward(self, x):
            raise NotImplementedError

        def calculate_qparams(self):
            raise NotImplementedError

    result = check(MinMaxObserver)
    assert result == 0.0
    assert {case.outcome for case in result.report.cases} == {"not written"}
