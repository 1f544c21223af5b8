"""The picture of a case: original, expected and own result as matrices with their numbers."""

import base64
import io
from typing import Any

import torch

MAX_SIDE = 8  # of a matrix that is drawn
MAX_NUMBER = 1e6  # larger ones do not fit into a cell
CELL = 0.46, 0.4  # inches
GAP, TOP, EDGE = 0.4, 0.35, 0.1
DPI = 90


def picture(original: Any, got: Any, expected: Any) -> tuple[str, str] | None:
    """(PNG as a data URI, alternative text), or None where there is no result that can be drawn."""
    parts = [("Original", original), ("Expected", expected), ("Your result", got)]
    matrices = [(title, value.detach().cpu()) for title, value in parts if _drawable(value)]
    if not any(title != "Original" for title, _ in matrices):
        return None
    # Imported here: matplotlib takes longer to import than a check to run.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from qlab_helpers.plots import plot_matrix

    widths = [CELL[0] * max(matrix.shape[1], 2) for _, matrix in matrices]
    heights = [CELL[1] * matrix.shape[0] for _, matrix in matrices]
    width = sum(widths) + GAP * (len(matrices) - 1) + 2 * EDGE
    height = max(heights) + TOP + EDGE
    figure = Figure(figsize=(width, height), dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    low, high = _range([matrix for title, matrix in matrices if title != "Original"])
    left = EDGE
    for (title, matrix), wide, high_in in zip(matrices, widths, heights, strict=True):
        box = (left / width, (height - TOP - high_in) / height, wide / width, high_in / height)
        # One colour for one value in both results; the original stays white.
        colours = {"coloured": False} if title == "Original" else {"vmin": low, "vmax": high}
        axes = plot_matrix(matrix, figure.add_axes(box), title, **colours)
        axes.set_aspect("auto")
        left += wide + GAP
    data = io.BytesIO()
    canvas.print_png(data)
    titles = ", ".join(title.lower() for title, _ in matrices)
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}", f"Matrices of numbers: {titles}"


def _drawable(value: Any) -> bool:
    return (
        isinstance(value, torch.Tensor)
        and value.dim() == 2
        and 0 < min(value.shape) <= max(value.shape) <= MAX_SIDE
        and value.dtype != torch.bool
        and not bool((value.detach().double().abs() >= MAX_NUMBER).any())
    )


def _range(matrices: list[torch.Tensor]) -> tuple[float, float]:
    values = torch.cat([matrix.double().flatten() for matrix in matrices])
    values = values[values.isfinite()]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    return (low, high) if low < high else (low - 0.5, high + 0.5)
