"""Values to plain data and back: a JSON tree that names tensors, and the tensors beside it.

This is the only form in which values cross from a student's process to the grader and from the reference files to a
check. It holds no code and no pickle: numbers, strings, tensors, tuples, named tuples and the parameters of three
layer types. Whatever else a function returns becomes ``{"other": "<type>"}``, which equals nothing.

Floats travel as hexadecimal text, so that every bit, infinity and NaN survive JSON.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy
import torch
from torch import nn

Tree = dict[str, Any]
Tensors = dict[str, torch.Tensor]

#: Layers that may be arguments or results, with the constructor options that define them.
LAYERS: dict[str, tuple[type[nn.Module], tuple[str, ...]]] = {
    "Conv2d": (
        nn.Conv2d,
        ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"),
    ),
    "BatchNorm2d": (nn.BatchNorm2d, ("num_features", "eps")),
    "Linear": (nn.Linear, ("in_features", "out_features")),
}
#: What tensors may be of, with its name in safetensors.
DTYPE_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.int32: "I32",
    torch.int64: "I64",
}
DTYPES = frozenset(DTYPE_NAMES)
#: The key of a node that says what it is; its other keys are details.
KINDS = frozenset(
    ("tensor", "none", "float", "bool", "int", "str", "dtype", "other", "tuple", "list", "namedtuple", "layer")
)
MAX_DEPTH = 8
MAX_ITEMS = 4096
MAX_DIMENSIONS = 16
MAX_TEXT = 10_000


class CodecError(ValueError):
    """Bytes or a tree that no honest encoder wrote."""


def encode(value: Any, *, prefix: str = "") -> tuple[Tree, Tensors]:
    """Split ``value`` into a tree and its tensors, whose keys start with ``prefix``. Never raises for odd values."""
    tensors: Tensors = {}
    return _encode(value, tensors, prefix, 0), tensors


def decode(tree: Tree, tensors: Mapping[str, torch.Tensor], types: Mapping[str, Callable] | None = None) -> Any:
    """Rebuild the value. ``types`` gives the classes of named tuples by name; others are made on the spot.

    Every tensor is a fresh copy: a caller may write into what it gets.
    """
    return _decode(tree, tensors, {} if types is None else types, 0)


def rename_tensors(node: Any, rename: Callable[[str], str]) -> Any:
    """A tree, or a part of one, with each tensor's key replaced by ``rename`` of it."""
    if isinstance(node, list):
        return [rename_tensors(one, rename) for one in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("tensor"), str):
        return {**node, "tensor": rename(node["tensor"])}
    return {key: rename_tensors(value, rename) for key, value in node.items()}


def _encode(value: Any, tensors: Tensors, prefix: str, depth: int) -> Tree:
    if depth > MAX_DEPTH:
        return {"other": "too deeply nested"}
    if isinstance(value, torch.Tensor):
        return _encode_tensor(value, tensors, prefix)
    if isinstance(value, numpy.ndarray):
        try:
            return _encode_tensor(torch.from_numpy(value.copy(order="C")), tensors, prefix)
        except (TypeError, ValueError):  # a dtype or byte order that torch does not know
            return {"other": f"numpy array of {value.dtype}"[:200]}
    if value is None:
        return {"none": True}
    if isinstance(value, bool | numpy.bool_):
        return {"bool": bool(value)}
    if isinstance(value, int | numpy.integer):
        return {"int": int(value)} if abs(int(value)) < 2**63 else {"other": "integer beyond 64 bits"}
    if isinstance(value, float | numpy.floating):
        return {"float": float(value).hex()}
    if isinstance(value, str):
        return {"str": value[:MAX_TEXT]}
    if isinstance(value, torch.dtype) and value in DTYPES:
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, nn.Module):
        return _encode_layer(value, tensors, prefix, depth)
    if isinstance(value, tuple | list):
        if len(value) > MAX_ITEMS:
            return {"other": f"{type(value).__name__} of {len(value)} items"}
        items = [_encode(item, tensors, f"{prefix}{index}.", depth + 1) for index, item in enumerate(value)]
        fields = getattr(value, "_fields", None)
        if isinstance(value, tuple) and isinstance(fields, tuple) and len(fields) == len(items):
            return {"namedtuple": type(value).__name__, "fields": list(map(str, fields)), "items": items}
        return {"tuple" if isinstance(value, tuple) else "list": items}
    return {"other": value.type_name if isinstance(value, Other) else type(value).__name__[:200]}


def _encode_tensor(value: torch.Tensor, tensors: Tensors, prefix: str) -> Tree:
    plain = value.detach()
    if plain.layout != torch.strided or plain.dtype not in DTYPES or plain.is_meta:
        return {"other": f"tensor of {plain.dtype}, {plain.layout}, on {plain.device}"}
    if plain.dim() > MAX_DIMENSIONS:
        return {"other": f"tensor of {plain.dim()} dimensions"}
    key = f"{prefix}t"
    tensors[key] = plain.cpu().contiguous().clone()
    node: Tree = {"tensor": key}
    if value.requires_grad:
        node["requires_grad"] = True
    return node


def _encode_layer(layer: nn.Module, tensors: Tensors, prefix: str, depth: int) -> Tree:
    for name, (kind, options) in LAYERS.items():
        if type(layer) is kind:
            settings = {key: _encode(getattr(layer, key), tensors, prefix, depth + 1) for key in options}
            state = {
                key: _encode_tensor(tensor, tensors, f"{prefix}{key}.") for key, tensor in layer.state_dict().items()
            }
            return {"layer": name, "options": settings, "state": state, "training": layer.training}
    return {"other": type(layer).__name__[:200]}


def _decode(node: Any, tensors: Mapping[str, torch.Tensor], types: Mapping[str, Callable], depth: int) -> Any:
    if depth > MAX_DEPTH + 1 or not isinstance(node, dict) or not node:
        raise CodecError("malformed tree")
    # Files have their keys sorted, so the key that tells the kind need not come first.
    kind = next((key for key in node if key in KINDS), next(iter(node)))
    value = node[kind]
    if kind == "tensor":
        return _decode_tensor(node, tensors)
    if kind == "none":
        return None
    if kind == "float" and isinstance(value, str):
        try:
            return float.fromhex(value)
        except (ValueError, OverflowError) as error:
            raise CodecError(f"not a float: {value[:40]!r}") from error
    if kind == "int" and isinstance(value, int) and not -(2**63) < value < 2**63:
        raise CodecError("integer beyond 64 bits")
    if kind in ("bool", "int", "str") and isinstance(value, {"bool": bool, "int": int, "str": str}[kind]):
        return value
    if kind == "dtype":
        return _decode_dtype(value)
    if kind == "other":
        return Other(str(value)[:200])
    if kind in ("tuple", "list") and isinstance(value, list):
        items = [_decode(item, tensors, types, depth + 1) for item in value[:MAX_ITEMS]]
        return tuple(items) if kind == "tuple" else items
    if kind == "namedtuple":
        return _decode_namedtuple(node, tensors, types, depth)
    if kind == "layer":
        return _decode_layer(node, tensors, types, depth)
    raise CodecError(f"unknown node {str(kind)[:40]!r}")


def _decode_tensor(node: Tree, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    try:
        tensor = tensors[node["tensor"]].clone()
    except (KeyError, TypeError) as error:
        raise CodecError("a named tensor is missing") from error
    if tensor.dtype not in DTYPES:
        raise CodecError(f"a tensor of {tensor.dtype}")
    if node.get("transposed") and tensor.dim() >= 2:  # an input on purpose not contiguous in memory
        tensor = tensor.transpose(-1, -2).contiguous().transpose(-1, -2)
    if node.get("requires_grad") and tensor.is_floating_point():
        tensor.requires_grad_()
    return tensor


def _decode_dtype(name: Any) -> torch.dtype:
    for dtype in DTYPES:
        if str(dtype) == f"torch.{name}":
            return dtype
    raise CodecError(f"not a dtype: {str(name)[:40]!r}")


def _decode_namedtuple(node: Tree, tensors: Mapping[str, torch.Tensor], types: Mapping[str, Callable], depth: int):
    fields, items = node.get("fields"), node.get("items")
    if not (isinstance(fields, list) and isinstance(items, list) and len(fields) == len(items) <= MAX_ITEMS):
        raise CodecError("malformed named tuple")
    values = [_decode(item, tensors, types, depth + 1) for item in items]
    name = str(node["namedtuple"])
    try:
        return types[name](*values) if name in types else namedtuple(name, fields)(*values)
    except (TypeError, ValueError) as error:
        raise CodecError(f"malformed named tuple: {error}") from error


def _decode_layer(node: Tree, tensors: Mapping[str, torch.Tensor], types: Mapping[str, Callable], depth: int):
    try:
        kind, names = LAYERS[node["layer"]]
        options = {key: _decode(node["options"][key], tensors, types, depth + 1) for key in names}
        state = {str(key): _decode_tensor(value, tensors) for key, value in node["state"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise CodecError("malformed layer") from error
    if not all(map(_is_option, options.values())):
        raise CodecError("malformed layer: an option is no number")
    # On the meta device a layer costs no memory, whatever size a hostile message claims; the tensors are then put in.
    try:
        layer = _blank(kind)(**options, device="meta", **({} if kind is nn.BatchNorm2d else {"bias": "bias" in state}))
        layer.__class__ = kind
        layer.load_state_dict(state, assign=True, strict=False)
    except Exception as error:  # each constructor fails in its own ways on options that make no sense
        raise CodecError(f"malformed layer: {error}") from error
    if any(tensor.is_meta for tensor in (*layer.parameters(), *layer.buffers())):
        raise CodecError("malformed layer: a parameter is missing")
    return layer.train(bool(node.get("training")))


def _is_option(value: Any) -> bool:
    """A number, a word, or one number for each dimension; a layer would take a long tensor apart, one by one."""
    if isinstance(value, tuple | list):
        return len(value) <= MAX_DIMENSIONS and all(isinstance(one, int | float) for one in value)
    return isinstance(value, int | float | str)


@cache
def _blank(kind: type[nn.Module]) -> type[nn.Module]:
    """The same layer without the drawing of parameters, which takes most of the time and is of no use here."""
    return type(kind.__name__, (kind,), {"reset_parameters": lambda self: None})


class Other:
    """A value that cannot travel; it has a type name to report and is equal to nothing."""

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name

    def __repr__(self) -> str:
        return f"<{self.type_name}>"
