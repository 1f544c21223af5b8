"""Exporting: the CSV and the zip that each system reads, judged by the rules of its own importer."""

import csv
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.course import Course, CourseError
from autograder.lms.collect import collect
from autograder.lms.export import Exported, export
from autograder.lms.grades import Mark, grade_of
from autograder.lms.roster import Person, match_students
from autograder.results import CaseResult, ItemResult, Record, WrittenResult, write_record

LAB = "lab_tiny"

CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Quiz (9),A tiny lab (4711),Current Score
,,,,,,Manual Posting,(read only)
    Points Possible,,,,,10,14,(read only)
"Doe, Jane",12345,s1,jane,Section 1,3,,50
"Lee, Ann",222,s2,ann,"Section 1, too",,5,60
"Ek, Bo",333,s3,bo,Section 1,,,70
"Student, Test",999,,f00d,Section 1,,,
"""

MOODLE = """\
Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,Last modified (submission),\
Last modified (grade),Feedback comments
Participant 123456,Jane Doe,jane@example.edu,Submitted for grading,,14.00,Yes,"Monday, 2 March 2026, 10:00 AM",-,
Participant 222,Ann Lee,ann@example.edu,Submitted for grading,1.00,14.00,Yes,-,"Tuesday, 3 March 2026, 9:00 AM",fine
Participant 333,Bo_Ek,bo@example.edu,No submission,,14.00,Yes,-,-,
"""

PLAIN = """\
First Name,Last Name,SID,Email,Role
Jane,Doe,3031,jane@example.edu,Student
Ann,Lee,,ann@example.edu,Student
"""


def record(student: str, score: float = 11.0, **changes: object) -> Record:
    case = CaseResult("one", "tests one", True, 1.0, "passed")
    items = {"scale_of": ItemResult("scale_of", "function", score, 11.0, (case,))}
    made = Record(
        student=student, lab=LAB, score=score, max_score=11.0, written_max_score=3.0, graded=True, problem="",
        file="l.ipynb", submission_hash="", lab_hash="", draw="", functions=items,
        written={"question_2": WrittenResult("question_2", 3.0, answered=False)},
    )  # fmt: skip
    return replace(made, **changes)


def answered(student: str, score: float = 11.0) -> Record:
    return record(student, score, written={"question_2": WrittenResult("question_2", 3.0, answered=True)})


@pytest.fixture
def exported(make_tiny_course, tmp_path):
    """Exports the records given, with this roster."""
    course: Course = make_tiny_course(tmp_path / "tiny")

    def run(lms: str, roster: str, *records: Record, **options: object) -> Exported:
        for one in records:
            write_record(one, tmp_path / "graded" / "records" / f"{one.student}.json")
        (tmp_path / "roster.csv").write_text(roster, encoding="utf-8")
        return export(
            course,
            LAB,
            records=tmp_path / "graded",
            lms=lms,
            roster=tmp_path / "roster.csv",
            out=tmp_path / "out",
            **options,
        )

    return run


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as opened:
        return opened.namelist()


def test_canvas_gets_its_own_columns_and_rows_with_grades_only(exported):
    found = exported("canvas", CANVAS, record("doejane_12345", 7.5), record("ann"))
    assert table(found.grades) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "A tiny lab (4711)"],
        ["    Points Possible", "", "", "", "", "14"],
        ["Doe, Jane", "12345", "s1", "jane", "Section 1", "7.5"],
        ["Lee, Ann", "222", "s2", "ann", "Section 1, too", "11"],
    ]
    assert found.without == ("Ek, Bo",) and not found.unknown and not found.notes


def test_canvas_recognises_what_is_written_as_its_gradebook(exported):
    """The rule of Canvas's importer: Student, ID, perhaps both SIS columns, then Section, then assignments."""
    header = table(exported("canvas", CANVAS, record("jane")).grades)[0]
    assert "Student" in header[0] and "ID" in header[1]
    columns = 3 + (2 if header[2] == "SIS User ID" and header[3] == "SIS Login ID" else 0)
    assert "Section" in header[columns - 1]
    assert header[columns:] == ["A tiny lab (4711)"]


def test_canvas_column_is_asked_for_where_the_name_does_not_tell(exported):
    roster = CANVAS.replace("A tiny lab (4711)", "Homework (4711)")
    with pytest.raises(CourseError, match=r"Say --assignment and one of: Quiz \(9\), Homework \(4711\)"):
        exported("canvas", roster, record("jane"))
    assert table(exported("canvas", roster, record("jane"), assignment="Homework").grades)[0][-1] == "Homework (4711)"


def test_canvas_feedback_bears_the_numbers_of_the_submission(exported, tmp_path):
    """The rule of Canvas's importer: the first two numbers between underscores are the user and the file."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr("doejane_LATE_12345_67890_lab_1_2.ipynb", "x")
    collect(tmp_path / "a.zip", LAB, tmp_path / "submissions")
    found = exported("canvas", CANVAS, record("doejane_12345"), record("bo"), submissions=tmp_path / "submissions")
    (name,) = names(found.feedback)
    assert [part for part in name.split("_") if part.isdigit()][:2] == ["12345", "67890"]
    assert name.endswith(".html")
    assert found.no_page == ("bo",)


def test_moodle_gets_all_its_columns_with_the_grade_filled_in(exported):
    found = exported("moodle", MOODLE, record("Jane Doe_123456", 10.25), record("ann@example.edu"))
    before, after = [list(row) for row in csv.reader(MOODLE.splitlines())], table(found.grades)
    assert after[0] == before[0]
    grade = before[0].index("Grade")
    assert [(row[0], row[grade]) for row in after[1:]] == [("Participant 123456", "10.25"), ("Participant 222", "11")]
    assert [row[:grade] + row[grade + 1 :] for row in after[1:]] == [
        row[:grade] + row[grade + 1 :] for row in before[1:3]
    ]


def test_moodle_finds_the_student_in_the_name_of_the_feedback(exported):
    """The rule of Moodle's importer: split the folder at underscores; the second part is the participant."""
    found = exported("moodle", MOODLE, record("Jane Doe_123456"), record("Bo_Ek_333"))
    parts = [name.split("/")[0].split("_", 4) for name in names(found.feedback)]
    assert sorted(part[1:4] for part in parts) == [
        ["123456", "assignsubmission", "file"],
        ["333", "assignsubmission", "file"],
    ]
    assert all(name.endswith("_assignsubmission_file_/feedback.html") for name in names(found.feedback))


def test_moodle_that_would_skip_grades_above_its_maximum_is_named(exported):
    found = exported("moodle", MOODLE.replace("14.00", "10.00"), record("Jane Doe_123456"))
    assert found.notes == (
        "Moodle says 10 points, the grades are out of 14; change it in Moodle,"
        " which would skip 1 grades above its maximum without a word",
    )


def test_gradescope_gets_its_roster_with_scores(exported):
    found = exported("gradescope", PLAIN, record("Jane Doe_3031", 2.0), record("ann@example.edu"))
    assert table(found.grades) == [
        ["First Name", "Last Name", "SID", "Email", "Total Score", "Max Points"],
        ["Jane", "Doe", "3031", "jane@example.edu", "2", "14"],
        ["Ann", "Lee", "", "ann@example.edu", "11", "14"],
    ]


def test_feedback_is_the_page_that_grading_wrote_and_is_made_again_when_it_is_gone(exported, tmp_path):
    page = tmp_path / "graded" / "feedback" / "Jane Doe_123456.html"
    page.parent.mkdir(parents=True)
    page.write_text("<p>as published</p>")
    found = exported("moodle", MOODLE, record("Jane Doe_123456"), record("ann@example.edu"))
    with zipfile.ZipFile(found.feedback) as opened:
        assert opened.read("Jane Doe_123456_assignsubmission_file_/feedback.html") == b"<p>as published</p>"
        assert b"A tiny lab" in opened.read("Ann Lee_222_assignsubmission_file_/feedback.html")


def test_not_graded_is_never_exported_as_zero(exported):
    unread = record("jane", 0.0, graded=False, problem="x.ipynb is not a notebook")
    case = CaseResult("one", "tests one", True, 1.0, "not graded")
    doubtful = record("ann", 0.0, functions={"scale_of": ItemResult("scale_of", "function", 0.0, 11.0, (case,))})
    found = exported("canvas", CANVAS, unread, doubtful, answered("bo"))
    assert [row[0] for row in table(found.grades)] == ["Student", "    Points Possible"]
    assert {grade.student: grade.why for grade in found.ungraded} == {
        "jane": "x.ipynb is not a notebook",
        "ann": "scale_of could not be graded; run qlab grade again",
        "bo": "question_2 not marked in formgrader yet",
    }


def test_zero_points_are_a_grade(exported):
    assert table(exported("canvas", CANVAS, record("jane", 0.0)).grades)[-1][-1] == "0"


def test_automatic_points_can_be_exported_without_the_written_ones(exported):
    found = exported("canvas", CANVAS, answered("bo"), automatic=True)
    assert table(found.grades)[-1][-1] == "11"
    assert found.notes == ("Canvas says 14 points, the grades are out of 11; change it in Canvas",)


def test_student_who_is_not_in_the_roster_is_named_and_the_rest_exported(exported):
    found = exported("canvas", CANVAS, record("jane"), record("mallory"))
    assert found.unknown == ("mallory",)
    assert [row[0] for row in table(found.grades)][2:] == ["Doe, Jane"]


def test_two_records_of_one_person_are_both_left_out(exported):
    found = exported("canvas", CANVAS, record("jane"), record("doejane_12345"), record("bo"))
    assert found.unknown == ("doejane_12345", "jane")
    assert [row[0] for row in table(found.grades)][2:] == ["Ek, Bo"]


def test_number_in_a_folders_name_is_no_id_unless_the_name_fits():
    people = [Person(0, "Jane Doe", ("12",), ()), Person(1, "Ann Lee", ("13",), ())]
    matched = match_students(["smith_12", "Ann Lee_13"], people, {}, lms="moodle")
    assert matched.rows == {"Ann Lee_13": 1} and matched.unknown == ("smith_12",)


def test_name_that_two_people_share_matches_neither():
    people = [Person(0, "Jo Li", ("1",), ("Jo Li",)), Person(1, "Jo Li", ("2",), ("Jo Li",))]
    assert match_students(["Jo Li"], people, {}, lms="moodle").unknown == ("Jo Li",)
    assert match_students(["Jo Li_2"], people, {}, lms="moodle").rows == {"Jo Li_2": 1}


def test_marks_of_people_are_added_and_take_the_place_of_the_graders():
    one = answered("jane", 5.0)
    assert grade_of(one, {"question_2": Mark(2.5, 0.0, False)}).points == 7.5
    assert grade_of(one, {"question_2": Mark(2.5, 1.0, False), "check_scale_of": Mark(11.0, 0.0, False)}).points == 14.5
    assert grade_of(one, {"question_2": Mark(None, 0.0, True)}).points is None


def test_mark_of_an_answer_that_changed_since_is_not_handed_over():
    grade = grade_of(answered("jane"), {"question_2": Mark(2.5, 0.0, True)})
    assert grade.points is None and "question_2" in grade.why


@pytest.mark.parametrize(
    ("lms", "roster", "sentence"),
    [
        ("canvas", MOODLE, "is not Canvas's gradebook: it has no column Student"),
        ("moodle", CANVAS, "is not Moodle's grading worksheet: it has no column Identifier"),
        ("gradescope", "a,b\n1,2\n", "has no column SID or Email"),
        ("canvas", "Student,ID,Section\nx,1,s\n", "has no assignments"),
        ("canvas", "Student,ID,Section\n", "names no students"),
    ],
)
def test_roster_of_something_else_is_refused_in_one_sentence(exported, lms, roster, sentence):
    with pytest.raises(CourseError, match=sentence):
        exported(lms, roster, record("jane"))


def test_records_that_are_not_there_or_of_another_lab_are_refused(exported):
    with pytest.raises(CourseError, match="has no records"):
        exported("canvas", CANVAS)
    with pytest.raises(CourseError, match="is a record of lab9_other"):
        exported("canvas", CANVAS, replace(record("jane"), lab="lab9_other"))


def test_roster_with_semicolons_and_a_byte_order_mark_is_read(exported):
    roster = "\ufeffStudent;ID;Section;A tiny lab (1)\nDoe, Jane;12345;S;\n"
    assert table(exported("canvas", roster, record("doejane_12345")).grades)[1] == ["Doe, Jane", "12345", "S", "11"]


def test_same_records_give_the_same_bytes(exported):
    first = exported("moodle", MOODLE, record("Jane Doe_123456"))
    before = first.grades.read_bytes(), first.feedback.read_bytes()
    again = exported("moodle", MOODLE, record("Jane Doe_123456"))
    assert (again.grades.read_bytes(), again.feedback.read_bytes()) == before
