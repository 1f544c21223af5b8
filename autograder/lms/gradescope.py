"""Gradescope's "Download Submissions": folders submission_123456/, and submission_metadata.yml says whose they are.

    submission_123456:
      :submitters:
      - :name: Jane Doe
        :sid: '3031234567'
        :email: jane@example.edu
      :created_at: 2026-03-01 10:00:00.000000000 Z
      :history:                      earlier submissions of the same students
      - :created_at: ...

A group has several submitters; each gets a copy. Gradescope writes the file with Ruby, so times may be tagged as Ruby
objects; a tag is read as the plain value under it.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import yaml

from autograder.course import CourseError
from autograder.lms.archive import Archive, Entry, Unreadable
from autograder.lms.handed_in import HandedIn, Ignored, is_notebook, safe_name

METADATA = "submission_metadata.yml"
MAX_METADATA = 64 * 2**20  # bytes: it holds the results of Gradescope's own autograder too
MAX_GROUP = 50


def is_gradescope(archive: Archive) -> bool:
    return _metadata_entry(archive) is not None


def read_gradescope(archive: Archive, lab: str) -> tuple[list[HandedIn], list[Ignored]]:
    """The notebooks, and everything else with the reason why it is not taken. Raises ``CourseError``."""
    described = _metadata_entry(archive)
    submissions = _load(archive, described)
    handed_in, ignored = [], []
    for entry in archive.entries:
        if entry == described:
            continue
        about = next((submissions[part] for part in entry.parts[:-1] if part in submissions), None)
        people = _people(about)
        if not people:
            ignored.append(Ignored(entry.path, f"not of a submission that {METADATA} names"))
        elif not is_notebook(entry.name):
            ignored += [Ignored(entry.path, "not a notebook", safe_name(f"{one[0]}_{one[1]}")) for one in people]
        else:
            handed_in += [_handed_in(entry, about, person, lab) for person in people]
    return handed_in, ignored


def feedback_name(student: str, original: str = "") -> str:
    """Gradescope takes no feedback files; pages lie under the submission's folder, one for each of a group."""
    folder = next((part for part in original.split("/") if part.startswith("submission_")), "")
    return f"{folder}/{student}.html" if folder else f"{student}/feedback.html"


def _handed_in(entry: Entry, about: Mapping[str, Any], person: tuple[str, str, str], lab: str) -> HandedIn:
    name, number, email = person
    time = _time(about.get(":created_at"))
    history = about.get(":history")
    return HandedIn(
        name=name,
        lms_id=number,
        entry=entry,
        file=entry.name,
        order=(time or "", lab in entry.name, -entry.path.count("/"), entry.path),
        email=email,
        attempt=len(history) + 1 if isinstance(history, list) else None,
        time=time,
    )


def _metadata_entry(archive: Archive) -> Entry | None:
    found = [entry for entry in archive.entries if entry.name == METADATA and len(entry.parts) <= 2]
    return min(found, key=lambda entry: len(entry.parts), default=None)


def _load(archive: Archive, described: Entry) -> Mapping[str, Mapping[str, Any]]:
    try:
        content = yaml.load(archive.read(described, MAX_METADATA), Loader=_loader())
    except (Unreadable, yaml.YAMLError, UnicodeError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CourseError(f"{METADATA} in {archive.name} cannot be read ({reason}); download it again") from error
    if not isinstance(content, dict):
        raise CourseError(f"{METADATA} in {archive.name} names no submissions; download it again")
    return {str(name): about for name, about in content.items() if isinstance(about, dict)}


def _people(about: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    """Name, number (else e-mail) and e-mail of each submitter."""
    submitters = about.get(":submitters") if about else None
    people = []
    for one in submitters[:MAX_GROUP] if isinstance(submitters, list) else ():
        if isinstance(one, dict):
            name, sid, email = (str(one.get(key) or "").strip() for key in (":name", ":sid", ":email"))
            if name or sid or email:
                people.append((name or sid or email, sid or email, email))
    return people


def _time(value: Any) -> str | None:
    if isinstance(value, dict):  # Ruby's time with a zone, as it writes one
        value = value.get("utc")
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)[:40] if value else None


def _loader() -> type[yaml.SafeLoader]:
    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        """Plain data only, whatever the tags say."""

    def plain(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_scalar(node)

    Loader.add_multi_constructor("!", plain)
    Loader.add_multi_constructor("tag:", plain)
    return Loader
