"""Generated files: what is on disk against what the build makes.

Two machines may differ in the last bit of a float (another instruction set sums in another order), so reference values
count as unchanged within a relative 1e-6; everything else is compared byte by byte. A changed lab is noticed all the
same: the manifest holds the hashes of its source and its cases.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Change:
    """A generated file that is not what ``made_from`` builds; both relative to the course's root."""

    path: str
    made_from: str
    written: bool  # False: only found, by a check

    def __str__(self) -> str:
        if self.written:
            return f"wrote {self.path}"
        return f"{self.path} is not what {self.made_from} builds: run `qlab build` and commit the result"


@dataclass(frozen=True)
class Generated:
    """A file that the build has made, still in memory."""

    path: Path
    content: bytes
    made_from: str


def is_current(file: Generated) -> bool:
    try:
        found = file.path.read_bytes()
    except FileNotFoundError:
        return False
    if found == file.content:
        return True
    if file.path.suffix == ".safetensors":
        return _same_tensors(found, file.content)
    if file.path.suffix == ".json":
        return _same_json(found, file.content)
    return False


def write(file: Generated) -> None:
    """Whole or not at all."""
    file.path.parent.mkdir(parents=True, exist_ok=True)
    draft = file.path.with_name(f".{file.path.name}.{os.getpid()}.part")
    draft.write_bytes(file.content)
    os.replace(draft, file.path)


def _same_tensors(found: bytes, made: bytes) -> bool:
    try:
        before, after = load_tensors(found), load_tensors(made)
    except SafetensorError:
        return False
    return before.keys() == after.keys() and all(_same_tensor(before[key], after[key]) for key in after)


def _same_tensor(before: torch.Tensor, after: torch.Tensor) -> bool:
    if before.dtype != after.dtype or before.shape != after.shape:
        return False
    if not after.is_floating_point():
        return torch.equal(before, after)
    return torch.allclose(before.double(), after.double(), rtol=TOLERANCE, atol=0.0, equal_nan=True)


def _same_json(found: bytes, made: bytes) -> bool:
    try:
        return _same_node(json.loads(found), json.loads(made))
    except ValueError:
        return False


def _same_node(before: Any, after: Any) -> bool:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        if before.keys() != after.keys():
            return False
        if before.keys() == {"float"} and isinstance(before["float"], str):  # how the codec writes a float
            return _same_number(before["float"], after["float"])
        return all(_same_node(before[key], after[key]) for key in after)
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(_same_node, before, after))
    return type(before) is type(after) and before == after


def _same_number(before: str, after: str) -> bool:
    pair = torch.tensor([float.fromhex(before), float.fromhex(after)], dtype=torch.float64)
    return torch.allclose(pair[0], pair[1], rtol=TOLERANCE, atol=0.0, equal_nan=True)
