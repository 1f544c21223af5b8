"""Implementations of ``QuantizableResNet``."""

from autograder.bank import Bank, right, wrong

STEM = "self.relu(self.bn1(self.conv1(x)))"
ANSWER = "return self.dequant(self.fc(torch.flatten(x, 1)))"
CHOICE = "fuse = tq.fuse_modules_qat if is_qat else tq.fuse_modules"
GROUP = 'fuse(self, [["conv1", "bn1", "relu"]], inplace=True)'
LOOP = """        for stage in self.stages:
            for block in stage:
                block.fuse_model(is_qat)
"""
HEAD = """
            class QuantizableResNet(ResNet):
                def __init__(self, block=QuantizableBasicBlock, stages=SMALL_STAGES, classes=10):
                    super().__init__(block, stages, classes)
                    self.quant, self.dequant = tq.QuantStub(), tq.DeQuantStub()
"""

NETWORK = Bank(
    "QuantizableResNet",
    misconceptions=(
        wrong(
            "no QuantStub",
            "Your forward never calls self.quant, so that the first convolution gets floats when it is int8.",
            ("x = self.quant(images)", "x = images"),
        ),
        wrong(
            "no DeQuantStub",
            "Your forward never calls self.dequant, so that the logits of the converted network are integers.",
            (ANSWER, "return self.fc(torch.flatten(x, 1))"),
        ),
        wrong(
            "dequantized before the linear layer",
            "Your forward calls self.dequant before self.fc, which is int8, too; call it last.",
            (ANSWER, "return self.fc(self.dequant(torch.flatten(x, 1)))"),
        ),
        wrong(
            "quantized after the stem",
            "Your forward calls self.quant after the stem, whose convolution is int8, too; call it first.",
            ("x = self.quant(images)\n", "x = images\n"),
            (STEM, f"self.quant({STEM})"),
        ),
        wrong(
            "stem without ReLU",
            "Your forward has no ReLU in the stem; fusing puts one there, so that the outputs differ.",
            (STEM, "self.bn1(self.conv1(x))"),
        ),
        wrong(
            "stem without norm",
            "Your forward leaves out the norm of the stem.",
            (STEM, "self.relu(self.conv1(x))"),
        ),
        wrong(
            "not pooled",
            "Your forward gives every pixel to the linear layer; pool the feature maps first.",
            ("self.pool(self.stages(x))", "self.stages(x)"),
        ),
        wrong(
            "not flattened",
            "Your forward gives the pooled features to the linear layer as (n, channels, 1, 1); flatten them after "
            "pooling.",
            ("torch.flatten(x, 1)", "x"),
        ),
        wrong(
            "ReLU of the stem not fused",
            "Your fuse_model leaves the stem's ReLU out; it belongs to the group.",
            ('["conv1", "bn1", "relu"]', '["conv1", "bn1"]'),
        ),
        wrong(
            "stem not fused",
            "Your fuse_model leaves the stem as it was; fuse conv1, bn1 and relu, and say inplace=True.",
            (", inplace=True", ""),
        ),
        wrong(
            "blocks not fused",
            "Your fuse_model fuses the stem only; ask every block in self.stages, whatever its class: it has a method "
            "fuse_model of its own.",
            (LOOP, ""),
        ),
        wrong(
            "first block of each stage",
            "Your fuse_model fuses the first block of each stage only.",
            ("for block in stage:", "for block in stage[:1]:"),
        ),
        wrong(
            "first stage only",
            "Your fuse_model fuses the blocks of the first stage only.",
            ("for stage in self.stages:", "for stage in self.stages[:1]:"),
        ),
        wrong(
            "blocks not told",
            "Your fuse_model does not tell the blocks that it is for training; pass is_qat on.",
            ("block.fuse_model(is_qat)", "block.fuse_model()"),
        ),
        wrong(
            "sets the mode",
            "Your fuse_model puts the network into another mode; it changes layers only, the mode is the caller's "
            "business.",
            (CHOICE, f"{CHOICE}\n        self.train(is_qat)"),
        ),
        wrong(
            "stem always for inference",
            "Your stem is always fused by tq.fuse_modules; with is_qat it is tq.fuse_modules_qat.",
            (CHOICE, "fuse = tq.fuse_modules"),
        ),
        wrong(
            "always for training",
            "Your stem is always fused for training; without is_qat use tq.fuse_modules.",
            (CHOICE, "fuse = tq.fuse_modules_qat"),
        ),
        wrong(
            "fuses itself for ever",
            "Your fuse_model calls itself without end: self.modules() begins with the network itself.",
            (
                LOOP,
                """        for module in self.modules():
            if hasattr(module, "fuse_model"):
                module.fuse_model(is_qat)
""",
            ),
        ),
    ),
    alternatives=(
        right(
            "over all modules",
            (
                LOOP,
                """        for module in self.modules():
            if module is not self and hasattr(module, "fuse_model"):
                module.fuse_model(is_qat=is_qat)
""",
            ),
        ),
        right(
            "layer by layer",
            HEAD
            + """
                def forward(self, images):
                    x = self.conv1(self.quant(images))
                    x = self.relu(self.bn1(x))
                    for stage in self.stages:
                        x = stage(x)
                    logits = self.fc(self.pool(x).flatten(start_dim=1))
                    return self.dequant(logits)

                def fuse_model(self, is_qat=False):
                    if is_qat:
                        tq.fuse_modules_qat(self, [["conv1", "bn1", "relu"]], inplace=True)
                    else:
                        tq.fuse_modules(self, [["conv1", "bn1", "relu"]], inplace=True)
                    for stage in self.stages.children():
                        for block in stage.children():
                            block.fuse_model(is_qat=is_qat)
            """,
        ),
        right(
            "blocks before the stem",
            (f"        {GROUP}\n", ""),
            (LOOP, LOOP + f"        {GROUP}\n"),
        ),
        right(
            "forward of the network in floats",
            HEAD
            + """
                def forward(self, images):
                    return self.dequant(super().forward(self.quant(images)))

                def fuse_model(self, is_qat=False):
                    how = tq.fuse_modules_qat if is_qat else tq.fuse_modules
                    how(self, [["conv1", "bn1", "relu"]], inplace=True)
                    for block in [block for stage in self.stages for block in stage]:
                        block.fuse_model(is_qat)
            """,
        ),
        right(
            "averages in place of the pooling layer",
            ("x = self.pool(self.stages(x))", "x = self.stages(x)\n        x = x.mean(dim=(2, 3))"),
            ("torch.flatten(x, 1)", "x"),
        ),
    ),
    equivalent={
        "3: 10 -> 11": "the constructor is given, and told the number of classes",
        "3: 10 -> 9": "the constructor is given, and told the number of classes",
    },
)
