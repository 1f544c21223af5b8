"""What must hold of the repository as a whole: its names, its text, which way imports point."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OWNER_NAMES = ["notebooks/", "solutions/", "autograder/", "qlab_helpers/", "environment.yml", "README.md"]

#: Layers of autograder's modules. One that is not named here is in the middle: it grades, or helps to build or grade.
BOTTOM = {"results", "course", "recipes", "cases"}
TOP = {
    "build",
    "batch",
    "bench",
    "cluster",
    "pages",
    "workplaces",
    "preload",
    "classroom",
    "gradebook",
    "report",
    "classreport",
    "demo",
    "run",
    "doctor",
    "verify",
    "leaks",
    "matrix",
    "stamp",
    "lms",
    "handout",
    "gradescope",
}
COMMAND_LINE = {"cli", "cli_build", "cli_lms", "cli_release", "terminal"}

OUR_FOLDERS = ["autograder", "qlab_helpers", "solutions", "notebooks", "tests", "benchmarks", ".ci"]
BINARY = {".pyc", ".safetensors", ".png"}


@pytest.mark.parametrize("name", OWNER_NAMES)
def test_a_name_fixed_by_the_owner_exists_and_is_in_the_readme(name):
    assert (ROOT / name).exists()
    assert re.search(rf"^{re.escape(name)}\s", (ROOT / "README.md").read_text(), re.MULTILINE)


def test_nobody_is_told_to_install_what_belongs_to_others():
    advice = re.compile(r"pip3?\s+install\s+(-\S+\s+)*[\"']?(qlab|autograder)(?![\w-])")
    told = [str(path.relative_to(ROOT)) for path in texts() if advice.search(path.read_text(encoding="utf-8"))]
    assert not told


def test_helpers_never_import_the_autograder():
    files = (ROOT / "qlab_helpers").rglob("*.py")
    assert not [str(path) for path in files if any(name.split(".")[0] == "autograder" for name in imports(path))]


def test_autograder_imports_point_down():
    upward = [
        f"{name} imports {other}"
        for name, others in autograder_imports().items()
        for other in others
        if height(other) > height(name)
    ]
    assert not upward


def test_autograder_imports_go_in_no_circle():
    try:
        TopologicalSorter(autograder_imports()).prepare()
    except CycleError as error:
        pytest.fail(f"circular imports: {' -> '.join(error.args[1])}")


def height(module: str) -> int:
    """Modules import from their own height and below."""
    return 0 if module in BOTTOM else 2 if module in TOP else 3 if module in COMMAND_LINE else 1


def texts() -> list[Path]:
    """The text files of ours, without virtual environments and what building and grading wrote."""
    inside = (path for folder in OUR_FOLDERS for path in (ROOT / folder).rglob("*"))
    return [path for path in (*ROOT.iterdir(), *inside) if path.is_file() and path.suffix not in BINARY]


def imports(path: Path) -> set[str]:
    """Dotted names that a file imports, inside functions too; ``from a import b`` counts as a and a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return names


def autograder_imports() -> dict[str, set[str]]:
    """For each module of autograder (a subpackage counts as one) the others that it imports."""
    package = ROOT / "autograder"
    found: dict[str, set[str]] = {}
    for path in package.rglob("*.py"):
        name = path.relative_to(package).parts[0].removesuffix(".py")
        used = {dotted.split(".")[1] for dotted in imports(path) if dotted.startswith("autograder.")}
        found.setdefault(name, set()).update(used - {name})
    modules = set(found)
    return {name: used & modules for name, used in found.items()}
