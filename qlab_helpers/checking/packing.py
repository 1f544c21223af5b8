"""A tree and its tensors (see ``codec``) as one message of bytes, which may come from a hostile process.

What is unpacked is safe to decode: no larger, and no more work, than what an honest process sends.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

from qlab_helpers.checking.codec import DTYPE_NAMES, MAX_DIMENSIONS, CodecError, Tensors, Tree

MAX_TREE = 4 << 20  # bytes of JSON: parsed, it takes many times its size
MAX_NESTING = 64  # of its lists and objects: three for each level of a value
MAX_CLASSES = 256  # named tuples and layers in a message: to make one takes far longer than to ask for it
MAX_COPIES = 4  # as much as all tensors of a message, for those that are named more than once


def pack(tree: Tree, tensors: Mapping[str, torch.Tensor]) -> bytes:
    """One message: the length of the tree, the tree as JSON, the tensors as safetensors."""
    text = json.dumps(tree, separators=(",", ":")).encode()
    return struct.pack("<I", len(text)) + text + _tensor_file(tensors)


def _tensor_file(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """A file of safetensors. Its own ``save`` takes four times as long: a quarter of the time of a small call.

    The tensors are those of ``encode``: dense, contiguous, on the CPU.
    """
    header, parts, end = {}, [], 0
    for name in sorted(tensors, key=lambda name: (-tensors[name].itemsize, name)):  # so that each lies aligned
        tensor = tensors[name]
        part = raw_bytes(tensor)
        begin, end = end, end + len(part)
        header[name] = {"dtype": DTYPE_NAMES[tensor.dtype], "shape": tensor.shape, "data_offsets": (begin, end)}
        parts.append(part)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def raw_bytes(tensor: torch.Tensor) -> bytes:
    """The numbers of a tensor on the CPU as they lie in memory: to the bit, NaN included."""
    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes()


def unpack(message: bytes) -> tuple[Tree, Tensors]:
    """The inverse of ``pack``. Raises ``CodecError`` for anything that is not such a message."""
    if len(message) < 4:
        raise CodecError("message too short")
    (length,) = struct.unpack_from("<I", message)
    if length > MAX_TREE:
        raise CodecError("the tree is too large")
    try:
        tree = json.loads(message[4 : 4 + length])
        tensors = load_tensors(message[4 + length :])
    # json reports nesting too deep as RecursionError, safetensors a lying header as one of several exceptions.
    except (ValueError, KeyError, TypeError, RecursionError, RuntimeError, SafetensorError) as error:
        raise CodecError(f"unreadable message: {error}") from error
    if not isinstance(tree, dict):
        raise CodecError("the tree is not an object")
    _check_cost(tree, tensors)
    return tree, tensors


def walk(tree: Tree) -> Iterator[tuple[Any, int]]:
    """All that is in a tree, with its depth, which is 1 for the tree. No recursion: a hostile one could exhaust it."""
    waiting: list[tuple[Any, int]] = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        waiting.extend((one, depth + 1) for one in below)


def _check_cost(tree: Tree, tensors: Tensors) -> None:
    """Raises ``CodecError`` where a small message would take much memory or time to decode."""
    if any(tensor.dim() > MAX_DIMENSIONS for tensor in tensors.values()):
        raise CodecError(f"a tensor of more than {MAX_DIMENSIONS} dimensions")
    classes, copied = 0, 0
    for node, depth in walk(tree):
        if depth > MAX_NESTING:
            raise CodecError("the tree is too deep")
        if isinstance(node, dict):
            classes += "namedtuple" in node or "layer" in node
            name = node.get("tensor")
            copied += tensors[name].nbytes if isinstance(name, str) and name in tensors else 0
    if classes > MAX_CLASSES:
        raise CodecError(f"more than {MAX_CLASSES} named tuples and layers")
    if copied > MAX_COPIES * sum(tensor.nbytes for tensor in tensors.values()):
        raise CodecError("the same tensors again and again")
