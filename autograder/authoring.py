"""Case recipes and a lab's solution -> reference items with tensors, visible and hidden apart."""

import hashlib
import importlib.machinery
import importlib.util
import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from autograder.course import Course
from autograder.notebooks import BuildError, LabSource
from autograder.recipes import HIDDEN_VARIANTS, CaseRecipe, Draw, ItemRecipe
from autograder.solution import named_tuples, repeatable, silent
from qlab_helpers.checking.codec import Tensors, Tree, decode, encode
from qlab_helpers.checking.compare import judge
from qlab_helpers.checking.drivers import DRIVERS, apply
from qlab_helpers.checking.reference import Case, Item, Reference, Variant
from qlab_helpers.checking.verdict import Verdict


def staff_files(course: Course, kind: str, lab: str) -> list[Path]:
    """The files of ``autograder/<kind>`` for ``lab``: one module, or every module of a package; none without either."""
    folder = course.root / "autograder" / kind
    package, module = folder / lab, folder / f"{lab}.py"
    return sorted(package.rglob("*.py")) if package.is_dir() else [module] if module.is_file() else []


def module_of(course: Course, kind: str, lab: str, name: str) -> tuple:
    """The tuple ``name`` of such a module, read from the course's own folder whichever one Python would import.

    Empty when there is no module. Raises ``BuildError`` when it cannot be loaded.
    """
    files = staff_files(course, kind, lab)
    if not files:
        return ()
    start = next((path for path in files if path.name == "__init__.py" and path.parent.name == lab), files[0])
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:8]
    module_name = f"qlab_{kind}_{lab}_{digest}"
    place = start.relative_to(course.root).as_posix()
    folders = [str(start.parent)] if start.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(
        module_name, start, loader=_Fresh(module_name, str(start)), submodule_search_locations=folders
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # relative imports and dataclasses look their module up
    try:
        spec.loader.exec_module(module)
        return tuple(getattr(module, name))
    except Exception as error:  # an author's code may raise anything
        del sys.modules[module_name]
        raise BuildError(f"{place} cannot be loaded: {type(error).__name__}: {error}") from error


def load_recipes(course: Course, lab: str) -> tuple[ItemRecipe, ...]:
    """``ITEMS`` of the lab's cases."""
    if not staff_files(course, "cases", lab):
        raise BuildError(
            f"there is no autograder/cases/{lab}.py; write it, with ITEMS naming the cases of each function"
        )
    items = module_of(course, "cases", lab, "ITEMS")
    if not all(isinstance(item, ItemRecipe) for item in items):
        raise BuildError(f"autograder/cases/{lab}: ITEMS must be a tuple of ItemRecipe")
    return items


def make_references(
    lab: LabSource, recipes: Sequence[ItemRecipe], solution: Mapping[str, Any]
) -> tuple[Reference, Reference]:
    """The visible and the hidden reference of a lab. Raises ``BuildError`` where recipes, source and solution disagree.

    Both have every item; an item's cases are in the one or the other.
    """
    _check_items(lab, recipes, solution)
    order = list(lab.items)
    visible, hidden = Reference(lab.lab, {}, {}), Reference(lab.lab, {}, {})
    for recipe in sorted(recipes, key=lambda one: order.index(one.name)):
        function = solution[recipe.name]
        parameters = _parameters(recipe, function)
        item = Item(
            name=recipe.name,
            kind=recipe.kind,
            lab=lab.lab,
            points=lab.items[recipe.name],
            parameters=parameters,
            outputs=recipe.outputs,
            judge=recipe.judge,
            uses=recipe.uses,
            choices=recipe.choices,
            cases=(),
            driver=recipe.driver,
        )
        for reference, shown in ((visible, True), (hidden, False)):
            cases = tuple(
                _case(item, case, solution, reference.tensors) for case in recipe.cases if case.visible is shown
            )
            reference.items[item.name] = replace(item, cases=cases)
    return visible, hidden


def _parameters(recipe: ItemRecipe, function: Any) -> tuple[str, ...]:
    """Names of a case's arguments: those of the function, or of the driver that is given the class before them."""
    if recipe.kind != "function":
        return ()
    if not recipe.driver:
        return tuple(inspect.signature(function).parameters)
    return tuple(inspect.signature(DRIVERS[recipe.driver]).parameters)[1:]


def _case(item: Item, recipe: CaseRecipe, solution: Mapping[str, Any], tensors: Tensors) -> Case:
    unknown = sorted(set(recipe.observe) - set(item.parameters))
    if unknown:
        raise BuildError(f"{_place(item, recipe)} observes {unknown[0]!r}, which is not a parameter of {item.name}")
    variants = tuple(
        _variant(item, recipe, number, solution, tensors) for number in range(1 if recipe.visible else HIDDEN_VARIANTS)
    )
    return Case(recipe.name, recipe.tests, recipe.hint, recipe.visible, recipe.weight, recipe.observe, variants)


def _variant(item: Item, recipe: CaseRecipe, number: int, solution: Mapping[str, Any], tensors: Tensors) -> Variant:
    place = _place(item, recipe)
    seed = _seed(item.lab, item.name, recipe.name, number)
    prefix = f"{item.name}/{recipe.name}/{number}"
    try:
        made = recipe.make(Draw(seed))
    except Exception as error:  # an author's code may raise anything
        raise BuildError(f"{place} cannot make its inputs: {type(error).__name__}: {error}") from error
    if not isinstance(made, tuple):
        raise BuildError(f"{place} must make a tuple of arguments, not {type(made).__name__}")
    args = _store(made, f"{prefix}/args.", tensors, place)
    _mark_transposed(args, made, place)
    result, observed = _solve(item, recipe, args, tensors, solution, seed)
    expected = result
    if recipe.expected is not None:
        expected = recipe.expected()
    variant = Variant(
        args=args,
        expected=_store(expected, f"{prefix}/expected.", tensors, place),
        observed={
            name: _store(value, f"{prefix}/observed.{name}.", tensors, place) for name, value in observed.items()
        },
    )
    verdict = _judge(item, recipe, variant, tensors, result, observed)
    if not verdict:
        raise BuildError(f"the solution of {item.name} does not pass {place}: {verdict.detail or verdict.message}")
    return variant


def _solve(
    item: Item, recipe: CaseRecipe, args: Tree, tensors: Tensors, solution: Mapping[str, Any], seed: int
) -> tuple[Any, dict[str, Any]]:
    """What the solution returns, and the observed arguments after the call."""
    if item.kind == "answer":
        return solution[item.name], {}
    arguments = decode(args, tensors, named_tuples(solution))
    try:
        with repeatable(seed), silent():
            result = apply(item.driver, solution[item.name], arguments)
    except Exception as error:  # an author's code may raise anything
        place = _place(item, recipe)
        raise BuildError(f"the solution of {item.name} fails on {place}: {type(error).__name__}: {error}") from error
    return result, {name: arguments[item.parameters.index(name)] for name in recipe.observe}


def _judge(
    item: Item, recipe: CaseRecipe, variant: Variant, tensors: Tensors, result: Any, observed: Mapping[str, Any]
) -> Verdict:
    case = Case(recipe.name, recipe.tests, recipe.hint, recipe.visible, recipe.weight, recipe.observe, (variant,))
    try:
        return judge(Reference(item.lab, {item.name: item}, tensors), item, case, variant, result, observed)
    except ValueError as error:
        raise BuildError(f"autograder/cases/{item.lab}: {error}") from error


def _store(value: Any, prefix: str, tensors: Tensors, place: str) -> Tree:
    tree, found = encode(value, prefix=prefix)
    if "'other':" in repr(tree):
        raise BuildError(f"{place} has a value that reference files cannot hold: {tree}")
    tensors.update(found)
    return tree


def _mark_transposed(args: Tree, made: tuple, place: str) -> None:
    """Tensors are stored contiguous; an argument on purpose transposed in memory is transposed again when read."""
    for node, value in zip(args["tuple"], made, strict=True):
        if isinstance(value, torch.Tensor) and not value.is_contiguous():
            if value.dim() < 2 or not value.transpose(-1, -2).is_contiguous():
                raise BuildError(f"{place} has a tensor whose layout cannot be kept; transpose its last two dimensions")
            node["transposed"] = True


def _check_items(lab: LabSource, recipes: Sequence[ItemRecipe], solution: Mapping[str, Any]) -> None:
    source, cases = f"solutions/{lab.lab}/{lab.lab}.py", f"autograder/cases/{lab.lab}"
    names = [recipe.name for recipe in recipes]
    for name in names:
        if names.count(name) > 1:
            raise BuildError(f"{cases} has {names.count(name)} items called {name!r}; keep one")
        if name not in lab.items:
            raise BuildError(f'{cases} has cases for {name!r}, but {source} has no cell with check="{name}"')
    for name in lab.items:
        if name not in names:
            raise BuildError(f"{source} checks {name!r}, but {cases} has no ItemRecipe of that name")
        if name not in solution:
            raise BuildError(f"{source} checks {name!r}, but no solution or given cell defines it")
    checks = [cell for cell in lab.cells if cell.role == "check"]
    kinds = {cell.name: "answer" if cell.source.startswith("check_answer") else "function" for cell in checks}
    for recipe in recipes:
        if recipe.kind != kinds[recipe.name]:
            call = f'check_answer("{recipe.name}", ...)' if recipe.kind == "answer" else f"check({recipe.name})"
            raise BuildError(
                f"{cases} calls {recipe.name!r} an item of kind {recipe.kind!r}; its check cell must be {call}"
            )
        if recipe.kind == "function" and not callable(solution[recipe.name]):
            raise BuildError(f"{source}: {recipe.name!r} is checked as a function but is not one")
        if recipe.driver and recipe.driver not in DRIVERS:
            known = ", ".join(DRIVERS)
            raise BuildError(f"{cases}: {recipe.name!r} names the driver {recipe.driver!r}; drivers.py has: {known}")
        for other in recipe.uses:
            if other not in names or other == recipe.name:
                raise BuildError(
                    f"{cases}: {recipe.name!r} uses {other!r}, which is not another graded item of the lab"
                )
        _check_case_names(recipe, cases)


def _check_case_names(recipe: ItemRecipe, cases: str) -> None:
    names = [case.name for case in recipe.cases]
    if not names:
        raise BuildError(f"{cases}: {recipe.name!r} has no cases; give it at least one")
    for case in recipe.cases:
        if names.count(case.name) > 1:
            raise BuildError(f"{cases}: {recipe.name!r} has {names.count(case.name)} cases called {case.name!r}")
        if not case.weight > 0:
            raise BuildError(
                f"{cases}: case {case.name!r} of {recipe.name!r} has weight {case.weight}; it must be above 0"
            )


def _place(item: Item, recipe: CaseRecipe) -> str:
    return f"case {recipe.name!r} of {item.name!r} in autograder/cases/{item.lab}"


def _seed(*parts: object) -> int:
    """The same on every machine and in every process, unlike ``hash``."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8], "big") >> 1


class _Fresh(importlib.machinery.SourceFileLoader):
    """Never reads compiled code: it is told apart by seconds only, and a build may follow an edit sooner."""

    def path_stats(self, path: str) -> dict[str, Any]:
        raise OSError
