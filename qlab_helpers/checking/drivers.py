"""How a graded class is tried: plain functions that make an object of it, use it, and return plain values.

A function is called with a case's arguments; a class has to be made, fed and asked, and a function of a whole network
has to be given one (``network_drivers``, ``lenet_drivers``, ``pruning_drivers``). An item that grades such a thing
names one of these as its ``driver``. It is given what the student wrote and the case's arguments, and what it returns
is judged as a function's result is. It runs where the student's code is: in the notebook, or in the sandbox, where
nothing that it returns is believed more than any other value. So it holds no expected value and decides nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from qlab_helpers.checking import lenet_drivers as lenet
from qlab_helpers.checking import network_drivers as networks
from qlab_helpers.checking import pruning_drivers as pruning


def observe(observer_class: Callable, options: tuple, tensors: Sequence[torch.Tensor]) -> tuple[Any, Any, Any]:
    """Scale and zero point of ``observer_class(*options)`` after ``tensors``, and what the last of these came out as.

    The parameters are asked for after each tensor: asking must change nothing. Without tensors an empty one stands for
    what came out.
    """
    observer, passed_on = _placed(observer_class(*options), tensors), torch.zeros(0)
    for tensor in tensors:
        passed_on = observer(tensor)
        observer.calculate_qparams()
    scale, zero_point = observer.calculate_qparams()
    return scale, zero_point, passed_on


def observe_power_of_two(
    observer_class: Callable, dtype: str, tensors: Sequence[torch.Tensor], scales: Sequence[float], limits: tuple
) -> tuple[Any, Any, torch.Tensor]:
    """Scale and zero point after ``tensors`` of an observer of torch's kind, and what it makes of each of ``scales``.

    ``dtype`` is "qint8" or "quint8"; ``limits`` are further arguments of ``scale_approximate``, () for its defaults.
    Where there are scales, nothing else is asked for: that method is tried alone.
    """
    observer = observer_class(dtype=getattr(torch, dtype), qscheme=torch.per_tensor_symmetric)
    observer = _placed(observer, tensors)
    approximated = [float(observer.scale_approximate(scale, *limits)) for scale in scales]
    if scales:
        return networks.NOT_ASKED, networks.NOT_ASKED.long(), torch.tensor(approximated, dtype=torch.float64)
    for tensor in tensors:
        observer(tensor)
    scale, zero_point = observer.calculate_qparams()
    return scale, zero_point, torch.tensor(approximated, dtype=torch.float64)


#: By name; those for whole networks have files of their own.
DRIVERS: Mapping[str, Callable] = MappingProxyType(
    {
        one.__name__: one
        for one in (
            observe,
            observe_power_of_two,
            networks.observe_custom,
            networks.use_block,
            networks.use_network,
            networks.describe_qconfig,
            networks.show_batches,
            networks.quantize_after_training,
            networks.quantize_while_training,
            lenet.quantize_dynamic,
            lenet.quantize_static,
            lenet.name_modules,
            lenet.save_network,
            pruning.prune_tensor,
            pruning.prune_and_train,
            pruning.scan_layers,
            pruning.change_channels,
        )
    }
)


def apply(driver: str, subject: Callable, arguments: Sequence[Any]) -> Any:
    """``subject(*arguments)``, or what ``driver`` makes of both when one is named; ``KeyError`` for no such driver."""
    return DRIVERS[driver](subject, *arguments) if driver else subject(*arguments)


def _placed(observer: Any, tensors: Sequence[torch.Tensor]) -> Any:
    """The observer on the device of the tensors: torch's own keep the range in buffers."""
    return observer.to(tensors[0].device) if tensors and isinstance(observer, nn.Module) else observer
