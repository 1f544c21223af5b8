"""Residual networks for 32x32 images, in floats: the networks that lab 4 makes quantizable.

The stem is the one for CIFAR-10: a 3x3 convolution with stride 1 and no max pooling, since the images are small. Names
of layers within a block are torchvision's. Convolutions have no bias, because a BatchNorm follows.
Source: He et al., "Deep Residual Learning for Image Recognition", 2016; the stride of a bottleneck is in its 3x3
convolution, as in torchvision.
"""

from collections.abc import Sequence

import torch
from torch import nn

#: Of each stage: channels, number of blocks, stride of its first block.
Stages = Sequence[tuple[int, int, int]]
SMALL_STAGES: Stages = ((16, 2, 1), (32, 2, 2), (64, 2, 2))
RESNET18_STAGES: Stages = ((64, 2, 1), (128, 2, 2), (256, 2, 2), (512, 2, 2))
RESNET50_STAGES: Stages = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a skip connection: (n, inputs, h, w) -> (n, channels, h / stride, w / stride)."""

    expansion = 1

    def __init__(self, inputs: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = _projection(inputs, channels, stride)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        skipped = images if self.downsample is None else self.downsample(images)
        inner = torch.relu(self.bn1(self.conv1(images)))
        return torch.relu(skipped + self.bn2(self.conv2(inner)))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a skip connection; the output has 4 * ``channels`` channels.

    ``relu1`` and ``relu2`` are two layers, because each of them is fused with the convolution before it.
    """

    expansion = 4

    def __init__(self, inputs: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(channels, self.expansion * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(self.expansion * channels)
        self.downsample = _projection(inputs, self.expansion * channels, stride)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        skipped = images if self.downsample is None else self.downsample(images)
        inner = torch.relu(self.bn1(self.conv1(images)))
        inner = torch.relu(self.bn2(self.conv2(inner)))
        return torch.relu(skipped + self.bn3(self.conv3(inner)))


class ResNet(nn.Module):
    """Image classifier: float images in [0, 1], shape (n, 3, 32, 32) -> logits, shape (n, classes).

    ``block`` makes the blocks, as ``block(inputs, channels, stride)``; its ``expansion`` says how many times
    ``channels`` come out. With the stages given by default it has 14 layers with weights and 175,258 parameters.
    """

    def __init__(self, block: type[nn.Module] = BasicBlock, stages: Stages = SMALL_STAGES, classes: int = 10) -> None:
        super().__init__()
        first = stages[0][0]
        self.conv1 = nn.Conv2d(3, first, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.relu = nn.ReLU()
        self.stages = nn.Sequential()
        inputs = first
        for number, (channels, blocks, stride) in enumerate(stages, start=1):
            stage = nn.Sequential()
            for position in range(blocks):
                stage.append(block(inputs, channels, stride if position == 0 else 1))
                inputs = channels * block.expansion
            self.stages.add_module(f"layer{number}", stage)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.stages(torch.relu(self.bn1(self.conv1(images))))
        return self.fc(torch.flatten(self.pool(features), start_dim=1))


def resnet14_cifar10() -> ResNet:
    """The small network whose weights the package ships."""
    return ResNet(BasicBlock, SMALL_STAGES)


def _projection(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """What the skip connection needs where the shape changes: a 1x1 convolution and BatchNorm; else nothing."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))
