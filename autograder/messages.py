"""A value with the tensors that belong to it, and nothing else of the file it was read from."""

from qlab_helpers.checking.codec import Tensors, Tree, rename_tensors
from qlab_helpers.checking.packing import pack, unpack


def own_message(tree: Tree, tensors: Tensors) -> bytes:
    """The tree with its own tensors only, under names that do not tell which case or variant it is."""
    keys: dict[str, str] = {}
    renamed = rename_tensors(tree, lambda key: keys.setdefault(key, f"a{len(keys)}"))
    return pack(renamed, {new: tensors[key] for key, new in keys.items()})


def count_values(message: bytes) -> int:
    return sum(tensor.numel() for tensor in unpack(message)[1].values())
