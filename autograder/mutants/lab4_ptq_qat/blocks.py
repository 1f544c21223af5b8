"""Mistakes that both blocks share."""

from autograder.bank import Implementation, wrong

IDENTITY = "identity = x if self.downsample is None else self.downsample(x)"
CHOICE = "fuse = tq.fuse_modules_qat if is_qat else tq.fuse_modules"
PROJECTION = """        if self.downsample is not None:
            fuse(self.downsample, [["0", "1"]], inplace=True)
"""


def shared(answer: str, main: str, add: str, relu: str, groups: str, twice: str) -> tuple[Implementation, ...]:
    """``answer`` returns the sum of ``main``, by the FloatFunctional ``add``; ``relu`` is the block's last ReLU layer,
    ``groups`` the line that fuses, and in ``twice`` that ReLU is in two groups."""
    return (
        wrong(
            "plus sign",
            "No observer sees your sum: a plus sign has none, nor has a FloatFunctional made in forward; add with the "
            "one that the constructor makes.",
            (answer, f"return torch.relu({main} + identity)"),
        ),
        wrong(
            "sum and ReLU apart",
            "Your sum and its ReLU are two operations, so that negative sums are observed; one method does both.",
            (answer, f"return torch.relu({add}.add({main}, identity))"),
        ),
        wrong(
            "ReLU before the sum",
            "Your block applies its last ReLU before the sum; it comes after it.",
            (answer, f"return {add}.add({relu}({main}), identity)"),
        ),
        wrong(
            "ReLU before the sum as well",
            "Your block has a ReLU after the last norm, before the sum; the only one there is comes after the sum.",
            (answer, f"return {add}.add_relu({relu}({main}), identity)"),
        ),
        wrong(
            "sum without ReLU",
            "Your block ends with the sum; a ReLU follows it, and one method does both.",
            (answer, f"return {add}.add({main}, identity)"),
        ),
        wrong(
            "no skip connection",
            "Your block adds nothing: what goes around the convolutions is missing.",
            (answer, f"return torch.relu({main})"),
        ),
        wrong(
            "product in place of the sum",
            "Your block multiplies both paths; it adds them.",
            (answer, f"return torch.relu({add}.mul({main}, identity))"),
        ),
        wrong(
            "skip connection not projected",
            "Your skip connection is always the input; where self.downsample is not None, it goes through that.",
            (IDENTITY, "identity = x"),
        ),
        wrong(
            "fuses a copy",
            "Your fuse_model makes fused copies and drops them; say inplace=True.",
            (groups, groups.replace(", inplace=True", "")),
            ('[["0", "1"]], inplace=True', '[["0", "1"]]'),
        ),
        wrong(
            "ReLU in two groups",
            "PyTorch cannot fuse one of your groups: its ReLU is in another group already, or its layers do not follow "
            "each other as convolution, norm, ReLU.",
            (groups, twice),
        ),
        wrong(
            "sets the mode",
            "Your fuse_model puts the block into another mode; it changes layers only, the mode is the caller's "
            "business.",
            (CHOICE, f"{CHOICE}\n        self.train(is_qat)"),
        ),
        wrong(
            "projection not fused",
            "Your fuse_model leaves out the convolution and norm of self.downsample.",
            (PROJECTION, ""),
        ),
        wrong(
            "always for inference",
            "Your fuse_model always uses tq.fuse_modules; with is_qat it is tq.fuse_modules_qat.",
            (CHOICE, "fuse = tq.fuse_modules"),
        ),
        wrong(
            "always for training",
            "Your fuse_model always uses tq.fuse_modules_qat; without is_qat it is tq.fuse_modules.",
            (CHOICE, "fuse = tq.fuse_modules_qat"),
        ),
    )
