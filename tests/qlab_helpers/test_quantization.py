"""The file between the labs and torch.ao.quantization: warnings tamed, copies made, one sentence when it is gone."""

import ast
import runpy
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from qlab_helpers import quantization as tq

ROOT = Path(__file__).parent.parent.parent
SYMMETRIC = tq.QConfig(
    activation=tq.MinMaxObserver.with_args(dtype=torch.quint8, qscheme=torch.per_tensor_symmetric),
    weight=tq.MinMaxObserver.with_args(dtype=torch.qint8, qscheme=torch.per_tensor_symmetric),
)
FAKE = tq.QConfig(
    activation=tq.FakeQuantize.with_args(
        observer=tq.MinMaxObserver, dtype=torch.quint8, qscheme=torch.per_tensor_symmetric
    ),
    weight=tq.FakeQuantize.with_args(observer=tq.MinMaxObserver, dtype=torch.qint8, qscheme=torch.per_tensor_symmetric),
)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()


def quantized(model: nn.Module, images: torch.Tensor) -> nn.Module:
    fused = tq.fuse_modules(model, [("0", "1", "2")])
    prepared = tq.prepare(tq.QuantWrapper(fused).eval(), SYMMETRIC)
    prepared(images)
    return tq.convert(prepared)


def test_a_model_is_quantized_without_a_warning(model):
    images = torch.rand(8, 3, 8, 8)  # warnings are errors here
    assert torch.allclose(quantized(model, images)(images), model(images), atol=0.05)


def test_each_step_leaves_its_model_as_it_was(model):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    quantized(model, torch.rand(8, 3, 8, 8))
    after = model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert not hasattr(model, "qconfig")


def test_in_place_fusion_changes_the_model_itself(model):
    images = torch.rand(2, 3, 8, 8)
    before = model(images)
    assert tq.fuse_modules(model, [("0", "1", "2")], inplace=True) is model
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    torch.testing.assert_close(model(images), before, rtol=1e-4, atol=1e-5)


def test_a_model_is_trained_with_rounding_and_then_quantized_without_a_warning(model):
    images = torch.rand(8, 3, 8, 8)
    fused = tq.fuse_modules_qat(model.train(), [("0", "1", "2")])
    prepared = tq.prepare_qat(fused, FAKE)
    prepared(images).sum().backward()
    assert all(parameter.grad is not None for parameter in prepared.parameters())
    assert not hasattr(fused, "qconfig") and isinstance(model[1], nn.BatchNorm2d)
    rounded = [module for module in prepared.modules() if isinstance(module, tq.FakeQuantize)]
    assert all(module.scale.item() != 1.0 for module in rounded)
    converted = tq.convert(prepared.eval())
    assert [type(layer)._get_name(layer) for layer in converted][:1] == ["QuantizedConvReLU2d"]


def test_dynamic_quantization_makes_a_copy_without_a_warning(model):
    quantized = tq.quantize_dynamic(model, {nn.Linear})
    assert type(model[4]) is nn.Linear and "DynamicQuantizedLinear" in repr(quantized[4])
    assert quantized[4].weight().dtype is torch.qint8
    assert tq.quantize_dynamic(model, {"4"}, torch.float16)[4].weight().dtype is torch.float32


@pytest.mark.parametrize("backend", ["x86", "fbgemm", "onednn", "qnnpack"])
def test_a_backends_qconfig_prepares_without_a_warning(model, backend):
    prepared = tq.prepare(tq.QuantWrapper(model).eval(), tq.get_default_qconfig(backend))
    assert hasattr(prepared.module[0], "activation_post_process")


def test_the_default_backend_is_one_that_this_machine_has():
    assert tq.default_backend() in torch.backends.quantized.supported_engines


def test_other_warnings_come_through(model):
    class Warner(nn.Conv2d):
        def __deepcopy__(self, memo):
            warnings.warn("of a student's own", stacklevel=1)
            return self

    with pytest.warns(UserWarning, match="of a student's own"):
        tq.prepare(nn.Sequential(Warner(3, 4, 3)).eval(), SYMMETRIC)


def test_a_torch_without_it_is_named_with_those_that_have_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.ao.quantization", None)
    monkeypatch.delattr(torch.ao, "quantization")
    with pytest.raises(ImportError, match=r"torch 2\.4 to 2\.15 have it: pip install"):
        runpy.run_path(str(ROOT / "qlab_helpers" / "quantization.py"))


def test_no_other_file_touches_it():
    folders = ["qlab_helpers", "autograder", "solutions"]
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    touching = {path.relative_to(ROOT).as_posix() for path in files if touches(path.read_text(encoding="utf-8"))}
    assert touching == {"qlab_helpers/quantization.py"}


def touches(source: str) -> bool:
    """Imports of torch.ao.quantization or torch.quantization, or attributes spelled out."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import) and any(ao(alias.name) for alias in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and any(ao(f"{node.module}.{alias.name}") for alias in node.names):
            return True
        if isinstance(node, ast.Attribute) and ao(ast.unparse(node)):
            return True
    return False


def ao(name: str) -> bool:
    return name.startswith(("torch.ao.quantization", "torch.quantization"))
