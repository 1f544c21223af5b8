"""The labs' pictures: matrices with their numbers, weight histograms, accuracy against size, training curves.

Every function draws on the axes that it is given, or on new ones, and returns them; nothing is shown and no global
setting is changed, so a notebook's own style stays as it is. A notebook whose own pictures shall look the same says
``plt.rcParams.update(STYLE)``.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from torch import nn

from qlab_helpers.cost import MiB

# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
#: Of matplotlib's settings, those of the course's pictures.
STYLE = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": plt.cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "font.size": 9,
    "grid.color": "0.9",
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
}
MAX_NUMBERS = 400  # cells; beyond that numbers are too small to read
MAX_COLOURS = 20  # in matplotlib's tab20c, which the homework's pictures use


def plot_matrix(
    tensor: torch.Tensor,
    ax: Axes | None = None,
    title: str = "",
    *,
    coloured: bool = True,
    vmin: float | None = None,
    vmax: float | None = None,
    cmap: str | Colormap | None = None,
    digits: int = 2,
) -> Axes:
    """A matrix (rows, columns) with its numbers in the cells, and a colour for each distinct value (up to 20 of them).

    ``coloured=False`` leaves the cells white, for a matrix before quantization. With ``vmin`` and ``vmax`` colours run
    from one to the other instead: give the same two to several matrices that are to be compared.
    """
    values = tensor.detach().cpu()
    if values.dim() != 2:
        raise ValueError(f"plot_matrix draws a matrix, not a tensor of shape {tuple(values.shape)}")
    real = values.double()
    shade = real.where(real.isfinite(), torch.nan)  # NaN and infinity stay white
    levels = shade[shade.isfinite()].unique()
    if vmin is None and vmax is None and 0 < len(levels) <= MAX_COLOURS:
        vmin, vmax = 0, max(1, len(levels) - 1)
        shade = torch.searchsorted(levels, shade).double().where(shade.isfinite(), torch.nan)
    with plt.rc_context(STYLE):
        if ax is None:
            size = 0.55 * values.shape[1] + 0.6, 0.5 * values.shape[0] + 0.6
            ax = plt.subplots(figsize=size, layout="constrained")[1]
        colours = (cmap or "tab20c") if coloured else ListedColormap(["white"])
        image = ax.imshow(shade.numpy(), vmin=vmin, vmax=vmax, cmap=colours)
        ax.set_title(title)
        ax.set_xticks([])
        ax.set_yticks([])
        # Lines between the cells; ticks with a grid would look alike and take ten times as long.
        rows, columns = values.shape
        ax.vlines([column - 0.5 for column in range(1, columns)], -0.5, rows - 0.5, color="0.75", linewidth=0.6)
        ax.hlines([row - 0.5 for row in range(1, rows)], -0.5, columns - 0.5, color="0.75", linewidth=0.6)
        ax.spines[:].set(visible=True, color="0.75")
        if values.numel() <= MAX_NUMBERS:
            fontsize = 9 if max(values.shape) <= 8 else 7
            backgrounds = image.cmap(image.norm(shade.numpy()))
            for row in range(rows):
                for column in range(columns):
                    number = values[row, column].item()
                    text = f"{number + 0.0:.{digits}f}" if isinstance(number, float) else str(number)
                    ink = _ink(backgrounds[row, column])
                    ax.text(column, row, text, ha="center", va="center", color=ink, fontsize=fontsize)
    return ax


def plot_weight_histograms(
    weights: nn.Module | Mapping[str, torch.Tensor], bitwidth: int = 32, *, title: str | None = None
) -> Figure:
    """One histogram for each weight tensor of a model (two or more dimensions), or for each tensor of a mapping.

    An integer tensor has one bar for each integer (up to 8 bits: for each that ``bitwidth`` allows), others 256 bins.
    """
    if isinstance(weights, nn.Module):
        weights = {name: parameter for name, parameter in weights.named_parameters() if parameter.dim() > 1}
    if not weights:
        raise ValueError("there are no weights to draw: a model needs parameters of two or more dimensions")
    columns = min(3, len(weights))
    rows = math.ceil(len(weights) / columns)
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(
            rows, columns, figsize=(3.4 * columns, 2.1 * rows + 0.4), squeeze=False, layout="constrained"
        )
        axes = grid.ravel()
        for ax, (name, tensor) in zip(axes, weights.items(), strict=False):
            _draw_histogram(ax, tensor.detach().cpu().flatten(), bitwidth)
            _dress(ax, name, "density" if ax.get_subplotspec().is_first_col() else "", "")
        for ax in axes[len(weights) :]:
            ax.remove()
        figure.suptitle(title if title is not None else f"Weights at {bitwidth} bits")
    return figure


def plot_accuracy_against_size(
    points: Mapping[str, Sequence[tuple[float, float]]],
    ax: Axes | None = None,
    *,
    labels: Mapping[str, Sequence[str]] | None = None,
    title: str = "Accuracy against size",
) -> Axes:
    """One curve for each name in ``points``, through its (size in bits, accuracy in per cent) pairs, sorted by size.

    ``labels`` names the points of a curve, in the order given, such as {"k-means": ["8 bit", "4 bit", "2 bit"]}.
    """
    with plt.rc_context(STYLE):
        if ax is None:
            ax = plt.subplots(figsize=(6, 3.8), layout="constrained")[1]
        for colour, (name, pairs) in zip(cycle(COLOURS), points.items(), strict=False):
            ordered = sorted(pairs)
            sizes, accuracies = [size / MiB for size, _ in ordered], [accuracy for _, accuracy in ordered]
            ax.plot(sizes, accuracies, "o-", color=colour, label=name)
            for (size, accuracy), text in zip(pairs, (labels or {}).get(name, ()), strict=False):
                ax.annotate(text, (size / MiB, accuracy), xytext=(4, -11), textcoords="offset points", fontsize=8)
        _dress(ax, "size of the weights (MiB)", "top-1 accuracy (%)", title)
        if points:
            ax.legend()
    return ax


def plot_curves(
    curves: Mapping[str, Sequence[float]],
    ax: Axes | None = None,
    *,
    ylabel: str = "loss",
    xlabel: str = "epoch",
    title: str = "",
) -> Axes:
    """One line for each name: its values at epoch 1, 2, ..."""
    with plt.rc_context(STYLE):
        if ax is None:
            ax = plt.subplots(figsize=(6, 3.4), layout="constrained")[1]
        for colour, (name, values) in zip(cycle(COLOURS), curves.items(), strict=False):
            heights = [float(value) for value in values]
            marker = "o" if len(heights) <= 30 else None
            ax.plot(range(1, len(heights) + 1), heights, marker=marker, color=colour, label=name)
        ax.xaxis.get_major_locator().set_params(integer=True)
        _dress(ax, xlabel, ylabel, title)
        if len(curves) > 1:
            ax.legend()
    return ax


def _draw_histogram(ax: Axes, values: torch.Tensor, bitwidth: int) -> None:
    if values.is_floating_point():
        low, high = float(values.min()), float(values.max())
        if low == high:  # a histogram needs a range
            low, high = low - 0.5, high + 0.5
        edges = torch.linspace(low, high, 257, dtype=torch.float64)
    else:
        low, high = (-(1 << bitwidth - 1), (1 << bitwidth - 1) - 1) if bitwidth <= 8 else (values.min(), values.max())
        edges = torch.arange(int(low), int(high) + 2, dtype=torch.float64) - 0.5
    # Counted here, because matplotlib is slow with millions of values.
    counts = torch.histogram(values.double(), edges).hist
    density = counts / (counts.sum().clamp(min=1) * edges.diff())
    ax.stairs(density.numpy(), edges.numpy(), fill=True, color=COLOURS[0], alpha=0.75)
    if bitwidth <= 4 and not values.is_floating_point():
        ax.stairs(density.numpy(), edges.numpy(), color="black", linewidth=0.6)
        ax.set_xticks(range(int(low), int(high) + 1, max(1, (1 << bitwidth) // 8)))


def _ink(colour: Sequence[float]) -> str:
    """Black or white, whichever can be read on ``colour`` (red, green, blue, alpha)."""
    red, green, blue, alpha = colour
    return "black" if alpha == 0 or 0.299 * red + 0.587 * green + 0.114 * blue > 0.45 else "white"


def _dress(ax: Axes, xlabel: str, ylabel: str, title: str) -> None:
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="0.9")
    ax.set_axisbelow(True)
