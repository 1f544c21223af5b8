"""docs/results.md is what benchmarks/results_table.py makes of the measured figures."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_results_page_is_made_of_the_measured_figures():
    path = ROOT / "benchmarks" / "results_table.py"
    spec = importlib.util.spec_from_file_location("results_table", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "results.md").read_text() == module.page(), "run `python benchmarks/results_table.py`"
