"""VGG for CIFAR-10, as the course's homework uses it: eight 3x3 convolutions, one linear layer.

9,228,362 parameters, 35.20 MiB in fp32, about 606 M multiply-accumulates for one 32x32 image.
Layers are named ``backbone.conv0``, ``backbone.bn0``, ..., ``classifier`` so that checkpoints of that homework load.
Source: Simonyan and Zisserman, "Very Deep Convolutional Networks", 2015, with BatchNorm and one linear layer.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn

#: Output channels of the convolutions; "M" halves the image by max pooling.
ARCHITECTURE = (64, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")


class VGG(nn.Module):
    """Image classifier: float images in [0, 1], shape (n, 3, 32, 32) -> logits, shape (n, classes)."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        layers = convolutions(ARCHITECTURE, bias=False, inplace=True)
        layers["avgpool"] = nn.AvgPool2d(2)
        self.backbone = nn.Sequential(layers)
        self.classifier = nn.Linear(ARCHITECTURE[-2], classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.backbone(images)  # (n, 512, 1, 1)
        return self.classifier(features.flatten(1))


def convolutions(architecture: Sequence[int | str], *, bias: bool, inplace: bool) -> OrderedDict[str, nn.Module]:
    """3x3 convolutions for 3 input channels, each with BatchNorm and ReLU, and the poolings between them.

    ``architecture`` as in ``ARCHITECTURE``; ``inplace`` is the ReLUs'. Names are conv0, bn0, relu0, conv1, ..., pool0.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels, number, pools = 3, 0, 0
    for item in architecture:
        if item == "M":
            layers[f"pool{pools}"] = nn.MaxPool2d(2)
            pools += 1
            continue
        layers[f"conv{number}"] = nn.Conv2d(channels, item, 3, padding=1, bias=bias)
        layers[f"bn{number}"] = nn.BatchNorm2d(item)
        layers[f"relu{number}"] = nn.ReLU(inplace=inplace)
        channels, number = item, number + 1
    return layers
