"""Checkpoints: what is shipped is what was recorded, and what is not is refused in one sentence."""

import json
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from qlab_helpers import weights
from qlab_helpers.data import ImageLoader, load_cifar10
from qlab_helpers.models.resnet import ResNet
from qlab_helpers.models.vgg import VGG
from qlab_helpers.train import evaluate
from qlab_helpers.weights import (
    WeightsDamaged,
    WeightsMissing,
    find_checkpoint,
    load_checkpoint,
    load_pretrained,
    save_checkpoint,
    save_facts,
)


def tiny() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


@pytest.fixture
def shelf(tmp_path, monkeypatch) -> Path:
    """A folder with the checkpoint of a tiny model, registered as "tiny"."""
    monkeypatch.setattr(weights, "MODELS", {"tiny": tiny, "other": tiny})
    torch.manual_seed(0)
    file = tmp_path / "tiny.safetensors"
    save_checkpoint(tiny(), file)
    save_facts(file, accuracy_percent=12.345678, test_images=50, recipe="by hand")
    return tmp_path


@pytest.mark.parametrize("name", sorted(weights.MODELS))
def test_every_shipped_checkpoint_is_as_recorded(name):
    checkpoint = find_checkpoint(name)
    assert checkpoint.accuracy_percent > 80
    assert checkpoint.recipe
    model = load_pretrained(name)
    assert not model.training
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}


def test_checkpoints_belong_to_their_models():
    assert isinstance(load_pretrained("vgg_cifar10"), VGG)
    assert isinstance(load_pretrained("resnet14_cifar10"), ResNet)


def test_the_small_residual_network_is_a_small_file():
    assert find_checkpoint("resnet14_cifar10").file.stat().st_size < 400_000


@pytest.mark.slow
@pytest.mark.skipif("QLAB_DATA" not in os.environ, reason="set QLAB_DATA to a folder with CIFAR-10")
@pytest.mark.parametrize("name", sorted(weights.MODELS))
def test_accuracy_on_real_images_is_near_the_recorded_one(name):
    images = ImageLoader(load_cifar10("test", limit=1000, progress=False), 250)
    measured = evaluate(load_pretrained(name), images)
    assert measured == pytest.approx(find_checkpoint(name).accuracy_percent, abs=3)


def test_saved_weights_come_back_rounded_to_fp16(tmp_path):
    model = tiny()
    model(torch.rand(8, 3))  # moves BatchNorm's statistics
    save_checkpoint(model, tmp_path / "a.safetensors")
    loaded = load_checkpoint(tiny(), tmp_path / "a.safetensors").state_dict()
    for name, tensor in model.state_dict().items():
        expected = tensor.half().float() if tensor.is_floating_point() else tensor
        assert torch.equal(loaded[name], expected), name


def test_saving_leaves_nothing_unfinished(shelf):
    assert sorted(file.name for file in shelf.iterdir()) == ["tiny.json", "tiny.safetensors"]


def test_record_holds_the_facts(shelf):
    checkpoint = find_checkpoint("tiny", folder=shelf)
    assert (checkpoint.accuracy_percent, checkpoint.test_images, checkpoint.recipe) == (12.35, 50, "by hand")
    assert checkpoint.sha256 == weights.file_sha256(shelf / "tiny.safetensors")
    assert isinstance(load_pretrained("tiny", folder=shelf), nn.Sequential)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="'vgg'; there are: resnet14_cifar10, vgg_cifar10"):
        load_pretrained("vgg")


@pytest.mark.parametrize("name", ["tiny.safetensors", "tiny.json"])
def test_missing_file_is_named_with_what_to_do(shelf, name):
    (shelf / name).unlink()
    with pytest.raises(WeightsMissing, match=rf"{name} is missing\..*qlab_helpers\.pretrain tiny"):
        load_pretrained("tiny", folder=shelf)


def test_one_changed_byte_is_noticed(shelf):
    file = shelf / "tiny.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(WeightsDamaged, match=r"tiny\.safetensors is not as it was recorded"):
        load_pretrained("tiny", folder=shelf)


@pytest.mark.parametrize("content", ["{", "[]", "{}", json.dumps({"sha256": "0", "accuracy_percent": "high"})])
def test_damaged_record_is_named(shelf, content):
    (shelf / "tiny.json").write_text(content)
    with pytest.raises(WeightsDamaged, match=r"tiny\.json is not the record of a checkpoint"):
        load_pretrained("tiny", folder=shelf)


def test_weights_of_another_model_are_refused(shelf):
    with pytest.raises(WeightsDamaged, match="does not hold the weights of Linear"):
        load_checkpoint(nn.Linear(3, 2), shelf / "tiny.safetensors")
    (shelf / "text.safetensors").write_text("not tensors at all")
    with pytest.raises(WeightsDamaged, match=r"text\.safetensors"):
        load_checkpoint(tiny(), shelf / "text.safetensors")
    with pytest.raises(WeightsMissing, match=r"none\.safetensors is missing"):
        load_checkpoint(tiny(), shelf / "none.safetensors")
