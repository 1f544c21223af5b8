"""The residual networks compute what torchvision's blocks compute, and have the sizes that are known."""

import pytest
import torch
from torch import nn
from torchvision.models import resnet as torchvisions

from qlab_helpers.cost import count_parameters, model_macs
from qlab_helpers.models.resnet import (
    RESNET18_STAGES,
    RESNET50_STAGES,
    BasicBlock,
    Bottleneck,
    ResNet,
    resnet14_cifar10,
)


def randomized(model: nn.Module) -> nn.Module:
    """In eval mode, with norms that do something."""
    generator = torch.Generator().manual_seed(0)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point() and tensor.dim() == 1:
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return model.eval()


@pytest.mark.parametrize(("stride", "inputs"), [(1, 8), (2, 4)])
def test_a_basic_block_computes_what_torchvisions_does(stride, inputs):
    ours = randomized(BasicBlock(inputs, 8, stride))
    theirs = torchvisions.BasicBlock(inputs, 8, stride, ours.downsample).eval()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(2, inputs, 6, 6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize(("stride", "inputs"), [(1, 16), (2, 8), (1, 8)])
def test_a_bottleneck_computes_what_torchvisions_does(stride, inputs):
    ours = randomized(Bottleneck(inputs, 4, stride))
    theirs = torchvisions.Bottleneck(inputs, 4, stride, ours.downsample).eval()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(2, inputs, 6, 6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize(
    ("block", "stages", "theirs"),
    [(BasicBlock, RESNET18_STAGES, torchvisions.resnet18), (Bottleneck, RESNET50_STAGES, torchvisions.resnet50)],
)
def test_large_networks_have_torchvisions_parameters_but_for_the_stem(block, stages, theirs):
    # torchvision's stem has 7x7 pixels in place of 3x3: 64 * 3 * (49 - 9) more weights
    assert count_parameters(theirs(num_classes=10)) - count_parameters(ResNet(block, stages)) == 64 * 3 * 40


def test_the_small_network_has_14_layers_with_weights_and_175258_parameters():
    model = resnet14_cifar10()
    layers = [name for name, one in model.named_modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    assert sum("downsample" not in name for name in layers) == 14
    assert count_parameters(model) == 175_258
    assert model.eval()(torch.rand(2, 3, 32, 32)).shape == (2, 10)


def test_the_stem_keeps_the_size_of_the_image():
    # By hand: 3x3 convolutions, 32 * 32 pixels at 16 channels, a quarter of them at 32, a sixteenth at 64, and 1x1
    # where the channels change.
    first = 1024 * 9 * (3 * 16 + 4 * 16 * 16)
    second = 256 * (9 * (16 * 32 + 3 * 32 * 32) + 16 * 32)
    third = 64 * (9 * (32 * 64 + 3 * 64 * 64) + 32 * 64)
    # torchprofile counts one for each value that a norm puts out (five a stage), and for each channel that is pooled.
    norms = 5 * (16 * 1024 + 32 * 256 + 64 * 64)
    expected = first + second + third + 640 + norms + 64
    assert model_macs(resnet14_cifar10(), torch.rand(1, 3, 32, 32)) == expected
