"""Where a check runs: in a notebook or outside, on a GPU, and what it leaves as it was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from qlab_helpers import check
from qlab_helpers.checking import check as check_module

from .lab import to_int8


def test_settings_of_torch_and_its_random_numbers_are_left_as_they_were(folder):
    torch.manual_seed(3)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    check(lambda tensor: torch.rand(3), name="to_int8", folder=folder)
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads


def test_what_a_function_prints_is_left_alone(folder, capsys):
    check(lambda tensor: print("my own line"), name="to_int8", folder=folder)
    assert "my own line" in capsys.readouterr().out


def test_outside_a_notebook_the_report_is_printed(folder, capsys):
    result = check(to_int8, folder=folder)
    assert capsys.readouterr().out == f"{result}\n"


def test_in_a_notebook_nothing_is_printed(folder, capsys, monkeypatch):
    ipython = pytest.importorskip("IPython")
    monkeypatch.setattr(ipython, "get_ipython", lambda: type("Shell", (), {"kernel": object()})())
    check(to_int8, folder=folder)
    assert capsys.readouterr().out == ""


def test_importing_the_package_imports_nothing_heavy_beside_torch():
    code = "import qlab_helpers, sys; print([m for m in ('matplotlib', 'IPython', 'torchvision') if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(Path(check_module.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_arguments_live_there_and_tf32_is_off(folder):
    devices = []

    def on_device(tensor):
        devices.append(
            (
                tensor.device.type,
                (torch.full((64, 64), 1 + 2**-12, device="cuda") @ torch.eye(64, device="cuda"))[0, 0].item(),
            )
        )
        return to_int8(tensor)

    before = torch.backends.cudnn.allow_tf32
    assert float(check(on_device, name="to_int8", folder=folder)) == 8.0
    assert devices[0] == ("cuda", 1 + 2**-12)
    assert torch.backends.cudnn.allow_tf32 == before
