"""What every submission does, done once in the warm process: a small notebook of our own, and a few questions to it.

The first time costs more than the second: Python specialises its code as it runs, torch looks its kernels up, modules
are imported late. Done before the forks, all of them have it. The notebook holds nothing of any lab, and nothing of it
is left: neither names nor seeds nor figures. One thread does all, since others would not survive a fork.
"""

import random
import signal
import socket
from typing import Any

import numpy
import torch
from IPython.core.interactiveshell import InteractiveShell

from autograder import probe, wire
from qlab_helpers.checking.codec import encode
from qlab_helpers.checking.packing import pack

CELLS = (
    "import copy\nimport math\nimport os\nimport time\nfrom collections import OrderedDict, namedtuple\n\n"
    "import matplotlib.pyplot as plt\nimport torch\nfrom torch import nn\nfrom torch.nn import functional\n\n"
    "from qlab_helpers import check\nfrom qlab_helpers.integer import int8_conv2d, int8_linear\n"
    "from qlab_helpers.train import default_device, seed_everything\n\n"
    "device = default_device()\ntorch.manual_seed(0)\nPair = namedtuple('Pair', ['values', 'shape'])",
    "%matplotlib inline\nx = torch.linspace(-1, 1, 24).view(4, 6)\nprint(x.mean().item(), x)\nx",
    "def arithmetic(x, count, factor):\n"
    "    low, high = x.min(), x.max().item()\n"
    "    y = torch.round(x / factor + count).clamp(-8, 7).to(torch.int8)\n"
    "    z = y.float() * x.abs().amax(dim=1, keepdim=True) - x.view(len(x), -1).max(dim=1).values.view(-1, 1)\n"
    "    w = (z.to(torch.int32) - int(count)).sum(dim=[1]) + y.to(torch.int32).sum(1).floor()\n"
    "    w[0] = 2**3 - 1\n"
    "    return Pair(z[:, :3] @ x[:, :3].t(), torch.full((2,), math.sqrt(high - low.item()))), w\n\n\n"
    "def layers(conv, norm, x):\n"
    "    made = nn.Sequential(OrderedDict(conv=copy.deepcopy(conv), norm=norm)).eval()\n"
    "    with torch.no_grad():\n"
    "        y = made(x) + functional.conv2d(x, conv.weight, stride=1).mean() + functional.relu(x).mean()\n"
    "        conv.weight.mul_(2)\n"
    "    return made.conv, functional.avg_pool2d(y, 2)\n\n\n"
    "def integers(x, kernel):\n"
    "    padded = functional.pad(x.view(1, 2, 4, 4), (1, 1, 1, 1), 'constant', 1)\n"
    "    images = x.repeat(12).view(2, 3, 8, 8)\n"
    "    for groups, stride in ((1, 1), (1, 2), (3, 1)):\n"
    "        weight = images.reshape(-1)[: 81 // groups].view(3, 3 // groups, 3, 3)\n"
    "        int8_conv2d(images, weight, stride=stride, groups=groups)\n"
    "    pairs = images.reshape(-1)[:256].view(1, 4, 8, 8)\n"
    "    int8_conv2d(pairs, pairs.reshape(-1)[:72].view(4, 2, 3, 3), groups=2)\n"
    "    return int8_linear(x.view(4, 8), x[:24].view(3, 8)), int8_conv2d(padded, kernel)\n\n\n"
    "def helped(x):\n    return arithmetic(x, 1, 0.5)[1] + helper(x)\n\n\n"
    "def helper(x):\n    return x.sum(dim=1)\n\n\n"
    "def failing(x):\n    raise NotImplementedError",
    "broken = failing(x)\nlater = 7",
)
ANSWERED = 3  # times that each question is answered: Python specialises code that is run again


def practise(shell: InteractiveShell) -> None:
    """Run the notebook and answer the questions; the shell is as it was then."""
    before = dict(shell.user_ns)
    states = random.getstate(), numpy.random.get_state(), torch.get_rng_state()
    alarm = signal.getsignal(signal.SIGALRM)
    try:
        for index, source in enumerate(CELLS):
            for run in ("full", "definitions"):
                limits = {"limit_s": 60.0, "wall_s": 60.0, "definitions_s": 60.0}
                probe.run_one({"source": source, "index": index, "run": run, **limits}, shell)
        for _ in range(ANSWERED):
            for item, arguments, observed, helpers in _questions():
                _ask(shell.user_ns, item, pack(*encode(arguments)), observed, helpers)
    finally:
        signal.signal(signal.SIGALRM, alarm)
        random.setstate(states[0])
        numpy.random.set_state(states[1])
        torch.set_rng_state(states[2])
        shell.user_ns.clear()
        shell.user_ns.update(before)
        _close_figures()


def _questions() -> list[tuple[str, tuple, tuple[str, ...], tuple[str, ...]]]:
    """Item, arguments, parameters observed, helpers that the other side answers for."""
    x = torch.linspace(-1, 1, 24).view(4, 6)
    conv, norm = torch.nn.Conv2d(2, 3, 3, bias=False), torch.nn.BatchNorm2d(3)
    image = torch.linspace(-1, 1, 50).view(1, 2, 5, 5)
    whole = torch.arange(32, dtype=torch.int8)
    kernel = torch.ones(3, 2, 3, 3, dtype=torch.int8)
    return [
        ("arithmetic", (x, 1, 0.5), ("x",), ()),
        ("layers", (conv, norm, image), ("conv",), ()),
        ("integers", (whole, kernel), (), ()),
        ("helped", (x,), (), ("helper",)),
        ("failing", (x,), (), ()),
        ("missing", (x,), (), ()),
    ]


def _ask(namespace: dict[str, Any], item: str, body: bytes, observe: tuple, helpers: tuple) -> None:
    """One question as it comes over the wire: all that will be read lies in the socket before."""
    function = namespace.get(item)
    names = function.__code__.co_varnames[: function.__code__.co_argcount] if function else ()
    kind = {"item": item, "kind": "function", "parameters": names, "driver": "", "ask": list(helpers), "keep": False}
    limits = {"limit_s": 60.0, "wall_s": 60.0, "max_bytes": 1 << 20}
    ours, theirs = socket.socketpair()
    try:
        wire.send(ours, {"call": 0, "observe": list(observe), **limits}, body)
        node, tensors = encode(torch.ones(4))
        wire.send(ours, {"answer": True}, pack({"result": node}, tensors))
        probe.answer_calls(theirs, namespace, {**kind, "question": "practice", "calls": 1}, bytearray(probe.CALL.size))
    finally:
        ours.close()
        theirs.close()


def _close_figures() -> None:
    import matplotlib.pyplot

    matplotlib.pyplot.close("all")
