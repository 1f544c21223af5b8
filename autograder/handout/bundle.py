"""The zip of a lab: notebook, notes, the helpers as a wheel, and a manifest with the hash of each file."""

import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from autograder.course import Course, CourseError
from autograder.handout.wheel import build_wheel

TEMPLATES = Path(__file__).parent.parent / "templates"
MANIFEST = "manifest.json"
FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # the same in every build
#: What a notebook calls -> what it needs for that.
DATA = {
    "load_cifar10(": "CIFAR-10: 60,000 colour images of 32 x 32 pixels; a download of 163 MiB, once",
    "load_mnist(": "MNIST: 70,000 grey images of 28 x 28 pixels; a download of 11 MiB, once",
    "load_pretrained(": "pretrained weights: in the package, nothing to download",
}


@dataclass(frozen=True)
class Bundle:
    """``files`` are those under the zip's one folder, by name."""

    folder: str
    files: Mapping[str, bytes]

    @property
    def name(self) -> str:
        return f"{self.folder}.zip"

    @cached_property
    def content(self) -> bytes:
        """The zip, the same bytes for the same files."""
        return zipped({f"{self.folder}/{name}": content for name, content in self.files.items()})


def zipped(files: Mapping[str, bytes], *, executable: Collection[str] = ()) -> bytes:
    """A zip of ``files``, by path in it; the same bytes for the same files, whenever and wherever it is made."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, FIRST_DATE)
            entry.external_attr = (0o755 if name in executable else 0o644) << 16
            entry.create_system = 3  # Unix, wherever it is made
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".whl") else zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return target.getvalue()


def make_bundle(course: Course, lab: str) -> Bundle:
    """Everything that students of ``lab`` get. Raises ``CourseError`` if it was not built."""
    title = course.lab(lab).title
    if not course.release(lab).is_file():
        raise CourseError(f"{lab} has no notebook for students yet: run `qlab build`")
    notebook = course.release(lab).read_bytes()
    with tempfile.TemporaryDirectory(prefix="qlab-handout-") as made:
        wheel = build_wheel(course, Path(made))
        files = {f"{lab}.ipynb": notebook, wheel.name: wheel.read_bytes()}
    files["requirements.txt"] = f"./{wheel.name}\njupyterlab\n".encode()
    notes = _notes().render(course=course, lab=lab, title=title, wheel=wheel.name, data=_data(notebook.decode("utf-8")))
    files["README.md"] = notes.encode()
    hashes = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    about = {"course": course.id, "lab": lab, "title": title, "version": course.tag, "sha256": hashes}
    files[MANIFEST] = (json.dumps(about, indent=1) + "\n").encode()
    return Bundle(f"{lab}-{course.tag}", files)


def unpacked(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """``files`` with those inside their wheels and zips, by path."""
    found: dict[str, bytes] = {}
    for name, content in files.items():
        found[name] = content
        if name.endswith((".whl", ".zip")):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                inside = {f"{name}/{one}": archive.read(one) for one in archive.namelist()}
            found.update(unpacked(inside))
    return found


def _data(notebook: str) -> list[str]:
    return [note for call, note in DATA.items() if call in notebook]


def _notes():
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, autoescape=False)  # Markdown
    return environment.get_template("handout.md.j2")
