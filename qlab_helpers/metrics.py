"""Figures that a lab reports: shown as a small table, and embedded in the notebook for ``qlab run`` to collect."""

import html
import math
from collections.abc import Mapping
from typing import Any

METRICS_MIME = "application/vnd.qlab.metrics+json"


def report_metrics(values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
    """Report figures by name: numbers, texts, truth values, None, or lists and mappings of those.

    In a notebook they are shown as a table and stored in the output under ``METRICS_MIME``; elsewhere they are printed.
    Tensors of one element count as numbers; NaN and infinity, which JSON has no words for, are stored as None. Raises
    ``TypeError`` for anything else. ::

        report_metrics(fp32_accuracy=92.75, kmeans_accuracy={"4 bit": 84.01})
    """
    given = {**(values or {}), **more}
    plain = {str(name): _plain(value, str(name)) for name, value in given.items()}
    text = "\n".join(f"{name}: {_shown(given[name])}" for name in given)
    shell = _notebook_shell()
    if shell is None:
        print(text)
        return
    rows = "".join(
        f'<tr><td style="text-align: left">{html.escape(str(name))}</td>'
        f'<td style="text-align: right">{html.escape(_shown(value))}</td></tr>'
        for name, value in given.items()
    )
    shell.display_pub.publish(
        {METRICS_MIME: plain, "text/plain": text, "text/html": f"<table><tbody>{rows}</tbody></table>"}
    )


def _notebook_shell() -> Any:
    """The running IPython kernel's shell; None in a terminal, a script, or without IPython."""
    import sys

    # IPython runs already if this is a notebook; importing it in a script would only cost time.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if shell is not None and hasattr(shell, "kernel") else None


def _plain(value: Any, name: str) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{name}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{name}[{index}]") for index, item in enumerate(value)]
    if type(value) is not float:  # NumPy's float64 is a kind of float
        value = _item(value, name)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _item(value: Any, name: str) -> bool | int | float:
    """The number in a tensor or array of one element, or a NumPy scalar."""
    try:
        number = value.item()
    except (AttributeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"the metric {name} is a {type(value).__name__}; report numbers, texts, or lists of them"
        ) from error
    if not isinstance(number, bool | int | float):
        raise TypeError(
            f"the metric {name} is of type {type(number).__name__}; report numbers, texts, or lists of them"
        )
    return number


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_shown(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_shown(item) for item in value)
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
