"""What is measured against, where it has to be installed or found first."""

import importlib
import os
from types import ModuleType

from benchmarks.harness import Unable
from qlab_helpers.data import find_data_sets

#: Packages of the extra `bench`, by the name under which they are imported.
DISTRIBUTIONS = {"sklearn.cluster": "scikit-learn", "kmeans1d": "kmeans1d"}


def peer(module: str) -> ModuleType:
    """A package that we only measure against. Raises ``Unable`` if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        wanted = DISTRIBUTIONS[module]
        raise Unable(f"{wanted} is not installed: make bench installs it, or pip install {wanted}") from error


def need_cifar10() -> None:
    """Raise ``Unable`` where CIFAR-10 would have to be downloaded first."""
    if find_data_sets()["CIFAR-10"] is None:
        named = os.environ.get("QLAB_DATA")
        where = f"QLAB_DATA={named} holds no CIFAR-10" if named else "QLAB_DATA is not set"
        raise Unable(f"{where}: set it to a folder with CIFAR-10 (see README, For students)")
