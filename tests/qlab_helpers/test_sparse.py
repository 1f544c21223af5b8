"""Storing pruned tensors: entries worked out by hand, nothing lost, and Huffman sizes beside the entropy."""

import pytest
import torch
from torch import nn

from qlab_helpers.sparse import (
    count_nonzeros,
    decode_sparse,
    encode_sparse,
    huffman_bytes,
    huffman_symbols,
    sparse_size_bits,
)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def sparse(shape: tuple[int, ...], density: float) -> torch.Tensor:
    return torch.randn(shape) * (torch.rand(shape) < density)


def test_each_value_is_stored_with_the_zeros_before_it():
    code = encode_sparse(torch.tensor([0.0, 0.0, 7.0, 0.0, 0.0, 0.0, -2.0, 5.0, 0.0]))
    assert code.gaps.tolist() == [2, 3, 0]
    assert code.values.tolist() == [7.0, -2.0, 5.0]
    assert code.size_bits(32) == 3 * (32 + 4)


@pytest.mark.parametrize(
    ("zeros", "gaps"), [(15, [15]), (16, [15, 0]), (17, [15, 1]), (31, [15, 15]), (32, [15, 15, 0]), (40, [15, 15, 8])]
)
def test_a_gap_too_long_for_four_bits_is_bridged_by_stored_zeros(zeros, gaps):
    tensor = torch.zeros(zeros + 3)
    tensor[zeros] = 1.0
    code = encode_sparse(tensor)
    assert code.gaps.tolist() == gaps
    assert code.values.tolist() == [0.0] * (len(gaps) - 1) + [1.0]
    assert torch.equal(decode_sparse(code), tensor)


@pytest.mark.parametrize("gap_bits", [1, 2, 4, 5, 8])
@pytest.mark.parametrize("density", [0.0, 0.003, 0.1, 0.5, 1.0])
def test_nothing_is_lost(density, gap_bits):
    tensor = sparse((16, 8, 3, 3), density)
    assert torch.equal(decode_sparse(encode_sparse(tensor, gap_bits=gap_bits)), tensor)


def test_labels_are_stored_as_numbers_are():
    labels = torch.tensor([[0, 3, 0], [0, 0, 255]], dtype=torch.uint8)
    code = encode_sparse(labels)
    assert (code.gaps.tolist(), code.values.tolist()) == ([1, 3], [3, 255])
    assert torch.equal(decode_sparse(code), labels)


@pytest.mark.parametrize("gap_bits", [0, 9])
def test_a_gap_has_one_to_eight_bits(gap_bits):
    with pytest.raises(ValueError, match="1 to 8 bits"):
        encode_sparse(torch.ones(3), gap_bits=gap_bits)


@pytest.mark.parametrize("count", [0, 1, 5, 100_000])
def test_coded_symbols_can_be_read_again(count):
    symbols = torch.randint(0, 256, (count,), dtype=torch.uint8)
    assert torch.equal(huffman_symbols(huffman_bytes(symbols)), symbols)


@pytest.mark.parametrize("levels", [8, 32])
def test_coded_symbols_take_what_a_huffman_tree_says(levels):
    symbols = (torch.randn(200_000) * levels / 8 + levels / 2).round().clamp(0, levels - 1).to(torch.uint8)
    counts, total = symbols.long().bincount().tolist(), 0
    while len(counts) > 1:
        counts.sort()
        counts = [counts[0] + counts[1], *counts[2:]]
        total += counts[0]
    assert total <= 8 * len(huffman_bytes(symbols)) < 1.02 * total  # code tables and ends of blocks are the rest


def test_repetitions_are_not_used():
    symbols = torch.arange(4, dtype=torch.uint8).repeat(10_000)  # zlib would find the pattern
    assert 8 * len(huffman_bytes(symbols)) >= 2 * len(symbols)


def test_only_bytes_are_coded():
    with pytest.raises(ValueError, match="uint8"):
        huffman_bytes(torch.zeros(3, dtype=torch.int64))


def test_size_of_a_sparse_model_by_hand():
    model = nn.Linear(40, 1)
    model.weight.data.zero_()
    model.weight.data[0, 0], model.weight.data[0, 20] = 1.0, 2.0  # the second needs a filler
    model.bias.data.fill_(0.5)
    assert count_nonzeros(model) == 3
    assert sparse_size_bits(model) == {"values": 3 * 32, "stored": 3 * 36 + 32}
