"""What all cases with networks draw."""

import torch

from autograder.recipes import Draw

#: Weights are taken in turn from so many values; a prime, so that no two layers get the same ones.
VALUES = 499


def weights(draw: Draw) -> torch.Tensor:
    return draw.floats((VALUES,), -0.5, 0.5)


def images(draw: Draw, *shape: int) -> torch.Tensor:
    """Values from 0 to 1, as images have them."""
    return draw.floats(shape, 0, 1)
