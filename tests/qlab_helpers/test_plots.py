"""Pictures: what is drawn, and that nothing else is touched."""

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

from qlab_helpers.cost import MiB
from qlab_helpers.plots import plot_accuracy_against_size, plot_curves, plot_matrix, plot_weight_histograms


@pytest.fixture(autouse=True)
def no_screen(monkeypatch):
    """Draw in memory; no function may show its picture or change a setting of the user."""
    matplotlib.use("agg")
    monkeypatch.setattr(plt, "show", lambda *args, **options: pytest.fail("plt.show() is the caller's business"))
    before = matplotlib.rcParams.copy()
    yield
    assert matplotlib.rcParams == before
    plt.close("all")


def cells(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def colours(ax) -> torch.Tensor:
    """(rows, columns, 4): what is seen of each cell."""
    image = ax.images[0]
    return torch.tensor(image.cmap(image.norm(image.get_array())))


def test_matrix_shows_its_numbers_row_by_row():
    ax = plot_matrix(torch.tensor([[1.0, -0.5, 0.25], [2.0, 0.125, -3.0]]), title="weights")
    assert cells(ax) == ["1.00", "-0.50", "0.25", "2.00", "0.12", "-3.00"]
    assert [text.get_position() for text in ax.texts] == [(c, r) for r in range(2) for c in range(3)]
    assert ax.get_title() == "weights"


def test_integers_are_written_as_integers():
    assert cells(plot_matrix(torch.tensor([[-2, 1]], dtype=torch.int8))) == ["-2", "1"]


def test_a_negative_zero_is_written_as_a_zero():
    ax = plot_matrix(torch.tensor([[-0.0, -0.5]]))
    assert [text.get_text() for text in ax.texts] == ["0.00", "-0.50"]


def test_matrix_is_drawn_on_the_given_axes():
    given = plt.subplots()[1]
    assert plot_matrix(torch.zeros(2, 2), given) is given


def test_each_distinct_value_has_its_own_colour():
    # Evenly spread colours would give the first three values one colour.
    matrix = torch.tensor([[0.0, 0.01, 0.02], [0.02, 9.0, 0.0]])
    shown = colours(plot_matrix(matrix))
    for a in range(6):
        for b in range(6):
            same = torch.equal(shown.view(6, 4)[a], shown.view(6, 4)[b])
            assert same == (matrix.view(6)[a] == matrix.view(6)[b])


def test_equal_values_of_two_matrices_match_when_the_limits_are_given():
    first = colours(plot_matrix(torch.tensor([[-2, 0, 1]]), vmin=-2, vmax=1))
    second = colours(plot_matrix(torch.tensor([[0, 0, -1]]), vmin=-2, vmax=1))
    assert torch.equal(first[0, 1], second[0, 0])
    assert not torch.equal(first[0, 1], second[0, 2])


def test_matrix_before_quantization_is_white():
    assert (colours(plot_matrix(torch.rand(3, 3), coloured=False)) == 1).all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_wrong_numbers_can_be_drawn_too(value):
    ax = plot_matrix(torch.tensor([[1.0, value]]))
    ax.figure.canvas.draw()
    assert cells(ax)[1] == str(value)
    assert ax.texts[1].get_color() == "black"


def test_numbers_are_left_out_where_they_could_not_be_read():
    assert cells(plot_matrix(torch.rand(64, 64))) == []


def test_only_matrices_are_drawn():
    with pytest.raises(ValueError, match=r"\(2, 2, 2\)"):
        plot_matrix(torch.zeros(2, 2, 2))


def test_matrix_may_need_a_gradient():
    assert len(cells(plot_matrix(nn.Linear(2, 2).weight))) == 4


def test_each_weight_of_a_model_has_a_histogram():
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3), nn.Linear(3, 2), nn.Linear(2, 2))
    figure = plot_weight_histograms(model)
    assert [ax.get_xlabel() for ax in figure.axes] == ["0.weight", "2.weight", "3.weight", "4.weight"]
    figure.canvas.draw()


def test_histogram_is_a_density():
    heights, edges, _ = plot_weight_histograms({"w": torch.randn(10_000)}).axes[0].patches[0].get_data()
    assert len(heights) == 256
    assert (heights * (edges[1:] - edges[:-1])).sum() == pytest.approx(1)


def test_quantized_integers_have_a_bar_each():
    weights = torch.tensor([-2, -2, -2, 0, 1, 1, 0, 0, 0, 0], dtype=torch.int8)
    figure = plot_weight_histograms({"w": weights}, bitwidth=2)
    heights, edges, _ = figure.axes[0].patches[0].get_data()
    assert edges.tolist() == [-2.5, -1.5, -0.5, 0.5, 1.5]
    assert heights.tolist() == pytest.approx([0.3, 0, 0.5, 0.2])


def test_constant_weights_have_a_histogram():
    plot_weight_histograms({"zeros": torch.zeros(2, 2), "ones": torch.ones(3)}).canvas.draw()


def test_model_without_weights_is_refused():
    with pytest.raises(ValueError, match="no weights to draw"):
        plot_weight_histograms(nn.ReLU())


def test_accuracy_is_drawn_against_size_in_mib():
    points = {"k-means": [(8 * MiB, 92.0), (2 * MiB, 12.0)], "trained": [(8 * MiB, 93.0)]}
    ax = plot_accuracy_against_size(points, labels={"k-means": ["8 bit", "2 bit"]})
    assert ax.lines[0].get_xydata().tolist() == [[2, 12], [8, 92]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["k-means", "trained"]
    assert [(text.get_text(), text.xy) for text in ax.texts] == [("8 bit", (8, 92)), ("2 bit", (2, 12))]
    assert "MiB" in ax.get_xlabel()


def test_curves_begin_at_epoch_one():
    ax = plot_curves({"train": torch.tensor([2.0, 1.0]), "validation": [3.0, 2.5]}, ylabel="loss")
    assert ax.lines[0].get_xydata().tolist() == [[1, 2], [2, 1]]
    assert ax.lines[0].get_color() != ax.lines[1].get_color()
    ax.figure.canvas.draw()


def test_curves_are_drawn_on_the_given_axes():
    given = plt.subplots()[1]
    assert plot_curves({"train": [1.0]}, given) is given
    assert plot_accuracy_against_size({"a": [(MiB, 50.0)]}, given) is given
