"""Implementations of ``QuantizableBasicBlock``."""

from autograder.bank import Bank, right, wrong

from .blocks import CHOICE, IDENTITY, shared

MAIN = "self.bn2(self.conv2(out))"
ANSWER = f"return self.add_relu.add_relu({MAIN}, identity)"
GROUPS = 'fuse(self, [["conv1", "bn1", "relu"], ["conv2", "bn2"]], inplace=True)'
HEAD = """
            class QuantizableBasicBlock(BasicBlock):
                def __init__(self, inputs, channels, stride=1):
                    super().__init__(inputs, channels, stride)
                    self.add_relu = tq.FloatFunctional()
"""

BASIC_BLOCK = Bank(
    "QuantizableBasicBlock",
    misconceptions=(
        *shared(ANSWER, MAIN, "self.add_relu", "self.relu", GROUPS, GROUPS.replace('"bn2"', '"bn2", "relu"')),
        wrong(
            "fused ReLU used again",
            "Your block uses self.relu twice, but when it is fused with conv1 nothing is left of it for the sum.",
            (ANSWER, f"return self.relu(self.add_relu.add({MAIN}, identity))"),
        ),
        wrong(
            "no ReLU between the convolutions",
            "Your forward has no ReLU between its convolutions; fusing puts one there, so that the outputs differ.",
            ("self.relu(self.bn1(self.conv1(x)))", "self.bn1(self.conv1(x))"),
        ),
        wrong(
            "second norm left out",
            "Your forward leaves out bn2.",
            (MAIN, "self.conv2(out)"),
        ),
        wrong(
            "ReLU fused with the second convolution",
            "Your fuse_model fuses the ReLU with conv2; it follows bn1, and after bn2 comes the sum.",
            (GROUPS, 'fuse(self, [["conv1", "bn1"], ["conv2", "bn2", "relu"]], inplace=True)'),
        ),
        wrong(
            "ReLU not fused",
            "Your fuse_model leaves the ReLU out; it belongs to the first group.",
            (GROUPS, 'fuse(self, [["conv1", "bn1"], ["conv2", "bn2"]], inplace=True)'),
        ),
        wrong(
            "second group left out",
            "Your fuse_model leaves out conv2 and bn2.",
            (GROUPS, 'fuse(self, [["conv1", "bn1", "relu"]], inplace=True)'),
        ),
    ),
    alternatives=(
        right(
            "names with dots",
            HEAD
            + """
                def forward(self, x):
                    identity = x
                    out = self.relu(self.bn1(self.conv1(x)))
                    out = self.bn2(self.conv2(out))
                    if self.downsample is not None:
                        identity = self.downsample(x)
                    return self.add_relu.add_relu(identity, out)

                def fuse_model(self, is_qat=False):
                    groups = [["conv1", "bn1", "relu"], ["conv2", "bn2"]]
                    if self.downsample is not None:
                        groups.append(["downsample.0", "downsample.1"])
                    if is_qat:
                        tq.fuse_modules_qat(self, groups, inplace=True)
                    else:
                        tq.fuse_modules(self, groups, inplace=True)
            """,
        ),
        right(
            "one group after the other",
            (CHOICE, "fuse = (tq.fuse_modules, tq.fuse_modules_qat)[bool(is_qat)]"),
            (
                GROUPS,
                'fuse(self, [["conv2", "bn2"]], inplace=True)\n'
                '        fuse(self, [["conv1", "bn1", "relu"]], inplace=True)',
            ),
        ),
        right(
            "functional ReLU in forward",
            (IDENTITY, "identity = self.downsample(x) if self.downsample else x"),
            ("self.relu(self.bn1(self.conv1(x)))", "torch.relu(self.relu(self.bn1(self.conv1(x))))"),
        ),
        right(
            "another name for the sum",
            HEAD.replace("self.add_relu", "self.skip")
            + """
                def forward(self, x):
                    out = x
                    for layer in (self.conv1, self.bn1, self.relu, self.conv2, self.bn2):
                        out = layer(out)
                    shortcut = self.downsample(x) if self.downsample is not None else x
                    return self.skip.add_relu(out, shortcut)

                def fuse_model(self, is_qat=False):
                    fuse = tq.fuse_modules_qat if is_qat else tq.fuse_modules
                    fuse(self, [["conv1", "bn1", "relu"], ["conv2", "bn2"]], inplace=True)
                    if isinstance(self.downsample, nn.Sequential):
                        fuse(self.downsample, [["0", "1"]], inplace=True)
            """,
        ),
    ),
    equivalent={
        "3: 1 -> 2": "the constructor is given, and told the stride",
        "3: 1 -> 0": "the constructor is given, and told the stride",
        "10: self.bn2(self.conv2(out)), identity -> identity, self.bn2(self.conv2(out))": "a sum has no order",
    },
)
