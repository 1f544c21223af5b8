"""The benchmarks run, their records have the figures, docs/performance.md is made of them. Nothing here is timed."""

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
THEMES = ("kmeans", "codebook", "integers", "batches", "checks", "training", "builds")
PEERS = {"sklearn", "kmeans1d"}
KEYS = {"name", "value", "unit", "quartiles", "cpu", "reach", "lower_is_better", "met", "seconds"}


def run(*arguments: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    settings = {**os.environ, "TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, cwd=cwd, env=settings, capture_output=True, text=True, check=False)


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page():
    return load("performance_page")


@pytest.fixture(scope="module")
def harness():
    return load("harness")


def test_ways_are_called_in_turns_that_alternate(harness):
    order = []
    ways = {name: (lambda name=name: order.append(name)) for name in "ab"}
    timings = harness.alternate(ways, rounds=3, least_s=0)
    assert "".join(order) == "ab" + "ab" + "ba" + "ab"  # once to warm up
    assert all(len(timing.wall_s) == len(timing.cpu_s) == 3 for timing in timings.values())


def test_a_speedup_is_the_median_of_the_rounds_ratios_with_their_quartiles(harness):
    fast = harness.Timing(wall_s=(1.0, 2.0, 4.0, 1.0, 1.0), cpu_s=(1.0,) * 5)
    slow = harness.Timing(wall_s=(10.0, 40.0, 120.0, 40.0, 50.0), cpu_s=(7.0,) * 5)
    figure = harness.speedup("a", {"ours": fast, "theirs": slow}, of="ours", over="theirs", reach=30.0)
    assert (figure.value, figure.quartiles, figure.cpu) == (30.0, (20.0, 40.0), 7.0)  # of 10, 20, 30, 40, 50
    assert figure.met


def test_a_figure_is_met_on_the_right_side_of_its_reach(harness):
    assert harness.Figure("a", 2.0, "s", reach=2.0, lower_is_better=True).met
    assert not harness.Figure("a", 2.1, "s", reach=2.0, lower_is_better=True).met
    assert harness.Figure("a", 2.0, "s").met is None


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory) -> tuple[subprocess.CompletedProcess, Path]:
    """The quick themes at a tiny size, without data."""
    out = tmp_path_factory.mktemp("records")
    installed = all(importlib.util.find_spec(peer) for peer in PEERS)
    themes = [name for name in ("kmeans", "codebook", "integers", "batches") if installed or name != "kmeans"]
    return run("--tiny", "--json", "--out", out, *themes, QLAB_DATA=""), out


def test_a_rehearsal_writes_a_record_for_each_theme_with_finite_figures(rehearsal):
    done, out = rehearsal
    assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_text()) for path in sorted(out.glob("*.json"))]
    assert len(records) >= 3
    for record in records:
        assert {"theme", "title", "machine", "versions", "load_at_start", "measurements"} <= record.keys()
        assert record["machine"]["cores"] >= 1
        assert record["versions"]["torch"]
        assert record["measurements"]
        for one in record["measurements"]:
            assert one.keys() == KEYS
            assert math.isfinite(one["value"])
            assert one["unit"] != "times" or one["value"] > 0


def test_json_prints_the_records_that_are_written(rehearsal):
    done, out = rehearsal
    printed = json.loads(done.stdout)
    assert {record["theme"]: record for record in printed} == {
        path.stem: json.loads(path.read_text()) for path in out.glob("*.json")
    }


def test_progress_is_told_theme_by_theme(rehearsal):
    done, _ = rehearsal
    assert "codebook: update of a codebook (2 of 8)" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["checks", "training", "builds"])
def test_a_slower_theme_rehearses_too(theme, tmp_path):
    done = run("--tiny", "--out", tmp_path, theme)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / f"{theme}.json").read_text())
    assert all(math.isfinite(one["value"]) for one in record["measurements"])


@pytest.mark.slow
def test_a_lab_rehearses_in_a_kernel_both_ways(tmp_path):
    done = run("--tiny", "--out", tmp_path, "labs")
    assert done.returncode == 0, done.stderr
    ratio = json.loads((tmp_path / "labs.json").read_text())["measurements"][1]
    assert ratio["seconds"].keys() == {"qlab", "homework"}


def test_a_missing_peer_is_named_and_is_not_silent(tmp_path):
    (tmp_path / "sklearn.py").write_text("raise ImportError('not here')")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = run("--tiny", "--out", tmp_path / "out", "kmeans", PYTHONPATH=path)
    assert done.returncode == 1
    assert "scikit-learn is not installed: make bench installs it" in done.stderr
    assert not (tmp_path / "out").exists()


def test_missing_data_are_named(tmp_path):
    done = run("--out", tmp_path / "out", "labs", cwd=tmp_path, QLAB_DATA="", HOME=str(tmp_path))
    assert done.returncode == 1
    assert "QLAB_DATA is not set: set it to a folder with CIFAR-10" in done.stderr


def test_an_unknown_theme_is_wrong_usage():
    done = run("speed")
    assert done.returncode == 2
    assert "there is no theme 'speed'" in done.stderr


def test_performance_page_is_made_of_the_records(page):
    text = (ROOT / "docs" / "performance.md").read_text()
    assert text == page.page(), "run `python benchmarks/performance_page.py`"


def test_records_that_are_kept_are_no_rehearsals(page):
    for name in page.THEMES:
        path = RESULTS / f"{name}.json"
        assert not path.is_file() or json.loads(path.read_text())["tiny"] is False


def figure(**changes):
    one = {"name": "a", "value": 12.34, "unit": "times", "quartiles": [11.0, 13.0], "cpu": 9.876, "reach": 10.0}
    return {**one, "lower_is_better": False, "met": True, "seconds": {}, **changes}


def test_a_table_shows_value_spread_reach_and_verdict(page):
    machine = {"processor": "P", "cores": 2, "torch_threads": 2, "gpu": None}
    about = {"title": "title", "machine": machine, "load_at_start": [4.0, 0, 0], "versions": {"torch": "2.15"}}
    late = figure(value=2.0, unit="s", quartiles=None, cpu=None, reach=1.5, lower_is_better=True, met=False)
    plain = figure(quartiles=None, cpu=None, reach=None, met=None)
    table = page.table({**about, "measurements": [figure(), late, plain]})
    assert "| a | 12.3 times (11 to 13) | 9.88 times | at least 10 times | met |" in table
    assert "| a | 2 s |  | at most 1.5 s | **missed** |" in table
    assert "| a | 12.3 times |  |  |  |" in table
    assert "2 cores (P), 2 threads, no GPU, PyTorch 2.15; load 4.0 at the start: a busy machine" in table
