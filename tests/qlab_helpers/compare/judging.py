"""Short ways to have something judged, and what several files have judged.

Right and wrong are told from the rules by hand, or by running ``fast_pytorch_kmeans`` and torch themselves.
"""

from collections import namedtuple

import torch
from torch import nn

from qlab_helpers.checking.compare import compare
from qlab_helpers.checking.reference import Case, Item, Rule
from qlab_helpers.checking.verdict import Verdict

Codebook = namedtuple("Codebook", ["centroids", "labels"])
INT8 = torch.tensor([[1, -2, 3], [127, -128, 0]], dtype=torch.int8)
NAN, INF = float("nan"), float("inf")


def judge(expected, got, *rules: Rule, before=(), observe=None, observed=None, after=None, kind="values") -> Verdict:
    """Judge ``got``; ``observed`` are the expected arguments after the call, ``after`` those that the call left."""
    names = tuple(observe or ())
    item = Item("f", "function", "lab", 1.0, names, rules, kind, (), (), ())
    case = Case("c", "t", "h", False, 1.0, names, ())
    return compare(
        item,
        case,
        tuple(before),
        expected,
        dict(zip(names, observed or (), strict=True)),
        got,
        dict(zip(names, after or (), strict=True)),
    )


def tensor_rule(**options) -> Rule:
    return Rule("q", **options)


def conv(**options) -> nn.Conv2d:
    layer = nn.Conv2d(4, 6, 3, **{"stride": 2, "padding": 1, "dilation": 1, "groups": 2, **options})
    nn.init.constant_(layer.weight, 0.5)
    if layer.bias is not None:
        nn.init.constant_(layer.bias, 0.25)
    return layer


def homework() -> torch.Tensor:
    """The tensor of the homework's question on k-means quantization."""
    return torch.tensor(
        [[-0.3747, 0.0874, 0.3200, -0.4868, 0.4404], [-0.0402, 0.2322, -0.2024, -0.4986, 0.1814],
         [0.3102, -0.3942, -0.2030, 0.0883, -0.4741], [-0.1592, -0.0777, -0.3946, -0.2128, 0.2675],
         [0.0611, -0.1933, -0.4350, 0.2928, -0.1087]]
    )  # fmt: skip
