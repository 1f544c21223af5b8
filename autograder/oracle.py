"""The solution's answer to a call that a student's function makes of another graded function.

Each function is judged with the reference in place of the student's other functions. Only inputs come in and tensors go
out; the solution itself never leaves this process. What is asked is bounded, since it is computed on the trusted side.
"""

import math
import threading
from collections.abc import Iterable
from itertools import islice, zip_longest
from typing import Any, TypeVar

import torch

from autograder.materials import Materials
from autograder.remembered import digest
from autograder.solution import named_tuples, repeatable
from qlab_helpers.checking.codec import CodecError, Tensors, Tree, decode, encode
from qlab_helpers.checking.outputs import different
from qlab_helpers.checking.packing import pack, unpack, walk

Value = TypeVar("Value")
#: A question may be this much larger than the largest case of the lab.
SLACK = 4
MAX_INTEGER = 2**16  # of a plain argument: 2**bitwidth and padding grow fast
MAX_NODES = 100  # of all arguments, each a number, a tensor, a list: a list times an integer grows fast, too
MAX_TEXT = 100
# Seeds and the number of threads belong to the whole process.
_one_call = threading.Lock()


class Oracle:
    """Answers calls of the graded functions that some item of the lab declares to use; ``session.run_session`` asks."""

    def __init__(self, materials: Materials) -> None:
        self._solution = materials.solution
        self._remembered = materials.remembered
        self._types = named_tuples(materials.solution)
        self._names = {name for item in materials.items.values() for name in item.uses}
        self._max_values = SLACK * materials.largest_case + 1024

    def __call__(self, name: str, message: bytes) -> bytes:
        """``message`` packs the arguments; the reply packs {"result": ...} or {"error": {"str": ...}}. Never raises.

        Arguments that the function changes in place come back under "changed", by position.
        """
        if name not in self._names:
            return _error(f"{name} may not be called here")
        return self._remembered.recall(("oracle", name, digest(message)), lambda: self._answer(name, message))

    def _answer(self, name: str, message: bytes) -> bytes:
        try:
            tree, tensors = unpack(message)
            self._check_size(tree, tensors)
            arguments = decode(tree, tensors, self._types)
        except CodecError as error:
            return _error(str(error))
        # Nothing can be differentiated through a reply, and a parameter may be changed in place without gradients only.
        with _one_call, repeatable(0), torch.no_grad():
            try:
                result = self._solution[name](*arguments)
            except Exception as error:  # noqa: BLE001  (with a student's arguments it may raise anything)
                return _error(f"{type(error).__name__}: {error}")
        node, found = encode(result)
        changed, more = _changed(decode(tree, tensors, self._types), arguments)
        return pack({"result": node, **({"changed": changed} if changed else {})}, found | more)

    def _check_size(self, tree: Tree, tensors: Tensors) -> None:
        if max(_count(tensors), _broadcast(tensors)) > self._max_values:
            raise CodecError(f"arguments of more than {self._max_values} values are not computed here")
        nodes = list(islice((node for node, _ in walk(tree) if isinstance(node, dict)), MAX_NODES + 1))
        if len(nodes) > MAX_NODES or any(len(text) > MAX_TEXT for text in _found(nodes, "str", str)):
            raise CodecError("arguments of so many parts are not computed with here")
        if any(abs(value) > MAX_INTEGER for value in _found(nodes, "int", int)):
            raise CodecError(f"integers beyond {MAX_INTEGER} are not computed with here")


def _changed(before: tuple, after: tuple) -> tuple[dict[str, Tree], Tensors]:
    """The tensors among the arguments that the call has written into, by position."""
    trees, tensors = {}, {}
    for position, (one, other) in enumerate(zip(before, after, strict=True)):
        if isinstance(one, torch.Tensor) and one.shape == other.shape and different(one, other).any():
            trees[str(position)], more = encode(other.detach(), prefix=f"changed.{position}.")
            tensors |= more
    return trees, tensors


def _count(tensors: Tensors) -> int:
    return sum(tensor.numel() for tensor in tensors.values())


def _broadcast(tensors: Tensors) -> int:
    """The most values that they can make together: a column and a row, a whole matrix."""
    shapes = [tuple(reversed(tensor.shape)) for tensor in tensors.values()]
    return math.prod(max(sizes) for sizes in zip_longest(*shapes, fillvalue=1))


def _found(nodes: Iterable[dict[str, Any]], key: str, kind: type[Value]) -> list[Value]:
    return [node[key] for node in nodes if isinstance(node.get(key), kind)]


def _error(text: str) -> bytes:
    return pack({"error": {"str": text[:500]}}, {})
