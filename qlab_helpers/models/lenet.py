"""LeNet for MNIST as a report of a course on deployment prints it: three 5x5 convolutions, two linear layers.

61,706 parameters, 246,824 bytes in fp32; a saved state dict takes 0.25 MB. 416,520 multiply-accumulates an image. The
images are 28x28 and are padded to 32x32, so that the third convolution leaves one pixel. Average pooling has no
parameters here, unlike in the original. The report's figures on MNIST: 97.19 % in fp32, 95.70 % in int8.
Source: LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998 (LeNet-5).
"""

import torch
from torch import nn

from qlab_helpers.quantization import DeQuantStub, QuantStub

CHANNELS = (6, 16, 120)
HIDDEN = 84
SIZE = 32  # pixels of an image's side


class LeNet(nn.Module):
    """Image classifier: float images in [0, 1], shape (n, 1, 32, 32) -> logits, shape (n, classes).

    ``quant`` and ``dequant`` do nothing until the model is quantized statically: they mark where floats become integers
    and back. ``channels``, ``hidden`` and ``classes`` make a smaller or larger network of the same form.
    """

    def __init__(self, channels: tuple[int, int, int] = CHANNELS, hidden: int = HIDDEN, classes: int = 10) -> None:
        super().__init__()
        first, second, third = channels
        self.quant = QuantStub()
        self.features = nn.Sequential(
            nn.Conv2d(1, first, 5),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(first, second, 5),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(second, third, 5),
            nn.ReLU(),
        )
        self.classifier = nn.Sequential(nn.Linear(third, hidden), nn.ReLU(), nn.Linear(hidden, classes))
        self.dequant = DeQuantStub()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.features(self.quant(images))  # (n, third, 1, 1)
        return self.dequant(self.classifier(features.flatten(1)))

    def fusible_groups(self) -> list[list[str]]:
        """Names of the layers that become one when they are quantized: each layer with the ReLU behind it."""
        convolutions = [[f"features.{at}", f"features.{at + 1}"] for at in (0, 3, 6)]
        return [*convolutions, ["classifier.0", "classifier.1"]]
