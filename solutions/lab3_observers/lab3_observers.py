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
# # Lab 3: observers, power-of-two scales and energy
#
# {{ colab_badge }}
#
# In Lab 2 the scale of a feature map came from one batch of images, and a float multiplied every sum. This lab looks
# after both. **Observers** watch tensors go by and work out scale and zero point from what they saw; you write two,
# and compare them with PyTorch's. Then you write one whose scales are powers of two, so that the multiplication
# becomes a shift of bits, quantize a VGG with it, and work out how much energy a layer saves.
#
# You write three functions and three classes, and one more function that computes a layer with integers only: these
# seven are worth **90 points**, given by the `check` cells, which you may run as often as you like; the grader also
# tries them on inputs that are not shown here. A question about overflow has 10 points. The report at the end has
# **100 points** of its own. A person reads the question and the report.
#
# Each function or class is graded on its own: a mistake in one costs no points in the next. Write your code where the
# notebook says `raise NotImplementedError`, in place of that line.

# %% setup=true

# %%
import copy
import io
import math
import os
from dataclasses import replace

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional

from qlab_helpers import check
from qlab_helpers import quantization as tq
from qlab_helpers.cost import MiB, count_parameters, model_size_bits
from qlab_helpers.data import ImageLoader, load_cifar10
from qlab_helpers.integer import int8_linear
from qlab_helpers.metrics import report_metrics
from qlab_helpers.models.small_vgg import SmallVGG
from qlab_helpers.plots import STYLE, plot_curves
from qlab_helpers.train import default_device, evaluate, seed_everything, train_epoch

plt.rcParams.update(STYLE)  # all pictures of the course look alike
FAST = os.environ.get("QLAB_FAST") == "1"  # a short rehearsal on few images; its figures mean little
device = default_device()
seed_everything(0)

# %% [markdown]
# `tq` stands for `torch.ao.quantization`, from which PyTorch's observers come. It is deprecated in favour of torchao,
# so this course imports it in one file only, `qlab_helpers/quantization.py`.
#
# ## From a range to scale and zero point
#
# An observer remembers a range $[r_\min, r_\max]$. The integers $q_\min$ to $q_\max$ are to stand for it, with
# $r = S (q - Z)$ as in Lab 2.
#
# ### Affine (12 points)
#
# One thing is new: **the range always includes zero**. Zero is what a convolution is padded with and what ReLU makes
# of half its inputs, so it must have an integer of its own, and with zero in the range $Z$ is always one of
# $q_\min \dots q_\max$, without clipping:
#
# $$r_\min \leftarrow \min(r_\min, 0), \qquad r_\max \leftarrow \max(r_\max, 0), \qquad
# S = \frac{r_\max - r_\min}{q_\max - q_\min}, \qquad Z = q_\min - \text{round}(r_\min / S).$$
#
# The range may be undefined. An observer that saw nothing has a range from $\infty$ to $-\infty$; one that saw nothing
# but zeros has a range without width; a division by zero or an overflow somewhere in the network leaves an infinity or
# NaN ("not a number"). No model should crash on that, and a scale must never be 0, infinite or NaN. In all these cases
# we take **scale 1.0 and zero point 0**.


# %% solution="affine_qparams"
def affine_qparams(min_val: float, max_val: float, qmin: int, qmax: int) -> tuple[float, int]:
    """Scale and zero point with which the integers qmin to qmax stand for the range min_val to max_val and for zero.

    Args:
        min_val, max_val: Python floats. Nothing seen yet: inf and -inf.
        qmin, qmax: the smallest and the largest integer, qmin <= 0 <= qmax.

    Returns:
        (scale, zero_point), a Python float and a Python int. If an end of the range is infinite or NaN, or if the scale
        itself would be 0 (the range has no width) or infinite (its width overflows): (1.0, 0).
    """
    ### BEGIN SOLUTION
    if not (math.isfinite(min_val) and math.isfinite(max_val)):
        return 1.0, 0
    low, high = min(min_val, 0.0), max(max_val, 0.0)
    scale = (high - low) / (qmax - qmin)
    return (scale, qmin - round(low / scale)) if 0 < scale < math.inf else (1.0, 0)
    ### END SOLUTION


# %% check="affine_qparams" points=12
check(affine_qparams)

# %% [markdown]
# ### Symmetric (8 points)
#
# For weights, and wherever the arithmetic is to be simple, the range is made symmetric around zero: from $-a$ to $a$
# with $a = \max(|r_\min|, |r_\max|)$. Then zero lies in the middle of the integers, whatever the data:
#
# $$S = \frac{2 a}{q_\max - q_\min}, \qquad Z = \left\lfloor \frac{q_\min + q_\max + 1}{2} \right\rfloor.$$
#
# For `int8` that gives $Z = 0$, for `uint8`, from 0 to 255, $Z = 128$. (The true middle of 0 to 255 is 127.5. PyTorch
# takes 128, too.) If the range is undefined, the scale is 1.0 again, and the zero point is the middle.


# %% solution="symmetric_qparams"
def symmetric_qparams(min_val: float, max_val: float, qmin: int, qmax: int) -> tuple[float, int]:
    """Scale and zero point with which the integers qmin to qmax stand for a range around zero that covers both ends.

    Args as in affine_qparams.

    Returns:
        (scale, zero_point), a Python float and a Python int. The zero point is always the middle of the integers; the
        scale is 1.0 if an end of the range is infinite or NaN, or if the scale itself would be 0 or infinite.
    """
    ### BEGIN SOLUTION
    middle = (qmin + qmax + 1) // 2
    if not (math.isfinite(min_val) and math.isfinite(max_val)):
        return 1.0, middle
    scale = 2 * max(abs(min_val), abs(max_val)) / (qmax - qmin)
    return (scale if 0 < scale < math.inf else 1.0), middle
    ### END SOLUTION


# %% check="symmetric_qparams" points=8
check(symmetric_qparams)

# %% [markdown]
# ## Observers
#
# An observer is a layer that changes nothing. While a network is calibrated it stands behind a layer, notes the range
# of each tensor that comes through, and passes the tensor on. Afterwards `calculate_qparams()` is asked for scale and
# zero point.
#
# ### The widest range (12 points)
#
# `MinMaxObserver` remembers the smallest and the largest value of **all** tensors that it has seen, as Python floats. A
# NaN in any tensor makes the range undefined for good, as in PyTorch: something went wrong, and that should not be
# forgotten. Mind that Python's `min(a, b)` can lose a NaN, since no comparison with it is true; `min()` of a tensor
# keeps it. The constructor is given.


# %% solution="MinMaxObserver"
class MinMaxObserver(nn.Module):
    """Remembers the smallest and the largest value of all tensors that it has seen."""

    def __init__(self, qmin: int = -128, qmax: int = 127, symmetric: bool = False):
        super().__init__()
        self.qmin, self.qmax, self.symmetric = qmin, qmax, symmetric
        self.min_val, self.max_val = math.inf, -math.inf  # nothing seen yet

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Note the range of x, and return x as it is.

        x: float32, any shape; not changed. It may be a parameter (requires_grad), or have no values at all, and then
        there is nothing to note. `.item()` makes a float of a tensor.
        """
        ### BEGIN SOLUTION
        if x.numel() > 0:
            self.min_val = torch.tensor([self.min_val, x.min().item()]).min().item()
            self.max_val = torch.tensor([self.max_val, x.max().item()]).max().item()
        return x
        ### END SOLUTION

    def calculate_qparams(self) -> tuple[float, int]:
        """(scale, zero_point) for self.qmin to self.qmax, by symmetric_qparams if self.symmetric, else affine_qparams.

        It may be asked at any time, also before anything was seen, and changes nothing.
        """
        ### BEGIN SOLUTION
        qparams = symmetric_qparams if self.symmetric else affine_qparams
        return qparams(self.min_val, self.max_val, self.qmin, self.qmax)
        ### END SOLUTION


# %% check="MinMaxObserver" points=12
check(MinMaxObserver)

# %% [markdown]
# ### A range that forgets (12 points)
#
# One outlier in one image widens the range of a `MinMaxObserver` for ever, and all other values get fewer integers.
# `MovingAverageMinMaxObserver` takes the range of the first tensor as it is, and moves both ends a little towards the
# range of each tensor that follows:
#
# $$r_\min \leftarrow r_\min + c \, (\min x - r_\min), \qquad r_\max \leftarrow r_\max + c \, (\max x - r_\max)$$
#
# with a small constant $c$, 0.01 by default, as in PyTorch. A NaN stays here, too.


# %% solution="MovingAverageMinMaxObserver"
class MovingAverageMinMaxObserver(nn.Module):
    """Remembers a moving average of the smallest and of the largest value of the tensors that it has seen."""

    def __init__(self, qmin: int = -128, qmax: int = 127, symmetric: bool = False, averaging_constant: float = 0.01):
        super().__init__()
        self.qmin, self.qmax, self.symmetric = qmin, qmax, symmetric
        self.averaging_constant = averaging_constant
        self.min_val, self.max_val = math.inf, -math.inf  # nothing seen yet

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Note the range of x (the first is taken as it is), and return x as it is. x: as in MinMaxObserver."""
        ### BEGIN SOLUTION
        if x.numel() > 0:
            low, high = x.min().item(), x.max().item()
            if self.min_val == math.inf:
                self.min_val, self.max_val = low, high
            self.min_val += self.averaging_constant * (low - self.min_val)
            self.max_val += self.averaging_constant * (high - self.max_val)
        return x
        ### END SOLUTION

    def calculate_qparams(self) -> tuple[float, int]:
        """As in MinMaxObserver."""
        ### BEGIN SOLUTION
        qparams = symmetric_qparams if self.symmetric else affine_qparams
        return qparams(self.min_val, self.max_val, self.qmin, self.qmax)
        ### END SOLUTION


# %% check="MovingAverageMinMaxObserver" points=12
check(MovingAverageMinMaxObserver)

# %% [markdown]
# ### Beside PyTorch's
#
# The same 200 batches go through your observers and through PyTorch's. They are what a layer might put out, with one
# outlier in the 20th batch. In each line the two should agree, up to float32's rounding; then look at what the outlier
# does to each observer.

# %% tags=["skip-execution"]
generator = torch.Generator().manual_seed(0)
batches = [torch.randn(512, generator=generator) + 0.5 for _ in range(200)]
batches[19][0] = 40.0

pairs = {
    "min-max, affine": (MinMaxObserver(0, 255), tq.MinMaxObserver(dtype=torch.quint8)),
    "min-max, symmetric": (
        MinMaxObserver(0, 255, symmetric=True),
        tq.MinMaxObserver(dtype=torch.quint8, qscheme=torch.per_tensor_symmetric),
    ),
    "moving average, affine": (
        MovingAverageMinMaxObserver(0, 255),
        tq.MovingAverageMinMaxObserver(dtype=torch.quint8),
    ),
    "moving average, symmetric": (
        MovingAverageMinMaxObserver(0, 255, symmetric=True),
        tq.MovingAverageMinMaxObserver(dtype=torch.quint8, qscheme=torch.per_tensor_symmetric),
    ),
}
largest_difference = 0.0
for name, (ours, torchs) in pairs.items():
    for batch in batches:
        ours(batch)
        torchs(batch)
    scale, zero_point = ours.calculate_qparams()
    torch_scale, torch_zero_point = (tensor.item() for tensor in torchs.calculate_qparams())
    largest_difference = max(largest_difference, abs(scale / torch_scale - 1))
    print(f"{name:26s} yours {scale:.6f}, {zero_point:3d}    torch {torch_scale:.6f}, {torch_zero_point:3d}")
print(f"scales differ by at most {largest_difference:.1e} of themselves")
report_metrics(observer_scale_difference=largest_difference)

# %% [markdown]
# Three things PyTorch does otherwise. For a range of zeros it takes a scale of $2^{-23}$, the smallest that it allows,
# where we take 1.0; neither matters, as nothing but zero is quantized. For a range of NaN it returns the scale NaN, and
# the model breaks later. And it keeps the range in *buffers*, so that it is saved with the model.
#
# ### Clipping on purpose
#
# Must the largest value fit at all? Cutting off a few outliers makes their error large and everybody else's small.
# TensorRT chooses where to cut so that the histogram changes least (in Kullback and Leibler's sense); two simpler
# choices are to cut off a fixed share of the values (a *percentile*), and to try many cuts and keep the one with the
# smallest squared error. Both are given. Look at which of them saves error at 8 bits, and which at 4.


# %%
def percentile_range(x: torch.Tensor, percent: float = 99.9) -> tuple[float, float]:
    """The range without the outer values: (100 - percent) / 2 per cent of them at each end."""
    outside = (1 - percent / 100) / 2
    ordered = x.detach().flatten().sort().values
    skipped = int(outside * (len(ordered) - 1))
    return ordered[skipped].item(), ordered[len(ordered) - 1 - skipped].item()


def quantization_error(x: torch.Tensor, low: float, high: float, bitwidth: int) -> float:
    """Mean squared error of x quantized to `bitwidth` bits, with the range low to high."""
    qmin, qmax = 0, 2**bitwidth - 1
    scale, zero_point = affine_qparams(low, high, qmin, qmax)
    quantized = ((x / scale).round() + zero_point).clamp(qmin, qmax)
    return functional.mse_loss((quantized - zero_point) * scale, x).item()


def least_error_range(x: torch.Tensor, bitwidth: int, steps: int = 100) -> tuple[float, float]:
    """The range of x, cut off at the magnitude that gives the smallest squared error of `steps` that are tried."""
    low, high = x.min().item(), x.max().item()
    largest = max(abs(low), abs(high))
    limits = [largest * (step + 1) / steps for step in range(steps)]
    ranges = [(max(low, -limit), min(high, limit)) for limit in limits]
    return min(ranges, key=lambda ends: quantization_error(x, *ends, bitwidth))


# %% tags=["skip-execution"]
observed = torch.cat(batches)
clipping_error = {}
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
for ax, bits in zip(axes, (8, 4), strict=True):
    ranges = {
        "min-max": (observed.min().item(), observed.max().item()),
        "99.9 %": percentile_range(observed),
        "least error": least_error_range(observed, bits),
    }
    errors = {name: quantization_error(observed, low, high, bits) for name, (low, high) in ranges.items()}
    clipping_error[f"{bits} bit"] = errors
    ax.plot(list(errors), list(errors.values()), "o", markersize=8)
    ax.set(yscale="log", title=f"mean squared error at {bits} bits")
    ax.margins(x=0.3, y=0.3)
    for name, (low, high) in ranges.items():
        of_widest = errors[name] / errors["min-max"]
        print(
            f"{bits} bit, {name:12s} {low:6.2f} to {high:5.2f}   error {errors[name]:.2e}, {of_widest:5.2f} of min-max"
        )
plt.show()
cut_off = (observed - observed.clamp(*percentile_range(observed))).square()
print(f"cutting off {int((cut_off > 0).sum())} of {len(observed):,} values costs {cut_off.mean():.2e}", end=", ")
print(f"of which the outlier is {100 * cut_off.max() / cut_off.sum():.0f} %")
report_metrics(clipping_error=clipping_error)

# %% [markdown]
# At 8 bits the 99.9 % range is five times *worse* than min-max: 0.0129 against 0.0025. Min-max has steps of 0.17 there,
# and 0.0025 is what rounding to them costs. Cutting off 102 of the 102,400 values costs 0.0129, and 99 % of that is the
# one outlier, which is cut from 40 to 3.86; the best cut is at 34.8, hardly one. At 4 bits the steps of min-max are 2.9
# wide, and rounding to them costs 0.67: now the same cut makes the error 23 times smaller. Clipping pays where steps
# are coarse.

# %% [markdown]
# ## Scales that are powers of two
#
# At the end of each layer of Lab 2 the `int32` sums are multiplied by $S_w S_x / S_y$, a float ($w$ for the weights,
# $x$ for the input, $y$ for the output). If each scale is a power of two, $S = 2^{-c}$, the factor is $2^{-(c_x + c_w -
# c_y)}$: a shift of the bits to the right, the cheapest thing that hardware does.
#
# ### PowerOfTwoObserver (20 points)
#
# It is one of PyTorch's observers, so that PyTorch can quantize whole models with it. It inherits `forward` from
# `tq.MinMaxObserver`, which keeps the range in `self.min_val` and `self.max_val` (tensors of one value) and the type
# in `self.dtype`. You write two methods.
#
# **`scale_approximate`** rounds a scale to a power of two, to the nearest *exponent*:
#
# $$2^{-n}, \qquad n = \text{round}(-\log_2 S), \text{ at least 0 and at most } n_\max = 8.$$
#
# Courses differ in the limits: some take $-8 \le n \le 8$. We take 0 to 8, so that the shift of every scale goes to the
# right and its amount fits in four bits. $n < 0$ begins at $S > \sqrt 2 \approx 1.41$: `int8` values beyond $\pm 180$,
# which a normalized network does not have. With $n = 8$ the values reach half of a unit; what is smaller than that uses
# only a part of the integers, and what that costs you will measure below, where the method is called with a
# `max_shift_amount` of 16, too. A scale that is **no positive finite number** becomes 1.0: 0, infinity, NaN.
#
# **`calculate_qparams`** takes the symmetric scale and zero point of the range, and approximates the scale:
#
# | | `self.dtype` | integers | zero point |
# |---|---|---|---|
# | weights | `torch.qint8` | -127 to 127 | 0 |
# | activations | `torch.quint8` | 0 to 255 | 128 |
#
# (-128 is left out so that every weight has its negative. `self.quant_min` is -128 for `torch.qint8` all the same, so
# go by the table.) Ranges that are undefined, of zeros, with an infinity or NaN in them, or never observed, have the
# scale 1.0, as above.


# %% solution="PowerOfTwoObserver"
class PowerOfTwoObserver(tq.MinMaxObserver):
    """An observer of the smallest and largest value whose scales are powers of two."""

    def scale_approximate(self, scale: float, max_shift_amount: int = 8) -> float:
        """2**-n, a Python float, with n = round(-log2(scale)) clamped to [0, max_shift_amount].

        A scale that is 0, negative, infinite or NaN gives 1.0.
        """
        ### BEGIN SOLUTION
        if not 0 < scale < math.inf:  # of NaN, too, this is true
            return 1.0
        shift = round(-math.log2(scale))
        return 2.0 ** -max(0, min(shift, max_shift_amount))
        ### END SOLUTION

    def calculate_qparams(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(scale, zero_point) as PyTorch expects them: tensors of one value, float32 and int64."""
        ### BEGIN SOLUTION
        qmin, qmax = (-127, 127) if self.dtype == torch.qint8 else (0, 255)
        scale, zero_point = symmetric_qparams(self.min_val.item(), self.max_val.item(), qmin, qmax)
        return torch.tensor([self.scale_approximate(scale)]), torch.tensor([zero_point])
        ### END SOLUTION


# %% check="PowerOfTwoObserver" points=20
check(PowerOfTwoObserver)

# %% [markdown]
# ### Question on overflow (10 points)
#
# Can something overflow in `scale_approximate`, or because of it? Think of very small and of very large scales, of 0,
# of what a shift does, and of what happens to values when a scale is rounded to a power of two. Say for each what
# would happen without a countermeasure, and how it is handled.

# %% [markdown] written="question_overflow" points=10
# Your answer:
#
# ### BEGIN SOLUTION
# For example:
#
# - **The exponent.** A very small scale has a large $n$: $10^{-10}$ gives 33. A shift by 33 does not exist for 32-bit
#   integers (in hardware it shifts by 33 modulo 32, or leaves nothing), and the field for the amount has four bits.
#   A scale above 1 has a negative $n$, which would be a shift to the left, and that can push bits out of the register.
#   Clamping $n$ to [0, 8] prevents both.
# - **The logarithm.** $\log_2 0$ is $-\infty$ (Python raises an error), and of infinity and NaN it gives nothing that
#   can be rounded to an integer. Such scales, from ranges of zeros, of outliers gone wrong or never observed, are
#   caught first and replaced by 1.0. (0 is the worst replacement: the next division by the scale is by zero.)
# - **The values.** Rounding to the nearest exponent may make the scale smaller, by up to a factor of $\sqrt 2$. Then
#   the largest values need integers up to 180 in place of 127 and do not fit; the same when the clamp at $n = 0$ makes
#   a large scale 1. They must saturate when they are quantized, since otherwise they wrap around and change sign.
#   Rounding $n$ down (the scale up) would avoid it, at the price of coarser steps.
# - **Underflow.** With the clamp at 8 the scale is at least 1/256, so that values below 1/512 become 0: a tensor of
#   small weights loses most of its integers, or all. That is the price of the limit.
# - **The sums** of products of 8-bit numbers need more than 16 bits; they are kept in 32. Weights leave out -128, whose
#   magnitude 128 has no positive `int8`.
#
# === BEGIN MARK SCHEME ===
#
# - 3 points: small or large scales make $n$ too large or negative; what that does to the shift (amount beyond the
#   register, shift to the left); the clamp to [0, max_shift_amount] as the answer. 1 point for each of the three.
# - 3 points: 0, infinity and NaN: the logarithm fails or is infinite (1), where such scales come from (1), they are
#   replaced by a positive finite scale before the logarithm (1). "The scale is set to 0": no point for the third.
# - 3 points: rounding or clamping makes the scale too small for the range (1), values then exceed the integers (1), and
#   must saturate, or the scale be rounded up (1).
# - 1 point: a further correct point, such as underflow of small values at the upper limit, sums in 32 bits, or -128.
#
# "Python floats do not overflow, so no" with nothing else: 0 points.
#
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ## A layer with integers only
#
# ### power_of_two_linear (16 points)
#
# With activations in `uint8` (zero point 128), weights in `int8` (zero point 0) and a bias in `int32` with the scale
# $S_W S_x$, a linear layer with ReLU is
#
# $$\bar y_i = \left( \text{ReLU}\Big(\bar b_i + \sum_j (\bar x_j - 128) \, \bar w_{ij}\Big) \gg
# (c_x + c_w - c_y) \right) + 128,$$
#
# where $\gg$ shifts to the right and thereby rounds down. The amount is known before any image comes. The result is
# stored as `uint8`, so what exceeds 255 becomes 255. The sums fit in `int32`, but may lie near its end, where adding
# 128 would wrap around: limit what was shifted to 127 before you add 128.
#
# Use integers only, no floats. Mind the types: in `uint8`, $100 - 128$ is 228. `int8_linear(input, weight, bias)`,
# which you know from Lab 2, sums products of `int8` exactly in `int32`, on the GPU too. A shift in PyTorch is
# `tensor >> amount`.


# %% solution="power_of_two_linear"
def power_of_two_linear(x_uint8: torch.Tensor, w_int8: torch.Tensor, b_int32: torch.Tensor, shift: int) -> torch.Tensor:
    """A linear layer with ReLU whose scales are powers of two: (ReLU(b + sum of (x - 128) w) >> shift) + 128.

    Args:
        x_uint8: (n, in) uint8, zero point 128; not changed.
        w_int8: (out, in) int8, zero point 0.
        b_int32: (out,) int32.
        shift: how far the sums are shifted to the right, 0 or more.

    Returns:
        (n, out) uint8, zero point 128, saturated at 255.
    """
    ### BEGIN SOLUTION
    centred = (x_uint8.to(torch.int32) - 128).to(torch.int8)
    sums = int8_linear(centred, w_int8, b_int32)
    shifted = (sums.clamp(min=0) >> shift).clamp(max=127)
    return (shifted + 128).to(torch.uint8)
    ### END SOLUTION


# %% check="power_of_two_linear" points=16
check(power_of_two_linear)

# %% [markdown]
# ## Energy
#
# ### linear_energy_pj (10 points)
#
# What does that save? Energy of one operation, in picojoules, from the course that this lab grew from:


# %%
ENERGY_PJ = {
    "fp32 multiply": 3.7,
    "fp32 add": 0.9,
    "int32 add": 0.1,
    "int8 multiply": 0.2,  # uint8 as well
    "int8 add": 0.03,  # uint8 as well
    "shift": 0.01,
}

# %% [markdown]
# For **each output**, count
#
# - in fp32, $y = \text{ReLU}(b + \sum_j x_j w_j)$: a multiplication for each input, the additions that sum up the
#   products, and one that adds the bias;
# - in the power-of-two scheme, the formula of `power_of_two_linear`: for each input an `int8` addition that subtracts
#   128 and an `int8` multiplication; the additions that sum up the products and the bias are in `int32`; then one shift
#   and one `int8` addition of 128.
#
# ReLU, conversions and memory count nothing here. (To subtract 128 once for all outputs would be cheaper still; the
# reports subtract it for each output anew, and so do we, to have their figures.)


# %% solution="linear_energy_pj"
def linear_energy_pj(in_features: int, out_features: int, scheme: str) -> float:
    """Energy of a linear layer with bias for one input vector, in picojoules. `scheme`: "fp32" or "power_of_two"."""
    ### BEGIN SOLUTION
    if scheme == "fp32":
        return out_features * in_features * (ENERGY_PJ["fp32 multiply"] + ENERGY_PJ["fp32 add"])
    each_input = ENERGY_PJ["int8 add"] + ENERGY_PJ["int8 multiply"] + ENERGY_PJ["int32 add"]
    return out_features * (in_features * each_input + ENERGY_PJ["shift"] + ENERGY_PJ["int8 add"])
    ### END SOLUTION


# %% check="linear_energy_pj" points=10
check(linear_energy_pj)

# %% [markdown]
# The last layer of the reports' network has 128 inputs and 10 outputs:

# %% tags=["skip-execution"]
energy_pj = {scheme: linear_energy_pj(128, 10, scheme) for scheme in ("fp32", "power_of_two")}
print(f"128 -> 10: {energy_pj['fp32']:.1f} pJ in fp32, {energy_pj['power_of_two']:.1f} pJ with powers of two,", end=" ")
print(f"{energy_pj['fp32'] / energy_pj['power_of_two']:.1f} times less")
report_metrics(energy_fp32_pj=energy_pj["fp32"], energy_power_of_two_pj=energy_pj["power_of_two"])

# %% [markdown]
# ## A network
#
# The reports' VGG has eight convolutions and three linear layers.

# %% tags=["skip-execution"]
model = SmallVGG().to(device)
print(model)
file = io.BytesIO()
torch.save(model.state_dict(), file)
fp32_mb = len(file.getvalue()) / 1e6
print(f"{count_parameters(model):,} parameters, {model_size_bits(model) / MiB:.2f} MiB, {fp32_mb:.2f} MB as a file")
report_metrics(parameters=count_parameters(model), fp32_mb=fp32_mb)

# %% [markdown]
# ### Training
#
# The last 5,000 of the 50,000 training images are kept for validation; the test images are for the very end. Two
# recipes of the reports: Adam, whose learning rate is halved when the validation loss stops falling, and SGD with
# momentum and a cosine. Both smooth the labels. The number of epochs is yours to choose: the reports took 50.
#
# This is the longest wait of the lab. One batch took 0.3 s of one core of a server's CPU (0.6 s where a CPU lacks
# bfloat16), so an epoch of its 352 batches takes about two minutes, and both recipes with 8 epochs each about half an
# hour; other machines differ, so look at the first progress bar and multiply. A GPU was not measured; expect minutes
# there for 50 epochs. The cells behind take minutes.

# %% tags=["skip-execution"]
train_set = load_cifar10("train", limit=1792 if FAST else None)
test_set = load_cifar10("test", limit=500 if FAST else None)
held_out = 512 if FAST else 5000
fitting = replace(train_set, images=train_set.images[:-held_out], labels=train_set.labels[:-held_out])
validating = replace(train_set, images=train_set.images[-held_out:], labels=train_set.labels[-held_out:])
loaders = {
    "train": ImageLoader(fitting, 128, shuffle=True, augment=True, device=device),
    "seen": ImageLoader(fitting.take(held_out), 500, device=device),  # as many, as they are
    "validation": ImageLoader(validating, 500, device=device),
    "test": ImageLoader(test_set, 500, device=device),
}
EPOCHS = 2 if FAST else 50 if device.type == "cuda" else 8


# %%
@torch.inference_mode()
def validation_loss(model: nn.Module, loader: ImageLoader) -> float:
    """The mean cross-entropy of the images of a loader."""
    model.eval()
    losses = [functional.cross_entropy(model(images), labels, reduction="sum") for images, labels in loader]
    return float(sum(losses)) / len(loader.dataset)


def train_model(
    recipe: str,
    epochs: int,
    *,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    label_smoothing: float = 0.1,
    augment: bool = True,
    schedule: bool = True,
) -> tuple[nn.Module, dict[str, list[float]]]:
    """The model of the epoch that was best on the validation images, and the curves of the run.

    recipe: "adam" or "sgd". None stands for the recipe's own value.
    """
    seed_everything(0)
    model = SmallVGG().to(device)
    loader = ImageLoader(fitting, 128, shuffle=True, augment=augment, device=device)
    usual_rate, usual_decay = (0.001, 1e-4) if recipe == "adam" else (0.1, 5e-4)
    options = {
        "lr": usual_rate if learning_rate is None else learning_rate,
        "weight_decay": usual_decay if weight_decay is None else weight_decay,
    }
    if recipe == "adam":
        optimizer = torch.optim.Adam(model.parameters(), **options)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    else:
        optimizer = torch.optim.SGD(model.parameters(), momentum=0.9, **options)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs, eta_min=1e-6)
    curves = {
        name: [] for name in ("training loss", "validation loss", "accuracy on seen images", "validation accuracy")
    }
    best, best_accuracy = copy.deepcopy(model.state_dict()), 0.0
    for epoch in range(epochs):
        description = f"{recipe} {epoch + 1}/{epochs}"
        curves["training loss"].append(
            train_epoch(model, loader, optimizer, label_smoothing=label_smoothing, description=description)
        )
        curves["validation loss"].append(validation_loss(model, loaders["validation"]))
        curves["accuracy on seen images"].append(evaluate(model, loaders["seen"]))
        curves["validation accuracy"].append(evaluate(model, loaders["validation"]))
        if schedule:
            scheduler.step(*(curves["validation loss"][-1:] if recipe == "adam" else ()))
        if curves["validation accuracy"][-1] >= best_accuracy:
            best, best_accuracy = copy.deepcopy(model.state_dict()), curves["validation accuracy"][-1]
    model.load_state_dict(best)
    return model.eval(), curves


# %% tags=["skip-execution"]
models, curves = {}, {}
for recipe in ("adam", "sgd"):
    models[recipe], curves[recipe] = train_model(recipe, EPOCHS)
fp32_accuracy = {recipe: evaluate(model, loaders["test"]) for recipe, model in models.items()}

figure, axes = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
losses = {
    f"{recipe}, {name}": values
    for recipe, run in curves.items()
    for name, values in run.items()
    if name.endswith("loss")
}
plot_curves(losses, axes[0], title="Loss (training: with smoothed labels and augmented images)")
accuracies = {
    f"{recipe}, {name}": values for recipe, run in curves.items() for name, values in run.items() if "accuracy" in name
}
plot_curves(accuracies, axes[1], ylabel="top-1 accuracy (%)", title="Accuracy")
plt.show()
print(f"after {EPOCHS} epochs: Adam {fp32_accuracy['adam']:.2f} %, SGD {fp32_accuracy['sgd']:.2f} % of the test images")
report_metrics(epochs=EPOCHS, adam_accuracy=fp32_accuracy["adam"], sgd_accuracy=fp32_accuracy["sgd"])

# %% [markdown]
# ### Quantization with a QConfig
#
# A `QConfig` says which observer PyTorch puts behind each layer (`activation`) and which it asks about its weights.
# Then four steps: **fuse** each convolution with its normalization and ReLU, and each linear layer with its ReLU;
# **prepare**, which puts the observers in; **calibrate** with some training images; **convert**, which replaces the
# layers by integer ones. PyTorch's integer layers run on the CPU.
#
# Four names in the cell below: `with_args` remembers arguments for later, since every layer gets an observer of its
# own; a `qscheme` of `torch.per_tensor_symmetric` says one scale for the whole tensor, and a range symmetric around
# zero; `fusible_groups()` of `SmallVGG` lists which layers to fuse, by name; and a `QuantWrapper` is the network with a
# layer before it that makes integers of the images, and one behind it that makes floats of the logits.

# %%
POWER_OF_TWO = tq.QConfig(
    activation=PowerOfTwoObserver.with_args(dtype=torch.quint8, qscheme=torch.per_tensor_symmetric),
    weight=PowerOfTwoObserver.with_args(dtype=torch.qint8, qscheme=torch.per_tensor_symmetric),
)
ANY_SCALE = tq.QConfig(
    activation=tq.MinMaxObserver.with_args(dtype=torch.quint8, qscheme=torch.per_tensor_symmetric),
    weight=tq.MinMaxObserver.with_args(
        dtype=torch.qint8, qscheme=torch.per_tensor_symmetric, quant_min=-127, quant_max=127
    ),
)


class FinerObserver(PowerOfTwoObserver):
    """Its scales may be as small as 2**-16."""

    def scale_approximate(self, scale: float, max_shift_amount: int = 16) -> float:
        return super().scale_approximate(scale, max_shift_amount)


FINER = tq.QConfig(
    activation=FinerObserver.with_args(dtype=torch.quint8, qscheme=torch.per_tensor_symmetric),
    weight=FinerObserver.with_args(dtype=torch.qint8, qscheme=torch.per_tensor_symmetric),
)


@torch.no_grad()
def observe_model(model: SmallVGG, qconfig: tq.QConfig, calibration: list[torch.Tensor]) -> nn.Module:
    """A copy of a trained model in floats, on the CPU: fused, and with observers that have seen the images."""
    model = copy.deepcopy(model).cpu().eval()
    fused = tq.fuse_modules(model, model.fusible_groups())
    prepared = tq.prepare(tq.QuantWrapper(fused).eval(), qconfig)
    for images in calibration:
        prepared(images.cpu())
    return prepared


def quantize_model(model: SmallVGG, qconfig: tq.QConfig, calibration: list[torch.Tensor]) -> nn.Module:
    """A copy of a trained model in int8, on the CPU."""
    return tq.convert(observe_model(model, qconfig, calibration))


# %% tags=["skip-execution"]
seed_everything(0)
calibration = [images for (images, _), _ in zip(loaders["train"], range(4), strict=False)]
quantized, quantized_accuracy, quantized_mb = {}, {}, {}
for name, qconfig in {"any scale": ANY_SCALE, "power of two": POWER_OF_TWO, "finer powers": FINER}.items():
    quantized[name] = quantize_model(models["sgd"], qconfig, calibration)
    file = io.BytesIO()
    torch.save(quantized[name].state_dict(), file)
    quantized_mb[name] = len(file.getvalue()) / 1e6
    quantized_accuracy[name] = evaluate(quantized[name], loaders["test"], description=name)
    print(f"{name:13s} {quantized_mb[name]:.2f} MB, {quantized_accuracy[name]:.2f} %")
report_metrics(
    quantized_mb=quantized_mb["power of two"],
    any_scale_accuracy=quantized_accuracy["any scale"],
    power_of_two_accuracy=quantized_accuracy["power of two"],
    finer_powers_accuracy=quantized_accuracy["finer powers"],
    power_of_two_drop=fp32_accuracy["sgd"] - quantized_accuracy["power of two"],
)

# %% [markdown]
# Which scales came out? For weights and outputs of each layer: the largest magnitude $a$, the exponent $-\log_2 S$ of
# its scale before rounding, and the scale that was used. Where the exponent was rounded *up*, the scale is too small,
# and the largest values are cut off. Where it was rounded down, or limited to 8, the scale is too large, and a part of
# the integers is never used. The converted network has forgotten the ranges, so the observers are asked once more.

# %% tags=["skip-execution"]
observed_model = observe_model(models["sgd"], POWER_OF_TWO, calibration)


def exponent_of(largest: float, steps: float) -> float:
    """-log2 of the scale with which so many steps reach from 0 to the largest magnitude; infinite for zeros."""
    return -math.log2(largest / steps) if largest > 0 else math.inf


for name, module in quantized["power of two"].named_modules():
    if hasattr(module, "scale") and hasattr(module, "weight"):
        before = observed_model.get_submodule(name)
        observer, layer = before.activation_post_process, before[0] if isinstance(before, nn.Sequential) else before
        weight_reach = layer.weight.abs().max().item()
        output_reach = max(abs(observer.min_val.item()), abs(observer.max_val.item()))
        print(
            f"{name.removeprefix('module.'):20s}"
            f" weight: a = {weight_reach:5.2f}, {exponent_of(weight_reach, 127):5.2f},"
            f" 2**-{round(-math.log2(module.weight().q_scale()))}"
            f"   output: a = {output_reach:5.2f}, {exponent_of(output_reach, 127.5):5.2f},"
            f" 2**-{round(-math.log2(module.scale))}, zero point {module.zero_point}"
        )

# %% [markdown]
# ### Is it your formula?
#
# One layer of the converted model, from 256 to 128 features, computed by PyTorch and by `power_of_two_linear` with the
# same integers. PyTorch rounds to the nearest integer where the shift rounds down, so that its results may be larger
# by one.

# %% tags=["skip-execution"]
layer, seen = quantized["power of two"].module.classifier.linear1, {}
hook = layer.register_forward_hook(lambda module, inputs, output: seen.update(x=inputs[0], y=output))
quantized["power of two"](calibration[0].cpu())
hook.remove()

x, y, weight = seen["x"], seen["y"], layer.weight()
exponents = [round(-math.log2(scale)) for scale in (x.q_scale(), weight.q_scale(), y.q_scale())]
bias = (layer.bias().detach() / (x.q_scale() * weight.q_scale())).round().to(torch.int32)
ours = power_of_two_linear(x.int_repr(), weight.int_repr(), bias, exponents[0] + exponents[1] - exponents[2])
difference = y.int_repr().int() - ours.int()
equal = 100 * (difference == 0).float().mean().item()
print(f"shift {exponents[0]} + {exponents[1]} - {exponents[2]}, {equal:.1f} % of the results are equal,", end=" ")
print(f"the others differ by {difference.min().item()} to {difference.max().item()}")
report_metrics(
    linear_equal_percent=equal, linear_least_difference=difference.min(), linear_most_difference=difference.max()
)

# %% [markdown]
# ## Beside the published figures

# %% tags=["skip-execution"]
print("                                published       here")
print(f"parameters                      1,470,762  {count_parameters(model):,}")
print(f"file, fp32                        5.91 MB    {fp32_mb:.2f} MB")
print(f"Adam                              72.25 %    {fp32_accuracy['adam']:.2f} %")
print(f"SGD and cosine (50 epochs)        84.60 %    {fp32_accuracy['sgd']:.2f} % ({EPOCHS} epochs)")
print(f"128 -> 10 in fp32                 5888 pJ    {energy_pj['fp32']:.0f} pJ")
print(f"128 -> 10 with powers of two     422.8 pJ    {energy_pj['power_of_two']:.1f} pJ")
print(f"file, power of two                      -    {quantized_mb['power of two']:.2f} MB")
print(f"power of two                            -    {quantized_accuracy['power of two']:.2f} %")
if FAST:
    print("QLAB_FAST: few images and epochs, so the accuracies mean nothing")

# %% [markdown]
# ## Report (100 points)
#
# Write about the network that **you** trained, with your own figures; change the recipe of `train_model` as you like.
# Six parts, a few sentences each.
#
# ### 1. Architecture (10 points)
#
# Describe the network: its blocks, how the size of the image and the number of channels change, how many parameters it
# has and where most of them are. Why does pooling before the first linear layer matter for that?

# %% [markdown] written="report_architecture" points=10
# Your answer:
#
# ### BEGIN SOLUTION
# For example:
#
# Four stages of two blocks; a block is a 3x3 convolution, batch normalization and ReLU. Each stage ends in a 2x2 max
# pooling, so that the image goes from 32 to 16, 8, 4 and 2 pixels, while the channels go from 3 to 32, 64, 128 and 256.
# Three linear layers follow: 1024 -> 256 -> 128 -> 10. There are 1,470,762 parameters, 5.61 MiB in fp32. The last stage
# has 885,248 in its convolutions (60 %), the first linear layer 262,400 (18 %). Without the last pooling that layer
# would have 4 x 4 x 256 = 4096 inputs and a million weights, more than the last stage.
#
# === BEGIN MARK SCHEME ===
#
# - 4 points: order and kinds of the layers, with channels and sizes of the image (2 each).
# - 2 points: what normalization, ReLU and pooling are there for.
# - 2 points: number of parameters, right for the network used.
# - 2 points: where most parameters are, and that pooling divides the inputs of the first linear layer by four.
#
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ### 2. Curves (10 points)
#
# Show the loss of training and validation, and the accuracy on seen and on validation images, against epochs. Does the
# network overfit? Give evidence. (Both accuracies are measured alike, on images as they are; the two losses are not.)

# %% [markdown] written="report_curves" points=10
# Your answer:
#
# ### BEGIN SOLUTION
# The answer depends on the run. The model overfits from the epoch on where the validation loss rises (or stays) while
# the training loss still falls. Two traps: the training loss is measured with smoothed labels, on augmented images and
# while the weights change, so that it may lie *above* the validation loss without anything being wrong; and one noisy
# epoch is no evidence. The distance of the two accuracies, which are measured alike, is better evidence.
#
# === BEGIN MARK SCHEME ===
#
# - 4 points: both curves of loss and both of accuracy, axes labelled. 3 of the 4 when one is missing.
# - 4 points: a judgement on overfitting that fits the curves shown, with numbers or epochs as evidence. 2 of the 4 when
#   it fits but gives no evidence.
# - 2 points: what could be done, or was done, about it; or why the two losses cannot be compared directly.
#
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ### 3. Tuning (20 points)
#
# Which data augmentation, optimizer, learning rate, schedule, weight decay and number of epochs did you use, and why?
# Compare at least three settings in a table of your own runs that differ in one thing each: `train_model` takes them by
# name, such as `train_model("sgd", EPOCHS, learning_rate=0.01)`.

# %% [markdown] written="report_tuning" points=20
# Your answer:
#
# ### BEGIN SOLUTION
# The answer depends on the runs. What the reports found: Adam at 0.001, halved on plateaus, 72.25 %; SGD at 0.1 with
# momentum 0.9, weight decay 5e-4 and a cosine over 50 epochs, 84.60 %. They changed the optimizer and the schedule at
# once, so that they cannot say which of the two did it.
#
# === BEGIN MARK SCHEME ===
#
# - 5 points: augmentation named and its effect explained.
# - 5 points: values of the hyperparameters with a reason for each (1 each for optimizer, learning rate, schedule,
#   decay, epochs).
# - 8 points: a table of at least three runs of one's own that differ in one setting at a time, with accuracies. At most
#   4 when several things change at once.
# - 2 points: chosen by the validation images, not by the test images.
#
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ### 4. QConfig (25 points)
#
# Derive scale and zero point of weights and of activations in your `PowerOfTwoObserver`. Explain `scale_approximate`
# with one layer of your network as an example: the range, the scale, its approximation, and what clipping and what
# unused integers cost there. Where does the shift $c_x + c_w - c_y$ come from?

# %% [markdown] written="report_qconfig" points=25
# Your answer:
#
# ### BEGIN SOLUTION
# For example:
#
# *Weights* lie on both sides of zero: `int8`, symmetric, $Z = 0$. With $a = \max |w|$ the range $[-a, a]$ is spread
# over the 254 steps from -127 to 127, so $S = 2a / 254 = a / 127$. *Activations* are `uint8` with $Z = 128$ and
# $S = 2a / 255$. Behind a ReLU nothing is negative, so that the integers below 128 are never used: the scheme gives
# away a bit, for a zero point that is the same for all layers.
#
# *Example*: a layer with weights from -0.41 to 0.38 has $S = 0.41 / 127 = 0.00323$, $-\log_2 S = 8.27$, so
# $n = 8$, $2^{-8} = 0.00391$. The step is coarser by a fifth: the largest weight becomes 105, not 127. The error of
# rounding, half a step, grows as much; nothing is cut off. Had $n$ been rounded the other way, the step would have been
# finer and the largest weights cut off.
#
# *Shift*: $S_y (q_y - 128) = S_w S_x \, [\dots]$, so the sum is multiplied by $S_w S_x / S_y =
# 2^{-c_w} 2^{-c_x} / 2^{-c_y} = 2^{-(c_x + c_w - c_y)}$: a shift to the right by $c_x + c_w - c_y$, known before
# inference since all three scales are.
#
# === BEGIN MARK SCHEME ===
#
# - 8 points: scale and zero point of weights (4) and activations (4), derived and not only stated; half for formulas
#   without derivation.
# - 8 points: `scale_approximate`: logarithm, rounding, clamp (2 each), undefined scales (2).
# - 5 points: an example with numbers of one's own network, computed rightly.
# - 4 points: the shift: scales of input, weight and output in one factor (2), a power of two whose exponent is the sum
#   and difference (1), computed before inference (1).
#
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ### 5. Comparison (25 points)
#
# Compare the network before and after quantization in a table: size, accuracy, and the energy of its last layer
# (128 -> 10), with the calculation of both energies written out. Compute the drop of accuracy from your figures. What
# do the rows "any scale" and "finer powers" say about where the accuracy is lost?

# %% [markdown] written="report_comparison" points=25
# Your answer:
#
# ### BEGIN SOLUTION
# For example (accuracies depend on the run):
#
# | | fp32 | power of two |
# |---|---|---|
# | size | 5.91 MB | about a quarter |
# | energy of 128 -> 10 | 5888 pJ | 422.8 pJ |
#
# fp32: $10 \times (128 \times 3.7 + 127 \times 0.9 + 0.9) = 10 \times 588.8 = 5888$ pJ.
# Power of two: $10 \times (128 \times 0.03 + 128 \times 0.2 + 127 \times 0.1 + 0.1 + 0.01 + 0.03) = 10 \times 42.28 =
# 422.8$ pJ, 13.9 times less.
#
# The drop is the accuracy before minus the accuracy after, in points. "Any scale" has the same 8 bits with exact
# scales: what it loses is lost to 8 bits. From there to "finer powers" only the rounding of the scales is new, and from
# there to "power of two" only the limit of 8.
#
# === BEGIN MARK SCHEME ===
#
# - 8 points: energy: both results (2 each) with the calculation (2 each).
# - 5 points: sizes from files or counted, and why the ratio is about four.
# - 5 points: accuracies, and a drop that is their difference, in points and with the right sign.
# - 7 points: the comparison of the rows: 8 bits, rounding of scales, limit of the exponent, each told from the others
#   (2 each), and a conclusion that fits the student's figures (1).
#
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ### 6. Discussion (10 points)
#
# What did you expect that did not come out, what was difficult, and what would you try next to lose less accuracy?

# %% [markdown] written="report_discussion" points=10
# Your answer:
#
# ### BEGIN SOLUTION
# The answer depends on the run. To lose less accuracy: a larger limit for the exponent; scales for each output channel;
# an unsigned range with zero point 0 behind a ReLU; a moving average or clipping in place of the widest range; training
# with quantized weights and activations, which is Lab 4.
#
# === BEGIN MARK SCHEME ===
#
# - 4 points: an observation of one's own that surprised, with a plausible explanation.
# - 3 points: a difficulty and how it was dealt with.
# - 3 points: a next step that addresses a loss seen in the figures.
#
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ## Handing in
#
# Save the notebook, then run the last cell. It lists what is still open and writes the file to hand in.

# %% tags=["skip-execution"]
from qlab_helpers import preflight

preflight("lab3_observers")
