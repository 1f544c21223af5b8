"""Does anything that students get show what they may not see?

Looked through: the released notebook, every file of both packages that a wheel has, and the files of a lab's zip.
Looked for: lines of a solution, lines of a wrong implementation, tensors and names of hidden cases.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from autograder.bank import load_bank, sources
from autograder.build import given_lines, solution_lines
from autograder.course import Course
from autograder.notebooks import read_lab
from qlab_helpers.checking.reference import Reference, load_reference

#: Folders of the course staff, which no wheel contains.
STAFF_ONLY = ("autograder/cases/", "autograder/mutants/", "autograder/reference/")
TEXTS = (".py", ".ipynb", ".j2", ".md", ".txt", ".json")
TELLING = 24  # characters: a shorter line says nothing about where it comes from


def shipped_files(course: Course) -> list[Path]:
    """The files of the packages that go into a wheel."""
    found = []
    for package in ("qlab_helpers", "autograder"):
        for path in sorted((course.root / package).rglob("*")):
            name = path.relative_to(course.root).as_posix()
            if path.is_file() and "__pycache__" not in name and not name.startswith(STAFF_ONLY):
                found.append(path)
    return found


def find_leaks(course: Course, lab: str, handed_out: Mapping[str, bytes] = MappingProxyType({})) -> list[str]:
    """One sentence for each leak, also in the files ``handed_out``. The course must have been built."""
    paths = [course.release(lab), *shipped_files(course)]
    files = {path.relative_to(course.root).as_posix(): path.read_bytes() for path in paths if path.suffix in TEXTS}
    leaks = _leaking_lines(course, lab, {**files, **handed_out})
    visible = load_reference.__wrapped__(lab, course.visible_reference)
    hidden = load_reference.__wrapped__(lab, course.hidden_reference)
    return [*leaks, *_shared_tensors(visible, hidden), *_shared_names(visible, hidden)]


def _leaking_lines(course: Course, lab: str, files: Mapping[str, bytes]) -> list[str]:
    """One sentence for each line of a solution or of a wrong implementation in those of ``files`` that are text."""
    secret = dict(_secret_lines(course, lab))
    leaks = []
    for name, content in files.items():
        if Path(name).suffix in TEXTS:
            text = content.decode("utf-8", errors="replace")
            lines = {line.strip(' ",').removesuffix("\\n").strip() for line in text.splitlines()}
            leaks += [f"{name} shows a line of {secret[line]}: {line}" for line in sorted(lines & secret.keys())]
    return leaks


def _secret_lines(course: Course, lab: str) -> Iterator[tuple[str, str]]:
    """Line -> whose it is; without what the lab gives away elsewhere."""
    source = read_lab(course, lab)
    given = given_lines(source)
    for name, bank in load_bank(course, lab).items():
        for wrong, text in sources(course, lab, bank, bank.misconceptions).items():
            for line in map(str.strip, text.splitlines()):
                if len(line) >= TELLING and line not in given:
                    yield line, f"the misconception {wrong!r} of {name}"
    for line in solution_lines(source):
        if len(line) >= TELLING and line not in given:
            yield line, f"the solution of {lab}"


def _shared_tensors(visible: Reference, hidden: Reference) -> Iterator[str]:
    known = {_content(tensor) for tensor in visible.tensors.values() if tensor.unique().numel() > 2}
    for key, tensor in hidden.tensors.items():
        if "/expected." in key and _content(tensor) in known:
            yield f"the package holds what the hidden case {key.split('/')[1]!r} of {key.split('/')[0]} expects"


def _shared_names(visible: Reference, hidden: Reference) -> Iterator[str]:
    for name, item in hidden.items.items():
        shown = {case.name for case in visible.items[name].cases}
        for case in item.cases:
            if case.name in shown:
                yield f"the hidden case {case.name!r} of {name} is among the visible ones, too"


def _content(tensor) -> tuple[object, ...]:
    return str(tensor.dtype), tuple(tensor.shape), tensor.numpy().tobytes()
