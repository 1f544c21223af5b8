"""Storing a pruned tensor: only what is not zero, each with the number of zeros before it, and both Huffman-coded.

This is how Deep Compression (Han, Mao and Dally, 2016) stores its weights. A gap has few bits, 4 here; one that is too
long for them is bridged by *fillers*, stored zeros that cost as much as a weight.

The Huffman coder is zlib's, with its search for repetitions switched off (``Z_HUFFMAN_ONLY``): what is counted are the
bytes of a real file, code tables included. (Each block of that file ends with a code word of its own, which makes that
of one of the rarest symbols a bit longer.)
"""

import zlib
from dataclasses import dataclass

import torch
from torch import nn

GAP_BITS = 4


@dataclass(frozen=True)
class SparseCode:
    """The stored entries of a tensor in the order of its values: m of them, fillers included."""

    gaps: torch.Tensor  # (m,) uint8: how many zeros come before
    values: torch.Tensor  # (m,) dtype of the tensor; 0 is a filler
    shape: torch.Size
    gap_bits: int

    def size_bits(self, value_bits: int) -> int:
        """Without any further coding: a gap and a value of ``value_bits`` bits for each entry."""
        return len(self.gaps) * (self.gap_bits + value_bits)


def encode_sparse(tensor: torch.Tensor, *, gap_bits: int = GAP_BITS) -> SparseCode:
    """The entries of a tensor of any shape and dtype. Raises ``ValueError`` unless gaps have 1 to 8 bits."""
    if not 1 <= gap_bits <= 8:
        raise ValueError(f"a gap is stored in 1 to 8 bits, not {gap_bits}")
    flat = tensor.detach().reshape(-1)
    places = flat.nonzero().flatten()
    zeros = places.diff(prepend=places.new_tensor([-1])) - 1  # before each value
    fillers = zeros >> gap_bits  # one bridges 2**gap_bits - 1 zeros and is itself one more
    ends = (fillers + 1).cumsum(0) - 1  # where each value stands among the entries
    count = int(ends[-1]) + 1 if len(ends) else 0
    gaps = torch.full((count,), (1 << gap_bits) - 1, dtype=torch.uint8, device=flat.device)
    values = flat.new_zeros(count)
    gaps[ends] = (zeros - (fillers << gap_bits)).to(torch.uint8)
    values[ends] = flat[places]
    return SparseCode(gaps, values, tensor.shape, gap_bits)


def decode_sparse(code: SparseCode) -> torch.Tensor:
    """The tensor again, to the bit (but -0.0, which becomes 0.0)."""
    tensor = code.values.new_zeros(code.shape.numel())
    tensor[(code.gaps.long() + 1).cumsum(0) - 1] = code.values
    return tensor.reshape(code.shape)


def huffman_bytes(symbols: torch.Tensor) -> bytes:
    """Symbols (any shape, uint8) under a Huffman code; ``huffman_symbols`` reads them.

    Raises ``ValueError`` for another dtype.
    """
    if symbols.dtype != torch.uint8:
        raise ValueError(f"symbols are bytes: convert them to torch.uint8, they are {symbols.dtype}")
    # 9 is the largest memory level: longer blocks, fewer tables. A negative window leaves header and checksum out.
    coder = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    return coder.compress(symbols.cpu().contiguous().numpy().tobytes()) + coder.flush()


def huffman_symbols(coded: bytes) -> torch.Tensor:
    """What ``huffman_bytes`` was given, as one row."""
    plain = bytearray(zlib.decompress(coded, -15))
    return torch.frombuffer(plain, dtype=torch.uint8) if plain else torch.zeros(0, dtype=torch.uint8)


def count_nonzeros(model: nn.Module) -> int:
    """How many parameters are not zero."""
    return sum(int(parameter.count_nonzero()) for parameter in model.parameters())


def sparse_size_bits(model: nn.Module, *, gap_bits: int = GAP_BITS) -> dict[str, int]:
    """Size in bits of a pruned model in fp32, counted in two ways.

    "values": 32 bits for each parameter that is not zero, as if nobody had to know where it stands; "stored": weights
    of two or more dimensions as ``encode_sparse`` stores them, 32 bits for each other parameter.
    """
    sizes = {"values": 32 * count_nonzeros(model), "stored": 0}
    for parameter in model.parameters():
        if parameter.dim() > 1:
            sizes["stored"] += encode_sparse(parameter, gap_bits=gap_bits).size_bits(32)
        else:
            sizes["stored"] += 32 * parameter.numel()
    return sizes
