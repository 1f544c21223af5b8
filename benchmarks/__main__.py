"""``python -m benchmarks [THEME ...]``: measure, print each figure as it is known, keep them in benchmarks/results/.

``make bench`` runs all themes, which takes about ten minutes on two quiet cores, and renews docs/performance.md. A
theme whose peers or data are missing says what to do; the others are measured, and the exit code is 1.
"""

import argparse
import json
import sys
import time
from importlib import import_module
from pathlib import Path

from autograder.results import write_atomically
from benchmarks import performance_page
from benchmarks.harness import Figure, Unable
from benchmarks.machine import describe

RESULTS = Path(__file__).parent / "results"
THEMES = {
    "kmeans": "k-means of the VGG's weights",
    "codebook": "update of a codebook",
    "integers": "exact integer inference",
    "batches": "augmented batches",
    "checks": "latency of a check",
    "training": "training on the CPU",
    "labs": "whole labs in fast mode",
    "builds": "qlab build",
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("themes", nargs="*", metavar="THEME", help=f"of {', '.join(THEMES)} (default: all)")
    parser.add_argument("--json", action="store_true", help="print all records as one JSON list instead of a table")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the records (default: benchmarks/results)")
    parser.add_argument("--tiny", action="store_true", help="a rehearsal in seconds; its figures mean nothing")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.themes if name not in THEMES]
    if unknown:
        parser.error(f"there is no theme {unknown[0]!r}; there are: {', '.join(THEMES)}")
    if options.tiny and options.out == RESULTS:
        parser.error("--tiny measures nothing: name another folder with --out")

    records, unable = [], []
    for name in options.themes or THEMES:
        try:
            record = run_theme(name, tiny=options.tiny)
        except Unable as error:
            unable.append(name)
            tell(f"{name}: not measured: {error}")
            continue
        records.append(record)
        options.out.mkdir(parents=True, exist_ok=True)
        write_atomically(options.out / f"{name}.json", json.dumps(record, indent=1) + "\n")
    if options.json:
        print(json.dumps(records, indent=1))
    if options.out == RESULTS:
        performance_page.write()
    return 1 if unable else 0


def run_theme(name: str, *, tiny: bool) -> dict:
    """Measure a theme, with a line for each figure. Raises ``Unable``."""
    about, begin = describe(), time.perf_counter()
    tell(f"{name}: {THEMES[name]} ({list(THEMES).index(name) + 1} of {len(THEMES)})")
    figures = []
    for figure in import_module(f"benchmarks.{name}").measure(tiny=tiny):
        tell(f"  {time.perf_counter() - begin:6.1f} s  {figure.name}: {performance_page.shown(as_dict(figure))}")
        figures.append(as_dict(figure))
    seconds = round(time.perf_counter() - begin, 1)
    return {"theme": name, "title": THEMES[name], "tiny": tiny, "took_s": seconds, **about, "measurements": figures}


def as_dict(figure: Figure) -> dict:
    return {
        "name": figure.name,
        "value": figure.value,
        "unit": figure.unit,
        "quartiles": figure.quartiles,
        "cpu": figure.cpu,
        "reach": figure.reach,
        "lower_is_better": figure.lower_is_better,
        "met": figure.met,
        "seconds": {name: [round(each, 6) for each in values] for name, values in figure.seconds.items()},
    }


def tell(line: str) -> None:
    """Progress goes to the error output, so that --json can be piped."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
