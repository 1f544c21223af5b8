"""The numbers that the homework publishes: a 5x5 tensor, and a fully connected layer, both at 2 bits."""

import torch

from .margins import limits

BITS = 2


def tensor() -> torch.Tensor:
    return torch.tensor(
        [
            [0.0523, 0.6364, -0.0968, -0.0020, 0.1940],
            [0.7500, 0.5507, 0.6188, -0.1734, 0.4677],
            [-0.0669, 0.3836, 0.4297, 0.6267, -0.0695],
            [0.1536, -0.0038, 0.6075, 0.6817, 0.0601],
            [0.6446, -0.2500, 0.5376, -0.2226, 0.2333],
        ]
    )


def quantized_tensor() -> torch.Tensor:
    """With the scale 1/3 and the zero point -1."""
    return torch.tensor(
        [[-1, 1, -1, -1, 0], [1, 1, 1, -2, 0], [-1, 0, 0, 1, -1], [-1, -1, 1, 1, -1], [1, -2, 1, -2, 0]],
        dtype=torch.int8,
    )


def features() -> torch.Tensor:
    return torch.tensor(
        [
            [0.6118, 0.7288, 0.8511, 0.2849, 0.8427, 0.7435, 0.4014, 0.2794],
            [0.3676, 0.2426, 0.1612, 0.7684, 0.6038, 0.0400, 0.2240, 0.4237],
            [0.6565, 0.6878, 0.4670, 0.3470, 0.2281, 0.8074, 0.0178, 0.3999],
            [0.1863, 0.3567, 0.6104, 0.0497, 0.0577, 0.2990, 0.6687, 0.8626],
        ]
    )


def weight() -> torch.Tensor:
    return torch.tensor(
        [
            [1.2626e-01, -1.4752e-01, 8.1910e-02, 2.4982e-01, -1.0495e-01, -1.9227e-01, -1.8550e-01, -1.5700e-01],
            [2.7624e-01, -4.3835e-01, 5.1010e-02, -1.2020e-01, -2.0344e-01, 1.0202e-01, -2.0799e-01, 2.4112e-01],
            [-3.8216e-01, -2.8047e-01, 8.5238e-02, -4.2504e-01, -2.0952e-01, 3.2018e-01, -3.3619e-01, 2.0219e-01],
            [8.9233e-02, -1.0124e-01, 1.1467e-01, 2.0091e-01, 1.1438e-01, -4.2427e-01, 1.0178e-01, -3.0941e-04],
            [-1.8837e-02, -2.1256e-01, -4.5285e-01, 2.0949e-01, -3.8684e-01, -1.7100e-01, -4.5331e-01, -2.0433e-01],
            [-2.0038e-01, -5.3757e-02, 1.8997e-01, -3.6866e-01, 5.5484e-02, 1.5643e-01, -2.3538e-01, 2.1103e-01],
            [-2.6875e-01, 2.4984e-01, -2.3514e-01, 2.5527e-01, 2.0322e-01, 3.7675e-01, 6.1563e-02, 1.7201e-01],
            [3.3541e-01, -3.3555e-01, -4.3349e-01, 4.3043e-01, -2.0498e-01, -1.8366e-01, -9.1553e-02, -4.1168e-01],
        ]
    )


def bias() -> torch.Tensor:
    return torch.tensor([0.1954, -0.2756, 0.3113, 0.1149, 0.4274, 0.2429, -0.1721, -0.2502])


def quantized_bias() -> torch.Tensor:
    return torch.tensor([3, -2, 3, 1, 3, 2, -2, -2], dtype=torch.int32)


def shifted_bias() -> torch.Tensor:
    return torch.tensor([-1, 0, -3, -1, -3, 0, 2, -4], dtype=torch.int32)


def output() -> torch.Tensor:
    return torch.tensor(
        [
            [0, -1, 0, -1, -1, 0, 1, -2],
            [0, 0, -1, 0, 0, 0, 0, -1],
            [0, 0, 0, -1, 0, 0, 0, -1],
            [0, 0, 0, 0, 0, 1, -1, -2],
        ],
        dtype=torch.int8,
    )


def weight_scale() -> torch.Tensor:
    """One for each output channel, (8, 1); the largest integer of 2 bits is 1."""
    return weight().abs().amax(dim=1, keepdim=True)


def quantized_weight() -> torch.Tensor:
    return (weight() / weight_scale()).round().clamp(*limits(BITS)).to(torch.int8)


def scale_and_zero_point(values: torch.Tensor) -> tuple[float, int]:
    low, high = values.min().item(), values.max().item()
    scale = (high - low) / 3
    return scale, round(-2 - low / scale)


def input_scale() -> float:
    return scale_and_zero_point(features())[0]


def input_zero_point() -> int:
    return scale_and_zero_point(features())[1]


def linear_arguments() -> tuple:
    """Arguments of ``quantized_linear`` for the layer."""
    scale, zero_point = scale_and_zero_point(features())
    quantized = ((features() / scale).round() + zero_point).clamp(*limits(BITS)).to(torch.int8)
    output_scale, output_zero_point = scale_and_zero_point(torch.nn.functional.linear(features(), weight(), bias()))
    integers = (quantized, quantized_weight(), shifted_bias(), BITS, BITS, zero_point, output_zero_point)
    return (*integers, scale, weight_scale(), output_scale)
