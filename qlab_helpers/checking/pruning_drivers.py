"""Drivers of the pruning lab: they make a small network of a case's layers, have it pruned, and look at what is left.

Models cannot travel as arguments; their layers can. So a case gives convolutions, normalizations and a classifier, and
a driver puts them together as the lab's VGG is put together: a ``backbone`` with ``conv0``, ``bn0``, ``relu0``, ... and
a linear ``classifier``. As every driver, these hold no expected value and decide nothing.
"""

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy
import torch
from torch import nn


class LayeredNet(nn.Module):
    """Images (n, channels, height, width) -> logits, with the layers given: each convolution is followed by ReLU,
    behind its normalization if there is one. The mean over the pixels goes to the classifier."""

    def __init__(self, layers: Sequence[nn.Module], classifier: nn.Linear) -> None:
        super().__init__()
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        number = -1
        for layer, following in zip(layers, [*layers[1:], None], strict=True):
            number += isinstance(layer, nn.Conv2d)
            parts[f"{'conv' if isinstance(layer, nn.Conv2d) else 'bn'}{number}"] = layer
            if not isinstance(following, nn.BatchNorm2d):
                parts[f"relu{number}"] = nn.ReLU()
        self.backbone = nn.Sequential(parts)
        self.classifier = classifier

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.backbone(images).mean(dim=(2, 3)))


def prune_tensor(function: Callable, tensor: torch.Tensor, sparsity: float) -> Any:
    """The mask that ``function(tensor, sparsity)`` returns, as 0.0 and 1.0 whatever its dtype."""
    mask = function(tensor, sparsity)
    return mask.float() if isinstance(mask, torch.Tensor) else mask


def prune_and_train(
    pruner_class: Callable, layers: list, classifier: nn.Linear, sparsities: Sequence[float], step: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights after ``pruner_class(model, ...)``. Then the model is trained and copied, and ``apply`` gets the copy:
    its weights and its other parameters, and the weights of the model itself.

    ``sparsities`` are those of the weights with two or more dimensions, in order. Training adds ``step`` to everything.
    Raises ``LookupError`` where ``apply`` raises ``KeyError``, so that it is told from one of the constructor.
    """
    model = LayeredNet(layers, classifier)
    names = [name for name, parameter in model.named_parameters() if parameter.dim() > 1]
    pruner = pruner_class(model, dict(zip(names, sparsities, strict=True)))
    pruned = _flat(model.get_parameter(name) for name in names)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(step)
    trained = copy.deepcopy(model)
    try:
        pruner.apply(trained)
    except KeyError as error:
        raise LookupError(f"apply found nothing under {error}").with_traceback(error.__traceback__) from None
    others = _flat(parameter for name, parameter in trained.named_parameters() if name not in names)
    masked, unmasked = (_flat(one.get_parameter(name) for name in names) for one in (trained, model))
    return pruned, masked, others, unmasked


def scan_layers(function: Callable, layers: list, classifier: nn.Linear, batches: list, grid: tuple) -> Any:
    """Sparsities and accuracies that ``function(model, batches, *grid)`` returns, and the parameters afterwards.

    ``grid`` is step, start and end of the scan, () for the function's defaults. Nothing is printed.
    """
    model = LayeredNet(layers, classifier).eval()
    found = function(model, batches, *grid, verbose=False)
    if not isinstance(found, tuple | list) or len(found) != 2:
        return found
    sparsities, accuracies = (_numbers(part) for part in found)
    return sparsities, accuracies, _flat(model.parameters())


def change_channels(
    function: Callable, layers: list, classifier: nn.Linear, images: torch.Tensor, options: tuple
) -> Any:
    """Of the model that ``function(model, *options)`` returns: shapes and values of the convolutions' weights, the four
    vectors of all normalizations, logits of ``images`` (none if it cannot compute them); which kinds of layers hold
    what as a parameter and what as a buffer; then all that the given model holds afterwards."""
    model = LayeredNet(layers, classifier).eval()
    made = function(model, *options)
    if not isinstance(made, nn.Module):
        return made
    convolutions = [module for module in made.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in made.modules() if isinstance(module, nn.BatchNorm2d)]
    shapes = torch.tensor([list(one.weight.shape) for one in convolutions])
    vectors = [
        _flat(getattr(norm, name) for norm in norms) for name in ("weight", "bias", "running_mean", "running_var")
    ]
    try:
        with torch.no_grad():
            logits = made.eval()(images)
    except RuntimeError:  # layers that do not fit each other
        logits = torch.zeros(0)
    return shapes, _flat(one.weight for one in convolutions), *vectors, logits, _holdings(made), _flat(_state(model))


def _holdings(model: nn.Module) -> str:
    """For each kind of layer what it holds: "BatchNorm2d: bias, running_mean (buffer), ...; Conv2d: weight; ..."."""
    found: dict[str, set[str]] = {}
    for layer in model.modules():
        names = found.setdefault(type(layer).__name__, set())
        names.update(name for name, _ in layer.named_parameters(recurse=False))
        names.update(f"{name} (buffer)" for name, _ in layer.named_buffers(recurse=False))
    return "; ".join(f"{kind}: {', '.join(sorted(names))}" for kind, names in sorted(found.items()) if names)


def _state(model: nn.Module) -> list[torch.Tensor]:
    return [tensor for tensor in model.state_dict().values() if tensor.is_floating_point()]


def _flat(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    """All values in one row, copied."""
    parts = [tensor.detach().reshape(-1) for tensor in tensors]
    return torch.cat(parts).clone() if parts else torch.zeros(0)


def _numbers(value: Any) -> Any:
    """Nested sequences of numbers as a float64 tensor; what is none as it is."""
    try:
        return torch.from_numpy(numpy.array(value, dtype=numpy.float64))
    except (TypeError, ValueError, RuntimeError):
        return value
