"""What in a student's folder may be the notebook to grade, best first: the lab's name before others, newest first.

Notebooks count wherever they lie: in the folder, in folders of attempts, in a zip file, in a zip file in it. Where
there is none, files count that a notebook can be read from: a Python export, a notebook that a browser called ``.txt``.
"""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autograder.archives import BadArchive, is_archive, list_members

MAX_DEPTH = 4  # folders in folders
MAX_FILES = 5000
MAX_ARCHIVES = 50  # of a folder that are opened: to list a large one takes half a second
MAX_KEPT = 6  # attempts of a student that may be tried
NOT_OURS = ("__MACOSX", "site-packages", "node_modules", "__pycache__")
OTHER_ARCHIVES = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")
WEB_PAGES = (".html", ".htm", ".mhtml")


@dataclass(frozen=True)
class Attempt:
    """A file, or with ``inside`` a member of the zip file at ``path``."""

    path: Path
    inside: tuple[str, ...] = ()
    changed: tuple = field(default=(), compare=False)  # sorts attempts by age

    @property
    def name(self) -> str:
        return shown_name(self.path, self.inside)


@dataclass(frozen=True)
class Attempts:
    """``why``: how the first was chosen. ``problem``: what lies there instead, if anything, when there is none."""

    found: tuple[Attempt, ...]
    number: int
    why: str = ""
    problem: str = ""


def find_attempts(folder: Path, lab: str, *, other_labs: Collection[str] = ()) -> Attempts:
    """Those in ``folder/lab`` if there are any, else those in ``folder`` outside the folders of other labs."""
    places = [_look(folder / lab), _look(folder, leave_out={lab, *other_labs})]
    for kind in ("notebooks", "exports"):
        for place in places:
            if found := getattr(place, kind):
                return _ordered(found, folder, lab, other_labs)
    problem = next((place.problems[0] for place in places if place.problems), "")
    return Attempts((), 0, problem=problem)


def shown_name(path: Path, inside: tuple[str, ...] = ()) -> str:
    """A file's name for people, without what could steer a terminal or does not fit into UTF-8."""
    names = [path.name, *(re.split(r"[/\\]", name)[-1] for name in inside)]
    return "".join(one if one.isprintable() else "?" for one in "/".join(names))[-200:]


@dataclass
class _Place:
    notebooks: list[Attempt] = field(default_factory=list)
    exports: list[Attempt] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, attempt: Attempt, name: str) -> None:
        name = name.lower()
        if name.endswith(".ipynb"):
            self.notebooks.append(attempt)
        elif name.endswith((".py", ".json")) or ".ipynb" in name:
            self.exports.append(attempt)
        elif name.endswith(WEB_PAGES):
            self.problems.append(
                f"{attempt.name} is a web page made from the notebook and cannot be run; "
                "hand in the notebook itself, the .ipynb file"
            )
        elif name.endswith(OTHER_ARCHIVES):
            self.problems.append(
                f"{attempt.name} is a kind of archive that is not opened; hand in the .ipynb file itself"
            )


def _look(folder: Path, *, leave_out: Collection[str] = ()) -> _Place:
    place, archives = _Place(), 0
    for path in _files(folder, leave_out):
        stamp = path.stat().st_mtime_ns
        if path.suffix.lower() in (".zip", ".ipynb") and is_archive(path):
            archives += 1
            if archives <= MAX_ARCHIVES:
                _look_inside(path, stamp, place)
        elif path.suffix.lower() == ".zip":
            place.problems.append(f"{shown_name(path)} is not a zip file; hand in the .ipynb file itself")
        else:
            place.add(Attempt(path, changed=(stamp, (), _natural(path.name))), path.name)
    if archives > MAX_ARCHIVES:
        place.problems.insert(0, f"there are more than {MAX_ARCHIVES} zip files; hand in the .ipynb file itself")
    return place


def _look_inside(path: Path, stamp: int, place: _Place) -> None:
    name = shown_name(path)
    try:
        members = list_members(path)
    except (BadArchive, OSError) as error:
        if path.suffix.lower() == ".ipynb":
            place.add(Attempt(path, changed=(stamp, (), _natural(path.name))), path.name)  # reading it says what it is
            return
        reason = error if isinstance(error, BadArchive) else "cannot be read"
        place.problems.append(f"{name} {reason}; hand in the .ipynb file itself")
        return
    before = len(place.notebooks) + len(place.exports)
    for member in members:
        if not set(member.parts) & set(NOT_OURS):
            order = (stamp, member.changed, _natural("/".join(member.inside)))
            place.add(Attempt(path, member.inside, changed=order), member.parts[-1] if member.parts else "")
    if len(place.notebooks) + len(place.exports) == before:
        place.problems.append(f"{name} holds no notebook; hand in the .ipynb file itself")


def _files(folder: Path, leave_out: Collection[str]) -> Iterator[Path]:
    """Files in ``folder`` and the folders in it, without hidden ones and links; those of other labs are left out."""
    if folder.is_symlink() or not folder.is_dir():
        return
    number = 0
    for place, folders, files in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if depth < MAX_DEPTH and _is_ours(name, leave_out))
        for path in (Path(place) / name for name in sorted(files) if _is_ours(name)):
            number += 1
            if number > MAX_FILES:
                return
            if path.is_file() and not path.is_symlink():
                yield path


def _is_ours(name: str, leave_out: Collection[str] = ()) -> bool:
    return not name.startswith((".", "~")) and name not in NOT_OURS and name not in leave_out


def _ordered(found: list[Attempt], folder: Path, lab: str, other_labs: Collection[str]) -> Attempts:
    alone = {path for path, number in Counter(one.path for one in found).items() if number == 1}

    def rank(attempt: Attempt) -> int:
        inner = "/".join(attempt.inside)
        own_folder = folder / lab if attempt.path.is_relative_to(folder / lab) else folder
        outer = str(attempt.path.relative_to(own_folder).with_suffix(""))
        # An archive's own name says something of the one notebook in it, nothing of one among several.
        own = _names_lab(inner if attempt.inside else attempt.path.stem, lab, other_labs)
        around = _names_lab(f"{outer}/{inner}", lab, other_labs) if attempt.path in alone else 0
        return own or around

    ranks = {attempt: rank(attempt) for attempt in found}
    ordered = sorted(found, key=lambda one: (ranks[one], one.changed), reverse=True)
    best = [one for one in ordered if ranks[one] == ranks[ordered[0]]]
    why = "the one with the lab's name" if len(best) == 1 and ranks[best[0]] > 0 else "the newest"
    return Attempts(tuple(ordered[:MAX_KEPT]), len(found), why)


def _names_lab(name: str, lab: str, other_labs: Collection[str]) -> int:
    """1 for this lab's name or number, -1 for another lab's, 0 for neither."""
    name = _letters(name)
    if _is_named(name, lab):
        return 1
    return -1 if any(_is_named(name, other) for other in other_labs) else 0


def _is_named(name: str, lab: str) -> bool:
    short = lab.split("_")[0]  # "lab2" of "lab2_linear"
    if _letters(lab) in name:
        return True
    return short[-1:].isdigit() and re.search(rf"{re.escape(_letters(short))}(?!\d)", name) is not None


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _natural(name: str) -> list[str | int]:
    """ "attempt 10" comes after "attempt 9"."""
    return [int(part) if number % 2 else part for number, part in enumerate(re.split(r"([0-9]{1,9})", name))]
