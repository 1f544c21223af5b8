"""Any JSON object that means to be a notebook -> a valid notebook of format 4.5 that holds only what we use.

A cell keeps its type, source, nbgrader metadata, tags, pictures pasted into it and plain outputs. Everything else that
editors add is dropped, and so are HTML and script outputs: staff read these notebooks in a browser.
"""

import re
from collections.abc import Mapping
from typing import Any

from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_notebook

from autograder.cells import MAX_SOURCE

MAX_CELLS = 5000
MAX_CODE = 1_000_000  # characters: to look through it takes a second and a half
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
#: What may be shown to staff: text and pictures, nothing that a browser runs.
SHOWN = ("text/plain", "image/png", "image/jpeg")
CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def wellformed(content: Mapping[str, Any]) -> tuple[NotebookNode, tuple[str, ...]]:
    """The notebook and what had to be mended. Raises ``ValueError`` saying what is wrong when there are no cells."""
    repairs: list[str] = []
    if not content.get("cells") and isinstance(content.get("worksheets"), list):
        raw = _old_cells(content["worksheets"])
        repairs.append("the file was in an old notebook format (3); it was converted")
    else:
        raw = content.get("cells")
    if not isinstance(raw, list):
        raise ValueError("it has no list of cells")
    if len(raw) > MAX_CELLS:
        raise ValueError(f"it has {len(raw)} cells, more than {MAX_CELLS}: delete those that are not of the lab")
    cells = [_cell(cell) for cell in raw if isinstance(cell, dict)]
    code = sum(min(len(cell["source"]), MAX_SOURCE) for cell in cells if cell["cell_type"] == "code")
    if code > MAX_CODE:
        raise ValueError(f"it has {code:,} characters of code, more than {MAX_CODE:,}: delete what is not of the lab")
    if any(_is_damaged(cell) for cell in raw):
        repairs.append("the file lacked fields that a notebook must have; they were filled in")
    notebook = new_notebook(metadata={"kernelspec": dict(KERNEL)})
    notebook.cells = [from_dict(cell) for cell in cells]
    notebook.nbformat_minor = 5
    set_cell_ids(notebook)
    return notebook, tuple(repairs)


def set_cell_ids(notebook: NotebookNode) -> None:
    """Give every cell a valid id of its own; the first cell with an id keeps it. Same notebook in, same ids out."""
    taken = {cell.get("id") for cell in notebook.cells}
    seen: set[str] = set()
    for index, cell in enumerate(notebook.cells):
        name = cell.get("id")
        if not isinstance(name, str) or not CELL_ID.fullmatch(name) or name in seen:
            name = f"cell-{index}"
            while name in taken:
                name += "x"
            taken.add(name)
        seen.add(name)
        cell["id"] = name


def _cell(raw: dict[str, Any]) -> dict[str, Any]:
    kind = raw.get("cell_type")
    cell = {
        "cell_type": kind if kind in ("code", "markdown") else "raw",
        "id": name if isinstance(name := raw.get("id"), str) else None,
        "metadata": _metadata(raw.get("metadata")),
        "source": _text(raw.get("source")),
    }
    if kind == "code":
        count = raw.get("execution_count")
        cell["execution_count"] = count if type(count) is int and 0 <= count < 2**31 else None
        outputs = raw.get("outputs")
        cell["outputs"] = [kept for output in _list(outputs) if (kept := _output(output))]
    elif isinstance(attachments := raw.get("attachments"), dict):
        pictures = {_text(name): _pictures(bundle) for name, bundle in attachments.items()}
        cell["attachments"] = {name: bundle for name, bundle in pictures.items() if bundle}
    return cell


def _is_damaged(raw: Any) -> bool:
    if not isinstance(raw, dict) or raw.get("cell_type") not in ("code", "markdown", "raw"):
        return True
    return not isinstance(raw.get("source"), str | list) or not isinstance(raw.get("metadata"), dict)


def _metadata(raw: Any) -> dict[str, Any]:
    raw = raw if isinstance(raw, dict) else {}
    kept: dict[str, Any] = {}
    if isinstance(raw.get("nbgrader"), dict):
        # Flat: what is nested deeply enough to be read cannot always be copied.
        kept["nbgrader"] = {_text(key): _plain(value) for key, value in raw["nbgrader"].items()}
    tags = [_text(tag) for tag in _list(raw.get("tags")) if isinstance(tag, str) and tag and "," not in tag]
    if tags:
        kept["tags"] = sorted(set(tags))
    return kept


def _output(raw: Any) -> dict[str, Any] | None:
    if not isinstance(raw, dict):
        return None
    kind = raw.get("output_type")
    if kind == "stream":
        name = "stderr" if raw.get("name") == "stderr" else "stdout"
        return {"output_type": kind, "name": name, "text": _text(raw.get("text"))}
    if kind == "error":
        lines = [_text(line) for line in _list(raw.get("traceback"))]
        return {"output_type": kind, "ename": _text(raw.get("ename")), "evalue": "", "traceback": lines}
    if kind in ("execute_result", "display_data"):
        bundle = raw.get("data")
        data = {mime: _text(bundle[mime]) for mime in SHOWN if mime in bundle} if isinstance(bundle, dict) else {}
        count = {"execution_count": None} if kind == "execute_result" else {}
        return {"output_type": kind, "data": data, "metadata": {}, **count} if data else None
    return None


def _pictures(bundle: Any) -> dict[str, str]:
    bundle = bundle if isinstance(bundle, dict) else {}
    return {mime: _text(value) for mime, value in bundle.items() if mime in ("image/png", "image/jpeg", "image/gif")}


def _old_cells(worksheets: Any) -> list[Any]:
    """Cells of format 3: in worksheets, code under "input", headings as cells of their own."""
    cells = [cell for sheet in _list(worksheets) if isinstance(sheet, dict) for cell in _list(sheet.get("cells"))]
    return [_old_cell(cell) if isinstance(cell, dict) else cell for cell in cells]


def _old_cell(raw: dict[str, Any]) -> dict[str, Any]:
    kind, metadata = raw.get("cell_type"), raw.get("metadata", {})
    if kind == "code":
        return {"cell_type": "code", "metadata": metadata, "source": raw.get("input", ""), "outputs": []}
    if kind == "heading":
        level = raw.get("level")
        marks = "#" * (level if isinstance(level, int) and 1 <= level <= 6 else 1)
        title = _text(raw.get("source")).replace("\n", " ")
        return {"cell_type": "markdown", "metadata": metadata, "source": f"{marks} {title}"}
    return {"cell_type": "markdown" if kind == "html" else kind, "metadata": metadata, "source": raw.get("source", "")}


def _text(raw: Any) -> str:
    """Source or text as one string that can be written as UTF-8, lines ending in a newline only."""
    if isinstance(raw, list):
        try:
            raw = "".join(raw)
        except TypeError:
            raw = "".join(line for line in raw if isinstance(line, str))
    if not isinstance(raw, str):
        return ""
    return raw.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()


def _plain(raw: Any) -> str | int | float | None:
    return _text(raw) if isinstance(raw, str) else raw if isinstance(raw, int | float) else None


def _list(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else []
