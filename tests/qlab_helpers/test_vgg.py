"""The homework's VGG: sizes, names and layers that its checkpoints and labs rely on."""

import torch

from qlab_helpers.models.vgg import VGG


def test_number_of_parameters_is_that_of_the_homework():
    assert sum(parameter.numel() for parameter in VGG().parameters()) == 9_228_362


def test_names_are_those_of_the_homework_checkpoint():
    names = set(VGG().state_dict())
    layers = [f"backbone.conv{i}.weight" for i in range(8)]
    norms = [
        f"backbone.bn{i}.{part}"
        for i in range(8)
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    ]
    assert names == {*layers, *norms, "classifier.weight", "classifier.bias"}


def test_convolutions_widen_as_in_the_homework():
    shapes = [tuple(VGG().backbone.get_submodule(f"conv{i}").weight.shape) for i in range(8)]
    channels = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    assert shapes == [(after, before, 3, 3) for before, after in zip(channels, channels[1:], strict=False)]


def test_logits_are_the_classifier_of_the_mean_of_the_last_features():
    model = VGG().eval()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = model.backbone[:-1](images)
        assert features.shape == (2, 512, 2, 2)
        torch.testing.assert_close(model(images), model.classifier(features.mean(dim=(2, 3))))


def test_number_of_classes_may_be_chosen():
    assert VGG(classes=3).eval()(torch.rand(2, 3, 32, 32)).shape == (2, 3)
