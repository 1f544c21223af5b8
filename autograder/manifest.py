"""What each lab was last built from: hashes of its source, its cases and its bank of mistakes.

A changed source line that changes no output is noticed by these.
"""

import hashlib
import json
from pathlib import Path

from autograder.authoring import staff_files
from autograder.course import Course


def manifest_path(course: Course) -> Path:
    return course.hidden_reference / "manifest.json"


def read_manifest(course: Course) -> dict[str, dict[str, str]]:
    try:
        return json.loads(manifest_path(course).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):  # the latter after a merge: the next build writes it anew
        return {}


def manifest_entry(course: Course, lab: str) -> dict[str, str]:
    """Hashes of the files as they are now."""
    return {
        "source_sha256": hashlib.sha256(course.solution(lab).read_bytes()).hexdigest(),
        "cases_sha256": _hash(course, "cases", lab),
        "mutants_sha256": _hash(course, "mutants", lab),
    }


def _hash(course: Course, kind: str, lab: str) -> str:
    digest = hashlib.sha256()
    for path in staff_files(course, kind, lab):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(course.root).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()
