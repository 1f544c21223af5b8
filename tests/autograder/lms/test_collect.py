"""Collecting: archives as Canvas, Moodle and Gradescope write them, and archives that mean harm."""

import json
import stat
import zipfile
from pathlib import Path

import pytest

from autograder.course import CourseError
from autograder.lms import archive as archives
from autograder.lms.collect import collect
from autograder.lms.collected import read_collected
from autograder.submissions import find_submissions

LAB = "lab2_linear"

METADATA = """\
submission_101:
  :submitters:
  - :name: Jane Doe
    :sid: '3031'
    :email: jane@example.edu
  :created_at: 2026-03-01 10:00:00.000000000 Z
  :score: 0.0
  :history:
  - :id: 99
    :created_at: 2026-02-27 09:00:00.000000000 Z
submission_102:
  :submitters:
  - :name: Ann Lee
    :sid:
    :email: ann@example.edu
  - :name: Bo Ek
    :sid: '3033'
    :email: bo@example.edu
  :created_at: !ruby/object:ActiveSupport::TimeWithZone
    utc: 2026-03-02 11:30:00.000000000 Z
"""


def make_zip(path: Path, files: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    return path


def collected(folder: Path, lab: str = LAB) -> list[tuple[str, str]]:
    """(student, content of the notebook) as ``qlab grade`` finds them."""
    return [(one.student, one.path.read_text() if one.path else "") for one in find_submissions(folder, lab)]


def test_canvas_names_give_student_lateness_and_attempt(tmp_path):
    path = make_zip(
        tmp_path / "submissions.zip",
        {
            "doejane_12345_67890_lab-2.ipynb": "one",
            "leeann_LATE_222_67891_lab-2-1.ipynb": "two",
            "ekbo_333_67892_Copy of lab.ipynb": "three",
        },
    )
    found = collect(path, LAB, tmp_path / "out")
    assert found.lms == "canvas"
    assert [(one.student, one.lms_id, one.late, one.attempt) for one in found.students] == [
        ("doejane_12345", "12345", False, 1),
        ("ekbo_333", "333", False, 1),
        ("leeann_222", "222", True, 2),
    ]
    assert collected(tmp_path / "out") == [("doejane_12345", "one"), ("ekbo_333", "three"), ("leeann_222", "two")]


def test_number_at_the_end_of_a_labs_own_name_is_no_attempt(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"doejane_1_2_lab-2.ipynb": "x", "leeann_3_4_lab-2-2.ipynb": "y"})
    attempts = [one.attempt for one in collect(path, LAB, tmp_path / "out").students]
    assert attempts == [1, 3]


def test_newest_canvas_attempt_wins_and_the_older_is_listed(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"doejane_1_9_lab-1.ipynb": "old", "doejane_1_10_lab-2.ipynb": "new"})
    (jane,) = collect(path, LAB, tmp_path / "out").students
    assert jane.original == "doejane_1_10_lab-2.ipynb" and jane.older == ("doejane_1_9_lab-1.ipynb",)
    assert collected(tmp_path / "out") == [("doejane_1", "new")]


def test_students_name_with_numbers_and_underscores_keeps_canvas_ids_apart(tmp_path):
    name = "de_la_cruz2_12_34_my_56_78_lab.ipynb"
    (one,) = collect(make_zip(tmp_path / "a.zip", {name: "x"}), LAB, tmp_path / "out").students
    assert (one.name, one.lms_id, one.file) == ("de_la_cruz2", "12", "my_56_78_lab.ipynb")


def test_anonymous_canvas_submissions_are_kept_apart(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"anon_a1b2c_34_lab.ipynb": "x", "LATE_anon_d4e5f_35_lab.ipynb": "y"})
    found = collect(path, LAB, tmp_path / "out").students
    assert [(one.student, one.late) for one in found] == [("anon_a1b2c", False), ("anon_d4e5f", True)]


@pytest.mark.parametrize(
    "name",
    [
        "Jane Doe_123456_assignsubmission_file_/my lab.ipynb",  # Moodle 3.1 to 4.0
        "Jane Doe_123456_assignsubmission_file/my lab.ipynb",  # 4.1 and later
        "Jane Doe_123456_assignsubmission_file_my lab.ipynb",  # not in folders
        "Jane Doe_123456_assignsubmission_file_/deeper/my lab.ipynb",
        "course-lab-99/Jane Doe_123456_assignsubmission_file_/my lab.ipynb",  # packed again by hand
    ],
)
def test_every_layout_of_moodle_gives_the_same_student_and_file(tmp_path, name):
    found = collect(make_zip(tmp_path / "a.zip", {name: "x"}), LAB, tmp_path / "out")
    (one,) = found.students
    assert (found.lms, one.student, one.lms_id, one.file) == ("moodle", "Jane Doe_123456", "123456", "my lab.ipynb")
    assert one.late is None and one.attempt is None and one.time is None  # Moodle's archive does not tell
    assert collected(tmp_path / "out") == [("Jane Doe_123456", "x")]


def test_of_several_notebooks_in_a_moodle_folder_the_labs_own_is_taken(tmp_path):
    folder = "Jane Doe_1_assignsubmission_file_"
    files = {f"{folder}/zzz.ipynb": "a", f"{folder}/{LAB} (1).ipynb": "b", f"{folder}/sub/aaa.ipynb": "c"}
    (one,) = collect(make_zip(tmp_path / "a.zip", files), LAB, tmp_path / "out").students
    assert one.file == f"{LAB} (1).ipynb" and len(one.older) == 2


def test_gradescope_metadata_gives_names_times_attempts_and_a_copy_to_each_of_a_group(tmp_path):
    root = "assignment_77_export"
    path = make_zip(
        tmp_path / "export.zip",
        {
            f"{root}/submission_metadata.yml": METADATA,
            f"{root}/submission_101/lab.ipynb": "one",
            f"{root}/submission_102/lab.ipynb": "two",
        },
    )
    found = collect(path, LAB, tmp_path / "out")
    assert [(one.student, one.email, one.attempt) for one in found.students] == [
        ("Ann Lee_ann@example.edu", "ann@example.edu", None),
        ("Bo Ek_3033", "bo@example.edu", None),
        ("Jane Doe_3031", "jane@example.edu", 2),
    ]
    assert [one.time for one in found.students[1:]] == ["2026-03-02T11:30:00+00:00", "2026-03-01T10:00:00+00:00"]
    assert [content for _, content in collected(tmp_path / "out")] == ["two", "two", "one"]


def test_unpacked_archive_is_collected_like_the_zip(tmp_path):
    folder = tmp_path / "submissions"
    folder.mkdir()
    (folder / "doejane_1_2_lab.ipynb").write_text("x")
    assert [one.student for one in collect(folder, LAB, tmp_path / "out").students] == ["doejane_1"]


def test_collected_json_says_who_what_and_when(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"doejane_LATE_1_2_lab.ipynb": "x", "leeann_3_4_report.pdf": "", "notes": ""})
    collect(path, LAB, tmp_path / "out")
    content = json.loads((tmp_path / "out/collected.json").read_text())
    (jane,) = content["labs"][LAB]["students"]
    assert jane == {
        "student": "doejane_1", "name": "doejane", "lms": "canvas", "lms_id": "1", "email": "", "file": "lab.ipynb",
        "original": "doejane_LATE_1_2_lab.ipynb", "late": True, "attempt": 1, "time": None, "older": [],
    }  # fmt: skip
    assert [(one["path"], one["why"]) for one in content["labs"][LAB]["ignored"]] == [
        ("leeann_3_4_report.pdf", "not a notebook"),
        ("notes", "not named as Canvas names submissions"),
    ]


def test_student_without_a_notebook_is_named_and_gets_a_folder_for_the_grader_to_report(tmp_path):
    path = make_zip(
        tmp_path / "a.zip", {"doejane_1_2_lab.ipynb": "x", "leeann_3_4_lab.pdf": "", "ekbo_5_text.html": ""}
    )
    found = collect(path, LAB, tmp_path / "out")
    assert [(one.student, one.why) for one in found.without] == [
        ("ekbo_5", "typed into Canvas, not a file"),
        ("leeann_3", "not a notebook"),
    ]
    assert [one.student for one in find_submissions(tmp_path / "out", LAB) if one.problem] == ["ekbo_5", "leeann_3"]


def test_collecting_again_replaces_the_notebook_and_keeps_other_labs_and_other_files(tmp_path):
    out = tmp_path / "out"
    collect(make_zip(tmp_path / "1.zip", {"doejane_1_2_lab.ipynb": "old", "leeann_3_4_lab.ipynb": "l"}), LAB, out)
    collect(make_zip(tmp_path / "o.zip", {"doejane_1_5_first.ipynb": "other"}), "lab1_kmeans", out)
    (out / "doejane_1" / LAB / "notes.txt").write_text("by the assistant")
    collect(make_zip(tmp_path / "2.zip", {"doejane_1_6_lab-1.ipynb": "new"}), LAB, out)
    assert sorted(one.name for one in (out / "doejane_1" / LAB).iterdir()) == ["lab-1.ipynb", "notes.txt"]
    assert collected(out) == [("doejane_1", "new"), ("leeann_3", "l")]
    assert collected(out, "lab1_kmeans")[0] == ("doejane_1", "other")
    assert [one.student for one in read_collected(out, LAB)] == ["doejane_1", "leeann_3"]


@pytest.mark.parametrize(
    "names",
    [["photo.jpg"], [f"{LAB}.ipynb"], ["ada/lab.ipynb", "bob/lab.ipynb"], ["submission_1/lab.ipynb"], []],
)
def test_archive_of_no_known_system_is_refused_in_one_sentence(tmp_path, names):
    path = make_zip(tmp_path / "holiday.zip", dict.fromkeys(names, "x"))
    with pytest.raises(CourseError, match="holiday.zip is no archive of submissions from Canvas, Moodle or Gradescope"):
        collect(path, LAB, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_zip_or_not_there_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"not a zip")
    with pytest.raises(CourseError, match="a.zip is not a zip"):
        collect(tmp_path / "a.zip", LAB, tmp_path / "out")
    with pytest.raises(CourseError, match="there is no"):
        collect(tmp_path / "b.zip", LAB, tmp_path / "out")


@pytest.mark.parametrize(
    "name",
    [
        "../../doejane_1_2_evil.ipynb",
        "/etc/doejane_1_2_evil.ipynb",
        "doejane_1_2_..\\..\\evil.ipynb",
        "../x_1_assignsubmission_file_/../../evil.ipynb",
        "x_1_assignsubmission_file_/..",
        "doejane_1_2_\x1b[31mevil.ipynb",
        "doejane_1_2_" + "a" * 300 + ".ipynb",
        "..\u202e_1_2_evil.ipynb",
    ],
)
def test_no_name_leads_out_of_the_folder_or_steers_a_terminal(tmp_path, name):
    out = tmp_path / "deep" / "er" / "out"
    path = make_zip(
        tmp_path / "a.zip", {name: "x", "Ann Lee_9_assignsubmission_file_/l.ipynb": "y", "b_9_9_l.ipynb": "z"}
    )
    collect(path, LAB, out)
    written = [one for one in tmp_path.rglob("*") if one.is_file() and one != path]
    assert all(out in one.parents for one in written)
    assert all(one.name.isprintable() and len(one.name) <= 120 for one in written)


def test_metadata_of_gradescope_cannot_name_a_folder_outside(tmp_path):
    metadata = "submission_1:\n  :submitters:\n  - :name: '../../..'\n    :sid: '../../evil'\n"
    path = make_zip(tmp_path / "a.zip", {"submission_metadata.yml": metadata, "submission_1/lab.ipynb": "x"})
    collect(path, LAB, tmp_path / "deep" / "out")
    assert [one.relative_to(tmp_path).parts[:2] for one in tmp_path.rglob("lab.ipynb")] == [("deep", "out")]


def test_metadata_that_asks_for_python_objects_makes_none(tmp_path):
    metadata = f"submission_1: !!python/object/apply:os.system ['touch {tmp_path}/made']\n"
    path = make_zip(tmp_path / "a.zip", {"submission_metadata.yml": metadata, "submission_1/lab.ipynb": "x"})
    with pytest.raises(CourseError, match="without a single notebook"):
        collect(path, LAB, tmp_path / "out")
    assert not (tmp_path / "made").exists()


def test_zip_bomb_costs_its_student_only(tmp_path, monkeypatch):
    monkeypatch.setattr("autograder.lms.collect.MAX_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("doejane_1_2_lab.ipynb", b"0" * 50_000_000)
        made.writestr("leeann_3_4_lab.ipynb", b"fine")
    found = collect(tmp_path / "a.zip", LAB, tmp_path / "out")
    assert [one.student for one in found.students] == ["leeann_3"]
    assert [(one.student, one.why.split(";")[0]) for one in found.without] == [("doejane_1", "larger than 0 MB")]


def test_size_that_an_entry_claims_is_not_believed(tmp_path, monkeypatch):
    monkeypatch.setattr("autograder.lms.collect.MAX_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("doejane_1_2_lab.ipynb", b"0" * 100_000)
        made.writestr("leeann_3_4_lab.ipynb", b"fine")
    raw = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(raw.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    found = collect(tmp_path / "a.zip", LAB, tmp_path / "out")
    assert [one.student for one in found.students] == ["leeann_3"]


def test_too_many_files_or_too_much_in_all_is_refused(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "a.zip", {f"doejane_{n}_{n}_lab.ipynb": "x" * 100 for n in range(20)})
    monkeypatch.setattr(archives, "MAX_ENTRIES", 19)
    with pytest.raises(CourseError, match="holds 20 files"):
        collect(path, LAB, tmp_path / "out")
    monkeypatch.setattr(archives, "MAX_ENTRIES", 20)
    monkeypatch.setattr(archives, "MAX_TOTAL", 1500)
    with pytest.raises(CourseError, match="unpacks to more than"):
        collect(path, LAB, tmp_path / "out")


def test_same_name_twice_in_a_zip_is_two_attempts(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr("doejane_1_2_lab.ipynb", "first")
        with pytest.warns(UserWarning, match="Duplicate name"):
            made.writestr("doejane_1_2_lab.ipynb", "second")
    (one,) = collect(tmp_path / "a.zip", LAB, tmp_path / "out").students
    assert len(one.older) == 1


def test_two_students_of_one_name_have_two_folders(tmp_path):
    files = {
        "Jo Li_1_assignsubmission_file_/l.ipynb": "1",
        "Jo Li_2_assignsubmission_file_/l.ipynb": "2",
        "submission": "",
    }
    found = collect(make_zip(tmp_path / "a.zip", files), LAB, tmp_path / "out")
    assert [one.student for one in found.students] == ["Jo Li_1", "Jo Li_2"]


def test_damaged_and_encrypted_entries_cost_their_student_only(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr("doejane_1_2_lab.ipynb", "MARK" * 10)
        made.writestr("leeann_3_4_lab.ipynb", "fine")
    raw = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(raw.replace(b"MARKMARK", b"MARXMARK", 1))
    found = collect(tmp_path / "a.zip", LAB, tmp_path / "out")
    assert [one.student for one in found.students] == ["leeann_3"]
    assert "download the archive again" in found.without[0].why


def test_links_in_an_archive_and_in_the_target_are_not_followed(tmp_path):
    link = zipfile.ZipInfo("doejane_1_2_lab.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr(link, "/etc/passwd")
        made.writestr("leeann_3_4_lab.ipynb", "fine")
    assert [one.student for one in collect(tmp_path / "a.zip", LAB, tmp_path / "out").students] == ["leeann_3"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out2").mkdir()
    (tmp_path / "out2" / "leeann_3").symlink_to(elsewhere)
    with pytest.raises(CourseError, match="is a link"):
        collect(tmp_path / "a.zip", LAB, tmp_path / "out2")


def test_utf8_names_without_the_flag_are_read_as_utf8(tmp_path):
    """As Canvas's program writes them."""
    path = make_zip(tmp_path / "a.zip", {"müllerjörg_1_2_läb.ipynb": "x"})
    raw = path.read_bytes()
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = raw.index(signature) + offset
        raw = raw[:at] + b"\x00\x00" + raw[at + 2 :]
    path.write_bytes(raw)
    (one,) = collect(path, LAB, tmp_path / "out").students
    assert (one.student, one.file) == ("müllerjörg_1", "läb.ipynb")


def test_files_that_computers_add_are_left_out(tmp_path):
    files = {
        "doejane_1_2_lab.ipynb": "x",
        "__MACOSX/._doejane_1_2_lab.ipynb": "",
        ".DS_Store": "",
        "._x_1_2_l.ipynb": "",
    }
    found = collect(make_zip(tmp_path / "a.zip", files), LAB, tmp_path / "out")
    assert len(found.students) == 1 and not found.ignored
