"""The VGG of the AI-on-chip course's lab reports: eight 3x3 convolutions, three linear layers, for 32x32 images.

1,470,762 parameters, 5.61 MiB in fp32; a saved state dict takes 5.91 MB. Convolutions have a bias, although BatchNorm
follows, because the reports' have one. Their figures on CIFAR-10: 72.25 % with Adam, 84.60 % with SGD and a cosine.
"""

from collections import OrderedDict

import torch
from torch import nn

from qlab_helpers.models.vgg import convolutions

#: Output channels of the convolutions; "M" halves the image by max pooling.
ARCHITECTURE = (32, 32, "M", 64, 64, "M", 128, 128, "M", 256, 256, "M")
HIDDEN = (256, 128)


class SmallVGG(nn.Module):
    """Image classifier: float images in [0, 1], shape (n, 3, 32, 32) -> logits, shape (n, classes)."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.backbone = nn.Sequential(convolutions(ARCHITECTURE, bias=True, inplace=False))
        first, second = HIDDEN
        self.classifier = nn.Sequential(
            OrderedDict(
                linear0=nn.Linear(ARCHITECTURE[-2] * 2 * 2, first),
                relu0=nn.ReLU(),
                linear1=nn.Linear(first, second),
                relu1=nn.ReLU(),
                linear2=nn.Linear(second, classes),
            )
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.backbone(images)  # (n, 256, 2, 2)
        return self.classifier(features.flatten(1))

    def fusible_groups(self) -> list[list[str]]:
        """Names of the layers that an integer accelerator computes as one."""
        convolutions = sum(item != "M" for item in ARCHITECTURE)
        groups = [[f"backbone.{kind}{number}" for kind in ("conv", "bn", "relu")] for number in range(convolutions)]
        return groups + [[f"classifier.{kind}{number}" for kind in ("linear", "relu")] for number in range(len(HIDDEN))]
