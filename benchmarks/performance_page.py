"""The tables of docs/performance.md, made of the records in benchmarks/results/; the text around them is ours.

``make bench`` renews them; so does ``python benchmarks/performance_page.py``. Needs nothing but Python.
"""

import json
import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
TARGET = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- made by benchmarks/performance_page.py -->", "<!-- until here -->"
THEMES = ("kmeans", "codebook", "integers", "batches", "checks", "training", "labs", "builds")
BUSY = 1.5  # load for each core from which a record says that other work was running


def page() -> str:
    """The whole document as it should be: the text that is there, around new tables."""
    text = TARGET.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def tables() -> str:
    records = [json.loads(path.read_text()) for name in THEMES if (path := RESULTS / f"{name}.json").is_file()]
    missing = [name for name in THEMES if name not in {record["theme"] for record in records}]
    parts = [table(record) for record in records]
    if missing:
        parts.append(f"Not measured yet: {', '.join(missing)}.\n")
    return "\n".join(parts)


def table(record: dict[str, Any]) -> str:
    """One theme: its figures, then a line on the machine."""
    lines = [
        f"### {record['title'][0].upper()}{record['title'][1:]}\n",
        "| figure | measured (quartiles) | by processor time | reach | |",
        "|---|---|---|---|---|",
    ]
    for one in record["measurements"]:
        reach = (
            ""
            if one["reach"] is None
            else ("at most " if one["lower_is_better"] else "at least ") + with_unit(one["reach"], one["unit"])
        )
        verdict = {None: "", True: "met", False: "**missed**"}[one["met"]]
        cpu = "" if one["cpu"] is None else with_unit(one["cpu"], one["unit"])
        lines.append(f"| {one['name']} | {shown(one)} | {cpu} | {reach} | {verdict} |")
    return "\n".join(lines) + f"\n\n{about(record)}\n"


def about(record: dict[str, Any]) -> str:
    machine, load = record["machine"], record["load_at_start"][0]
    busy = load > BUSY * machine["cores"]
    return (
        f"{machine['cores']} cores ({machine['processor']}), {machine['torch_threads']} threads, "
        f"{machine['gpu'] or 'no GPU'}, PyTorch {record['versions']['torch']}; load {load:.1f} at the start"
        + (": a busy machine, so believe the ratios and not the seconds." if busy else ".")
    )


def shown(one: dict[str, Any]) -> str:
    """12.3 times (11.8 to 12.9)"""
    text = with_unit(one["value"], one["unit"])
    if one["quartiles"] is None or one["quartiles"][0] == one["quartiles"][1]:
        return text
    return f"{text} ({number(one['quartiles'][0])} to {number(one['quartiles'][1])})"


def with_unit(value: float, unit: str) -> str:
    return f"{number(value)} {unit}".rstrip()


def number(value: float) -> str:
    """Three digits that count: 1,234 12.3 0.00123"""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def write() -> None:
    draft = TARGET.with_name(f".{TARGET.name}.part")
    draft.write_text(page(), encoding="utf-8")
    os.replace(draft, TARGET)


if __name__ == "__main__":
    write()
