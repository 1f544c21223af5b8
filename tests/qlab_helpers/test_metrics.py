"""Reported figures: printed, shown, and collected from an executed notebook."""

import json
import subprocess
import sys

import nbformat
import numpy
import pytest
import torch
from nbclient import NotebookClient

from qlab_helpers import metrics
from qlab_helpers.metrics import METRICS_MIME, report_metrics


@pytest.fixture
def shown(monkeypatch) -> list[dict]:
    """What a notebook would be given to show."""
    published = []

    class Shell:
        class display_pub:
            publish = staticmethod(published.append)

    monkeypatch.setattr(metrics, "_notebook_shell", lambda: Shell)
    return published


def test_outside_a_notebook_figures_are_printed(capsys):
    report_metrics({"fp32": 92.75}, size_bits=295_307_584, kmeans={"4 bit": 84.01, "2 bit": 12.26}, device="cpu")
    assert capsys.readouterr().out.splitlines() == [
        "fp32: 92.75",
        "size_bits: 295,307,584",
        "kmeans: 4 bit: 84.01, 2 bit: 12.26",
        "device: cpu",
    ]


def test_values_are_stored_beside_a_table(shown):
    report_metrics(accuracy=92.75, curve=[1, 2.5], ok=True, note="<b>")
    assert shown[0][METRICS_MIME] == {"accuracy": 92.75, "curve": [1, 2.5], "ok": True, "note": "<b>"}
    assert "accuracy: 92.75" in shown[0]["text/plain"]
    assert "<table>" in shown[0]["text/html"]
    assert "&lt;b&gt;" in shown[0]["text/html"]


def test_single_numbers_of_torch_and_numpy_become_plain_ones(shown):
    report_metrics(a=torch.tensor(1.5), b=numpy.float64(2.5), c=numpy.int64(3), d={"e": torch.tensor([True])})
    stored = shown[0][METRICS_MIME]
    assert json.loads(json.dumps(stored)) == {"a": 1.5, "b": 2.5, "c": 3, "d": {"e": True}}
    assert type(stored["b"]) is float


@pytest.mark.parametrize("value", [float("nan"), float("inf"), torch.tensor(float("nan")), numpy.float64("nan")])
def test_numbers_that_json_lacks_are_stored_as_none(shown, value):
    report_metrics(loss=value)
    assert shown[0][METRICS_MIME] == {"loss": None}
    assert shown[0]["text/plain"].removeprefix("loss: ") in ("nan", "inf")


@pytest.mark.parametrize("value", [torch.zeros(3), object(), {"inner": numpy.zeros(2)}, 1j])
def test_anything_else_is_refused_by_name(value):
    with pytest.raises(TypeError, match="the metric figure"):
        report_metrics(figure=value)


def test_figures_are_found_in_an_executed_notebook():
    source = "from qlab_helpers.metrics import report_metrics\nreport_metrics(accuracy=92.75, bits=[8, 4])"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, kernel_name="python3").execute()
    nbformat.validate(notebook)
    (output,) = notebook.cells[0].outputs
    assert output["data"][METRICS_MIME] == {"accuracy": 92.75, "bits": [8, 4]}
    assert "<table>" in output["data"]["text/html"]


def test_reporting_does_not_import_ipython():
    program = "import sys, qlab_helpers.metrics as m; m.report_metrics(a=1); print('IPython' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["a:", "1", "False"]
