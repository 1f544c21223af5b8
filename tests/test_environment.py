"""The requirements: said once in pyproject.toml, equal in environment.yml, complete for what the code imports."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())

#: Imported where it happens to be there (a notebook's front end); nothing asks for it.
OPTIONAL = {"ipython"}


def test_environment_lists_the_requirements_of_pyproject():
    pip = next(entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict))
    extras = PROJECT["optional-dependencies"]
    wanted = PROJECT["dependencies"] + extras["grader"] + extras["dask"]
    assert sorted(pip) == sorted([*wanted, "-e ."])


def test_environment_is_named_qlab_and_asks_for_the_same_python():
    assert ENVIRONMENT["name"] == "qlab"
    assert "python" + PROJECT["requires-python"] in ENVIRONMENT["dependencies"]


def test_distribution_is_called_qlab_kit_and_its_command_qlab():
    assert PROJECT["name"] == "qlab-kit"
    assert list(PROJECT["scripts"]) == ["qlab"]


@pytest.mark.parametrize(
    ("package", "extras"),
    [
        ("qlab_helpers", []),
        ("autograder", ["grader", "dask"]),
        ("benchmarks", ["grader", "bench", "dev"]),
        ("tests", ["grader", "dask", "dev"]),
    ],
)
def test_every_import_is_a_requirement(package, extras):
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    required = {canonicalize_name(Requirement(line).name) for lines in lists for line in lines} | OPTIONAL
    providers = packages_distributions()
    missing = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / package).rglob("*.py")
        for name in third_party_imports(path)
        if not required & {canonicalize_name(distribution) for distribution in providers.get(name, [])}
    }
    assert not missing


def test_extra_bench_is_the_peers_that_the_benchmarks_import_by_name():
    text = (ROOT / "benchmarks" / "peers.py").read_text()
    (peers,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "DISTRIBUTIONS"
    )
    assert {Requirement(line).name for line in PROJECT["optional-dependencies"]["bench"]} == set(peers.values())


def third_party_imports(path: Path) -> set[str]:
    """Top-level packages that a file imports anywhere, without ours and the standard library's."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"qlab_helpers", "autograder", "benchmarks"}
