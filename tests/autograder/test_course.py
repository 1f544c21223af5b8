"""The course's registry."""

import pytest

from autograder.course import CourseError, load_course


def test_a_lab_may_have_limits_of_its_own(tiny_course):
    path = tiny_course.root / "course.toml"
    path.write_text(path.read_text() + "limits = { case_s = 7 }\n")  # of the last lab
    course = load_course(tiny_course.root)
    assert course.limits_of(course.labs[-1].name).case_s == 7
    assert course.limits_of(course.labs[-1].name).cell_s == course.limits.cell_s
    assert course.limits.case_s != 7


def test_a_limit_that_does_not_exist_is_refused_by_name(tiny_course):
    path = tiny_course.root / "course.toml"
    path.write_text(path.read_text() + "limits = { call_s = 7 }\n")
    with pytest.raises(CourseError, match="call_s"):
        load_course(tiny_course.root)
