"""Python files that were notebooks once -> the cells of a notebook.

Three kinds are read: nbconvert's export (``# In[3]:`` before code, text as comments between), the percent format of
jupytext, VS Code, Spyder and PyCharm (``# %%``), and a plain script, which becomes one cell. jupytext reads the second
kind only, takes the text of the first for code, and was not made for files by strangers, so this is done here.
"""

import ast
import re
from typing import Any

MAX_SCRIPT = 2_000_000  # characters
MAGIC_CALL = "get_ipython()."
PROMPT = re.compile(r"#[ ]?In[ ]?\[[\d ]{0,9}\]:?[ ]*")
PERCENT = re.compile(r"#[ ]?%%(?![%\w])(.*)")
TEXT = re.compile(r"(^|\s)(\[markdown\]|\[md\]|md\b|markdown\b)")
RAW = re.compile(r"(^|\s)\[raw\]")
GRADE_ID = re.compile(r'"grade_id":\s{0,3}"([A-Za-z_]\w{0,63})"')
QUOTES = ('"""', "'''")


def is_script(text: str) -> bool:
    """Whether the text has the marks that exports put between cells."""
    return any(PROMPT.fullmatch(line) or PERCENT.fullmatch(line) for line in _lines(text))


def read_script(text: str) -> dict[str, Any]:
    """A notebook as JSON would give it. Raises ``ValueError`` when the text is far too long."""
    if len(text) > MAX_SCRIPT:
        raise ValueError("it is far longer than a lab")
    lines = _lines(text)
    if any(PROMPT.fullmatch(line) for line in lines):
        cells = _prompts(lines)
    elif any(PERCENT.fullmatch(line) for line in lines):
        cells = _percent(lines)
    else:
        cells = [_cell("code", lines)]
    return {"cells": [cell for cell in cells if cell["source"]], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _prompts(lines: list[str]) -> list[dict[str, Any]]:
    cells = []
    for number, part in enumerate(_split(lines, PROMPT)):
        body = part if number == 0 else part[1:]
        code, text = _without_text(body)
        if number == 0:
            code = [line for line in code if not line.startswith("#")]
        cells.append(_cell("code", [_magic(line) for line in code]))
        cells += [_cell("markdown", _uncommented(paragraph)) for paragraph in text]
    return cells


def _without_text(lines: list[str]) -> tuple[list[str], list[list[str]]]:
    """Code, and the paragraphs of nothing but comments after it. nbconvert leaves no blank line inside a text cell."""
    text: list[list[str]] = []
    end = len(lines)
    while end:
        last = end
        while last and not lines[last - 1].strip():
            last -= 1
        first = last
        while first and lines[first - 1].startswith("#"):
            first -= 1
        if first == last or (first and lines[first - 1].strip()):
            break
        paragraph = lines[first:last]
        if not paragraph[0].startswith(("#!", "# coding", "# -*-")):
            text.insert(0, paragraph)
        end = first
    return lines[:end], text


def _percent(lines: list[str]) -> list[dict[str, Any]]:
    cells = []
    for number, part in enumerate(_split(lines, PERCENT)):
        if number == 0:
            if any(line.strip() and not line.startswith("#") for line in part):  # else jupytext's header
                cells.append(_cell("code", part))
            continue
        title = PERCENT.fullmatch(part[0])[1]
        marked = GRADE_ID.search(title)
        metadata = {"nbgrader": {"grade_id": marked[1]}} if marked else {}
        if TEXT.search(title) or RAW.search(title):
            kind = "raw" if RAW.search(title) else "markdown"
            cells.append(_cell(kind, _uncommented(part[1:]), metadata))
        else:
            cells.append(_cell("code", [_magic(line) for line in part[1:]], metadata))
    return cells


def _split(lines: list[str], marker: re.Pattern[str]) -> list[list[str]]:
    """The lines before the first marker, then those from each marker on."""
    parts: list[list[str]] = [[]]
    for line in lines:
        if marker.fullmatch(line):
            parts.append([])
        parts[-1].append(line)
    return parts


def _uncommented(lines: list[str]) -> list[str]:
    """Text stands in comments, or in one string."""
    whole = "\n".join(lines).strip()
    if len(whole) >= 6 and whole[:3] in QUOTES and whole.endswith(whole[:3]):
        return whole[3:-3].split("\n")
    return [re.sub(r"^#[ ]?", "", line) for line in lines]


def _magic(line: str) -> str:
    """``get_ipython().run_line_magic("time", "f()")`` -> ``%time f()``, as it stood in the notebook."""
    bare = line.lstrip()
    if not bare.startswith(MAGIC_CALL):
        return line
    try:
        call = ast.parse(bare.rstrip(), mode="eval").body
        arguments = [ast.literal_eval(one) for one in call.args] if isinstance(call, ast.Call) else []
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return line
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
        return line
    if not all(isinstance(one, str) for one in arguments):
        return line
    indent = line[: len(line) - len(bare)]
    match call.func.attr, arguments:
        case "system", [command]:
            return f"{indent}!{command}"
        case "run_line_magic", [name, rest]:
            return f"{indent}%{name} {rest}".rstrip()
        case "run_cell_magic", [name, rest, body]:
            return f"%%{name} {rest}".rstrip() + f"\n{body}"
    return line


def _cell(kind: str, lines: list[str], metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"cell_type": kind, "metadata": metadata or {}, "source": "\n".join(lines).strip("\n")}
