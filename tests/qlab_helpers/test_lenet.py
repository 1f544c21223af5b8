"""LeNet has the layers and parameters of the report."""

import pytest
import torch
from torch import nn

from qlab_helpers.cost import count_parameters, model_macs, model_size_bits
from qlab_helpers.models.lenet import LeNet


def test_each_layer_has_the_parameters_worked_out_by_hand():
    layers = [module for module in LeNet().modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    by_hand = [25 * 6 + 6, 25 * 6 * 16 + 16, 25 * 16 * 120 + 120, 120 * 84 + 84, 84 * 10 + 10]
    assert [count_parameters(layer) for layer in layers] == by_hand
    assert count_parameters(LeNet()) == sum(by_hand) == 61_706


def test_size_and_macs_are_those_of_the_module_docstring():
    assert model_size_bits(LeNet()) == 8 * 246_824
    pooled = 6 * 14 * 14 + 16 * 5 * 5  # torchprofile counts one for each mean
    assert model_macs(LeNet(), torch.rand(1, 1, 32, 32)) == 416_520 + pooled


def test_a_logit_for_each_class_comes_out():
    assert LeNet().eval()(torch.rand(3, 1, 32, 32)).shape == (3, 10)
    assert LeNet((2, 3, 4), 5, 7).eval()(torch.rand(2, 1, 32, 32)).shape == (2, 7)


def test_images_of_another_size_are_refused():
    with pytest.raises(RuntimeError):
        LeNet()(torch.rand(1, 1, 28, 28))


def test_it_is_the_same_function_as_the_layers_one_after_the_other():
    model, images = LeNet().eval(), torch.rand(2, 1, 32, 32)
    layers = [*model.features, nn.Flatten(), *model.classifier]
    assert torch.equal(model(images), nn.Sequential(*layers)(images))


def test_groups_are_each_layer_with_parameters_but_the_last_with_its_relu():
    model = LeNet()
    groups = [[type(model.get_submodule(name)) for name in group] for group in model.fusible_groups()]
    assert groups == [[nn.Conv2d, nn.ReLU]] * 3 + [[nn.Linear, nn.ReLU]]
