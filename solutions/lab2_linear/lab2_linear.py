# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 2: linear quantization and integer-only inference
#
# {{ colab_badge }}
#
# In Lab 1 weights were stored in few bits, but the network still computed in floating point. In this lab it computes
# with integers: images, weights and every value between the layers are `int8`, sums are `int32`. At the end you have
# a VGG of a quarter of the size that runs on such integers, with almost the same accuracy on CIFAR-10. The method is
# that of Jacob et al., *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*
# (2018).
#
# You write eleven short functions and answer four questions. The lab has **100 points**: 92 are given by the `check`
# cells, which you may run as often as you like, and 8 by a person who reads your answers to Questions 9.2 and 10. The
# grader also tries your functions on inputs that are not shown here. Most functions take one to five lines. Functions
# build on each other, but each is graded on its own: a mistake in one costs no points in the next.
#
# Write your code where the notebook says `raise NotImplementedError`, in place of that line.

# %% setup=true

# %%
import copy
import os
import time
from collections import OrderedDict

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional

from qlab_helpers import check, check_answer
from qlab_helpers.cost import MiB, count_parameters, model_size_bits
from qlab_helpers.data import cifar10_loaders
from qlab_helpers.integer import int8_conv2d, int8_linear
from qlab_helpers.metrics import report_metrics
from qlab_helpers.plots import plot_matrix, plot_weight_histograms
from qlab_helpers.train import default_device, evaluate, seed_everything
from qlab_helpers.weights import load_pretrained

FAST = os.environ.get("QLAB_FAST") == "1"  # a short rehearsal on few images; its figures mean little
device = default_device()
seed_everything(0)

# %% [markdown]
# ## The model in fp32
#
# The same network as in Lab 1. Everything below is measured against its accuracy on the 10,000 test images.

# %% tags=["skip-execution"]
loaders = cifar10_loaders(
    batch_size=64 if FAST else 512,
    train_limit=256 if FAST else None,
    test_limit=500 if FAST else None,
    device=device,
)
pretrained = load_pretrained("vgg_cifar10").to(device)

begin = time.perf_counter()
fp32_accuracy = evaluate(pretrained, loaders["test"])
fp32_seconds = time.perf_counter() - begin
fp32_bits = model_size_bits(pretrained, 32)
print(f"{count_parameters(pretrained):,} parameters, {fp32_bits / MiB:.2f} MiB, {fp32_accuracy:.2f} % top-1")
report_metrics(fp32_accuracy=fp32_accuracy, fp32_mib=fp32_bits / MiB, fp32_seconds=fp32_seconds)

# %% [markdown]
# ## Integers that stand for real numbers
#
# A *linear* (or *affine*) quantization lays a ruler with equally spaced marks over the real numbers. The integer $q$
# stands for
#
# $$r = S (q - Z)$$
#
# - $S$, the **scale**, is the distance between two marks, a positive real number.
# - $Z$, the **zero point**, is the integer that stands for the real number 0. So 0 is represented without any error.
#
# An integer of $n$ bits in two's complement lies in $[-2^{n-1}, 2^{n-1} - 1]$: for 8 bits, from -128 to 127. This
# function is given:


# %%
def get_quantized_range(bitwidth: int) -> tuple[int, int]:
    """The smallest and the largest signed integer of `bitwidth` bits."""
    return -(2 ** (bitwidth - 1)), 2 ** (bitwidth - 1) - 1


for bits in (8, 4, 2):
    print(f"{bits} bit: from {get_quantized_range(bits)[0]} to {get_quantized_range(bits)[1]}")

# %% [markdown]
# ### Question 4 (12 points)
#
# (Questions 1 to 3 were Lab 1.) Solved for $q$ and rounded to an integer, the formula becomes
#
# $$q = \text{round}(r / S) + Z.$$
#
# A real number beyond the ends of the ruler becomes its last mark: the result **saturates**. Complete
# `linear_quantize`. The order of the steps matters, and after the check you will see why.


# %% solution="linear_quantize"
def linear_quantize(
    fp_tensor: torch.Tensor,
    bitwidth: int,
    scale: float | torch.Tensor,
    zero_point: int,
    dtype: torch.dtype = torch.int8,
) -> torch.Tensor:
    """Quantize a tensor: round(fp_tensor / scale) + zero_point, saturated to the integers of `bitwidth` bits.

    Args:
        fp_tensor: float32, any shape; not changed. It may be a parameter (requires_grad) or not contiguous.
        bitwidth: bits of the result, 2 to 8 for int8; 32 with dtype=torch.int32, for a bias.
        scale: a positive float, or a float32 tensor that broadcasts with fp_tensor, such as (oc, 1, 1, 1).
        zero_point: an int.
        dtype: integer type of the result.

    Returns:
        A tensor of `dtype`, of the shape of fp_tensor. Halves are rounded to the even neighbour, as torch.round does
        (0.5 -> 0, 1.5 -> 2). Values that do not fit in `bitwidth` bits become the smallest or the largest that does.
        Saturate first and convert to `dtype` last: a conversion does not saturate. And float32 cannot hold
        2**31 - 1, the largest integer of 32 bits: clamp as float64 (.double()) or as int64.
    """
    ### BEGIN SOLUTION
    low, high = get_quantized_range(bitwidth)
    rounded = torch.round(fp_tensor.detach() / scale)
    # In float64, which holds every integer of 32 bits.
    return (rounded.double() + zero_point).clamp(low, high).to(dtype)
    ### END SOLUTION


# %% check="linear_quantize" points=12
check(linear_quantize)

# %% [markdown]
# Here it is at work with 2 bits: four integers, -2 to 1, with $S = 1/3$ and $Z = -1$. They stand for the real numbers
# -1/3, 0, 1/3 and 2/3. On the right is what is left of the tensor when the integers are turned back.

# %% tags=["skip-execution"]
original = torch.tensor(
    [
        [0.0523, 0.6364, -0.0968, -0.0020, 0.1940],
        [0.7500, 0.5507, 0.6188, -0.1734, 0.4677],
        [-0.0669, 0.3836, 0.4297, 0.6267, -0.0695],
        [0.1536, -0.0038, 0.6075, 0.6817, 0.0601],
        [0.6446, -0.2500, 0.5376, -0.2226, 0.2333],
    ]
)
quantized = linear_quantize(original, bitwidth=2, scale=1 / 3, zero_point=-1)
reconstructed = (quantized.float() - (-1)) / 3
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
plot_matrix(original, axes[0], "25 real numbers", coloured=False)
plot_matrix(quantized, axes[1], "2-bit integers")
plot_matrix(reconstructed, axes[2], "what they stand for")
plt.show()
print(f"largest error {(original - reconstructed).abs().max():.4f}, half a step is {1 / 6:.4f}")

# %% [markdown]
# ### A trap: the conversion that wraps
#
# The homework that this lab grew from converts to `int8` right after rounding, and shifts and clamps the `int8`
# tensor. But a conversion does not saturate: it keeps the low eight bits. 200 becomes $200 - 256 = -56$, and the clamp
# that follows sees nothing wrong with it.

# %% tags=["skip-execution"]
rounded = torch.tensor([100.0, 127.0, 200.0])
converted_first = rounded.to(torch.int8).clamp(-128, 127)
clamped_first = rounded.clamp(-128, 127).to(torch.int8)
print("rounded                  ", rounded.tolist())
print("converted, then clamped  ", converted_first.tolist())
print("clamped, then converted  ", clamped_first.tolist())

# %% [markdown]
# A large positive activation becomes negative. One does not notice while every value lies in the range that the scale
# was made for, but the scale comes from some sample of images, and the next image may be brighter.
#
# ## Scale and zero point
#
# ### The range
#
# Which $S$ and $Z$ fit a tensor? Let its smallest value $r_\min$ be the smallest integer $q_\min$ and its largest
# $r_\max$ be $q_\max$:
#
# $$r_\max = S (q_\max - Z), \qquad r_\min = S (q_\min - Z).$$
#
# ### Question 5.1 (2 points)
#
# Subtract the second equation from the first. What is $S$?
#
# - a) $r_\max / q_\max$
# - b) $(r_\max + r_\min) / (q_\max + q_\min)$
# - c) $(r_\max - r_\min) / (q_\max - q_\min)$
# - d) $r_\max / q_\max - r_\min / q_\min$

# %% solution="answer_5_1"
# answer_5_1 = (one letter in quotes)
### BEGIN SOLUTION
answer_5_1 = "c"
### END SOLUTION

# %% check="answer_5_1" points=2
check_answer("answer_5_1", answer_5_1)

# %% [markdown]
# ### Question 5.2 (2 points)
#
# Now solve the second equation for $Z$, and remember that $Z$ is an integer. Which line of Python computes it?
#
# - a) `Z = int(round(r_min / S - q_min))`
# - b) `Z = int(round(q_min - r_min / S))`
# - c) `Z = q_min - r_min / S`
# - d) `Z = r_min / S - q_min`

# %% solution="answer_5_2"
# answer_5_2 = (one letter in quotes)
### BEGIN SOLUTION
answer_5_2 = "b"
### END SOLUTION

# %% check="answer_5_2" points=2
check_answer("answer_5_2", answer_5_2)

# %% [markdown]
# ### A trap: all values equal
#
# If all values of a tensor are equal, $r_\max - r_\min$ is 0, and with it the scale. The homework divides by it:

# %% tags=["skip-execution"]
constant = torch.full((4,), 0.5)
scale = (constant.max().item() - constant.min().item()) / (127 - -128)
try:
    print("zero point", round(-128 - constant.min().item() / scale))
except ZeroDivisionError as error:
    print(f"scale {scale}: {error}")

# %% [markdown]
# That happens: a channel that ReLU has switched off is constant. So **if all values are equal, widen the range until
# it includes zero**: 0.5 everywhere gives the range from 0 to 0.5, and -2 everywhere gives -2 to 0. If all values are
# zero, any scale will do, and we take scale 1.0 and zero point 0.
#
# ### Question 5.3 (10 points)


# %% solution="get_quantization_scale_and_zero_point"
def get_quantization_scale_and_zero_point(fp_tensor: torch.Tensor, bitwidth: int) -> tuple[float, int]:
    """Scale and zero point with which the range of a tensor becomes the range of the integers of `bitwidth` bits.

    Args:
        fp_tensor: float32, any shape, at least one value; not changed. It may be a parameter (requires_grad).
        bitwidth: bits of the integers.

    Returns:
        (scale, zero_point), a Python float and a Python int (`.item()` makes a float of a tensor). The scale is that
        of Question 5.1, the zero point that of Question 5.2, then clipped to the integers of `bitwidth` bits.
        If all values are equal, the range is first widened to include zero; all values zero: (1.0, 0).
    """
    ### BEGIN SOLUTION
    low, high = get_quantized_range(bitwidth)
    real_min, real_max = fp_tensor.min().item(), fp_tensor.max().item()
    if real_min == real_max:
        real_min, real_max = min(real_min, 0.0), max(real_max, 0.0)
    if real_min == real_max:
        return 1.0, 0
    scale = (real_max - real_min) / (high - low)
    zero_point = round(low - real_min / scale)
    return scale, max(low, min(high, zero_point))
    ### END SOLUTION


# %% check="get_quantization_scale_and_zero_point" points=10
check(get_quantization_scale_and_zero_point)

# %% [markdown]
# Both together quantize a feature map, as the values between layers are called. This is given:


# %%
def linear_quantize_feature(fp_tensor: torch.Tensor, bitwidth: int) -> tuple[torch.Tensor, float, int]:
    """A tensor quantized to its own range: (int8 tensor, scale, zero point)."""
    scale, zero_point = get_quantization_scale_and_zero_point(fp_tensor, bitwidth)
    return linear_quantize(fp_tensor, bitwidth, scale, zero_point), scale, zero_point


# %% [markdown]
# ## Weights
#
# First look at what is to be quantized.

# %% tags=["skip-execution"]
weights = {name: p.detach() for name, p in pretrained.named_parameters() if p.dim() > 1}
plot_weight_histograms(weights, title="Weights in fp32")
plt.show()

# %% [markdown]
# Weights lie around zero, about as far to the left as to the right. So one takes $Z = 0$ for them, which makes the
# computation a good deal simpler, as you will see. Then $r = S q$, and the largest magnitude becomes $q_\max$:
#
# $$S = \frac{\max |w|}{q_\max}$$
#
# ($q_\min$ is not used then. With 8 bits that wastes one of 256 integers; with 2 bits, one of four.) If all weights are
# zero, or nearly so, the scale must not become zero, so $\max |w|$ counts as at least $5 \cdot 10^{-7}$.
#
# ### The scale of a weight (6 points)


# %% solution="get_quantization_scale_for_weight"
def get_quantization_scale_for_weight(weight: torch.Tensor, bitwidth: int) -> float:
    """The symmetric scale of a weight, as a Python float: max |w|, but at least 5e-7, over the largest integer.

    weight: float32, any shape; not changed. It may be a parameter (requires_grad).
    """
    ### BEGIN SOLUTION
    _, high = get_quantized_range(bitwidth)
    return max(weight.abs().max().item(), 5e-7) / high
    ### END SOLUTION


# %% check="get_quantization_scale_for_weight" points=6
check(get_quantization_scale_for_weight)

# %% [markdown]
# ### A scale for each output channel (8 points)
#
# The weight of a convolution has the shape (output channels, input channels, height, width), that of a linear layer
# (outputs, inputs). Some output channels have much larger weights than others, and with one scale for all of them the
# small ones would be left with a few integers. Each output channel gets a scale of its own: it costs 4 bytes a
# channel, and nothing at run time.


# %% solution="linear_quantize_weight_per_channel"
def linear_quantize_weight_per_channel(tensor: torch.Tensor, bitwidth: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Quantize a weight with one symmetric scale for each output channel, the first dimension.

    Args:
        tensor: float32, (oc, ic, kh, kw) or (oc, ic); not changed. It may be a parameter (requires_grad) or not
            contiguous, so use reshape, not view.
        bitwidth: 2 to 8.

    Returns:
        (quantized, scale, 0): int8 of the shape of tensor; float32 of shape (oc, 1, 1, 1) or (oc, 1), that is, as
        many dimensions as tensor has, on its device; and the zero point. Each scale is what
        get_quantization_scale_for_weight says of that channel.
    """
    ### BEGIN SOLUTION
    scales = [get_quantization_scale_for_weight(channel, bitwidth) for channel in tensor.detach()]
    scale = torch.tensor(scales, dtype=torch.float32, device=tensor.device)
    scale = scale.reshape(-1, *[1] * (tensor.dim() - 1))
    return linear_quantize(tensor, bitwidth, scale, 0), scale, 0
    ### END SOLUTION


# %% check="linear_quantize_weight_per_channel" points=8
check(linear_quantize_weight_per_channel)

# %% [markdown]
# ### A peek at 4 and 2 bits

# %% tags=["skip-execution"]
for bits in (4, 2):
    integers = {name: linear_quantize_weight_per_channel(weight, bits)[0] for name, weight in weights.items()}
    plot_weight_histograms(integers, bits, title=f"Weights at {bits} bits")
    plt.show()
    zeros = sum(int((tensor == 0).sum()) for tensor in integers.values())
    print(f"{bits} bit: {100 * zeros / sum(tensor.numel() for tensor in integers.values()):.1f} % of the weights are 0")

# %% [markdown]
# With 2 bits nearly all weights are 0: the largest weight of the channel decides where the marks are, and the many
# small ones pay for it. What does that do to the accuracy? Only the weights are quantized here, and turned back at
# once; the network still computes in fp32. Beside it, one scale for the whole layer.

# %% tags=["skip-execution"]
for bits in (8, 4, 2):
    accuracies = {}
    for way in ("per channel",) if FAST else ("per channel", "per layer"):
        model = copy.deepcopy(pretrained)
        with torch.no_grad():
            for name, weight in weights.items():
                if way == "per channel":
                    integers, scale, _ = linear_quantize_weight_per_channel(weight, bits)
                else:
                    scale = get_quantization_scale_for_weight(weight, bits)
                    integers = linear_quantize(weight, bits, scale, 0)
                model.get_parameter(name).copy_(integers * scale)
        accuracies[way] = evaluate(model, loaders["test"], description=f"{bits} bit")
    print(f"{bits} bit: " + ", ".join(f"{accuracy:.2f} % {way}" for way, accuracy in accuracies.items()))
    report_metrics(
        {
            f"weights_{bits}bit_accuracy": accuracies["per channel"],
            f"weights_{bits}bit_per_layer_accuracy": accuracies.get("per layer"),
        }
    )

# %% [markdown]
# ## Quantized inference
#
# Now the layers themselves. A linear layer computes $r_\text{out} = W r_\text{in} + b$, a convolution does the same
# with windows of the image; write $*$ for either. Put in what the integers stand for, with zero point 0 for the
# weights and, because we may choose it, for the bias as well:
#
# $$S_\text{out} (q_\text{out} - Z_\text{out}) = S_W S_\text{in} \; q_W * (q_\text{in} - Z_\text{in}) + S_b \, q_b$$
#
# We may also choose the scale of the bias. With $S_b = S_W S_\text{in}$ it comes out of the sum:
#
# $$S_\text{out} (q_\text{out} - Z_\text{out}) = S_W S_\text{in} \left[ q_W * q_\text{in} - q_W * Z_\text{in} + q_b
# \right]$$
#
# The second term does not depend on the image: it is the sum of an output channel's weights, times $Z_\text{in}$. It
# is computed once and goes into the bias, and what is left to do for each image is
#
# $$\boxed{q_\text{out} = \underbrace{\frac{S_W S_\text{in}}{S_\text{out}}}_{\text{one factor a channel}}
# \Big( \underbrace{q_W * q_\text{in}}_{\text{int8 products, int32 sum}} + \underbrace{Q_b}_{\text{int32}} \Big)
# + Z_\text{out}}
# \qquad Q_b = q_b - Z_\text{in} \sum q_W$$
#
# | in the formula | in the code | made by |
# |---|---|---|
# | $q_W$, $S_W$ | `weight`, `weight_scale` | `linear_quantize_weight_per_channel` |
# | $q_b$, $S_b$ | `quantized_bias` | `linear_quantize_bias_per_output_channel` |
# | $Q_b$ | `bias` | `shift_quantized_linear_bias`, `shift_quantized_conv2d_bias` |
# | $q_W * q_\text{in} + Q_b$ | an int32 tensor | `int8_linear`, `int8_conv2d` (given) |
# | $q_\text{out}$ | the result | `quantized_linear`, `quantized_conv2d` |
#
# Only the factor is not an integer. On a device it is a multiplication by an integer and a shift to the right; here it
# is a float.
#
# ### Question 6 (6 points)
#
# Quantize the bias with the scale that the formula needs. It is added to sums of many products, so it gets 32 bits.


# %% solution="linear_quantize_bias_per_output_channel"
def linear_quantize_bias_per_output_channel(
    bias: torch.Tensor, weight_scale: torch.Tensor, input_scale: float
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Quantize a bias to 32 bits, saturated, with the scale weight_scale * input_scale and the zero point 0.

    Args:
        bias: float32, (oc,); not changed. It may be a parameter (requires_grad).
        weight_scale: float32, (oc, 1) or (oc, 1, 1, 1).
        input_scale: a float.

    Returns:
        (quantized, scale, 0): int32, (oc,); float32, (oc,); and the zero point. Mind the shapes: (oc,) with (oc, 1)
        would broadcast to (oc, oc).
    """
    ### BEGIN SOLUTION
    scale = weight_scale.reshape(-1) * input_scale
    return linear_quantize(bias, 32, scale, 0, dtype=torch.int32), scale, 0
    ### END SOLUTION


# %% check="linear_quantize_bias_per_output_channel" points=6
check(linear_quantize_bias_per_output_channel)

# %% [markdown]
# ### The bias of a linear layer, shifted (6 points)
#
# Now $Q_b = q_b - Z_\text{in} \sum q_W$. Hundreds of `int8` weights do not add up in `int8`, so say in which type
# to sum: `tensor.sum(..., dtype=torch.int32)`.


# %% solution="shift_quantized_linear_bias"
def shift_quantized_linear_bias(
    quantized_bias: torch.Tensor, quantized_weight: torch.Tensor, input_zero_point: int
) -> torch.Tensor:
    """The bias minus input_zero_point times the sum of each output's weights.

    quantized_bias: int32, (oc,); quantized_weight: int8, (oc, ic); neither is changed. Returns int32, (oc,).
    """
    ### BEGIN SOLUTION
    return quantized_bias - input_zero_point * quantized_weight.sum(dim=1, dtype=torch.int32)
    ### END SOLUTION


# %% check="shift_quantized_linear_bias" points=6
check(shift_quantized_linear_bias)

# %% [markdown]
# ### Exact sums
#
# The sum of products is given: `int8_linear(input, weight, bias)` returns exactly what an accelerator with `int8`
# multipliers and `int32` adders does, on a CPU and on a GPU.
#
# Why not simply `functional.linear`? PyTorch has no integer product for GPUs that works everywhere. The homework takes
# the float32 product there. But float32 has 24 bits for the digits, and a sum beyond $2^{24} = 16{,}777{,}216$ loses
# its lowest ones. A product of two `int8` numbers is up to $2^{14}$, and a layer of the VGG adds up 4,608 of them.
# Processors with instructions for sums of `int8` products (VNNI) have an exact one, which `int8_linear` uses. Elsewhere
# it takes the float32 product as well, but on pieces that are short enough, and adds those up in `int32`.

# %% tags=["skip-execution"]
torch.manual_seed(0)
input = torch.randint(64, 128, (4, 4608), dtype=torch.int8)
weight = torch.randint(64, 128, (3, 4608), dtype=torch.int8)
exact = input.long() @ weight.long().t()
print("float32 minus exact      \n", functional.linear(input.float(), weight.float()).long() - exact)
print("int8_linear minus exact  \n", int8_linear(input, weight).long() - exact)

# %% [markdown]
# On a CPU the homework converts to `int32`. That is exact, but PyTorch has no fast convolution for `int32`. Both on
# one core, so that other programs disturb the comparison little:

# %% tags=["skip-execution"]
images = torch.randint(-128, 128, (16, 256, 8, 8), dtype=torch.int8)
kernels = torch.randint(-128, 128, (256, 256, 3, 3), dtype=torch.int8)
ways = {
    "int32": lambda: functional.conv2d(images.int(), kernels.int(), padding=1),
    "int8_conv2d": lambda: int8_conv2d(images, kernels, padding=1),
}
seconds = {}
threads = torch.get_num_threads()
torch.set_num_threads(1)
for way, convolve in ways.items():
    times = []
    for _ in range(7):
        begin = time.perf_counter()
        convolve()
        times.append(time.perf_counter() - begin)
    seconds[way] = min(times)  # the least disturbed by whatever else runs
    print(f"{way:12s}{1000 * seconds[way]:8.1f} ms on the CPU")
torch.set_num_threads(threads)
report_metrics(convolution_seconds=seconds)

# %% [markdown]
# ### Question 7 (12 points)
#
# Complete `quantized_linear`: the boxed formula, from `int8` to `int8`. As always, saturate before you convert.


# %% solution="quantized_linear"
def quantized_linear(
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    feature_bitwidth: int,
    weight_bitwidth: int,
    input_zero_point: int,
    output_zero_point: int,
    input_scale: float,
    weight_scale: torch.Tensor,
    output_scale: float,
) -> torch.Tensor:
    """A linear layer in integers.

    Args:
        input: int8, (n, ic), quantized with input_scale and input_zero_point.
        weight: int8, (oc, ic), quantized with weight_scale and zero point 0.
        bias: int32, (oc,), already shifted (Q_b, so input_zero_point is in it and is not needed here), or None.
        feature_bitwidth: the result saturates to the integers of that many bits.
        weight_bitwidth: not needed for the result.
        output_zero_point, input_scale, output_scale: as in the formula; floats and an int.
        weight_scale: float32, (oc, 1). The sums have the shape (n, oc), so it must be reshaped before they meet.

    Returns:
        int8, (n, oc): the exact sums (int8_linear) times weight_scale * input_scale / output_scale, plus the zero
        point of the output, rounded (halves to the even neighbour), saturated, and converted last.
    """
    ### BEGIN SOLUTION
    sums = int8_linear(input, weight, bias)
    factor = weight_scale.reshape(-1) * (input_scale / output_scale)
    low, high = get_quantized_range(feature_bitwidth)
    return (sums * factor + output_zero_point).round().clamp(low, high).to(torch.int8)
    ### END SOLUTION


# %% check="quantized_linear" points=12
check(quantized_linear)

# %% [markdown]
# One linear layer, from floats to floats, computed in between with integers of 8, 4 and 2 bits:

# %% tags=["skip-execution"]
torch.manual_seed(0)
layer, features = nn.Linear(64, 16), torch.rand(256, 64)
expected = layer(features).detach()
for bits in (8, 4, 2):
    q_in, s_in, z_in = linear_quantize_feature(features, bits)
    _, s_out, z_out = linear_quantize_feature(expected, bits)
    q_w, s_w, _ = linear_quantize_weight_per_channel(layer.weight, bits)
    q_b, _, _ = linear_quantize_bias_per_output_channel(layer.bias, s_w, s_in)
    shifted = shift_quantized_linear_bias(q_b, q_w, z_in)
    q_out = quantized_linear(q_in, q_w, shifted, bits, bits, z_in, z_out, s_in, s_w, s_out)
    error = (s_out * (q_out.float() - z_out) - expected).abs().mean() / expected.abs().mean()
    print(f"{bits} bit: mean error {100 * error:6.2f} % of the mean output")

# %% [markdown]
# ### The bias of a convolution, shifted (4 points)
#
# The same for a weight with four dimensions: each output channel has (input channels) x (height) x (width) weights.


# %% solution="shift_quantized_conv2d_bias"
def shift_quantized_conv2d_bias(
    quantized_bias: torch.Tensor, quantized_weight: torch.Tensor, input_zero_point: int
) -> torch.Tensor:
    """The bias minus input_zero_point times the sum of each output channel's weights.

    quantized_bias: int32, (oc,); quantized_weight: int8, (oc, ic, kh, kw); neither is changed. Returns int32, (oc,).
    """
    ### BEGIN SOLUTION
    return quantized_bias - input_zero_point * quantized_weight.sum(dim=(1, 2, 3), dtype=torch.int32)
    ### END SOLUTION


# %% check="shift_quantized_conv2d_bias" points=4
check(shift_quantized_conv2d_bias)

# %% [markdown]
# ### Question 8 (12 points)
#
# A convolution has one more thing to think of: the border. In fp32 an image is padded with 0.0. Which integer stands
# for 0.0? Not 0: it is the zero point of the input. (The shifted bias takes off $Z_\text{in} \sum q_W$ for the whole
# window, so it must find $Z_\text{in}$ in the border, too.)
#
# There are two ways to pad, and both are right. Either `functional.pad(input, padding, value=...)` first and then
# `int8_conv2d` without padding, or let `int8_conv2d` do it:
#
#     int8_conv2d(input, weight, bias, stride=..., padding=..., dilation=..., groups=..., padding_value=...)
#
# It takes the four numbers in the same order as `functional.pad`: **left, right, top, bottom**.


# %% solution="quantized_conv2d"
def quantized_conv2d(
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    feature_bitwidth: int,
    weight_bitwidth: int,
    input_zero_point: int,
    output_zero_point: int,
    input_scale: float,
    weight_scale: torch.Tensor,
    output_scale: float,
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
) -> torch.Tensor:
    """A convolution in integers.

    Args:
        input: int8, (n, ic, h, w), quantized with input_scale and input_zero_point.
        weight: int8, (oc, ic / groups, kh, kw), quantized with weight_scale and zero point 0.
        bias: int32, (oc,), already shifted, or None.
        feature_bitwidth, weight_bitwidth, output_zero_point, input_scale, output_scale: as in quantized_linear.
        input_zero_point: what the border is filled with.
        weight_scale: float32, (oc, 1, 1, 1). The sums have the shape (n, oc, oh, ow): mind that it meets their second
            dimension, not the first.
        stride, dilation: (vertical, horizontal).
        padding: (left, right, top, bottom).
        groups: as in nn.Conv2d.

    Returns:
        int8, (n, oc, oh, ow): computed from the sums (int8_conv2d) as in quantized_linear.
    """
    ### BEGIN SOLUTION
    padded = functional.pad(input, padding, value=input_zero_point)
    sums = int8_conv2d(padded, weight, bias, stride=stride, dilation=dilation, groups=groups)
    factor = weight_scale.reshape(-1, 1, 1) * (input_scale / output_scale)
    low, high = get_quantized_range(feature_bitwidth)
    return (sums * factor + output_zero_point).round().clamp(low, high).to(torch.int8)
    ### END SOLUTION


# %% check="quantized_conv2d" points=12
check(quantized_conv2d)

# %% [markdown]
# ## The whole model
#
# ### Question 9: fuse BatchNorm (8 points)
#
# Behind each convolution stands a BatchNorm. In eval mode its mean $\mu$ and variance $\sigma^2$ are fixed numbers:
#
# $$\text{BN}(y) = \gamma \frac{y - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta, \qquad y = W * x + b$$
#
# For each channel that is a multiplication and an addition, and a convolution can do both of them itself. Put $y$ in
# and sort the terms into a new weight and a new bias.


# %% solution="fuse_conv_bn"
def fuse_conv_bn(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> nn.Conv2d:
    """A convolution that does what `conv` and then `bn`, in eval mode, do.

    Args:
        conv: its weight is (oc, ic / groups, kh, kw). Its bias is None, as in the VGG, or (oc,), which counts as well.
            You may change it in place (assign nn.Parameter(...) to conv.weight and conv.bias) or make a new one.
        bn: has weight (gamma), bias (beta), running_mean, running_var, each (oc,), and the number eps; not changed.

    Returns:
        The convolution, with a bias.
    """
    ### BEGIN SOLUTION
    with torch.no_grad():
        factor = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        bias = torch.zeros_like(bn.running_mean) if conv.bias is None else conv.bias
        conv.weight = nn.Parameter(conv.weight * factor.reshape(-1, 1, 1, 1))
        conv.bias = nn.Parameter((bias - bn.running_mean) * factor + bn.bias)
    return conv
    ### END SOLUTION


# %% check="fuse_conv_bn" points=8
check(fuse_conv_bn)


# %%
def fuse_model(model: nn.Module) -> nn.Module:
    """A copy of a VGG, in eval mode, with each BatchNorm fused into the convolution before it."""
    fused = copy.deepcopy(model).eval()
    layers = OrderedDict()
    for name, layer in fused.backbone.named_children():
        if isinstance(layer, nn.BatchNorm2d):
            previous = next(reversed(layers))
            layers[previous] = fuse_conv_bn(layers[previous], layer)
        else:
            layers[name] = layer
    fused.backbone = nn.Sequential(layers)
    return fused


# %% [markdown]
# Fused and unfused model must agree, up to rounding:

# %% tags=["skip-execution"]
fused = fuse_model(pretrained)
images, _ = next(iter(loaders["test"]))
with torch.no_grad():
    difference = (fused(images) - pretrained(images)).abs().max().item()
fused_accuracy = evaluate(fused, loaders["test"])
print(f"{len(pretrained.backbone)} layers before, {len(fused.backbone)} after")
print(f"largest difference of a logit {difference:.1e}; accuracy {fp32_accuracy:.2f} % -> {fused_accuracy:.2f} %")
report_metrics(fused_accuracy=fused_accuracy, fused_largest_difference=difference)

# %% [markdown]
# ### Ranges of the features
#
# The scale of a weight can be read off the weight. The scale of a feature map depends on the image, and should be known
# before the image comes. So the model is shown one batch of **training** images, and a *forward hook* at each ReLU and
# at the classifier notes the smallest and the largest value. This is called **calibration**, and is given.


# %%
@torch.no_grad()
def calibrate(model: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """(smallest, largest) output of each ReLU and linear layer for these images, by the layer's name."""
    ranges, hooks = {}, []
    for name, layer in model.named_modules():
        if isinstance(layer, nn.ReLU | nn.Linear):

            def note(layer, inputs, output, name=name):
                ranges[name] = torch.stack(output.aminmax())

            hooks.append(layer.register_forward_hook(note))
    try:
        model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return ranges


# %% tags=["skip-execution"]
seed_everything(0)
calibration_images, _ = next(iter(loaders["train"]))
ranges = calibrate(fused, calibration_images)
for name, (low, high) in ranges.items():
    scale, zero_point = get_quantization_scale_and_zero_point(ranges[name], 8)
    print(f"{name:18s}{low:8.2f} to {high:6.2f}    scale {scale:.5f}, zero point {zero_point:4d}")

# %% [markdown]
# ### Layers in int8
#
# These modules are given. They hold integers as *buffers*, because parameters of PyTorch must be floats.
#
# Three things are different from the homework:
#
# - The average of four integers is **rounded**. The homework converts it to `int8`, which cuts off what is behind the
#   point, always towards 0.
# - The input of a layer has the scale and zero point of the **output of the layer before**: they are the same integers.
#   The homework measures the range of both, and at the classifier they differ: an average of four is smaller than the
#   largest of them, so its features are read on the wrong scale.
# - `nn.Conv2d` has padding (vertical, horizontal), `functional.pad` begins with the horizontal: left, right, top,
#   bottom.


# %%
class QuantizedConv2d(nn.Module):
    """An nn.Conv2d, with a bias, in integers. `source` and `target`: (scale, zero point) of its input and output."""

    def __init__(self, conv: nn.Conv2d, source: tuple[float, int], target: tuple[float, int], bitwidth: int = 8):
        super().__init__()
        self.bitwidth = bitwidth
        (self.input_scale, self.input_zero_point), (self.output_scale, self.output_zero_point) = source, target
        vertical, horizontal = conv.padding
        self.padding = (horizontal, horizontal, vertical, vertical)
        self.stride, self.dilation, self.groups = conv.stride, conv.dilation, conv.groups
        weight, scale, _ = linear_quantize_weight_per_channel(conv.weight.detach(), bitwidth)
        bias, _, _ = linear_quantize_bias_per_output_channel(conv.bias.detach(), scale, self.input_scale)
        self.register_buffer("weight", weight)
        self.register_buffer("weight_scale", scale)
        self.register_buffer("bias", shift_quantized_conv2d_bias(bias, weight, self.input_zero_point))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return quantized_conv2d(
            input,
            self.weight,
            self.bias,
            self.bitwidth,
            self.bitwidth,
            self.input_zero_point,
            self.output_zero_point,
            self.input_scale,
            self.weight_scale,
            self.output_scale,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
        )

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, output_scale={self.output_scale:.5f}, zero_point={self.output_zero_point}"


class QuantizedLinear(nn.Module):
    """An nn.Linear, with a bias, in integers. `source` and `target`: (scale, zero point) of its input and output."""

    def __init__(self, linear: nn.Linear, source: tuple[float, int], target: tuple[float, int], bitwidth: int = 8):
        super().__init__()
        self.bitwidth = bitwidth
        (self.input_scale, self.input_zero_point), (self.output_scale, self.output_zero_point) = source, target
        weight, scale, _ = linear_quantize_weight_per_channel(linear.weight.detach(), bitwidth)
        bias, _, _ = linear_quantize_bias_per_output_channel(linear.bias.detach(), scale, self.input_scale)
        self.register_buffer("weight", weight)
        self.register_buffer("weight_scale", scale)
        self.register_buffer("bias", shift_quantized_linear_bias(bias, weight, self.input_zero_point))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return quantized_linear(
            input,
            self.weight,
            self.bias,
            self.bitwidth,
            self.bitwidth,
            self.input_zero_point,
            self.output_zero_point,
            self.input_scale,
            self.weight_scale,
            self.output_scale,
        )

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, output_scale={self.output_scale:.5f}, zero_point={self.output_zero_point}"


class QuantizedMaxPool2d(nn.MaxPool2d):
    """Max pooling of int8. PyTorch pools floats only; float32 holds every int8, so nothing is lost."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input.float()).to(torch.int8)


class QuantizedAvgPool2d(nn.AvgPool2d):
    """Average pooling of int8, rounded."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input.float()).round().to(torch.int8)


# %% [markdown]
# `quantize_model` puts them in the place of the layers of a fused VGG. The images are the first input: 0 to 1 in steps
# of 1/255, so their scale is 1/255, and 0.0 becomes -128.

# %%
IMAGES = (1 / 255, -128)  # scale and zero point


@torch.no_grad()
def quantize_model(model: nn.Module, ranges: dict[str, torch.Tensor]) -> nn.Module:
    """A copy of a fused VGG in int8, with the ranges that `calibrate` found: int8 images in, int8 logits out."""
    source, layers = IMAGES, OrderedDict()
    names = dict(model.backbone.named_children())
    following = dict(zip(names, list(names)[1:], strict=False))
    for name, layer in names.items():
        if isinstance(layer, nn.Conv2d):
            target = get_quantization_scale_and_zero_point(ranges[f"backbone.{following[name]}"], 8)  # of its ReLU
            layers[name], source = QuantizedConv2d(layer, source, target), target
        elif isinstance(layer, nn.MaxPool2d):
            layers[name] = QuantizedMaxPool2d(layer.kernel_size, layer.stride)
        elif isinstance(layer, nn.AvgPool2d):
            layers[name] = QuantizedAvgPool2d(layer.kernel_size, layer.stride)
        elif not isinstance(layer, nn.ReLU):  # Question 9.2 asks where it went
            raise TypeError(f"there is no int8 layer for {type(layer).__name__}")
    quantized = copy.deepcopy(model)
    quantized.backbone = nn.Sequential(layers)
    target = get_quantization_scale_and_zero_point(ranges["classifier"], 8)
    quantized.classifier = QuantizedLinear(model.classifier, source, target)
    return quantized


# %% [markdown]
# ### Question 9.1 (4 points)
#
# The model wants `int8` images. They come as floats in [0, 1] that are multiples of 1/255: 8-bit pixels $k = 0 \dots
# 255$ divided by 255. Pixel $k$ should become $k - 128$, exactly.


# %% solution="extra_preprocess"
def extra_preprocess(x: torch.Tensor) -> torch.Tensor:
    """Images k / 255, float32, any shape, not changed -> int8 images k - 128 of the same shape, for k = 0, ..., 255.

    Round before you convert: where x was made as k * (1 / 255), as a GPU divides, x * 255 - 128 may come out as
    -31.99999 for k = 96, and a conversion to int8 cuts off what is behind the point, which leaves -31.
    """
    ### BEGIN SOLUTION
    return ((x * 255).round() - 128).clamp(-128, 127).to(torch.int8)
    ### END SOLUTION


# %% check="extra_preprocess" points=4
check(extra_preprocess)

# %% [markdown]
# Everything together. The loss of accuracy should be below 0.3 points. The size counts all that is stored: weights in 8
# bits, biases and the scales of the channels in 32.

# %% tags=["skip-execution"]
int8_model = quantize_model(fused, ranges)
print(int8_model)

begin = time.perf_counter()
int8_accuracy = evaluate(int8_model, loaders["test"], extra_preprocess=[extra_preprocess])
int8_seconds = time.perf_counter() - begin
int8_bits = sum(8 * buffer.element_size() * buffer.numel() for buffer in int8_model.buffers())
int8_drop = fp32_accuracy - int8_accuracy
print(f"fp32 {fp32_accuracy:.2f} %, {fp32_bits / MiB:.2f} MiB; int8 {int8_accuracy:.2f} %, {int8_bits / MiB:.2f} MiB")
if not FAST:
    print("within 0.3 points" if int8_drop <= 0.3 else f"{int8_drop:.2f} points lost: more than the 0.3 expected")
report_metrics(int8_accuracy=int8_accuracy, int8_drop=int8_drop, int8_mib=int8_bits / MiB, int8_seconds=int8_seconds)

# %% [markdown]
# Is it faster? On a processor with VNNI, yes: four products take the time of one in float32. Elsewhere integer
# arithmetic is imitated with floats here, and takes longer. Either way the model is what a device with `int8`
# multipliers would run.
#
# ### Question 9.2 (4 points)
#
# The int8 model has no ReLU layers, and yet it does what the fused model with its ReLUs does. Explain why.

# %% [markdown] written="question_9_2" points=4
# Your answer:
#
# ### BEGIN SOLUTION
# For example:
#
# The output range of each convolution was measured behind its ReLU, so $r_\min = 0$, and 0.0 is the smallest integer:
# $Z_\text{out} = q_\min = -128$. A negative result would get an integer below -128. Such an integer does not exist:
# the clamp to the 8-bit range makes it -128, which stands for 0.0. That is $\max(0, r)$, so saturation at the lower
# end of the range does what ReLU does, at no cost. Results above 0 are left alone (up to rounding and to saturation at
# the other end).
#
# === BEGIN MARK SCHEME ===
#
# - 1 point: the output range is that of the ReLU's output, so it begins at 0.
# - 1 point: therefore the zero point is -128, the smallest integer ("0.0 is the smallest integer").
# - 2 points: the clamp (saturation) turns every negative result into that integer, which is max(0, r). 1 of the 2 if
#   the answer says that values are clamped but not why this equals ReLU.
#
# "ReLU is fused into the convolution" without saying how: 1 point in all. "int8 has no negative numbers" and the like:
# no points.
#
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ### Question 10 (4 points)
#
# You know two kinds of quantization now: k-means (Lab 1) and linear. Compare their advantages and disadvantages, with
# accuracy, size, latency and hardware in mind.

# %% [markdown] written="question_10" points=4
# Your answer:
#
# ### BEGIN SOLUTION
# For example:
#
# - **Accuracy.** K-means puts its values where the weights are, so with as many values a layer its squared error is
#   smaller. At 8 bits both lose next to nothing. The fewer the bits, the more it matters: at 2 bits the equally spaced
#   values of linear quantization leave nearly all weights at 0, and the accuracy of guessing. (Compare the accuracies
#   of both labs before training. At 4 bits a scale for each channel makes up for most of it.)
# - **Size.** Both store $b$ bits a weight. K-means adds $2^b$ centroids a layer, linear one scale a channel. The labels
#   of k-means may be Huffman-coded; so may the integers of linear quantization.
# - **Latency and energy.** With k-means weights are looked up and the arithmetic stays in floating point, so it saves
#   memory and bandwidth only. Linear quantization quantizes features too and computes with integers, which are
#   cheaper and smaller in hardware.
# - **Hardware.** int8 multiply-accumulate units are in CPUs, GPUs and accelerators. A codebook needs a table look-up
#   before every product, which few devices have.
# - **Effort.** K-means has to cluster, and at few bits to train the centroids; linear quantization needs one batch for
#   calibration, but its ranges depend on outliers and on that batch.
#
# === BEGIN MARK SCHEME ===
#
# 1 point for each of four different, correct points of comparison that say what holds for *both* methods; at least one
# must be in favour of k-means and one in favour of linear quantization, else at most 3 points. A bare "better" or
# "faster" without a reason: half a point. No points for a statement that is wrong, such as "k-means is faster because
# it has fewer bits".
#
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ## Beside the published figures
#
# The homework's own figures, and those that its students published for the int8 model. Sizes as the homework counts
# them, parameters times bits, and as they are stored.

# %% tags=["skip-execution"]
print("              published        here")
print(f"fp32            92.75 %     {fp32_accuracy:7.2f} %   {fp32_bits / MiB:6.2f} MiB")
print(f"fused           92.75 %     {fused_accuracy:7.2f} %")
print(
    f"int8      92.65-92.95 %     {int8_accuracy:7.2f} %   {model_size_bits(pretrained, 8) / MiB:6.2f} MiB, "
    f"stored {int8_bits / MiB:.2f} MiB"
)
print(f"lost     -0.20 to +0.10     {int8_drop:+7.2f} points" + (" (QLAB_FAST: few images)" if FAST else ""))

# %% [markdown]
# The fp32 network comes from another training run, so compare the losses, not the accuracies. Results a little *above*
# fp32 are luck: some images lie so close to the border between two classes that any small error decides them, as often
# for the better as for the worse. On 10,000 images a tenth of a point is ten of them.
#
# What is still crude, and what comes next:
#
# - The range is that of one batch, and a single outlier widens it for all. Observers that average over batches or cut
#   off outliers are the subject of Lab 3.
# - A range that does not include zero (say, 2 to 4) has its zero point clipped, and is then represented badly: our
#   ReLUs and logits do include it, but in general one has to see to it. Lab 3's observers do.
# - The factor $S_W S_\text{in} / S_\text{out}$ is a float. If scales are powers of two it becomes a shift of bits:
#   Lab 3 again.
# - Nothing was trained. At 8 bits there is no need; below, one lets the network learn with rounded weights and
#   features: quantization-aware training, Lab 4.

# %% [markdown]
# ## Handing in
#
# Save the notebook, then run the last cell. It lists what is still open and writes the file to hand in.

# %% tags=["skip-execution"]
from qlab_helpers import preflight

preflight("lab2_linear")
