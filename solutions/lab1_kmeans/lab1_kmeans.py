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
# # Lab 1: k-means quantization
#
# {{ colab_badge }}
#
# The VGG network of this lab has 9,228,362 parameters of 32 bits each. You will store its weights in 8, 4 and 2 bits by
# letting many weights share one value, find out what that does to its accuracy on CIFAR-10, and train the shared values
# until most of the loss is gone. The method is that of *Deep Compression* (Han, Mao and Dally, 2016).
#
# You write four short functions and answer three questions. The lab has **40 points**: 34 are given by the `check`
# cells, which you may run as often as you like, and 6 by a person who reads your answer to Question 3.1. The grader
# also tries your functions on inputs that are not shown here.
#
# Write your code where the notebook says `raise NotImplementedError`, in place of that line.

# %% setup=true

# %%
import copy
import heapq
import os
import time
from collections import namedtuple
from contextlib import contextmanager

import matplotlib.pyplot as plt
import torch
from fast_pytorch_kmeans import KMeans
from torch import nn
from tqdm.auto import tqdm

from qlab_helpers import check, check_answer
from qlab_helpers.clustering import KMeans1d
from qlab_helpers.cost import MiB, count_parameters, model_size_bits
from qlab_helpers.data import cifar10_loaders
from qlab_helpers.metrics import report_metrics
from qlab_helpers.models.vgg import VGG
from qlab_helpers.plots import plot_accuracy_against_size, plot_curves, plot_matrix, plot_weight_histograms
from qlab_helpers.train import default_device, evaluate, seed_everything, train_epoch
from qlab_helpers.weights import load_pretrained

FAST = os.environ.get("QLAB_FAST") == "1"  # a short rehearsal on few images; its figures mean little
device = default_device()
seed_everything(0)

# %% [markdown]
# ## The model in fp32
#
# Everything below is measured against this: the accuracy of the trained network on the 10,000 test images, and its size
# with 32 bits for every parameter.

# %% tags=["skip-execution"]
loaders = cifar10_loaders(
    batch_size=64 if FAST else 512,
    train_limit=192 if FAST else None,
    test_limit=400 if FAST else None,
    device=device,
)
pretrained = load_pretrained("vgg_cifar10").to(device)

fp32_accuracy = evaluate(pretrained, loaders["test"])
fp32_bits = model_size_bits(pretrained, 32)
print(f"{count_parameters(pretrained):,} parameters, {fp32_bits / MiB:.2f} MiB, {fp32_accuracy:.2f} % top-1")
report_metrics(fp32_accuracy=fp32_accuracy, fp32_mib=fp32_bits / MiB)

# %% [markdown]
# ## Weights that share a value
#
# With $b$ bits a weight can point at one of $2^b$ shared values. So instead of the weights $W_j$ we store
#
# - the **centroids** $C_0, \dots, C_{2^b-1}$, the shared values, in float32, and
# - a **label** $I_j$ for each weight, an integer of $b$ bits that says which centroid stands for it.
#
# Both together are the **codebook**. The network computes with the decoded weights $\hat W_j = C_{I_j}$.
#
# The error is smallest when $\sum_j (W_j - C_{I_j})^2$ is. K-means comes close by taking two steps in turns: give each
# weight the label of the nearest centroid, then move each centroid to the mean of its weights.

# %%
Codebook = namedtuple("Codebook", ["centroids", "labels"])

# %% [markdown]
# `fast_pytorch_kmeans` does this with tensors on any device. It clusters points, so it wants its numbers as a column,
# a tensor of shape (n, 1). Six numbers in two clusters:

# %% tags=["skip-execution"]
kmeans = KMeans(n_clusters=2, mode="euclidean")
labels = kmeans.fit_predict(torch.tensor([[-2.5], [4.0], [-2.0], [3.0], [2.0], [-1.5]]))
print("labels   ", labels.tolist())
print("centroids", kmeans.centroids.flatten().tolist())

# %% [markdown]
# ### Question 1 (12 points)
#
# Complete `k_means_quantize`. It changes the tensor that it is given: afterwards every weight *is* its centroid. If the
# caller gives a codebook, nothing is clustered: its centroids and labels are decoded into the tensor.


# %% solution="k_means_quantize"
def k_means_quantize(fp32_tensor: torch.Tensor, bitwidth: int = 4, codebook: Codebook | None = None) -> Codebook:
    """Quantize a tensor in place with 2**bitwidth shared values.

    Args:
        fp32_tensor: float32, any shape. It need not be contiguous in memory, so use reshape, not view. Overwritten with
            its decoded values; the caller switches gradients off.
        bitwidth: bits for each label. Not used when a codebook is given.
        codebook: decode this one, as it is, instead of making a new one.

    Returns:
        The codebook used: centroids float32, shape (2**bitwidth,); labels int64, shape (number of weights,), in the
        order of fp32_tensor.reshape(-1). Make it with KMeans(n_clusters=..., mode="euclidean").
    """
    ### BEGIN SOLUTION
    if codebook is None:
        kmeans = KMeans(n_clusters=2**bitwidth, mode="euclidean")
        labels = kmeans.fit_predict(fp32_tensor.reshape(-1, 1)).to(torch.int64)
        codebook = Codebook(kmeans.centroids.reshape(-1).to(torch.float32), labels)
    fp32_tensor.copy_(codebook.centroids[codebook.labels].reshape(fp32_tensor.shape))
    return codebook
    ### END SOLUTION


# %% check="k_means_quantize" points=12
check(k_means_quantize)

# %% [markdown]
# Here it is at work, with 2 bits. Equal values have the same colour.

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
quantized = original.clone()
k_means_quantize(quantized, bitwidth=2)
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
plot_matrix(original, left, "25 weights", coloured=False)
plot_matrix(quantized, right, "2-bit k-means", vmin=-0.5, vmax=0.5)
plt.show()
print("distinct values:", original.unique().numel(), "before,", quantized.unique().numel(), "after")

# %% [markdown]
# ### Question 2.1 (1 point)
#
# At most how many colours would the picture on the right have at 4 bits, if the matrix were large enough?

# %% solution="answer_2_1"
# answer_2_1 = (a number)
### BEGIN SOLUTION
answer_2_1 = 16
### END SOLUTION

# %% check="answer_2_1" points=1
check_answer("answer_2_1", answer_2_1)

# %% [markdown]
# ### Question 2.2 (1 point)
#
# And at $n$ bits? Answer with a function.


# %% solution="answer_2_2"
def answer_2_2(n: int) -> int:
    """The largest number of colours at n bits, n >= 1."""
    ### BEGIN SOLUTION
    return 2**n
    ### END SOLUTION


# %% check="answer_2_2" points=1
check(answer_2_2)

# %% [markdown]
# ## What a codebook costs
#
# $n$ weights at $b$ bits take $n \cdot b$ bits for the labels. The homework that this lab grew from stops there, but
# the centroids have to be stored, too: $2^b$ of them, 32 bits each. Together that is
#
# $$n \cdot b + 2^b \cdot 32 \text{ bits.}$$
#
# ### Codebook size (5 points)


# %% solution="codebook_size_bits"
def codebook_size_bits(tensor: torch.Tensor, bitwidth: int) -> int:
    """Size in bits of a tensor of any shape, stored as labels of `bitwidth` bits and 2**bitwidth centroids of 32 bits.

    All centroids are counted, also those of clusters that happen to be empty.
    """
    ### BEGIN SOLUTION
    return tensor.numel() * bitwidth + 2**bitwidth * 32
    ### END SOLUTION


# %% check="codebook_size_bits" points=5
check(codebook_size_bits)

# %% [markdown]
# In a large layer the centroids hardly count; in a small one they do. The share of the codebook's centroids in the
# size of each layer of the VGG:

# %% tags=["skip-execution"]
print("layer                      weights    8 bit    4 bit    2 bit")
for name, parameter in VGG().named_parameters():
    if parameter.dim() > 1:
        shares = [2**bits * 32 / codebook_size_bits(parameter, bits) for bits in (8, 4, 2)]
        print(f"{name:24s}{parameter.numel():10,}" + "".join(f"{100 * share:7.2f} %" for share in shares))

# %% [markdown]
# ### Huffman's bound (7 points)
#
# Labels of equal length waste space if some labels are much more frequent than others, and they are: most weights lie
# near zero. A *Huffman code* gives frequent labels short code words and rare labels long ones. Deep Compression uses
# it for its third stage.
#
# The code is a tree. Begin with the number of times that each label occurs. Merge the two smallest numbers into their
# sum, and go on until one number is left. Every merge puts one more bit in front of all weights below it. So **the
# total number of bits is the sum of all the merged numbers**.
#
# For example, let four labels occur 5, 2, 1 and 1 times. The merges are $1 + 1 = 2$, then $2 + 2 = 4$, then
# $5 + 4 = 9$. That makes $2 + 4 + 9 = 15$ bits, where labels of equal length take 2 bits each, 18 in all.
#
# No code with whole code words does better, and with $n$ weights and entropy $H$ (in bits for each label) the total is
# between $nH$ and $n(H + 1)$.


# %% solution="huffman_size_bits"
def huffman_size_bits(labels: torch.Tensor) -> int:
    """Bits that all labels take together under an optimal Huffman code; the table of code words is not counted.

    labels: int64, shape (n,), n >= 1; integers >= 0, not all of which need occur. If all labels are equal, the
    answer is 0: there is nothing to tell apart. (`heapq` keeps a list whose smallest element is popped first.)
    """
    ### BEGIN SOLUTION
    counts = labels.unique(return_counts=True)[1].tolist()
    heapq.heapify(counts)
    total = 0
    while len(counts) > 1:
        merged = heapq.heappop(counts) + heapq.heappop(counts)
        heapq.heappush(counts, merged)
        total += merged
    return total
    ### END SOLUTION


# %% check="huffman_size_bits" points=7
check(huffman_size_bits)

# %% tags=["skip-execution"]
example = torch.tensor([0, 0, 0, 0, 0, 1, 1, 2, 3])
shares = example.bincount() / len(example)
entropy = -(shares * shares.log2()).sum().item()
print(
    f"n H = {len(example) * entropy:.2f}, Huffman {huffman_size_bits(example)}, equal lengths {2 * len(example)} bits"
)

# %% [markdown]
# ## The whole model
#
# `KMeansQuantizer` is given. It makes one codebook for each weight with two or more dimensions; biases and BatchNorm's
# parameters stay in fp32. `bitwidth` is a number for all of them or a dictionary, `{"classifier.weight": 8}`, for some.
# `apply` puts a model's weights back onto the codebooks.


# %%
class KMeansQuantizer:
    """Quantizes the weights of a model in place and keeps their codebooks, by parameter name."""

    def __init__(self, model: nn.Module, bitwidth: int | dict[str, int] = 4):
        self.codebook = KMeansQuantizer.quantize(model, bitwidth)

    @torch.no_grad()
    def apply(self, model: nn.Module, update_centroids: bool) -> None:
        for name, parameter in model.named_parameters():
            if name in self.codebook:
                if update_centroids:
                    update_codebook(parameter, codebook=self.codebook[name])
                self.codebook[name] = k_means_quantize(parameter, codebook=self.codebook[name])

    @staticmethod
    @torch.no_grad()
    def quantize(model: nn.Module, bitwidth: int | dict[str, int] = 4) -> dict[str, Codebook]:
        if not isinstance(bitwidth, dict):
            bitwidth = {name: bitwidth for name, parameter in model.named_parameters() if parameter.dim() > 1}
        parameters = dict(model.named_parameters())
        return {name: k_means_quantize(parameters[name], bits) for name, bits in bitwidth.items()}


# %% [markdown]
# Two more helpers. `use_clustering` lets your `k_means_quantize` find another class under the name `KMeans`.
# `KMeans1d`, of this course, has the same interface but is made for numbers: on a line clusters are intervals, so it
# sorts the weights once and takes each step with binary searches. We quantize with it first and compare the two
# afterwards.


# %%
@contextmanager
def use_clustering(clustering: type):
    """Inside the block, the name KMeans stands for `clustering`."""
    global KMeans
    before, KMeans = KMeans, clustering
    try:
        yield
    finally:
        KMeans = before


def stored_bits(model: nn.Module, quantizer: KMeansQuantizer) -> dict[str, int]:
    """Size of a quantized model in bits, counted in three ways.

    "labels": every parameter at the codebook's bit width, as the homework counts; "stored": labels, centroids and the
    parameters that stay in fp32; "Huffman": the same with Huffman-coded labels.
    """
    sizes = {"labels": 0, "stored": 0, "Huffman": 0}
    bits = max(len(codebook.centroids).bit_length() - 1 for codebook in quantizer.codebook.values())
    for name, parameter in model.named_parameters():
        sizes["labels"] += parameter.numel() * bits
        if name in quantizer.codebook:
            centroids, labels = quantizer.codebook[name]
            sizes["stored"] += codebook_size_bits(parameter, len(centroids).bit_length() - 1)
            sizes["Huffman"] += huffman_size_bits(labels) + 32 * len(centroids)
        else:
            sizes["stored"] += 32 * parameter.numel()
            sizes["Huffman"] += 32 * parameter.numel()
    return sizes


# %% tags=["skip-execution"]
quantizers, sizes, accuracy_before = {}, {}, {}
for bits in (8, 4, 2):
    model = copy.deepcopy(pretrained)
    with use_clustering(KMeans1d):
        quantizers[bits] = KMeansQuantizer(model, bits)
    sizes[bits] = stored_bits(model, quantizers[bits])
    accuracy_before[bits] = evaluate(model, loaders["test"], description=f"{bits} bit")
    print(
        f"{bits} bit: {accuracy_before[bits]:.2f} %, labels {sizes[bits]['labels'] / MiB:.2f} MiB, "
        f"all that is stored {sizes[bits]['stored'] / MiB:.2f} MiB, with Huffman {sizes[bits]['Huffman'] / MiB:.2f} MiB"
    )
    report_metrics(
        {
            f"kmeans_{bits}bit_accuracy_before": accuracy_before[bits],
            f"kmeans_{bits}bit_mib": sizes[bits]["labels"] / MiB,
            f"kmeans_{bits}bit_stored_mib": sizes[bits]["stored"] / MiB,
            f"kmeans_{bits}bit_huffman_mib": sizes[bits]["Huffman"] / MiB,
        }
    )

# %% [markdown]
# ## How good is the clustering?
#
# Before blaming 4 bits, look at the clusters. The lines are the 16 centroids of one layer.

# %% tags=["skip-execution"]
LAYER = "backbone.conv1.weight" if FAST else "backbone.conv3.weight"
SMALL_LAYER = "backbone.conv0.weight" if FAST else "backbone.conv1.weight"
CLUSTERINGS = {
    "fast_pytorch_kmeans": lambda k: KMeans(k),
    "fast_pytorch_kmeans, tol=0": lambda k: KMeans(k, tol=0),
    "KMeans1d": lambda k: KMeans1d(k),
}
weight = pretrained.get_parameter(LAYER).detach()
found = {}
for name in ("fast_pytorch_kmeans", "KMeans1d"):
    seed_everything(0)
    kmeans = CLUSTERINGS[name](16)
    kmeans.fit_predict(weight.reshape(-1, 1))
    found[name] = kmeans.centroids.flatten().tolist()
figure = plot_weight_histograms(dict.fromkeys(found, weight), title=f"{LAYER} and its centroids at 4 bits")
for axes, (name, centroids) in zip(figure.axes, found.items(), strict=True):
    axes.set_xlabel(name)
    axes.vlines(centroids, *axes.get_ylim(), color="black", linewidth=0.8)
plt.show()

# %% [markdown]
# Now in numbers: the squared error $\sum_j (W_j - C_{I_j})^2$ as a multiple of that of `KMeans1d`, and the time. At 8
# bits `fast_pytorch_kmeans` compares every weight with 256 centroids at every step, so a small layer must do.


# %% tags=["skip-execution"]
def squared_error(weight: torch.Tensor, clustering) -> float:
    values = weight.detach().reshape(-1, 1)
    labels = clustering.fit_predict(values)
    return (values - clustering.centroids[labels]).square().sum().item()


print("                                        squared error   seconds")
for layer, bits in ((LAYER, 2), (LAYER, 4), (SMALL_LAYER, 8)):
    errors, seconds = {}, {}
    for name, make in tqdm(CLUSTERINGS.items(), desc=f"{layer}, {bits} bit", leave=False):
        seed_everything(0)
        begin = time.perf_counter()
        errors[name] = squared_error(pretrained.get_parameter(layer), make(2**bits))
        seconds[name] = time.perf_counter() - begin
    print(f"{layer}, {bits} bit")
    for name in CLUSTERINGS:
        print(f"    {name:36s}{errors[name] / errors['KMeans1d']:11.2f} x{seconds[name]:10.2f}")
    report_metrics(
        {
            f"clustering_{bits}bit_error_ratio": {name: errors[name] / errors["KMeans1d"] for name in errors},
            f"clustering_{bits}bit_seconds": seconds,
        }
    )

# %% [markdown]
# Why does the same algorithm end so differently? There are two causes.
#
# The first is that it stops. `fast_pytorch_kmeans` does so when $\sum_k (C_k^\text{new} - C_k)^2 \le 10^{-4}$, its
# `tol`, or after 100 steps. That is an absolute number, and weights are small: a step is soon below it. With `tol=0` it
# goes on. The picture follows it step by step.
#
# The second is the start: centroids picked at random from the weights. With few clusters the steps make up for it,
# given time; with 256, a hundred of them do not. `KMeans1d` places its first centroids by a rule instead: their density
# is proportional to the cube root of the density of the weights (Panter and Dite, 1951).

# %% tags=["skip-execution"]
seed_everything(0)
values = weight.reshape(-1, 1)
centroids = values[torch.randint(len(values), (16,), device=device)]
best = squared_error(values, KMeans1d(16))
errors, stop = [], None
for step in tqdm(range(1, 16 if FAST else 41), desc="steps", leave=False):
    kmeans = KMeans(16, max_iter=1)
    labels = kmeans.fit_predict(values, centroids=centroids)
    movement = (kmeans.centroids - centroids).square().sum().item()
    centroids = kmeans.centroids
    errors.append((values - centroids[labels]).square().sum().item() / best)
    if stop is None and movement <= 1e-4:
        stop = step
print(f"standard deviation of the weights {weight.std().item():.4f}; fast_pytorch_kmeans stops after step {stop}")
report_metrics(clustering_library_stops_after_step=stop)
axes = plot_curves(
    {"fast_pytorch_kmeans": errors},
    xlabel="step",
    ylabel="squared error, KMeans1d = 1",
    title="16 clusters, step by step",
)
if stop is not None:
    axes.axvline(stop, color="black", linestyle=":", label="it stops here")
axes.axhline(1, color="0.6", label="KMeans1d")
axes.legend()
plt.show()

# %% [markdown]
# What that means for the model: the same bit widths, quantized with `fast_pytorch_kmeans` as it comes.

# %% tags=["skip-execution"]
accuracy_library = {}
for bits in (4,) if FAST else (4, 2):
    seed_everything(0)
    model = copy.deepcopy(pretrained)
    KMeansQuantizer(model, bits)
    accuracy_library[bits] = evaluate(model, loaders["test"], description=f"{bits} bit")
    with_library, with_ours = accuracy_library[bits], accuracy_before[bits]
    print(f"{bits} bit: {with_library:.2f} % with fast_pytorch_kmeans, {with_ours:.2f} % with KMeans1d")
    report_metrics({f"library_{bits}bit_accuracy_before": accuracy_library[bits]})

# %% [markdown]
# ## Training the centroids
#
# What accuracy is still missing can be trained back, as in *trained quantization* of Deep Compression. The labels
# stay, and the centroids move. As $\hat W_j = C_{I_j}$, the gradient of a centroid is the sum over its cluster:
#
# $$\frac{\partial L}{\partial C_k} = \sum_{j:\, I_j = k} \frac{\partial L}{\partial \hat W_j}$$
#
# This lab takes a simpler way. The optimizer moves every weight on its own, and then each centroid becomes the mean
# of its $n_k$ weights:
#
# $$C_k \leftarrow \frac{1}{n_k} \sum_{j:\, I_j = k} W_j$$
#
# Before the step all these weights were equal to $C_k$. So a step of plain gradient descent with learning rate $\eta$
# comes to $C_k - \frac{\eta}{n_k} \frac{\partial L}{\partial C_k}$: the same direction, and a step that does not grow
# with the size of the cluster.
#
# ### A trap: the empty cluster
#
# A cluster may have no weights: k-means may draw the same starting point twice, and a pruned layer may have fewer
# distinct values than the codebook has centroids. Then the formula says 0 / 0, which is NaN. The decoded weights do
# not show it, as no label points there. But the NaN waits in the codebook for the first one who looks for the nearest
# centroid:

# %% tags=["skip-execution"]
weights = torch.tensor([-1.1, -0.9, 0.9, 1.1])
for centroids in (torch.tensor([-1.0, 1.0, 5.0]), torch.tensor([-1.0, 1.0, torch.nan])):
    distances = (weights[:, None] - centroids).abs()
    print(centroids.tolist(), "-> nearest centroid of each weight:", distances.argmin(dim=1).tolist())

# %% [markdown]
# Every weight goes to the NaN. So **an empty cluster keeps the centroid it has.**
#
# ### Question 3 (8 points)
#
# Complete `update_codebook`. It runs after every batch on nine million weights, so prefer a few tensor operations to a
# loop: `torch.bincount(labels, minlength=k)` counts the weights of each cluster, and with `weights=` it adds them up.


# %% solution="update_codebook"
def update_codebook(fp32_tensor: torch.Tensor, codebook: Codebook) -> None:
    """Set each centroid, in place, to the mean of the weights that its label marks; empty clusters keep theirs.

    Args:
        fp32_tensor: the weights after a training step, float32, any shape, perhaps not contiguous; not changed. The
            caller switches gradients off.
        codebook: centroids float32 (k,), overwritten; labels int64 (number of weights,), in the order of
            fp32_tensor.reshape(-1), not changed.
    """
    ### BEGIN SOLUTION
    centroids, labels = codebook
    counts = torch.bincount(labels, minlength=len(centroids))
    # In float64: a float32 sum of a million small weights loses digits.
    sums = torch.bincount(labels, weights=fp32_tensor.reshape(-1).double(), minlength=len(centroids))
    used = counts > 0
    centroids[used] = (sums[used] / counts[used]).to(centroids.dtype)
    ### END SOLUTION


# %% check="update_codebook" points=8
check(update_codebook)

# %% [markdown]
# ### The schedule
#
# The learning rate follows a cosine from 0.01 to 0. After $t$ of the $T$ batches of the whole training it is
#
# $$\eta_t = \frac{0.01}{2} \left(1 + \cos \frac{\pi t}{T}\right).$$
#
# The homework stepped a cosine that was made for 5 epochs ($T = 5$) after every batch, and so the rate went down and
# up again every 10 batches:


# %%
def cosine_rates(period: int, batches: int) -> list[float]:
    """Learning rates of SGD under CosineAnnealingLR with T_max=period, stepped after each batch."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=period)
    rates = []
    for _ in range(batches):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


# %% tags=["skip-execution"]
plot_curves(
    {"T = 5, the homework": cosine_rates(5, 98), "T = all batches, here": cosine_rates(98, 98)},
    xlabel="batch",
    ylabel="learning rate",
    title="One epoch of 98 batches",
)
plt.show()

# %% [markdown]
# ### Train
#
# At most two epochs for each bit width, and none where the loss of accuracy is below half a point already. The
# accuracy is that of the last epoch. (The homework reports the best of its epochs, but the images that choose an
# epoch are no longer a test of it.) On a GPU this takes a few minutes; on a CPU, hours.

# %% tags=["skip-execution"]
MAX_EPOCHS = 1 if FAST else 2
LARGEST_DROP = 0.5  # points


def train_centroids(model: nn.Module, quantizer: KMeansQuantizer) -> list[float]:
    """Train a quantized model until its accuracy is near that of fp32; returns the accuracy after each epoch."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    batches = MAX_EPOCHS * len(loaders["train"])
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=batches)
    accuracies = []
    for epoch in range(MAX_EPOCHS):
        train_epoch(
            model,
            loaders["train"],
            optimizer,
            scheduler=scheduler,
            callbacks=[lambda: quantizer.apply(model, update_centroids=True)],
            description=f"epoch {epoch + 1}/{MAX_EPOCHS}",
        )
        accuracies.append(evaluate(model, loaders["test"]))
        if fp32_accuracy - accuracies[-1] < LARGEST_DROP:
            break
    return accuracies


accuracy_after = {}
for bits in (8, 4, 2):
    seed_everything(0)
    drop = fp32_accuracy - accuracy_before[bits]
    accuracy_after[bits] = accuracy_before[bits]
    begin = time.perf_counter()
    if drop < LARGEST_DROP:
        print(f"{bits} bit: {drop:.2f} points below fp32, no training needed")
    else:
        model, quantizer = copy.deepcopy(pretrained), copy.deepcopy(quantizers[bits])
        quantizer.apply(model, update_centroids=False)
        history = train_centroids(model, quantizer)
        accuracy_after[bits] = history[-1]
        values_left = max(len(p.unique()) for name, p in model.named_parameters() if name in quantizer.codebook)
        print(
            f"{bits} bit: {accuracy_before[bits]:.2f} % -> " + " -> ".join(f"{value:.2f} %" for value in history) + ", "
            f"at most {values_left} distinct values in a layer"
        )
    report_metrics(
        {
            f"kmeans_{bits}bit_accuracy_after": accuracy_after[bits],
            f"kmeans_{bits}bit_training_seconds": time.perf_counter() - begin,
        }
    )

# %% tags=["skip-execution"]
curves = {
    "before training": accuracy_before,
    "after training": accuracy_after,
    "before training, fast_pytorch_kmeans": accuracy_library,
}
axes = plot_accuracy_against_size(
    {
        **{name: [(sizes[bits]["stored"], curve[bits]) for bits in curve] for name, curve in curves.items()},
        "fp32": [(fp32_bits, fp32_accuracy)],
    },
    labels={"before training": [f"{bits} bit" for bits in accuracy_before]},
    title="VGG on CIFAR-10, k-means quantization",
)
axes.set_xscale("log", base=2)
axes.xaxis.set_major_formatter("{x:g}")
plt.show()

# %% [markdown]
# ### Question 3.1 (6 points)
#
# A 2-bit weight has four values to choose from. Why does such low precision work at all once the centroids are trained?
# Give three different reasons, and for each say which figure or picture above supports it, or how you would test it.

# %% [markdown] written="question_3_1" points=6
# Your answer:
#
# ### BEGIN SOLUTION
# For example:
#
# - The network has far more parameters than the task needs, so many different sets of weights classify equally well,
#   and some of them lie on a coarse codebook. (Test: a much smaller network at 2 bits should lose more.)
# - An output adds up hundreds or thousands of products. The errors of single weights have different signs and partly
#   cancel in the sum, so outputs are relatively more exact than weights; BatchNorm then brings them back to the range
#   that the next layer expects, and only the order of the ten last outputs decides. (8 bits: hardly any loss without
#   training.)
# - The codebook is fitted to each layer: centroids lie close together where there are many weights. (The histogram,
#   and the comparison of clusterings: with the same number of bits a worse codebook gives a lower accuracy.)
# - Training makes up for the rest: centroids, biases and BatchNorm's parameters, which stay in fp32, are moved to
#   where the loss is small *with* quantized weights. (Before against after training at 2 bits.)
#
# === BEGIN MARK SCHEME ===
#
# 2 points for each of three different reasons: 1 for the reason, 1 for evidence from this lab or a test that could
# fail. "High precision is not needed" or "the low bits do not matter" without saying why: 1 point in all. Reasons
# that concern speed or memory only: no points, the question is about accuracy.
#
# === END MARK SCHEME ===
# ### END SOLUTION

# %% [markdown]
# ## Beside the published figures
#
# The homework was published with its solution and the figures that it gave. Ours beside them; "size" counts the
# labels only, as the homework does, and "stored" everything.

# %% tags=["skip-execution"]
PUBLISHED = {  # bits: (MiB, accuracy before, after training); 4 bits after two epochs, 2 bits after five
    32: (35.20, 92.75, 92.75),
    8: (8.80, 92.75, 92.75),
    4: (4.40, 84.01, 92.31),
    2: (2.20, 12.26, 91.46),
}
measured = {32: ({"labels": fp32_bits, "stored": fp32_bits, "Huffman": fp32_bits}, fp32_accuracy, fp32_accuracy)}
for bits in sizes:
    measured[bits] = (sizes[bits], accuracy_before[bits], accuracy_after[bits])

print("           published                      here")
print("bits   size  before  trained     size  before  trained  stored  Huffman")
for bits, (mib, before, after) in PUBLISHED.items():
    size, own_before, own_after = measured[bits]
    print(
        f"{bits:4d}{mib:7.2f}{before:8.2f}{after:9.2f}  {size['labels'] / MiB:7.2f}{own_before:8.2f}{own_after:9.2f}"
        f"{size['stored'] / MiB:8.2f}{size['Huffman'] / MiB:9.2f}"
    )
print("Sizes in MiB, accuracies in per cent" + (" (QLAB_FAST: few images, one epoch)" if FAST else ""))

# %% [markdown]
# Where the two differ, there are reasons:
#
# - **fp32**: the same network from another training run. Compare losses of accuracy, not accuracies.
# - **4 and 2 bits before training**: the homework clusters with `fast_pytorch_kmeans` as it comes, and you have seen
#   when that stops. A good part of what looks like the price of few bits is the price of an unfinished clustering.
# - **After training**: another learning rate schedule, at most two epochs here instead of five, the last epoch
#   instead of the best. And training starts from better centroids.
# - **Sizes**: "stored" adds the centroids and the parameters that are not quantized, which the homework counts as if
#   they were; Huffman's code takes off what frequent labels save.

# %% [markdown]
# ## Handing in
#
# Save the notebook, then run the last cell. It lists what is still open and writes the file to hand in.

# %% tags=["skip-execution"]
from qlab_helpers import preflight

preflight("lab1_kmeans")
