"""Runs inside the sandbox: the notebook's kernel. Executes cells as IPython would, without a front end or a history.

A cell that does not run to its end still contributes what it defines: losing a function to an error in the line above
it would cost marks for the wrong reason.
"""

import __future__

import ast
import linecache
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell

from autograder.stopwatch import Stopwatch, TimeUp

DEFINING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Pass)
#: Calls that only make a constant: assignments of them are definitions too.
CONSTANTS = frozenset(
    (
        "namedtuple",
        "NamedTuple",
        "TypeVar",
        "device",
        "is_available",
        "dict",
        "list",
        "tuple",
        "set",
        "frozenset",
        "range",
    )
    + ("int", "float", "str", "partial", "tensor", "array")
)
#: What ``from __future__ import ...`` of an earlier cell asks for in the later ones.
FUTURE = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names})
SHELL_MAGICS = ("bash", "sh", "script", "system", "sx", "ruby", "perl", "js", "javascript", "html", "svg", "latex")
IGNORED_MAGICS = ("matplotlib", "pip", "conda", "mamba", "uv", "cd", "load_ext", "pylab", "autoreload")
#: Magics around a whole cell that change nothing of what it does.
PLAIN_CELL = re.compile(r"\A\s*%%(time|timeit|capture|prun)\b[^\n]*")


def make_shell() -> InteractiveShell:
    """The shell whose namespace is ``__main__``; it writes no files."""
    HistoryManager.enabled = False
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    shell = InteractiveShell.instance(user_module=main, user_ns=main.__dict__)
    shell.system = shell.system_raw = shell.system_piped = _no_shell
    shell.getoutput = lambda *_, **__: []
    for name in SHELL_MAGICS:
        shell.register_magic_function(lambda line, cell="": _no_shell(), "line_cell", name)
    for name in IGNORED_MAGICS:
        shell.register_magic_function(lambda line: None, "line", name)
    shell.showtraceback = lambda *_, **__: None  # nobody reads it: the exception itself is what we want
    shell.showsyntaxerror = lambda *_, **__: None
    for callbacks in shell.events.callbacks.values():
        callbacks.clear()  # IPython's own, which tidy up what is shown; those that come are the student's
    return shell


def plain_code(shell: InteractiveShell, source: str, name: str) -> types.CodeType | None:
    """Python without magics, prompts, ``await`` or transformations of the student's own, compiled; None for all else.

    IPython would run it just so, but for what it does around: finding out takes it as long as running most cells.
    """
    hooks = (shell.input_transformers_post, shell.ast_transformers, *shell.events.callbacks.values())
    word = re.match(r"\s*\w*", source).group().strip()
    magic = source.count("\n") < 2 and word in shell.magics_manager.magics["line"]  # one line needs no "%"
    if any(hooks) or magic or source.startswith("In [") or "__future__" in source:
        return None
    try:
        return compile(source, name, "exec", shell.compile.flags & FUTURE, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def cell_name(index: int) -> str:
    """The file name of a cell in tracebacks; people count cells from 1."""
    return f"<cell {index + 1}>"


def run_cell(
    shell: InteractiveShell, source: str, index: int, *, limit_s: float, wall_s: float, definitions_s: float
) -> BaseException | None:
    """Run a cell, and the definitions that it did not reach. Returns what it raised."""
    source = PLAIN_CELL.sub("", source, count=1)
    source, name = source.rstrip("\n") + "\n", cell_name(index)
    try:
        with Stopwatch(limit_s, wall_s):
            error = _run(shell, source, name)
    except BaseException as raised:  # noqa: BLE001  (a student's cell may raise anything, anywhere)
        error = raised
    if error is not None:
        run_definitions(shell, source, index, limit_s=definitions_s, after_line=_reached(error, index))
    return error


def _run(shell: InteractiveShell, source: str, name: str) -> BaseException | None:
    """What it raised, where IPython says so; of plain code the exception comes out."""
    shell.compile.get_code_name = lambda raw, transformed, number: name
    code = plain_code(shell, source, name)
    if code is None:
        result = shell.run_cell(source, store_history=False, silent=True)
        return result.error_before_exec or result.error_in_exec
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)  # for tracebacks and inspect
    with shell.builtin_trap:
        exec(code, shell.user_ns)
    return None


def run_definitions(shell: InteractiveShell, source: str, index: int, *, limit_s: float, after_line: int = 0) -> None:
    """Run the statements of a cell that only define something, as far as time allows."""
    name = cell_name(index)
    try:
        with Stopwatch(limit_s, 2 * limit_s):
            source = shell.transform_cell(PLAIN_CELL.sub("", source, count=1))
            linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
            for statement in _statements(source):
                if statement.lineno > after_line and defines(statement):
                    _execute(statement, name, shell.user_ns)
    except TimeUp:
        pass
    except BaseException:  # noqa: BLE001  (what is left of a broken cell must not end the process)
        pass


def defines(statement: ast.stmt) -> bool:
    """Imports, functions, classes; names given to constants; conditions and attempts around nothing but these."""
    if isinstance(statement, ast.If | ast.Try):
        handlers = [line for handler in getattr(statement, "handlers", ()) for line in handler.body]
        parts = [*statement.body, *statement.orelse, *handlers, *getattr(statement, "finalbody", ())]
        return all(defines(part) for part in parts)
    if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
        if isinstance(statement.value, ast.Lambda):
            return True
        calls = [node.func for node in ast.walk(statement.value) if isinstance(node, ast.Call)]
        return all(getattr(called, "id", getattr(called, "attr", "")) in CONSTANTS for called in calls)
    return isinstance(statement, DEFINING)


def _execute(statement: ast.stmt, name: str, namespace: dict[str, Any]) -> None:
    try:
        exec(compile(ast.Module([statement], []), name, "exec"), namespace)
    except TimeUp:
        raise
    except BaseException:  # noqa: BLE001  (one definition that fails must not cost the next)
        pass


def _statements(source: str) -> Iterator[ast.stmt]:
    """The statements of a cell; where it does not parse as a whole, those of its blocks that do."""
    try:
        yield from ast.parse(source).body
    except (SyntaxError, ValueError):
        lines = source.splitlines(keepends=True)
        starts = [number for number, line in enumerate(lines) if line[:1] not in " \t\r\n#)]}" and line.strip()]
        # A decorator belongs to the block that follows it.
        starts = [number for at, number in enumerate(starts) if not at or not lines[starts[at - 1]].startswith("@")]
        for begin, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            try:
                tree = ast.parse("".join(lines[begin:end]))
            except (SyntaxError, ValueError):
                continue
            yield from ast.increment_lineno(tree, begin).body


def _reached(error: BaseException, index: int) -> int:
    """The line of the cell that raised; 0 when it did not begin."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == cell_name(index):
            return trace.tb_lineno
        trace = trace.tb_next
    return 0


def _no_shell(*arguments: Any, **options: Any) -> None:
    print("shell commands are not run while grading")
