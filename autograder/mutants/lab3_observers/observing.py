"""Mistakes that both observers share."""

from autograder.bank import wrong

CHOICE = "symmetric_qparams if self.symmetric else affine_qparams"
ANSWER = "return qparams(self.min_val, self.max_val, self.qmin, self.qmax)"

TENSORS = (
    "tensors kept",
    "Your min_val and max_val are tensors, and so is your zero point; they must be Python floats: use .item().",
)

OBSERVING = (
    wrong(
        "returns nothing",
        "Your forward returns nothing, so that the network ends here; return x.",
        ("        return x\n", "        return None\n"),
    ),
    wrong(
        "always affine",
        "Your observer never asks symmetric_qparams; self.symmetric says when to.",
        (CHOICE, "affine_qparams"),
    ),
    wrong(
        "always symmetric",
        "Your observer always asks symmetric_qparams; do so only if self.symmetric is true.",
        (CHOICE, "symmetric_qparams"),
    ),
    wrong(
        "int8 always",
        "Your observer always uses -128 to 127; the integers are self.qmin to self.qmax.",
        (ANSWER, "return qparams(self.min_val, self.max_val, -128, 127)"),
    ),
    wrong(
        "stops at an empty tensor",
        "Your forward stops at a tensor without values; pass it on and note nothing.",
        ("if x.numel() > 0:", "if True:"),
    ),
    wrong(
        "numpy of a parameter",
        "Your forward asks a parameter for numpy(), which it refuses; use torch, or detach() it first.",
        ("x.min().item()", "float(x.numpy().min())"),
    ),
)
