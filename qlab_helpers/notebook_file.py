"""The notebook that is open, as a file: where it is, what stands in it, and the copy to hand in.

Colab tells its kernel what the notebook contains. JupyterLab and VS Code tell it the name of the file, which holds what
was last saved. Elsewhere it has to be named.
"""

import hashlib
import importlib
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_BYTES = 50 * 2**20  # what is larger is not graded
SIGNATURE = "qlab_handin"  # in the metadata of a copy
COLAB_S = 30  # Colab sends a notebook with large outputs slowly
#: What a released cell for a written answer holds besides its question.
STUBS = ("your answer:", "your answer here")


class NotebookUnreadable(RuntimeError):
    """The open notebook cannot be read; the message says what to do instead."""


@dataclass(frozen=True)
class OpenNotebook:
    """``path`` is None in Colab, where the content is what is on the screen."""

    content: dict[str, Any]
    path: Path | None

    @property
    def code(self) -> str:
        """All code cells, one after the other."""
        return "\n".join(source_of(cell) for cell in self.cells("code"))

    def cells(self, kind: str) -> list[dict[str, Any]]:
        return [cell for cell in self.content["cells"] if isinstance(cell, dict) and cell.get("cell_type") == kind]

    def defines(self, name: str) -> bool:
        """Whether a cell has a definition of ``name``."""
        pattern = rf"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+{name}\b|^[ \t]*{name}[ \t]*(?::[^=\n]+)?=(?!=)"
        return bool(re.search(pattern, self.code, re.MULTILINE))

    def mentions(self, name: str) -> bool:
        return bool(re.search(rf"\b{name}\b", self.code))


@dataclass(frozen=True)
class Written:
    """A question that a person grades."""

    name: str
    points: float
    answered: bool


def read_open_notebook(namespace: Mapping[str, Any], *, path: Path | str | None = None) -> OpenNotebook:
    """The notebook at ``path``, else the one whose kernel this is. Raises ``NotebookUnreadable``.

    ``namespace`` holds the notebook's names: VS Code and Jupyter put the file's name there.
    """
    if path is not None:
        return _read(Path(path).expanduser())
    colab = _colab()
    if colab is not None:
        return OpenNotebook(colab, None)
    told = (namespace.get("__vsc_ipynb_file__"), namespace.get("__session__"), os.environ.get("JPY_SESSION_NAME"))
    for name in told:
        if isinstance(name, str) and name.endswith(".ipynb") and Path(name).is_file():
            return _read(Path(name))
    raise NotebookUnreadable(
        "the file of this notebook is not known here: save it (Ctrl+S) and give its name, such as"
        ' preflight(path="lab.ipynb"), or hand in the file as you saved it'
    )


def written_questions(notebook: OpenNotebook) -> list[Written]:
    """The questions that nbgrader's metadata marks, in the order of the notebook."""
    found = []
    for cell in notebook.cells("markdown"):
        data = _nbgrader(cell)
        if data.get("grade") and data.get("solution") and isinstance(data.get("grade_id"), str):
            points = data.get("points")
            points = float(points) if isinstance(points, int | float) else 0.0
            found.append(Written(data["grade_id"], points, _is_answered(source_of(cell), data)))
    return found


def grade_ids(notebook: OpenNotebook) -> list[str]:
    """Of all cells that nbgrader's metadata names."""
    cells = [cell for cell in notebook.content["cells"] if isinstance(cell, dict)]
    return [str(_nbgrader(cell)["grade_id"]) for cell in cells if _nbgrader(cell).get("grade_id")]


def write_handin(notebook: OpenNotebook, lab: str, folder: Path) -> Path:
    """The file to hand in: ``<lab>.ipynb`` in ``folder``, or ``<lab>-handin.ipynb`` where that name is another file's.

    A copy written before is replaced, unless somebody has worked in it. A notebook that has one of these names and the
    right place already is left as it is. Raises ``OSError``.
    """
    names = (f"{lab}{ending}.ipynb" for ending in ("", "-handin", *(f"-handin-{number}" for number in range(2, 100))))
    target = next(path for path in map(folder.joinpath, names) if _may_be(path, notebook))
    if notebook.path is not None and target.exists() and notebook.path.samefile(target):
        return target
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    draft.write_text(json.dumps(_signed(notebook.content), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(draft, target)
    return target


def _may_be(path: Path, notebook: OpenNotebook) -> bool:
    """Whether nothing is lost when ``path`` is written, or it is the open notebook itself."""
    if not path.exists() or (notebook.path is not None and notebook.path.samefile(path)):
        return True
    try:
        found = _read(path).content
    except NotebookUnreadable:
        return False
    return isinstance(found.get("metadata"), dict) and SIGNATURE in found["metadata"] and found == _signed(found)


def _signed(content: dict[str, Any]) -> dict[str, Any]:
    """With a digest of itself, which tells a copy that nobody has touched."""
    metadata = content.get("metadata")
    metadata = {key: value for key, value in metadata.items() if key != SIGNATURE} if isinstance(metadata, dict) else {}
    digest = hashlib.sha256(json.dumps({**content, "metadata": metadata}, sort_keys=True).encode()).hexdigest()
    return {**content, "metadata": {**metadata, SIGNATURE: digest}}


def source_of(cell: Mapping[str, Any]) -> str:
    """A cell's text, which a file may hold as lines."""
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _read(path: Path) -> OpenNotebook:
    try:
        content = path.read_bytes()
        if len(content) > MAX_BYTES:
            raise NotebookUnreadable(
                f"{path.name} is larger than {MAX_BYTES // 2**20} MB, too large to grade: clear its outputs and save it"
            )
        found = json.loads(content)
    except FileNotFoundError as error:
        raise NotebookUnreadable(f"there is no {path}: save the notebook and give the name that it has") from error
    except OSError as error:
        raise NotebookUnreadable(
            f"{path.name} cannot be read ({error.strerror}): save it under another name"
        ) from error
    except (ValueError, RecursionError) as error:
        raise NotebookUnreadable(f"{path.name} is not a notebook: save it again and run this cell once more") from error
    return OpenNotebook(_checked(found, path.name), path)


def _colab() -> dict[str, Any] | None:
    """What is on the screen in Colab; None elsewhere."""
    if "google.colab" not in sys.modules:
        return None
    instead = "choose File, Download, Download .ipynb, and hand in that file"
    try:
        message = importlib.import_module("google.colab._message")
        answer = message.blocking_request("get_ipynb", request="", timeout_sec=COLAB_S)
    except Exception as error:  # Colab's errors are not public; whatever it is, the way out is the same
        raise NotebookUnreadable(f"Colab did not give the notebook ({type(error).__name__}): {instead}") from error
    if not isinstance(answer, dict) or "ipynb" not in answer:
        raise NotebookUnreadable(f"Colab did not give the notebook: {instead}")
    return _checked(answer["ipynb"], "Colab's notebook")


def _checked(content: Any, name: str) -> dict[str, Any]:
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        raise NotebookUnreadable(f"{name} is not a notebook: save it again and run this cell once more")
    return content


def _nbgrader(cell: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = cell.get("metadata")
    data = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return data if isinstance(data, dict) else {}


def _is_answered(source: str, data: Mapping[str, Any]) -> bool:
    """More than the stub, and not what was released; nbgrader keeps a checksum of that."""
    lines = (line.strip().casefold() for line in source.splitlines())
    return any(line and line not in STUBS for line in lines) and _checksum(source, data) != data.get("checksum")


def _checksum(source: str, data: Mapping[str, Any]) -> str:
    """nbgrader's, for a markdown cell that a person grades."""
    try:
        points = float(data["points"])
    except (KeyError, TypeError, ValueError):
        return ""
    parts = (source, "markdown", "True", "True", "False", str(data["grade_id"]), str(points))
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()
