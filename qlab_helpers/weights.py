"""Checkpoints: the pretrained models that the package ships, and the one place that writes and reads their files.

A checkpoint is ``checkpoints/<name>.safetensors``, weights in fp16, and beside it ``<name>.json`` with what is known
about it: the file's SHA-256, the measured accuracy and the recipe. ``python -m qlab_helpers.pretrain`` writes both.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from qlab_helpers.models.resnet import resnet14_cifar10
from qlab_helpers.models.vgg import VGG

FOLDER = Path(__file__).parent / "checkpoints"
#: Every checkpoint that the package ships, and the model that it belongs to.
MODELS: dict[str, Callable[[], nn.Module]] = {"vgg_cifar10": VGG, "resnet14_cifar10": resnet14_cifar10}


class WeightsMissing(RuntimeError):
    """A checkpoint's files are not there; the message says what to do."""


class WeightsDamaged(RuntimeError):
    """A checkpoint's files are not those that were recorded; the message says what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """What is known about a pretrained model."""

    name: str
    model: Callable[[], nn.Module]
    file: Path
    sha256: str
    accuracy_percent: float  # top-1, fp32, on all test images
    test_images: int
    recipe: str


def load_pretrained(name: str, *, device: torch.device | str = "cpu", folder: Path = FOLDER) -> nn.Module:
    """The pretrained model ``name`` in fp32 and eval mode, on ``device``.

    Raises ``ValueError`` for an unknown name, ``WeightsMissing`` or ``WeightsDamaged`` if its files are not as
    recorded.
    """
    checkpoint = find_checkpoint(name, folder=folder)
    if not checkpoint.file.is_file():
        raise WeightsMissing(f"{checkpoint.file} is missing. {_remedy(name)}")
    if file_sha256(checkpoint.file) != checkpoint.sha256:
        raise WeightsDamaged(f"{checkpoint.file} is not as it was recorded (its SHA-256 differs). {_remedy(name)}")
    return load_checkpoint(checkpoint.model(), checkpoint.file).to(device).eval()


def find_checkpoint(name: str, *, folder: Path = FOLDER) -> Checkpoint:
    """The record of a shipped checkpoint; its weights are not read. Errors as in ``load_pretrained``."""
    if name not in MODELS:
        raise ValueError(f"there are no pretrained weights called {name!r}; there are: {', '.join(sorted(MODELS))}")
    facts_file = folder / f"{name}.json"
    if not facts_file.is_file():
        raise WeightsMissing(f"{facts_file} is missing. {_remedy(name)}")
    try:
        facts = json.loads(facts_file.read_text(encoding="utf-8"))
        return Checkpoint(
            name=name,
            model=MODELS[name],
            file=folder / f"{name}.safetensors",
            sha256=facts["sha256"],
            accuracy_percent=float(facts["accuracy_percent"]),
            test_images=int(facts["test_images"]),
            recipe=facts["recipe"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsDamaged(f"{facts_file} is not the record of a checkpoint ({error!r}). {_remedy(name)}") from error


def save_checkpoint(model: nn.Module, file: Path) -> str:
    """Store the state dict of ``model`` in fp16 (integers as they are); returns the file's SHA-256."""
    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in model.state_dict().items()
    }
    unfinished = file.with_name(file.name + ".part")
    save_file(tensors, unfinished)
    os.replace(unfinished, file)
    return file_sha256(file)


def load_checkpoint(model: nn.Module, file: Path) -> nn.Module:
    """Put a stored state dict into ``model``, in fp32. Raises ``WeightsMissing`` or ``WeightsDamaged``."""
    try:
        stored = load_file(file)
        model.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in stored.items()})
    except FileNotFoundError as error:
        raise WeightsMissing(f"{file} is missing; name a checkpoint that exists") from error
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsDamaged(f"{file} does not hold the weights of {type(model).__name__} ({reason})") from error
    return model


def save_facts(file: Path, *, accuracy_percent: float, test_images: int, recipe: str) -> Path:
    """Record what is known about the checkpoint ``file`` in the JSON beside it; returns the JSON's path."""
    facts = {
        "sha256": file_sha256(file),
        "accuracy_percent": round(accuracy_percent, 2),
        "test_images": test_images,
        "recipe": recipe,
    }
    target = file.with_suffix(".json")
    unfinished = target.with_name(target.name + ".part")
    unfinished.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    os.replace(unfinished, target)
    return target


def file_sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _remedy(name: str) -> str:
    return (
        f"Install qlab-kit again, or train it: python -m qlab_helpers.pretrain {name} --out {name}.safetensors, "
        f"then put both files into {FOLDER}."
    )
