"""What the source of one cell says about itself: what it defines, and whether it is a check. Parsed, never run."""

import ast
import re
import symtable
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from typing import TypeVar

from autograder.remembered import Remembered

Value = TypeVar("Value")
MAX_SOURCE = 200_000
LONG = 1000  # characters: what longer cells say is remembered by its size
KEPT_CELLS = 6000  # shorter ones: more than a notebook may have, for all are asked for again and again
KEPT_BYTES = 96 << 20  # of the longer ones: a notebook's, too
CHECKS = ("check", "check_answer")
#: Cell magics whose body is Python of this notebook.
PYTHON_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun")
DEFINITION = re.compile(r"^(?:async\s+def|def|class)\s+(\w+)|^(\w+)\s*(?::[^=\n]+)?=(?!=)", re.MULTILINE)
MAGIC = re.compile(r"^([^\S\n]*)[%!].*", re.MULTILINE)
WORD = re.compile(r"\w+")
NAMES = re.compile(r"[\w\s,]+")
DEFINING = ("async", "def", "class")
IMPORTING = ("import", "from")
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORT = (ast.Import, ast.ImportFrom)
# Only one thread may change the warning filters at a time; parsing takes a millisecond.
_filters = threading.Lock()


@dataclass(frozen=True)
class Code:
    """``defines``: names bound at the top level, imports too. ``check``: the item of a cell that is one check call.

    ``only_defines``: nothing is called for its effect and nothing loops. ``reads``: global names that its functions and
    classes use. What of ``defines`` is imported, with its place; is a function or a class, with its text; is something
    else: ``imports``, ``functions``, ``others``. ``places``: the lines of the last statement that binds a name.
    """

    parses: bool
    defines: frozenset[str]
    check: str = ""
    only_defines: bool = False
    reads: frozenset[str] = frozenset()
    imports: frozenset[tuple[str, str]] = frozenset()
    functions: frozenset[tuple[str, str]] = frozenset()
    others: frozenset[str] = frozenset()
    places: Mapping[str, slice] = field(default_factory=dict)


def kept(*, cost: int) -> Callable[[Callable[[str], Value]], Callable[[str], Value]]:
    """Remember what a function gives for a source, since most cells are the same for the whole class.

    That takes ``cost`` bytes for each character at most.
    """

    def decorate(function: Callable[[str], Value]) -> Callable[[str], Value]:
        of_short, of_long = lru_cache(maxsize=KEPT_CELLS)(function), Remembered(KEPT_BYTES)

        @wraps(function)
        def recall(source: str) -> Value:
            if len(source) <= LONG:
                return of_short(source)
            return of_long.recall(source, lambda: function(source), size=lambda value: cost * len(source))

        return recall

    return decorate


def analyse(source: str) -> Code:
    """Of a cell that is not Python, ``defines`` is what its lines seem to define."""
    return _analyse(source[: MAX_SOURCE + 1])


@kept(cost=75)  # a cell of assignments alone
def _analyse(source: str) -> Code:
    tree, table = _parse(source) or (None, None)
    if tree is None:
        names = {first or second for first, second in DEFINITION.findall(source)}
        words, others = frozenset(WORD.findall(source)), frozenset(_seems_to_bind(source))
        return Code(False, frozenset(names), reads=words, others=others)
    statements, lines = _statements(tree), source.split("\n")
    places, imports, functions = {}, set(), {}
    for statement in statements:
        place = _place(statement)
        places |= dict.fromkeys(_names(statement), place)
        imports |= _imports(statement)
        if isinstance(statement, FUNCTION):
            functions[statement.name] = "\n".join(lines[place])
    return Code(
        True,
        frozenset(places),
        _check(tree),
        all(map(_only_defines, tree.body)),
        _reads(table) | _heads(statements),
        frozenset(imports),
        frozenset(functions.items()),
        frozenset(set(places) - {name for name, _ in imports} - set(functions)),
        places,
    )


def defines_nothing_twice(sources: Iterable[str]) -> bool:
    """Is every function at the end of a notebook what it was below its own cell, as far as the text tells?

    That is so when no name that a function uses, or a function's own name, is bound in two cells. The same import twice
    is one, and so is the same function. Of a cell that is not Python, all words count as used; one that is too long to
    be looked through may bind anything.
    """
    sources = list(sources)
    if any(len(source) > MAX_SOURCE for source in sources):
        return False
    codes = [analyse(source) for source in sources]
    once = {binding for code in codes for binding in (*code.imports, *code.functions)}
    bound = Counter([*(name for name, _ in once), *(name for code in codes for name in code.others)])
    used = {name for code in codes for name in code.reads}
    return not any(count > 1 and name in used for name, count in bound.items())


def definition(source: str, name: str) -> str:
    """The text of the last statement that binds ``name`` at the top level; the whole cell if it does not parse."""
    code = analyse(source)
    if name not in code.defines:
        return ""
    return "\n".join(source.split("\n")[code.places[name]]) if code.parses else source


def leaves_function(source: str) -> bool:
    """Whether it returns or yields outside of every function: the rest of one that was cut in two."""
    tree, _ = _parse(source) or (None, None)
    if tree is None:
        return False
    leaving = ast.Return | ast.Yield | ast.YieldFrom
    return any(
        isinstance(node, leaving)
        for statement in _statements(tree)
        for node in (statement, getattr(statement, "value", None))
    )


@kept(cost=8)
def normalise(source: str) -> str:
    """Sources that differ in blank lines and trailing spaces only are the same."""
    return "\n".join(filter(None, map(str.rstrip, source.splitlines())))


def _parse(source: str) -> tuple[ast.Module, symtable.SymbolTable] | None:
    """The tree and its names, without IPython's lines if it is no Python with them; None if it is none at all."""
    if len(source) > MAX_SOURCE:
        return None
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a "\d" in a student's string is no concern of ours
        for program in (source, _without_magics(source)):
            # What the parser answers to sources that nobody wrote by hand, too: NUL bytes, a million brackets.
            with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                return ast.parse(program), symtable.symtable(program, "<cell>", "exec")
    return None


def _without_magics(source: str) -> str:
    """Lines stay where they are, so that positions are right."""
    first = source.partition("\n")[0].lstrip()
    if first.startswith("%%") and not first.startswith(PYTHON_MAGICS):
        return ""
    return MAGIC.sub(r"\1pass", source)


def _statements(tree: ast.Module) -> list[ast.stmt]:
    """Statements that run when the cell runs, in order: its own, and those inside if, try, with and loops."""
    found: list[ast.stmt] = []
    waiting = list(tree.body)
    while waiting:  # not recursive: an elif is an if inside an else, and there may be thousands
        statement = waiting.pop()
        found.append(statement)
        if isinstance(statement, ast.If | ast.Try | ast.With | ast.For | ast.While):
            for block in ("body", "orelse", "finalbody"):
                waiting += getattr(statement, block, [])
            for handler in getattr(statement, "handlers", []):
                waiting += handler.body
    return sorted(found, key=lambda statement: (statement.lineno, statement.col_offset))


def _place(statement: ast.stmt) -> slice:
    first = min([statement.lineno, *(one.lineno for one in getattr(statement, "decorator_list", ()))])
    return slice(first - 1, statement.end_lineno)


def _names(statement: ast.stmt) -> set[str]:
    if isinstance(statement, FUNCTION):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = [statement.target]
    elif isinstance(statement, IMPORT):
        return {alias.asname or alias.name.split(".")[0] for alias in statement.names}
    else:
        return set()
    nodes = [node for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return {node.id for node in nodes if isinstance(node.ctx, ast.Store)}


def _imports(statement: ast.stmt) -> set[tuple[str, str]]:
    if not isinstance(statement, IMPORT):
        return set()
    module = f"{getattr(statement, 'module', '')}."
    return {
        (one.asname or one.name.split(".")[0], f"{module}{one.name if one.asname else ''}") for one in statement.names
    }


def _reads(cell: symtable.SymbolTable) -> frozenset[str]:
    """The names of its functions count as used, so that one that is defined again is noticed."""
    found: set[str] = set()
    waiting = cell.get_children()
    while waiting:
        table = waiting.pop()
        found |= {table.get_name(), *(one.get_name() for one in table.get_symbols() if one.is_global())}
        waiting += table.get_children()
    return frozenset(found)


def _heads(statements: Iterable[ast.stmt]) -> set[str]:
    """What decorators, defaults, annotations and bases use."""
    functions = [one for one in statements if isinstance(one, FUNCTION)]
    heads = [part for one in functions for part in ast.iter_child_nodes(one) if not isinstance(part, ast.stmt)]
    return {node.id for head in heads for node in ast.walk(head) if isinstance(node, ast.Name)}


def _seems_to_bind(source: str) -> set[str]:
    """What its lines define, import and assign: rather too much than too little.

    Not by one pattern over the whole: on lines that nobody wrote by hand, some take time without end.
    """
    found: set[str] = set()
    for line in source.splitlines():
        first = WORD.match(line.lstrip())
        target, assigns, value = line.partition("=")
        names = target.partition(":")[0]
        if first and first.group() in IMPORTING:
            found.update(WORD.findall(line))
        elif first and first.group() in DEFINING:
            found.update(WORD.findall(line.partition("(")[0]))
        elif assigns and not value.startswith("=") and NAMES.fullmatch(names):
            found.update(WORD.findall(names))
    return found


def _only_defines(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)  # a docstring
    return not isinstance(statement, ast.For | ast.While | ast.With | ast.AsyncFor | ast.AsyncWith)


def _check(tree: ast.Module) -> str:
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return ""
    call = tree.body[0].value
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in CHECKS and call.args):
        return ""
    subject = call.args[0]
    if isinstance(subject, ast.Name):
        return subject.id
    return subject.value if isinstance(subject, ast.Constant) and isinstance(subject.value, str) else ""
