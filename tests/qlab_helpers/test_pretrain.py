"""The training script: it stores, measures and records."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from qlab_helpers import pretrain
from qlab_helpers.data import ImageLoader, ImageSet
from qlab_helpers.train import evaluate
from qlab_helpers.weights import load_checkpoint


def small_model() -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(32), nn.Flatten(), nn.Linear(3, 2))


def images(split: str) -> ImageSet:
    """Dark and bright images, (40, 3, 32, 32); label 1 is bright."""
    labels = torch.arange(40) % 2
    noise = torch.randint(0, 60, (40, 3, 32, 32), generator=torch.Generator().manual_seed(len(split)))
    return ImageSet((noise + 190 * labels.view(-1, 1, 1, 1)).to(torch.uint8), labels, ("dark", "bright"))


@pytest.fixture
def script(monkeypatch):
    monkeypatch.setattr(pretrain, "load_cifar10", images)
    monkeypatch.setattr(pretrain, "MODELS", {"vgg_cifar10": small_model})
    # One batch an epoch: an average over 500 of them would still be what it began with.
    recipe = replace(pretrain.RECIPES["vgg_cifar10"], averaging=0.5, learning_rate=0.5)
    monkeypatch.setattr(pretrain, "RECIPES", {"vgg_cifar10": recipe})
    return pretrain.main


def test_trained_weights_are_stored_with_their_measured_accuracy(script, tmp_path, capsys):
    out = tmp_path / "vgg_cifar10.safetensors"
    script(["vgg_cifar10", "--out", str(out), "--epochs", "60"])
    facts = json.loads(out.with_suffix(".json").read_text())
    model = load_checkpoint(small_model(), out)
    assert facts["accuracy_percent"] == evaluate(model, ImageLoader(images("test"))) == 100
    assert facts["test_images"] == 40
    assert "60 epochs of batch 128" in facts["recipe"]
    assert "100.00 % of the test images" in capsys.readouterr().out


def test_no_epochs_only_measures(script, tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    script(["vgg_cifar10", "--out", str(first), "--epochs", "1"])
    script(["vgg_cifar10", "--out", str(second), "--start", str(first), "--epochs", "0", "--note", "made elsewhere"])
    assert second.read_bytes() == first.read_bytes()
    assert json.loads(second.with_suffix(".json").read_text())["recipe"] == "made elsewhere"


def test_continued_training_records_where_it_started(script, tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    script(["vgg_cifar10", "--out", str(first), "--epochs", "1"])
    script(["vgg_cifar10", "--out", str(second), "--epochs", "1", "--start", str(first), "--start-note", "a first run"])
    assert json.loads(second.with_suffix(".json").read_text())["recipe"].startswith("from a first run, 1 epochs")


def test_the_result_is_the_weighted_mean_with_its_start(script, tmp_path, monkeypatch):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    script(["vgg_cifar10", "--out", str(first), "--epochs", "1"])
    recipe = replace(pretrain.RECIPES["vgg_cifar10"], start_share=1.0)
    monkeypatch.setattr(pretrain, "RECIPES", {"vgg_cifar10": recipe})
    script(["vgg_cifar10", "--out", str(second), "--epochs", "1", "--start", str(first)])
    assert second.read_bytes() == first.read_bytes()
    assert "averaged with the start (1.0 of it)" in json.loads(second.with_suffix(".json").read_text())["recipe"]

    ones, threes = nn.Linear(2, 1), nn.Linear(2, 1)
    for model, value in ((ones, 1.0), (threes, 3.0)):
        for parameter in model.parameters():
            nn.init.constant_(parameter, value)
    pretrain.average_with(ones, threes, 0.25)
    assert [parameter.unique().tolist() for parameter in ones.parameters()] == [[1.5], [1.5]]


def test_the_first_epochs_see_small_crops_and_the_others_whole_images_with_a_grey_square():
    recipe = pretrain.Recipe(epochs=5, learning_rate=0.1)
    generator = torch.Generator().manual_seed(0)
    white = torch.ones(2, 3, 32, 32)
    shapes = [tuple(recipe.augment(epoch, white, generator).shape) for epoch in range(5)]
    assert shapes == [(2, 3, 24, 24)] * 3 + [(2, 3, 32, 32)] * 2
    assert (recipe.augment(4, white, generator) == 0.5).sum() == 2 * 3 * 8 * 8


def test_adaptive_pooling_changes_nothing_on_whole_images_and_takes_small_ones():
    model = pretrain.MODELS["vgg_cifar10"]().eval()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = model(images)
        torch.testing.assert_close(pretrain.with_adaptive_pooling(model)(images), before)
        assert model(images[:, :, :24, :24]).shape == (2, 10)
