"""Lab 1's solution against hand-computed numbers and independent ways, and the formulas that its text prints."""

import heapq
import math

import pytest
import torch
from torch import nn

from autograder.notebooks import read_lab

LAB = "lab1_kmeans"


def small_model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 10))


# --- k_means_quantize ---


def test_two_groups_become_their_means(lab):
    tensor = torch.tensor([[-2.0, 2.5, -3.0], [3.5, -2.5, 3.0]])
    codebook = lab["k_means_quantize"](tensor, bitwidth=1)
    assert tensor.tolist() == [[-2.5, 3.0, -2.5], [3.0, -2.5, 3.0]]
    assert sorted(codebook.centroids.tolist()) == [-2.5, 3.0]


def test_quantizing_fills_the_tensor_itself(lab):
    tensor = torch.randn(4, 5)
    place = tensor.data_ptr()
    codebook = lab["k_means_quantize"](tensor, 2)
    assert tensor.data_ptr() == place
    assert torch.equal(tensor, codebook.centroids[codebook.labels].view(4, 5))


def test_labels_are_int64_and_centroids_float32(lab):
    codebook = lab["k_means_quantize"](torch.randn(50), 3)
    assert (codebook.labels.dtype, codebook.labels.shape) == (torch.int64, (50,))
    assert (codebook.centroids.dtype, codebook.centroids.shape) == (torch.float32, (8,))


def test_a_given_codebook_is_decoded_without_clustering(lab):
    codebook = lab["Codebook"](torch.tensor([7.0, -7.0]), torch.tensor([1, 0, 0, 1]))
    tensor = torch.tensor([[0.1, 0.2], [0.3, 0.4]])
    assert lab["k_means_quantize"](tensor, 4, codebook) is codebook
    assert tensor.tolist() == [[-7.0, 7.0], [7.0, -7.0]]


def test_a_channels_last_weight_is_quantized_in_its_own_order(lab):
    weight = (torch.arange(36.0).reshape(2, 2, 3, 3) % 5 - 2).contiguous(memory_format=torch.channels_last)
    before = weight.clone()
    lab["k_means_quantize"](weight, 6)
    assert torch.equal(weight, before)


def test_clustering_can_be_exchanged_and_comes_back(lab):
    library = lab["KMeans"]
    with lab["use_clustering"](lab["KMeans1d"]):
        assert lab["KMeans"] is lab["KMeans1d"]
        codebook = lab["k_means_quantize"](torch.tensor([0.0, 1.0, 10.0, 11.0]), 1)
    assert codebook.centroids.tolist() == [0.5, 10.5]
    assert lab["KMeans"] is library


# --- update_codebook ---


def masked_means(tensor: torch.Tensor, centroids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The slow way, with one mask for each cluster."""
    flat, means = tensor.flatten().double(), centroids.clone()
    for cluster in range(len(centroids)):
        mask = labels == cluster
        if mask.any():
            means[cluster] = flat[mask].mean()
    return means


@pytest.mark.parametrize("shape", [(40,), (5, 8), (4, 2, 3, 3)])
def test_updated_centroids_are_masked_means(lab, shape):
    tensor = torch.randn(shape)
    codebook = lab["Codebook"](torch.randn(16), torch.randint(0, 12, (tensor.numel(),)))
    expected = masked_means(tensor, *codebook)
    assert lab["update_codebook"](tensor, codebook) is None
    torch.testing.assert_close(codebook.centroids, expected)


def test_an_empty_cluster_keeps_its_centroid(lab):
    codebook = lab["Codebook"](torch.tensor([5.0, 6.0, 7.0]), torch.tensor([1, 1]))
    lab["update_codebook"](torch.tensor([1.0, 2.0]), codebook)
    assert codebook.centroids.tolist() == [5.0, 1.5, 7.0]


def test_sums_of_a_million_weights_keep_their_digits(lab):
    codebook = lab["Codebook"](torch.zeros(1), torch.zeros(1 << 20, dtype=torch.int64))
    lab["update_codebook"](torch.full((1 << 20,), 0.1), codebook)
    assert codebook.centroids.item() == torch.tensor(0.1).item()


def test_nan_in_a_codebook_attracts_every_weight():
    weights, centroids = torch.tensor([-1.1, -0.9, 0.9, 1.1]), torch.tensor([-1.0, 1.0, torch.nan])
    assert (weights[:, None] - centroids).abs().argmin(dim=1).tolist() == [2, 2, 2, 2]


# --- the quantizer ---


def test_the_quantizer_leaves_biases_and_batchnorm_alone(lab):
    model = small_model()
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    quantizer = lab["KMeansQuantizer"](model, 2)
    assert set(quantizer.codebook) == {"0.weight", "3.weight"}
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == (name not in quantizer.codebook)


def test_the_quantizer_takes_a_bit_width_for_each_name(lab):
    quantizer = lab["KMeansQuantizer"](small_model(), {"0.weight": 3, "3.weight": 1})
    assert {name: len(codebook.centroids) for name, codebook in quantizer.codebook.items()} == {
        "0.weight": 8,
        "3.weight": 2,
    }


def test_training_moves_centroids_and_not_labels(lab):
    model = small_model().to(memory_format=torch.channels_last)
    quantizer = lab["KMeansQuantizer"](model, 2)
    before = {name: (c.centroids.clone(), c.labels.clone()) for name, c in quantizer.codebook.items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    model(torch.randn(16, 3, 3, 3)).square().sum().backward()
    optimizer.step()
    quantizer.apply(model, update_centroids=True)
    for name, (centroids, labels) in before.items():
        weight = model.get_parameter(name)
        codebook = quantizer.codebook[name]
        assert torch.equal(codebook.labels, labels)
        assert not torch.equal(codebook.centroids, centroids)
        assert torch.equal(weight.detach().reshape(-1), codebook.centroids[labels])


def test_stored_size_counts_labels_centroids_and_the_rest(lab):
    model = small_model()
    sizes = lab["stored_bits"](model, lab["KMeansQuantizer"](model, 2))
    # Conv 216 weights and 8 biases, BatchNorm 16, linear 80 weights and 10 biases.
    assert sizes["labels"] == 2 * (216 + 8 + 16 + 80 + 10)
    assert sizes["stored"] == 2 * (216 + 80) + 2 * 4 * 32 + 32 * (8 + 16 + 10)
    assert sizes["Huffman"] <= sizes["stored"]


# --- sizes ---


def test_codebook_size_is_labels_and_centroids(lab):
    assert lab["codebook_size_bits"](torch.zeros(25), 2) == 25 * 2 + 4 * 32
    assert lab["codebook_size_bits"](torch.zeros(64, 3, 3, 3), 8) == 1728 * 8 + 256 * 32


def code_lengths(counts: list[int]) -> list[int]:
    """Huffman code word lengths by building the tree, each node with the leaves below it."""
    lengths = [0] * len(counts)
    nodes = [(count, [leaf]) for leaf, count in enumerate(counts)]
    heapq.heapify(nodes)
    while len(nodes) > 1:
        (low, left), (high, right) = heapq.heappop(nodes), heapq.heappop(nodes)
        for leaf in left + right:
            lengths[leaf] += 1
        heapq.heappush(nodes, (low + high, left + right))
    return lengths


def repeat(counts: list[int]) -> torch.Tensor:
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


def test_huffman_of_the_textbook_alphabet_is_224_bits(lab):
    # Cormen, Leiserson, Rivest and Stein, "Introduction to Algorithms": code words of 1, 3, 3, 3, 4 and 4 bits.
    assert lab["huffman_size_bits"](repeat([45, 13, 12, 16, 9, 5])) == 45 + 3 * (13 + 12 + 16) + 4 * (9 + 5) == 224


def test_huffman_of_the_labs_example_is_15_bits(lab):
    assert lab["huffman_size_bits"](repeat([5, 2, 1, 1])) == 1 * 5 + 2 * 2 + 3 * 1 + 3 * 1 == 15


def test_huffman_of_equal_labels_is_nothing(lab):
    assert lab["huffman_size_bits"](torch.full((9,), 4)) == 0


def test_huffman_equals_counts_times_code_lengths_and_lies_between_its_bounds(lab):
    for _ in range(20):
        counts = torch.randint(1, 200, (int(torch.randint(2, 40, ())),)).tolist()
        size, n = lab["huffman_size_bits"](repeat(counts)), sum(counts)
        assert size == sum(count * length for count, length in zip(counts, code_lengths(counts), strict=True))
        entropy = -sum(count / n * math.log2(count / n) for count in counts)
        assert n * entropy <= size + 1e-6
        assert size <= n * (entropy + 1)


# --- what the text claims ---


def test_the_gradient_of_a_centroid_is_the_sum_over_its_cluster():
    centroids = torch.randn(3, requires_grad=True)
    labels = torch.tensor([0, 2, 2, 1, 0, 2])
    decoded = centroids[labels]
    decoded.retain_grad()
    (decoded.sin() * torch.randn(6)).sum().backward()
    by_hand = [decoded.grad[labels == k].sum() for k in range(3)]
    torch.testing.assert_close(centroids.grad, torch.stack(by_hand))


def test_a_step_and_the_mean_are_a_step_of_the_centroid_over_the_size_of_its_cluster(lab):
    centroids, labels, rate = torch.randn(3), torch.tensor([0, 2, 2, 1, 0, 2]), 0.1
    gradient = torch.randn(6)
    codebook = lab["Codebook"](centroids.clone(), labels)
    lab["update_codebook"](centroids[labels] - rate * gradient, codebook)
    sums = torch.zeros(3).index_add(0, labels, gradient)
    torch.testing.assert_close(codebook.centroids, centroids - rate / torch.tensor([2.0, 1.0, 3.0]) * sums)


def test_the_learning_rate_follows_the_printed_cosine(lab):
    expected = [0.01 / 2 * (1 + math.cos(math.pi * t / 98)) for t in range(98)]
    assert lab["cosine_rates"](98, 98) == pytest.approx(expected)


def test_the_homeworks_learning_rate_repeats_every_10_batches(lab):
    rates = lab["cosine_rates"](5, 31)
    assert rates[::10] == pytest.approx([0.01] * 4)
    assert rates[5::10] == pytest.approx([0] * 3, abs=1e-9)


def test_fast_pytorch_kmeans_stops_by_an_absolute_movement():
    # The same values, a hundred times smaller: one clustering walks on, the other stops at its first step.
    from fast_pytorch_kmeans import KMeans

    values = torch.randn(4_000, 1)

    def error(scale: float) -> float:
        torch.manual_seed(0)
        kmeans = KMeans(16)
        labels = kmeans.fit_predict(values * scale)
        return ((values - kmeans.centroids[labels] / scale) ** 2).sum().item()

    assert error(0.01) > 2 * error(1.0)


def test_points_in_the_text_are_those_of_the_cells(course):
    source = read_lab(course, LAB)
    checked, by_hand = sum(source.items.values()), sum(source.written.values())
    text = "\n".join(cell.source for cell in source.cells if cell.kind == "markdown")
    assert f"**{checked + by_hand:g} points**: {checked:g} are given" in " ".join(text.split())
    assert f"and {by_hand:g} by a person" in " ".join(text.split())


def test_the_smallest_layers_share_is_as_the_vgg_has_it(lab):
    # 1,728 weights at 8 bits: 8,192 of 22,016 bits are centroids.
    assert 256 * 32 / lab["codebook_size_bits"](torch.zeros(64, 3, 3, 3), 8) == pytest.approx(0.3721, abs=1e-4)
