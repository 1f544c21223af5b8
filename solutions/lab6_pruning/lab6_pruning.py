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
# # Lab 6: pruning, alone and before quantization
#
# {{ colab_badge }}
#
# The labs before this one stored every weight in fewer bits. This one leaves weights out. **Fine-grained pruning** sets
# single weights to zero, wherever they stand; **channel pruning** takes whole channels out of the network, which
# becomes a smaller network of the same kind. You do both to the VGG of Labs 1 and 2, and find out what each saves:
# memory, multiplications, time. At the end pruning, the codebooks of Lab 1 and a Huffman code are put one after the
# other: the three stages of *Deep Compression* (Han, Mao and Dally, 2016).
#
# You write six functions and one class, worth **40 points**, given by the `check` cells, which you may run as often as
# you like; the grader also tries them on inputs that are not shown here. A person reads your answers to Questions vi to
# ix, which have **18 points**.
#
# Each function is graded on its own: a mistake in one costs no points in the next. Write your code where the notebook
# says `raise NotImplementedError`, in place of that line.

# %% setup=true

# %%
import copy
import os
from collections import namedtuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from qlab_helpers import check
from qlab_helpers.clustering import KMeans1d
from qlab_helpers.cost import MiB, count_parameters, latency_ms, model_macs, model_size_bits
from qlab_helpers.data import ImageLoader, cifar10_loaders
from qlab_helpers.metrics import report_metrics
from qlab_helpers.plots import STYLE, plot_accuracy_against_size, plot_matrix, plot_weight_histograms
from qlab_helpers.sparse import (
    GAP_BITS,
    SparseCode,
    count_nonzeros,
    decode_sparse,
    encode_sparse,
    huffman_bytes,
    huffman_symbols,
    sparse_size_bits,
)
from qlab_helpers.train import default_device, evaluate, seed_everything, train_epoch
from qlab_helpers.weights import load_pretrained

plt.rcParams.update(STYLE)  # all pictures of the course look alike
FAST = os.environ.get("QLAB_FAST") == "1"  # a short rehearsal on few images; its accuracies mean little
device = default_device()
seed_everything(0)

# %% [markdown]
# ## The dense model
#
# "Dense" is the network as it was trained, with all its weights. Everything below is measured against it: accuracy,
# size with 32 bits for every parameter, and *MACs*, the multiplications (each with its addition) that one image takes,
# which torchprofile counts.

# %% tags=["skip-execution"]
loaders = cifar10_loaders(
    batch_size=64 if FAST else 512,
    train_limit=192 if FAST else None,
    test_limit=400 if FAST else None,
    device=device,
)
dense = load_pretrained("vgg_cifar10").to(device)
one_image = torch.rand(1, 3, 32, 32, device=device)

dense_accuracy = evaluate(dense, loaders["test"])
dense_bits, dense_macs = model_size_bits(dense), model_macs(dense, one_image)
print(f"{count_parameters(dense):,} parameters, {dense_bits / MiB:.2f} MiB, {dense_macs / 1e6:.0f} million MACs")
print(f"{dense_accuracy:.2f} % of {len(loaders['test'].dataset):,} test images")
report_metrics(dense_accuracy=dense_accuracy, dense_mib=dense_bits / MiB, dense_mmacs=dense_macs / 1e6)

# %% [markdown]
# The layers, one by one. For each pixel of its output, the *map*, a convolution takes (outputs x inputs x height x
# width of the kernel) multiplications. (torchprofile also counts BatchNorm and pooling, so that its sum is a little
# larger.)

# %% tags=["skip-execution"]
maps = {}
hooks = [
    layer.register_forward_hook(lambda module, inputs, output, name=name: maps.update({name: output.shape[2:]}))
    for name, layer in dense.named_modules()
    if isinstance(layer, nn.Conv2d | nn.Linear)
]
with torch.no_grad():
    dense(one_image)
for hook in hooks:
    hook.remove()
print("layer            inputs  outputs  kernel      map   million MACs")
for name, pixels in maps.items():
    weight = dense.get_submodule(name).weight
    kernel, size = ("x".join(map(str, shape)) for shape in (weight.shape[2:], pixels))
    print(f"{name:17s}{weight.shape[1]:6d}{weight.shape[0]:9d}{kernel:>8s}{size:>9s}", end="")
    print(f"{weight.numel() * pixels.numel() / 1e6:15.2f}")

# %% [markdown]
# Look at the weights. In every layer they lie around zero, on both sides alike, and in all layers but the first more
# than half are smaller than a tenth of the largest. A weight that is nearly zero adds nearly nothing to its sum, so
# most weights may be dispensable.

# %% tags=["skip-execution"]
plot_weight_histograms(dense, title="The dense model's weights")
plt.show()
print("layer                      weights   share   below a tenth of the largest")
for name, parameter in dense.named_parameters():
    if parameter.dim() > 1:
        share = parameter.numel() / count_parameters(dense)
        small = (parameter.abs() < parameter.abs().max() / 10).float().mean().item()
        print(f"{name:24s}{parameter.numel():10,}{100 * share:7.2f} %{100 * small:8.1f} %")

# %% [markdown]
# ## Fine-grained pruning
#
# ### Pruning a tensor (6 points)
#
# The *sparsity* $s$ is the share of zeros that a weight tensor $W$ of $n$ values is to have. How important a single
# weight is we judge by its magnitude alone. The
#
# $$\text{round}(n \cdot s)$$
#
# smallest magnitudes become zero, and a **mask** of the tensor's shape remembers which: 1 for a weight that is kept, 0
# for one that is pruned. Order the magnitudes, and the largest of those that go is the *threshold*:
# $M_j = (|W_j| > \text{threshold})$.
#
# The signs play no part. The rounding is to the nearest integer, and that may be 0, so that nothing is pruned. Ties,
# such as 2.5, do not occur in this lab. `tensor.kthvalue(k)` finds the k-th smallest value of a row without sorting it,
# so `flatten()` first; k begins at 1.


# %% solution="fine_grained_prune"
def fine_grained_prune(tensor: torch.Tensor, sparsity: float) -> torch.Tensor:
    """Set the smallest weights of a tensor to zero, in place, and return the mask.

    Args:
        tensor: float32, any shape; overwritten. The caller switches gradients off.
        sparsity: share of zeros, from 0 (nothing is pruned) to 1 (everything is).

    Returns:
        The mask, of the tensor's shape: 1 (or True) where a weight is kept, 0 (or False) where it is pruned.
    """
    ### BEGIN SOLUTION
    count = round(tensor.numel() * sparsity)
    importance = tensor.abs()
    threshold = importance.flatten().kthvalue(count).values if count > 0 else -torch.inf
    mask = importance > threshold
    tensor.mul_(mask)
    return mask
    ### END SOLUTION


# %% check="fine_grained_prune" points=6
check(fine_grained_prune)

# %% [markdown]
# Here it is at work, on the matrix of Lab 1, at a sparsity of 0.75. Of 25 weights 18.75 should go, so 19 do, and 6 of
# 25 are left. White are the zeros.

# %% tags=["skip-execution"]
original = torch.tensor(
    [
        [-0.3747, 0.0874, 0.3200, -0.4868, 0.4404],
        [-0.0402, 0.2322, -0.2024, -0.4986, 0.1814],
        [0.3102, -0.3942, -0.2030, 0.0883, -0.4741],
        [-0.1592, -0.0777, -0.3946, -0.2128, 0.2675],
        [0.0611, -0.1933, -0.4350, 0.2928, -0.1087],
    ]
)
sparse = original.clone()
mask = fine_grained_prune(sparse, 0.75)
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
plot_matrix(original, left, "25 weights", vmin=-0.5, vmax=0.5, cmap="RdBu")
plot_matrix(sparse, right, "pruned to a sparsity of 0.75", vmin=-0.5, vmax=0.5, cmap="RdBu")
plt.show()
print(f"{int(sparse.count_nonzero())} of {sparse.numel()} weights are left")

# %% [markdown]
# ### Pruning a model (5 points)
#
# `FineGrainedPruner` prunes every weight of a model that has **two or more dimensions**, each to a sparsity of its own;
# biases and the parameters of BatchNorm have one dimension, and stay. It keeps the masks, because they are needed
# again: when a pruned model is trained further, the optimizer moves *all* weights, also those that are zero. So `apply`
# is called after each step and multiplies every weight by its mask, the one that it was pruned with. No new weights are
# chosen there.
#
# Masks are kept by the name of the parameter, not with the parameter itself, so that they can be applied to a copy of
# the model, too. The constructor is given.


# %% solution="FineGrainedPruner"
class FineGrainedPruner:
    """Prunes the weights of a model in place and keeps their masks, by parameter name."""

    def __init__(self, model: nn.Module, sparsity_dict: dict[str, float]):
        self.masks = FineGrainedPruner.prune(model, sparsity_dict)

    @staticmethod
    @torch.no_grad()
    def prune(model: nn.Module, sparsity_dict: dict[str, float]) -> dict[str, torch.Tensor]:
        """Prune each parameter with two or more dimensions to the sparsity under its name; return the masks by name."""
        ### BEGIN SOLUTION
        weights = {name: parameter for name, parameter in model.named_parameters() if parameter.dim() > 1}
        return {name: fine_grained_prune(weight, sparsity_dict[name]) for name, weight in weights.items()}
        ### END SOLUTION

    @torch.no_grad()
    def apply(self, model: nn.Module) -> None:
        """Multiply the weights of a model, in place, by the masks that are kept under their names."""
        ### BEGIN SOLUTION
        for name, parameter in model.named_parameters():
            if name in self.masks:
                parameter.mul_(self.masks[name])
        ### END SOLUTION


# %% check="FineGrainedPruner" points=5
check(FineGrainedPruner)

# %% [markdown]
# ### How much does each layer bear? (6 points)
#
# Layers differ. To find out how, prune **one** weight tensor at a time, to one sparsity after the other, and measure
# the accuracy; then put its values back, and go on to the next. Such a *sensitivity scan* looks at each layer as if the
# others stayed dense. That is not quite how it will be, but it takes minutes, where trying all combinations would take
# for ever.
#
# `evaluate(model, dataloader)` gives the accuracy in per cent. The sparsities are those of
# `np.arange(scan_start, scan_end, scan_step)`, which leaves the end out.


# %% solution="sensitivity_scan"
@torch.no_grad()
def sensitivity_scan(
    model: nn.Module,
    dataloader,
    scan_step: float = 0.1,
    scan_start: float = 0.4,
    scan_end: float = 1.0,
    verbose: bool = True,
) -> tuple[np.ndarray, list[list[float]]]:
    """Accuracy of a model of which one weight is pruned, for each weight and each sparsity.

    Args:
        model: after the scan all its parameters are what they were before.
        dataloader: gives batches (images, labels), for `evaluate`.
        scan_step, scan_start, scan_end: sparsities as np.arange makes them, without the end.
        verbose: print each weight's accuracies, in any form.

    Returns:
        (sparsities, accuracies). accuracies has a list for each parameter with two or more dimensions, in the order of
        model.named_parameters(), and in it the accuracy for each sparsity.
    """
    ### BEGIN SOLUTION
    sparsities = np.arange(scan_start, scan_end, scan_step)
    accuracies = []
    for name, parameter in [(name, one) for name, one in model.named_parameters() if one.dim() > 1]:
        original, row = parameter.clone(), []
        for sparsity in sparsities:
            fine_grained_prune(parameter, sparsity)
            row.append(evaluate(model, dataloader))
            parameter.copy_(original)
        accuracies.append(row)
        if verbose:
            print(name, row)
    return sparsities, accuracies
    ### END SOLUTION


# %% check="sensitivity_scan" points=6
check(sensitivity_scan)

# %% [markdown]
# Every layer of the VGG, at six sparsities. How many images it looks at is up to you: with 2,000, as here on a GPU, a
# percentage is good for about a point; with 500, as here on a CPU, for about two, and it takes a few minutes there.

# %% tags=["skip-execution"]
SCAN_IMAGES = 64 if FAST else 2000 if device.type == "cuda" else 500
scan_loader = ImageLoader(loaders["test"].dataset.take(SCAN_IMAGES), 64 if FAST else 500, device=device)
scan_grid = {"scan_start": 0.6, "scan_step": 0.15} if FAST else {}
scan_dense = evaluate(dense, scan_loader)
sparsities, sensitivities = sensitivity_scan(dense, scan_loader, **scan_grid, verbose=False)
weight_names = [name for name, parameter in dense.named_parameters() if parameter.dim() > 1]

figure, axes = plt.subplots(3, 3, figsize=(10, 6.5), sharex=True, sharey=True, layout="constrained")
for ax, name, row in zip(axes.flat, weight_names, sensitivities, strict=True):
    ax.plot(sparsities, row, "o-")
    ax.axhline(scan_dense, color="0.6", linestyle=":")
    ax.set_title(f"{name} ({dense.get_parameter(name).numel():,})", fontsize=9)
    ax.grid(color="0.9")
figure.supxlabel("sparsity of this weight alone (dotted: the dense model)")
figure.supylabel("top-1 accuracy (%)")
plt.show()
lowest = dict(zip(weight_names, (row[-1] for row in sensitivities), strict=True))
most_sensitive = min(lowest, key=lowest.get)
print(f"at a sparsity of {sparsities[-1]:.2f}: lowest with {most_sensitive}, {lowest[most_sensitive]:.1f} %")
report_metrics(
    most_sensitive_weight=most_sensitive,
    scan_sparsities=[float(sparsity) for sparsity in sparsities],
    scan_accuracies=dict(zip(weight_names, sensitivities, strict=True)),
)

# %% [markdown]
# Two things can be read from curves like these. The more of a layer goes, the lower the accuracy, with a flat part
# before it falls. And not all layers have the same sensitivity: the first one, with the fewest weights, falls early;
# and of the three with the most weights, equally many, `conv7` hardly falls, while `conv6` has the lowest curve of all.
#
# ### Prune and train
#
# So the sparsities should follow two rules: **prune little where the curve falls early, and much where the weights
# are.** The first convolution has 0.02 % of all weights, so there is nothing to gain, and it stays dense. The
# classifier has few, too, 0.06 %, but half of them cost nothing: its curve is flat there. These are a beginning; change
# them when you have seen your curves.

# %%
SPARSITIES = {
    "backbone.conv0.weight": 0.0,
    "backbone.conv1.weight": 0.5,
    "backbone.conv2.weight": 0.6,
    "backbone.conv3.weight": 0.6,
    "backbone.conv4.weight": 0.65,
    "backbone.conv5.weight": 0.75,
    "backbone.conv6.weight": 0.7,
    "backbone.conv7.weight": 0.9,
    "classifier.weight": 0.5,
}

# %% tags=["skip-execution"]
pruned = copy.deepcopy(dense)
pruner = FineGrainedPruner(pruned, SPARSITIES)
pruned_accuracy = evaluate(pruned, loaders["test"])
nonzeros = count_nonzeros(pruned)
print(f"{nonzeros:,} of {count_parameters(pruned):,} parameters are left: {pruned_accuracy:.2f} % before training")

# %% [markdown]
# What was lost can be trained back: the weights that are left take over. `pruner.apply` runs after every batch. A whole
# epoch takes seconds on a GPU, and some ten minutes on two CPU cores.

# %% tags=["skip-execution"]
EPOCHS = 1 if FAST or device.type == "cpu" else 5
TRAINED = f"{EPOCHS} epoch{'s' * (EPOCHS > 1)} of training"


def fine_tune(model: nn.Module, *, after_batch=(), epochs: int = EPOCHS) -> float:
    """Train a model further with a small learning rate that falls to zero; returns its accuracy."""
    seed_everything(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001 if FAST else 0.01, momentum=0.9, weight_decay=1e-4)
    batches = epochs * len(loaders["train"])
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=batches)
    for epoch in range(epochs):
        description = f"epoch {epoch + 1}/{epochs}"
        train_epoch(
            model, loaders["train"], optimizer, scheduler=scheduler, callbacks=after_batch, description=description
        )
    return evaluate(model, loaders["test"])


tuned_accuracy = fine_tune(pruned, after_batch=[lambda: pruner.apply(pruned)])
pruned_sizes = sparse_size_bits(pruned)
print(f"{pruned_accuracy:.2f} % -> {tuned_accuracy:.2f} % after {TRAINED} (dense {dense_accuracy:.2f} %)")
print(f"{count_nonzeros(pruned):,} parameters are not zero, {nonzeros:,} were before training")
report_metrics(
    nonzero_share=nonzeros / count_parameters(pruned),
    nonzeros_grown=count_nonzeros(pruned) - nonzeros,
    pruned_accuracy=pruned_accuracy,
    pruned_tuned_accuracy=tuned_accuracy,
    fine_tuning_epochs=EPOCHS,
)

# %% [markdown]
# ### The size of a sparse model
#
# How large is it now? If only values counted, 32 bits for each that is not zero. But somebody has to know *where* they
# stand. Deep Compression stores with each value how many zeros come before it, in 4 bits here:
#
#     0 0 0.7 0 0 0 -0.2   ->   (2, 0.7) (3, -0.2)
#
# Where there are more than 15 zeros in a row, a zero is stored among them, a *filler*. `encode_sparse` of this course
# does that, `decode_sparse` undoes it.

# %% tags=["skip-execution"]
example = torch.zeros(40)
example[2], example[6], example[39] = 0.7, -0.2, 0.5
code = encode_sparse(example)
print("gaps  ", code.gaps.tolist())
print("values", [round(value, 2) for value in code.values.tolist()], "(0 is a filler)")
print("the same tensor again:", torch.equal(decode_sparse(code), example))

# %% [markdown]
# Two sizes of the pruned model. *Values*: 32 bits for each parameter that is not zero, as if nobody had to know where
# it stands. *Stored*: weights as `encode_sparse` stores them, 32 bits for the value and 4 for the gap of each entry,
# fillers among them, and 32 bits for every parameter of BatchNorm and every bias.

# %% tags=["skip-execution"]
print(f"dense                        {dense_bits / MiB:6.2f} MiB")
for name, size in pruned_sizes.items():
    print(f"sparse, {name:20s} {size / MiB:6.2f} MiB, {dense_bits / size:.2f} times smaller")
report_metrics(sparse_values_mib=pruned_sizes["values"] / MiB, sparse_stored_mib=pruned_sizes["stored"] / MiB)

# %% [markdown]
# ## Channel pruning
#
# A tensor with zeros in it is still computed as a whole by PyTorch: multiplying by zero takes as long as by any other
# number. To skip zeros that may stand anywhere takes hardware made for it. Channel pruning is coarser: it takes out
# whole channels, and what is left is an ordinary, smaller network.
#
# ### How many channels stay (3 points)
#
# A convolution with $c$ output channels, pruned at the *prune ratio* $p$, keeps $\text{round}(c (1 - p))$ of them, the
# nearest integer. Ties do not occur here either.


# %% solution="get_num_channels_to_keep"
def get_num_channels_to_keep(channels: int, prune_ratio: float) -> int:
    """The number of channels that are left, rounded to the nearest integer. prune_ratio: the share that goes."""
    ### BEGIN SOLUTION
    return round(channels * (1 - prune_ratio))
    ### END SOLUTION


# %% check="get_num_channels_to_keep" points=3
check(get_num_channels_to_keep)

# %% [markdown]
# ### Taking channels out (8 points)
#
# The VGG's backbone is a chain: convolution, BatchNorm, ReLU, next convolution, now and then a pooling. The weight of a
# convolution has the shape (outputs, inputs, height, width). If convolution $i$ loses output channels, then
#
# - its BatchNorm loses the same channels: `weight`, `bias`, `running_mean` and `running_var`;
# - convolution $i + 1$ loses the same *inputs*.
#
# The **first** channels stay; which they ought to be is the next question. The inputs of the first convolution are the
# colours, the outputs of the last go to the classifier: both stay as they are. With $n$ convolutions there are $n - 1$
# ratios, one for each convolution but the last, in a list; or one number for all of them.
#
# `weight` and `bias` are parameters: PyTorch refuses a plain tensor in their place, and `nn.Parameter(tensor)` makes a
# parameter of one. `running_mean` and `running_var` are *buffers*, which no optimizer may move: assign plain tensors. A
# slice of a tensor still holds the whole tensor in memory, so `clone()` it. Code that prints a layer looks at
# `out_channels`, `in_channels` and `num_features`; set them if you like, nothing is computed with them.


# %% solution="channel_prune"
@torch.no_grad()
def channel_prune(model: nn.Module, prune_ratio: float | list[float]) -> nn.Module:
    """A copy of a model in which each convolution of the backbone but the last has lost output channels.

    Args:
        model: `model.backbone` holds convolutions without bias, each followed by a BatchNorm2d, and other layers
            between them. It is not changed.
        prune_ratio: one ratio for all, or a list with one for each convolution but the last.

    Returns:
        The pruned copy. The first get_num_channels_to_keep(channels, ratio) channels are kept.
    """
    ### BEGIN SOLUTION
    model = copy.deepcopy(model)
    convs = [module for module in model.backbone if isinstance(module, nn.Conv2d)]
    norms = [module for module in model.backbone if isinstance(module, nn.BatchNorm2d)]
    ratios = prune_ratio if isinstance(prune_ratio, list) else [prune_ratio] * (len(convs) - 1)
    for index, ratio in enumerate(ratios):
        conv, norm, following = convs[index], norms[index], convs[index + 1]
        keep = get_num_channels_to_keep(conv.out_channels, ratio)
        conv.weight = nn.Parameter(conv.weight[:keep].clone())
        norm.weight, norm.bias = nn.Parameter(norm.weight[:keep].clone()), nn.Parameter(norm.bias[:keep].clone())
        norm.running_mean, norm.running_var = norm.running_mean[:keep].clone(), norm.running_var[:keep].clone()
        following.weight = nn.Parameter(following.weight[:, :keep].clone())
        conv.out_channels = norm.num_features = following.in_channels = keep
    return model
    ### END SOLUTION


# %% check="channel_prune" points=8
check(channel_prune)

# %% tags=["skip-execution"]
RATIO = 0.3
first_channels = channel_prune(dense, RATIO)
first_accuracy = evaluate(first_channels, loaders["test"])
print(f"without 30 % of the channels: {first_accuracy:.2f} %, dense {dense_accuracy:.2f} %")

# %% [markdown]
# Much of the accuracy is gone: nobody has asked which channels matter, and a channel is more than a weight.
#
# The next two parts choose them by their size. Do not be surprised: on this network the sorted model may even be
# *worse* than this one as long as neither is trained. What counts is the accuracy after training.
#
# ### Which channels matter (4 points)
#
# A channel that the next convolution hardly listens to can go. So the importance of channel $c$ is measured on the
# weight of the **next** convolution: the Frobenius norm of everything that is multiplied with this input,
#
# $$\text{importance}_c = \sqrt{\sum_{o, h, w} W_{o, c, h, w}^2}.$$


# %% solution="get_input_channel_importance"
def get_input_channel_importance(weight: torch.Tensor) -> torch.Tensor:
    """The importance of each input channel of a convolution.

    weight: (outputs, inputs, height, width). Returns the norms, shape (inputs,).
    """
    ### BEGIN SOLUTION
    return torch.linalg.vector_norm(weight.detach(), dim=(0, 2, 3))
    ### END SOLUTION


# %% check="get_input_channel_importance" points=4
check(get_input_channel_importance)

# %% [markdown]
# ### Sorting (8 points)
#
# If the channels between two convolutions are put in another order, on both sides alike, the network computes the
# same. So sort them, the most important first; then `channel_prune`, which keeps the first ones, keeps those with the
# largest norms.
#
# For each two convolutions in a row: the order comes from the inputs of the second. The outputs of the first, all four
# vectors of its BatchNorm and the inputs of the second are put in that order.


# %% solution="apply_channel_sorting"
@torch.no_grad()
def apply_channel_sorting(model: nn.Module) -> nn.Module:
    """A copy of a model that computes the same, with the channels behind each convolution but the last sorted.

    Falling order of get_input_channel_importance of the next convolution's weight. model: as in channel_prune.
    """
    ### BEGIN SOLUTION
    model = copy.deepcopy(model)
    convs = [module for module in model.backbone if isinstance(module, nn.Conv2d)]
    norms = [module for module in model.backbone if isinstance(module, nn.BatchNorm2d)]
    for index, following in enumerate(convs[1:]):
        conv, norm = convs[index], norms[index]
        order = get_input_channel_importance(following.weight).argsort(descending=True)
        for tensor in (conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var):
            tensor.copy_(tensor[order])
        following.weight.copy_(following.weight[:, order])
    return model
    ### END SOLUTION


# %% check="apply_channel_sorting" points=8
check(apply_channel_sorting)

# %% tags=["skip-execution"]
sorted_model = apply_channel_sorting(dense)
images = next(iter(loaders["test"]))[0][:16]
with torch.no_grad():
    sorting_difference = (sorted_model(images) - dense(images)).abs().max().item()
best_channels = channel_prune(sorted_model, RATIO)
best_accuracy = evaluate(best_channels, loaders["test"])
print(f"sorted: outputs differ by {sorting_difference:.1e} at most")
print(f"without 30 % of the channels: the first kept {first_accuracy:.2f} %, the largest kept {best_accuracy:.2f} %")
channels_accuracy = fine_tune(best_channels)
print(f"after {TRAINED} {channels_accuracy:.2f} %, dense {dense_accuracy:.2f} %")
report_metrics(
    sorting_difference=sorting_difference,
    first_channels_accuracy=first_accuracy,
    best_channels_accuracy=best_accuracy,
    channels_tuned_accuracy=channels_accuracy,
)

# %% [markdown]
# Did sorting help before the training? A large norm says that the next layer listens closely, not that what it hears is
# of use; and BatchNorm's statistics no longer fit, in both models, until some training has mended them. So an accuracy
# right after pruning says little about the choice of channels.
#
# ## What it costs to run
#
# Three models: dense, fine-grained, channels. The latency is the median of some runs with one image, on the CPU, as a
# small device would do it; all three are computed by PyTorch as they are.

# %% tags=["skip-execution"]
compared = {"dense": dense, "fine-grained": pruned, "30 % of channels": best_channels}
accuracies = {"dense": dense_accuracy, "fine-grained": tuned_accuracy, "30 % of channels": channels_accuracy}
cost = {}
print("                    accuracy   nonzeros   million MACs   latency")
for name, model in compared.items():
    on_cpu = copy.deepcopy(model).cpu()
    cost[name] = {
        "macs": model_macs(on_cpu, one_image.cpu()),
        "nonzeros": count_nonzeros(on_cpu),
        "latency_ms": latency_ms(on_cpu, one_image.cpu(), repeats=10 if FAST else 50),
    }
    print(
        f"{name:18s}{accuracies[name]:8.2f} %{cost[name]['nonzeros']:11,}{cost[name]['macs'] / 1e6:11.0f}"
        f"{cost[name]['latency_ms']:13.2f} ms"
    )
print(f"({count_parameters(dense) - count_nonzeros(dense)} of the dense model's parameters happen to be 0)")
reduction = {key: cost["dense"][key] / cost["30 % of channels"][key] for key in ("macs", "nonzeros", "latency_ms")}
print(
    f"channels: {reduction['macs']:.2f} times fewer MACs, {reduction['nonzeros']:.2f} times fewer parameters, ", end=""
)
print(f"{reduction['latency_ms']:.2f} times faster")
report_metrics(
    channels_mmacs=cost["30 % of channels"]["macs"] / 1e6,
    channels_macs_reduction=reduction["macs"],
    channels_parameters_reduction=reduction["nonzeros"],
    channels_latency_reduction=reduction["latency_ms"],
    latency_ms={name: found["latency_ms"] for name, found in cost.items()},
)

# %% [markdown]
# The MACs of the fine-grained model are those of the dense one: torchprofile counts what is computed, and PyTorch
# computes with the zeros.
#
# The questions below keep their numbers from the homework that this lab grew from, a question on TinyML that its
# authors adapted from MIT's course 6.S965 (Fall 2022). What it asks before, about histograms and sensitivities, stands
# in the text above.
#
# ### Question vi (4 points)
#
# Explain why removing 30 per cent of the channels roughly halves the computation. Why not exactly? Give the numbers of
# one layer of the VGG, which the table in "The dense model" describes.

# %% [markdown] written="question_vi" points=4
# Your answer:
#
# ### BEGIN SOLUTION
# For example:
#
# A convolution takes (outputs x inputs x height x width of the kernel) multiplications for each pixel of its result.
# Removing 30 % of the channels takes 30 % of the outputs *and* 30 % of the inputs of a layer in the middle of the
# network, so $0.7 \times 0.7 = 0.49$ of its multiplications are left. Pixels and kernels stay.
#
# The second convolution, 64 -> 128 channels on 32 x 32 pixels, takes 128 x 64 x 9 x 1024 = 75.5 million MACs; with 90
# and 45 channels it is 90 x 45 x 9 x 1024 = 37.3 million, 49.4 %.
#
# It is not exactly 0.49 because the first convolution keeps its three inputs and the last one its 512 outputs (0.7 of
# their multiplications are left), the classifier keeps its outputs, and numbers of channels are rounded.
#
# === BEGIN MARK SCHEME ===
#
# - 2 points: multiplications are proportional to inputs times outputs, and both lose 30 %, so 0.7 squared is left. 1
#   point if only "0.7 squared" is said without why both shrink.
# - 1 point: numbers of one layer, computed rightly.
# - 1 point: why not exactly: first layer's inputs, last layer's outputs, or rounding.
#
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ### Question vii (4 points)
#
# The latency shrinks a little less than the number of MACs does. Explain why, with two different reasons.

# %% [markdown] written="question_vii" points=4
# Your answer:
#
# ### BEGIN SOLUTION
# For example:
#
# - Not all of the time is spent on the MACs of convolutions. BatchNorm, ReLU and pooling are proportional to the number
#   of channels, not to its square: 70 % of their time is left. The same holds for reading and writing feature maps.
# - Each layer has costs that do not depend on its size: Python and PyTorch call it, choose an algorithm, allocate
#   memory, start threads or a GPU kernel.
# - Smaller matrices use the hardware less well: 45 or 358 channels are no multiples of 8 or 16, so that vector units
#   compute on padding, and with one image there is too little work for all cores.
# - Much of the time goes to reading weights from memory where layers are large and images few, and that is bounded by
#   bandwidth, not by arithmetic.
#
# === BEGIN MARK SCHEME ===
#
# 2 points for each of two different reasons, as above: 1 for naming it, 1 for saying why it shrinks less than the MACs
# do. "Overhead" without saying of what: 1 point in all. An answer that fits a latency which shrank *more* in the
# student's own run (caches, say) counts as well.
#
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ### Question viii (6 points)
#
# What are the advantages and disadvantages of fine-grained and of channel pruning? Compare compression ratio, accuracy,
# latency, and what hardware they need. Use your figures: accuracies after training, sizes, and the table above. Without
# a GPU your models were trained for one epoch only; use these figures all the same, and say so.

# %% [markdown] written="question_viii" points=6
# Your answer:
#
# ### BEGIN SOLUTION
# For example:
#
# - **Compression.** Fine-grained: high, about four times fewer weights here, ten and more after careful training; but
#   positions have to be stored, too. Channels: lower, about 1.8 times fewer parameters at 30 %, and nothing else to
#   store.
# - **Accuracy.** Fine-grained: high, as each weight is judged on its own and the least important go. Channels: lower at
#   the same number of parameters, as a channel takes important weights along; it needs training.
# - **Latency.** Fine-grained: no gain in ordinary software, which computes with the zeros; where they are skipped,
#   access to memory is irregular. Channels: gains everywhere, nearly as large as those in MACs.
# - **Hardware.** Fine-grained: special accelerators (EIE, say), or patterns such as 2 of 4 weights that some GPUs know.
#   Channels: any, since the result is a smaller dense network.
#
# === BEGIN MARK SCHEME ===
#
# - 2 points: compression ratio and accuracy compared, in the right direction (1 each).
# - 2 points: latency and hardware: fine-grained sparsity needs support to be faster (1), a channel-pruned network is a
#   smaller dense one and faster anywhere (1).
# - 1 point: positions of nonzeros cost memory, or an equivalent cost of irregularity.
# - 1 point: figures of the student's own run for at least two of these.
#
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ### Question ix (4 points)
#
# You want your model to run faster on a smartphone. Which kind of pruning do you use, and why? What would change your
# mind?

# %% [markdown] written="question_ix" points=4
# Your answer:
#
# ### BEGIN SOLUTION
# For example:
#
# Channel pruning. A smartphone's CPU, GPU or NPU and its libraries are made for dense layers; a network with fewer
# channels has fewer MACs, less memory traffic and smaller feature maps, so it is faster at once, with any framework.
# Zeros anywhere in the weights would be multiplied like all others.
#
# What would change my mind: hardware or a library that skips zeros (2:4 sparsity, or sparse kernels at sparsities
# above 90 % or so); or if the download or the memory were the problem and not the time, where fine-grained pruning with
# quantization and a Huffman code compresses far more.
#
# === BEGIN MARK SCHEME ===
#
# - 1 point: channel pruning.
# - 2 points: because usual hardware and libraries compute dense layers, so that only a smaller dense network is faster
#   (1), while scattered zeros are computed with (1).
# - 1 point: a condition under which the answer changes: support for sparsity, or another aim such as size.
#
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ## Deep Compression: prune, share, code (not graded)
#
# The three stages of Deep Compression, each on top of the one before:
#
# 1. **Prune**, and train what is left. That is `pruned`, above.
# 2. **Quantize** what is left with k-means, as in Lab 1: the weights of a layer that are not zero share a few values,
#    and each stores a label of $b$ bits. Label 0 stands for zero, as the fillers need one; so there are $2^b - 1$
#    clusters.
# 3. **Huffman-code** labels and gaps: both are far from evenly distributed.
#
# The third stage changes no weight. To prove it we decode what was coded and compare.

# %%
Codebook = namedtuple("Codebook", ["centroids", "labels"])


@torch.no_grad()
def share_nonzeros(weight: torch.Tensor, bits: int) -> Codebook:
    """Quantize what is not zero with 2**bits - 1 shared values, in place; label 0 and centroid 0 are the zeros.

    weight: any shape. centroids: float32, shape (2**bits,); labels: uint8, of the weight's shape.
    """
    kept = weight != 0
    kmeans = KMeans1d(2**bits - 1)
    labels = torch.zeros(weight.shape, dtype=torch.uint8, device=weight.device)
    labels[kept] = (kmeans.fit_predict(weight[kept]) + 1).to(torch.uint8)
    centroids = torch.cat([kmeans.centroids.new_zeros(1), kmeans.centroids.flatten()])
    weight.copy_(centroids[labels.long()])
    return Codebook(centroids, labels)


def compress(weight: torch.Tensor, bits: int) -> dict[str, int]:
    """Quantize a pruned weight in place; its size in bits after the second and after the third stage."""
    codebook = share_nonzeros(weight, bits)
    code = encode_sparse(codebook.labels)
    gaps, labels = huffman_bytes(code.gaps), huffman_bytes(code.values)
    decoded = SparseCode(huffman_symbols(gaps), huffman_symbols(labels), weight.shape, GAP_BITS)
    values = codebook.centroids.cpu()[decode_sparse(decoded).long()]
    if not torch.equal(values, weight.detach().cpu()):
        raise RuntimeError("the decoded weights are not those that were coded")
    table = 32 * len(codebook.centroids)
    return {"quantized": code.size_bits(bits) + table, "Huffman": 8 * (len(gaps) + len(labels)) + table}


# %% tags=["skip-execution"]
stages = {}
for bits in (5, 4, 3):
    model = copy.deepcopy(pruned)
    stages[bits] = {"quantized": 0, "Huffman": 0}
    for _, parameter in model.named_parameters():
        if parameter.dim() > 1:
            size = compress(parameter, bits)
        else:
            size = dict.fromkeys(stages[bits], 32 * parameter.numel())
        for stage in size:
            stages[bits][stage] += size[stage]
    stages[bits]["accuracy"] = evaluate(model, loaders["test"], description=f"{bits} bit")
    print(
        f"{bits} bit: {stages[bits]['accuracy']:.2f} %, {stages[bits]['quantized'] / MiB:.2f} MiB, "
        f"Huffman-coded {stages[bits]['Huffman'] / MiB:.2f} MiB: {dense_bits / stages[bits]['Huffman']:.1f} times "
        "smaller than dense"
    )
report_metrics(
    {f"stages_{bits}bit_accuracy": found["accuracy"] for bits, found in stages.items()}
    | {f"stages_{bits}bit_mib": found["quantized"] / MiB for bits, found in stages.items()}
    | {f"stages_{bits}bit_huffman_mib": found["Huffman"] / MiB for bits, found in stages.items()}
)

# %% tags=["skip-execution"]
axes = plot_accuracy_against_size(
    {
        "dense, fp32": [(dense_bits, dense_accuracy)],
        "1: pruned": [(pruned_sizes["stored"], tuned_accuracy)],
        "2: and quantized": [(found["quantized"], found["accuracy"]) for found in stages.values()],
        "3: and Huffman-coded": [(found["Huffman"], found["accuracy"]) for found in stages.values()],
    },
    labels={"3: and Huffman-coded": [f"{bits} bit" for bits in stages]},
    title="VGG on CIFAR-10: three stages of Deep Compression",
)
axes.set_xscale("log", base=2)
axes.xaxis.set_major_formatter("{x:g}")
plt.show()

# %% [markdown]
# Each stage multiplies what the one before has saved. (Deep Compression reports 35 times for AlexNet and 49 times for
# VGG-16, most of whose weights are in large linear layers, which bear more than convolutions do; and it trains the
# centroids, too, as you did in Lab 1.)
#
# That is the end of the course. You have seen weights share values, become integers, be scaled by shifts, be trained
# for it and left out. What is left to do is to try them together on a network of your own: prune its channels first,
# train, then quantize to `int8`, and measure on the device that it is for.
#
# ## Handing in
#
# Save the notebook, then run the last cell. It lists what is still open and writes the file to hand in.

# %% tags=["skip-execution"]
from qlab_helpers import preflight

preflight("lab6_pruning")
