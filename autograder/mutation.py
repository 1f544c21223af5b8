"""Mutants made by machine: every small change of a solution's syntax tree that a slip of the hand could be.

Arithmetic and comparisons exchanged, operands swapped, terms and factors dropped, numbers off by one, another rounding,
clamps and casts left out, another dtype, another dimension, options left out, conditions turned round, statements
deleted. A mutant is named by what stands in its line before and after, so that a list of them can be read.
"""

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass

ROUNDINGS = {"round": ("floor", "ceil", "trunc")}
DTYPES = {"int8": ("int32", "uint8"), "int32": ("int8", "int64"), "int64": ("int32",), "float32": ("float64",)}
DTYPES |= {"float64": ("float32",), "double": ("float",)}
OPERATORS: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.Pow: (ast.Mult,),
}
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt,),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
EXCHANGED = {"min": "max", "max": "min", "heappop": "heappush"}
WORDS = re.compile(r"\w+|\s+|[^\w\s]")
GRADED = (ast.FunctionDef, ast.ClassDef)
#: Methods without which a value is still of use: x.clamp(low, high) -> x.
DROPPED = ("clamp", "round", "to", "double", "detach", "reshape", "abs", "expand", "sqrt", "item")


@dataclass(frozen=True)
class Mutant:
    name: str  # "4: torch.round -> torch.floor": the line without docstring, what stood there, what stands there now
    source: str


def mutants(source: str) -> list[Mutant]:
    """All mutants of the one function or class that ``source`` defines, each once, without docstrings, annotations."""
    tree = ast.parse(source)
    function = next(node for node in tree.body if isinstance(node, GRADED))
    _strip(function)
    before = ast.unparse(tree)
    found: dict[str, Mutant] = {}
    for number, node in enumerate(ast.walk(function)):
        for position in range(len(list(_changes(node)))):
            changed = copy.deepcopy(tree)
            twin = next(one for one in changed.body if isinstance(one, GRADED))
            target = next(one for at, one in enumerate(ast.walk(twin)) if at == number)
            replacement = list(_changes(target))[position]
            changed = _Replace(target, replacement).visit(changed)
            text = ast.unparse(ast.fix_missing_locations(changed)) + "\n"
            if text.strip() != before.strip():
                found.setdefault(text, Mutant(_name(before, text), text))
    return _numbered(list(found.values()))


def _strip(tree: ast.FunctionDef | ast.ClassDef) -> None:
    """Take out what does nothing, here and in methods."""
    for node in [one for one in ast.walk(tree) if isinstance(one, GRADED)]:
        if ast.get_docstring(node) is not None:
            del node.body[0]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in (*node.args.args, *node.args.kwonlyargs):
                argument.annotation = None


def _numbered(found: list[Mutant]) -> list[Mutant]:
    """Mutants whose first differing lines are the same get a number."""
    names = [mutant.name for mutant in found]
    before = [names[:at].count(name) for at, name in enumerate(names)]
    return [
        Mutant(f"{mutant.name} ({count + 1})", mutant.source) if count else mutant
        for mutant, count in zip(found, before, strict=True)
    ]


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST | None) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST | None:
        if node is self._old:
            return self._new
        return super().generic_visit(node)


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the place of ``node``; the tree that it is in is a copy, and each change is used alone."""
    if isinstance(node, ast.BinOp):
        yield from _binary(node)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for kind in COMPARISONS.get(type(node.ops[0]), ()):
            yield ast.Compare(node.left, [kind()], node.comparators)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield from (ast.Constant(value) for value in (node.value + 1, node.value - 1))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
    elif isinstance(node, ast.Call):
        yield from _call(node)
    elif isinstance(node, ast.Attribute) and node.attr in DTYPES:
        yield from (ast.Attribute(node.value, name, node.ctx) for name in DTYPES[node.attr])
    elif isinstance(node, ast.If):
        yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
        yield ast.If(ast.Constant(False), node.body, node.orelse)
    elif isinstance(node, ast.Assign | ast.AugAssign | ast.Expr):
        yield ast.Pass()
        if isinstance(node, ast.AugAssign):
            yield ast.Assign([node.target], node.value)
    elif isinstance(node, ast.Tuple) and len(node.elts) >= 2 and isinstance(node.ctx, ast.Load):
        if not all(isinstance(one, ast.Constant) for one in node.elts):  # such as dimensions to sum over
            yield ast.Tuple([node.elts[1], node.elts[0], *node.elts[2:]], node.ctx)
        yield from (ast.Tuple([*node.elts[:at], *node.elts[at + 1 :]], node.ctx) for at in range(len(node.elts)))


def _binary(node: ast.BinOp) -> Iterator[ast.AST]:
    for kind in OPERATORS.get(type(node.op), ()):
        yield ast.BinOp(node.left, kind(), node.right)
    if isinstance(node.op, ast.Sub | ast.Div | ast.Pow):
        yield ast.BinOp(node.right, node.op, node.left)
    yield node.left
    yield node.right


def _call(node: ast.Call) -> Iterator[ast.AST]:
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    library = isinstance(function, ast.Attribute) and getattr(function.value, "id", "") in ("torch", "functional")
    if isinstance(function, ast.Attribute):
        if name in DROPPED and not library:
            yield function.value
        for other in (*ROUNDINGS.get(name, ()), *([EXCHANGED[name]] if name in EXCHANGED else [])):
            yield ast.Call(ast.Attribute(function.value, other, function.ctx), node.args, node.keywords)
    elif name == "round":
        yield ast.Call(ast.Name("int", ast.Load()), node.args, node.keywords)
    elif name in EXCHANGED:
        yield ast.Call(ast.Name(EXCHANGED[name], ast.Load()), node.args, node.keywords)
    if library and name in DROPPED and node.args:
        yield node.args[0]
    for at in range(len(node.keywords)):
        yield ast.Call(function, node.args, [*node.keywords[:at], *node.keywords[at + 1 :]])
    if len(node.args) >= 2 and name not in ("min", "max"):  # whose order does nothing
        yield ast.Call(function, [node.args[1], node.args[0], *node.args[2:]], node.keywords)


def _name(before: str, after: str) -> str:
    """The first line that differs, by its number, and what stands there before and after: "3: + -> -"."""
    old, new = before.splitlines(), after.splitlines()
    same = [one == other for one, other in zip(old, new, strict=False)]
    at = same.index(False) if False in same else min(len(old), len(new)) - 1
    words = [WORDS.findall(text[at].strip()) if at < len(text) else [] for text in (old, new)]
    start = _common(*words)
    end = _common(words[0][start:][::-1], words[1][start:][::-1])
    parts = ["".join(one[start : len(one) - end]) or "nothing" for one in words]
    return f"{at + 1}: {parts[0]} -> {parts[1]}"


def _common(one: list[str], other: list[str]) -> int:
    """How many words both begin with."""
    differ = [first != second for first, second in zip(one, other, strict=False)]
    return differ.index(True) if True in differ else len(differ)
