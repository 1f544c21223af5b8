"""Where this code runs: in a notebook's kernel, which displays what a cell's last line gives, or elsewhere."""

import sys
from typing import Any


def notebook_shell() -> Any | None:
    """IPython's shell, if it is that of a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell if getattr(shell, "kernel", None) is not None else None


def in_notebook() -> bool:
    """Whether what a cell's last line gives is displayed."""
    return notebook_shell() is not None
