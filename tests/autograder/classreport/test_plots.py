"""Histograms: who is in which bar, and where the bars stand."""

import pytest

from autograder.classreport.plots import histogram


def test_each_student_is_in_the_bar_of_their_points_and_the_top_in_the_last():
    plot = histogram({"none": 0.0, "border": 30.0, "below": 29.99, "full": 100.0}, top=100.0, unit="points")
    inside = {one.students: (one.low, one.high) for one in plot.bins if one.students}
    assert inside == {("none",): (0, 5), ("below",): (25, 30), ("border",): (30, 35), ("full",): (95, 100)}


def test_heights_are_in_proportion_to_students():
    plot = histogram({"a": 1.0, "b": 1.0, "c": 9.0}, top=10.0, unit="points")
    two, one = (bar.height for bar in plot.bars if bar.count)
    assert two == pytest.approx(2 * one)


def test_every_bar_stands_on_the_ground_inside_the_drawing():
    plot = histogram({str(at): at / 7 for at in range(240)}, top=34.0, unit="points", middle=17.0)
    for bar in plot.bars:
        assert plot.left <= bar.x and bar.x + bar.width <= plot.right + 1e-6
        assert bar.y >= plot.top - 1e-6 and bar.y + bar.height == pytest.approx(plot.ground)
    assert plot.left < plot.middle < plot.right


def test_a_bar_says_its_points_and_names_its_students():
    plot = histogram({f"s{at:02d}": 5.0 for at in range(14)}, top=10.0, unit="points")
    (bar,) = [bar for bar in plot.bars if bar.count]
    names = ", ".join(f"s{at:02d}" for at in range(12))
    assert bar.title == f"5 to under 5.5 points: 14 students ({names} and 2 more)"


@pytest.mark.parametrize("top", [0.0, 1e-9, 0.3, 1.0, 7.0, 34.0, 92.0, 1e6])
def test_any_number_of_points_gives_some_bars_and_not_too_many(top):
    plot = histogram({"ada": top}, top=top, unit="points", middle=top)
    assert 1 <= len(plot.bars) <= 20
    assert sum(bar.count for bar in plot.bars) == 1
