"""A value with the tensors that belong to it, and nothing else of the file it was read from."""

from typing import Any

from qlab_helpers.checking.codec import Tensors, Tree, pack, unpack


def own_message(tree: Tree, tensors: Tensors) -> bytes:
    """The tree with its own tensors only, under names that do not tell which case or variant it is."""
    used: Tensors = {}
    keys: dict[str, str] = {}

    def renamed(node: Any) -> Any:
        if isinstance(node, list):
            return [renamed(one) for one in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("tensor"), str):
            key = keys.setdefault(node["tensor"], f"a{len(keys)}")
            used[key] = tensors[node["tensor"]]
            return {**node, "tensor": key}
        return {key: renamed(value) for key, value in node.items()}

    return pack(renamed(tree), used)


def count_values(message: bytes) -> int:
    return sum(tensor.numel() for tensor in unpack(message)[1].values())
