"""The alarm inside the sandbox: whose time is counted."""

import time

import pytest

from autograder import stopwatch
from autograder.stopwatch import Stopwatch, TimeUp, waited_s


def stopped_after_s(watch: Stopwatch) -> float:
    begin = time.monotonic()
    with pytest.raises(TimeUp), watch:
        time.sleep(20)
    return time.monotonic() - begin


def test_time_that_the_process_has_a_core_is_counted(monkeypatch):
    monkeypatch.setattr(stopwatch, "waited_s", lambda: 0.0)
    assert 0.1 <= stopped_after_s(Stopwatch(0.1, 15.0)) < 15


def test_time_without_a_core_is_not_counted_up_to_the_bound_in_wall_time(monkeypatch):
    monkeypatch.setattr(stopwatch, "waited_s", time.monotonic)  # never has a core
    assert 0.6 <= stopped_after_s(Stopwatch(0.1, 0.6)) < 15


def test_time_that_others_spent_is_not_counted(monkeypatch):
    monkeypatch.setattr(stopwatch, "waited_s", lambda: 0.0)
    watch = Stopwatch(0.1, 15.0)
    watch.excuse(0.4)
    assert 0.5 <= stopped_after_s(watch) < 15


def test_work_that_ends_in_time_is_left_alone_afterwards():
    with Stopwatch(0.05, 0.05):
        pass
    time.sleep(0.1)  # the alarm would ring now


def test_waiting_for_a_core_is_told_by_the_system():
    assert 0 <= waited_s() <= time.monotonic()
    assert waited_s("no such process") == 0
