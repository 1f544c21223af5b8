"""Implementations of ``QuantizableBottleneck``."""

from autograder.bank import Bank, right, wrong

from .blocks import CHOICE, IDENTITY, shared

MAIN = "self.bn3(self.conv3(out))"
ANSWER = f"return self.skip_add_relu.add_relu({MAIN}, identity)"
GROUPS = 'fuse(self, [["conv1", "bn1", "relu1"], ["conv2", "bn2", "relu2"], ["conv3", "bn3"]], inplace=True)'
HEAD = """
            class QuantizableBottleneck(Bottleneck):
                def __init__(self, inputs, channels, stride=1):
                    super().__init__(inputs, channels, stride)
                    self.skip_add_relu = tq.FloatFunctional()
"""

BOTTLENECK = Bank(
    "QuantizableBottleneck",
    misconceptions=(
        *shared(ANSWER, MAIN, "self.skip_add_relu", "self.relu2", GROUPS, GROUPS.replace('"bn3"', '"bn3", "relu2"')),
        wrong(
            "second convolution left out",
            "Your forward goes from the first convolution to the third; the 3x3 convolution is missing.",
            ("        out = self.relu2(self.bn2(self.conv2(out)))\n", ""),
        ),
        wrong(
            "no ReLU after the second convolution",
            "Your forward has no ReLU after bn2; fusing puts one there, so that the outputs differ.",
            ("self.relu2(self.bn2(self.conv2(out)))", "self.bn2(self.conv2(out))"),
        ),
        wrong(
            "third norm left out",
            "Your forward leaves out bn3.",
            (MAIN, "self.conv3(out)"),
        ),
        wrong(
            "ReLU fused with the third convolution",
            "Your fuse_model fuses relu2 with conv3; it follows bn2, and after bn3 comes the sum.",
            (
                GROUPS,
                'fuse(self, [["conv1", "bn1", "relu1"], ["conv2", "bn2"], ["conv3", "bn3", "relu2"]], inplace=True)',
            ),
        ),
        wrong(
            "groups of the BasicBlock",
            "Your fuse_model fuses conv2 without its ReLU and leaves out conv3: this block has three convolutions.",
            (GROUPS, 'fuse(self, [["conv1", "bn1", "relu1"], ["conv2", "bn2"]], inplace=True)'),
        ),
        wrong(
            "third group left out",
            "Your fuse_model leaves out conv3 and bn3.",
            (GROUPS, 'fuse(self, [["conv1", "bn1", "relu1"], ["conv2", "bn2", "relu2"]], inplace=True)'),
        ),
    ),
    alternatives=(
        right(
            "names with dots",
            HEAD
            + """
                def forward(self, x):
                    identity = x
                    out = self.relu1(self.bn1(self.conv1(x)))
                    out = self.relu2(self.bn2(self.conv2(out)))
                    out = self.bn3(self.conv3(out))
                    if self.downsample is not None:
                        identity = self.downsample(x)
                    return self.skip_add_relu.add_relu(identity, out)

                def fuse_model(self, is_qat=False):
                    groups = [[f"conv{n}", f"bn{n}"] + ([f"relu{n}"] if n < 3 else []) for n in (1, 2, 3)]
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
                'fuse(self, [["conv3", "bn3"]], inplace=True)\n'
                '        fuse(self, [["conv1", "bn1", "relu1"], ["conv2", "bn2", "relu2"]], inplace=True)',
            ),
        ),
        right(
            "same ReLU twice in forward",
            (IDENTITY, "identity = self.downsample(x) if self.downsample else x"),
            ("self.relu2(self.bn2(self.conv2(out)))", "self.relu1(self.relu2(self.bn2(self.conv2(out))))"),
        ),
        right(
            "another name for the sum",
            HEAD.replace("self.skip_add_relu", "self.total")
            + """
                def forward(self, x):
                    out = x
                    for layer in (self.conv1, self.bn1, self.relu1, self.conv2, self.bn2, self.relu2, self.conv3):
                        out = layer(out)
                    shortcut = self.downsample(x) if self.downsample is not None else x
                    return self.total.add_relu(self.bn3(out), shortcut)

                def fuse_model(self, is_qat=False):
                    fuse = tq.fuse_modules_qat if is_qat else tq.fuse_modules
                    fuse(self, [["conv1", "bn1", "relu1"], ["conv2", "bn2", "relu2"], ["conv3", "bn3"]], inplace=True)
                    if isinstance(self.downsample, nn.Sequential):
                        fuse(self.downsample, [["0", "1"]], inplace=True)
            """,
        ),
    ),
    equivalent={
        "3: 1 -> 2": "the constructor is given, and told the stride",
        "3: 1 -> 0": "the constructor is given, and told the stride",
        "11: self.bn3(self.conv3(out)), identity -> identity, self.bn3(self.conv3(out))": "a sum has no order",
    },
)
