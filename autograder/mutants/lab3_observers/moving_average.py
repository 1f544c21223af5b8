"""Implementations of ``MovingAverageMinMaxObserver``."""

from autograder.bank import Bank, right, wrong

from .observing import OBSERVING, TENSORS

FIRST = """            if self.min_val == math.inf:
                self.min_val, self.max_val = low, high
"""
LOW = "self.min_val += self.averaging_constant * (low - self.min_val)"
HIGH = "self.max_val += self.averaging_constant * (high - self.max_val)"

MOVING_AVERAGE = Bank(
    "MovingAverageMinMaxObserver",
    misconceptions=(
        *OBSERVING,
        wrong(
            *TENSORS,
            ("low, high = x.min().item(), x.max().item()", "low, high = x.min(), x.max()"),
            (LOW, LOW.replace("+=", "= self.min_val +")),
            (HIGH, HIGH.replace("+=", "= self.max_val +")),
        ),
        wrong(
            "NaN forgotten",
            "Your observer takes a range of NaN for none and begins anew; only inf and -inf say that nothing was seen.",
            ("if self.min_val == math.inf:", "if not math.isfinite(self.min_val):"),
        ),
        wrong(
            "share of the old",
            "Your average gives the constant's share to what it was before; it is the share of the new tensor.",
            (LOW, "self.min_val += (1 - self.averaging_constant) * (low - self.min_val)"),
            (HIGH, "self.max_val += (1 - self.averaging_constant) * (high - self.max_val)"),
        ),
        wrong(
            "widest range",
            "Your observer keeps the widest range; move both ends by a part of the difference.",
            (LOW, "self.min_val = min(self.min_val, low)"),
            (HIGH, "self.max_val = max(self.max_val, high)"),
        ),
        wrong(
            "last tensor only",
            "Your observer takes the range of each tensor as it is; only the first is, the others move the average.",
            ("if self.min_val == math.inf:", "if True:"),
        ),
        wrong(
            "first tensor only",
            "Your observer keeps the range of the first tensor; the others move it.",
            (LOW, "pass"),
            (HIGH, "pass"),
        ),
        wrong(
            "starts at zero",
            "Your average starts at zero, so that the first tensor hardly counts; take its range as it is.",
            ("self.min_val, self.max_val = low, high", "self.min_val, self.max_val = 0.0, 0.0"),
        ),
        wrong(
            "starts at infinity",
            "Your average starts at infinity and becomes NaN; take the range of the first tensor as it is.",
            (FIRST, ""),
        ),
        wrong(
            "equal weights",
            "Your observer gives all tensors the same weight; each new one gets the share of the constant.",
            (FIRST, FIRST + "                self.count = 0\n            self.count += 1\n"),
            (LOW, "self.min_val += (low - self.min_val) / self.count"),
            (HIGH, "self.max_val += (high - self.max_val) / self.count"),
        ),
        wrong(
            "a hundredth always",
            "Your average always moves by a hundredth; the share is self.averaging_constant.",
            (LOW, "self.min_val += 0.01 * (low - self.min_val)"),
            (HIGH, "self.max_val += 0.01 * (high - self.max_val)"),
        ),
        wrong(
            "upper end only",
            "Your observer averages the upper end only; the lower one moves as well.",
            (LOW, "self.min_val = min(self.min_val, low)"),
        ),
        wrong(
            "lower end only",
            "Your observer averages the lower end only; the upper one moves as well.",
            (HIGH, "self.max_val = max(self.max_val, high)"),
        ),
        wrong(
            "moves outwards only",
            "Your range only grows; a narrower tensor draws it in as well.",
            (LOW, "self.min_val += self.averaging_constant * min(low - self.min_val, 0)"),
            (HIGH, "self.max_val += self.averaging_constant * max(high - self.max_val, 0)"),
        ),
        wrong(
            "adds the new range",
            "Your average adds a part of the new end, not of the difference, so that it grows without limit.",
            (LOW, "self.min_val = low if self.min_val == low else self.min_val + self.averaging_constant * low"),
            (HIGH, "self.max_val = high if self.max_val == high else self.max_val + self.averaging_constant * high"),
        ),
        wrong(
            "zeros taken for nothing",
            "Your observer takes a range of zeros for none; zeros were seen, and the next tensor is not the first.",
            ("if self.min_val == math.inf:", "if self.min_val in (0, math.inf) and self.max_val in (0, -math.inf):"),
        ),
        wrong(
            "counts empty tensors",
            "Your observer takes an empty tensor for the first one; the first with values is taken as it is.",
            (FIRST, FIRST.replace("self.min_val == math.inf", "getattr(self, 'calls', 0) == 1")),
            (
                "        if x.numel() > 0:",
                "        self.calls = getattr(self, 'calls', 0) + 1\n        if x.numel() > 0:",
            ),
        ),
    ),
    alternatives=(
        right(
            "tensors, as torch does it",
            """
            class MovingAverageMinMaxObserver(nn.Module):
                def __init__(self, qmin=-128, qmax=127, symmetric=False, averaging_constant=0.01):
                    super().__init__()
                    self.qmin, self.qmax, self.symmetric = qmin, qmax, symmetric
                    self.averaging_constant = averaging_constant
                    self.register_buffer("min_val", torch.tensor(float("inf")))
                    self.register_buffer("max_val", torch.tensor(float("-inf")))

                def forward(self, x_orig):
                    if x_orig.numel() == 0:
                        return x_orig
                    low, high = torch.aminmax(x_orig.detach())
                    if self.min_val == float("inf") and self.max_val == float("-inf"):
                        new_low, new_high = low, high
                    else:
                        new_low = self.min_val + self.averaging_constant * (low - self.min_val)
                        new_high = self.max_val + self.averaging_constant * (high - self.max_val)
                    self.min_val.copy_(new_low)
                    self.max_val.copy_(new_high)
                    return x_orig

                def calculate_qparams(self):
                    ends = self.min_val.item(), self.max_val.item()
                    if self.symmetric:
                        return symmetric_qparams(*ends, self.qmin, self.qmax)
                    return affine_qparams(*ends, self.qmin, self.qmax)
            """,
        ),
        right(
            "both shares written out",
            """
            class MovingAverageMinMaxObserver(nn.Module):
                def __init__(self, qmin=-128, qmax=127, symmetric=False, averaging_constant=0.01):
                    super().__init__()
                    self.qmin, self.qmax, self.symmetric, self.c = qmin, qmax, symmetric, averaging_constant
                    self.range = None

                def forward(self, x):
                    if x.numel() == 0:
                        return x
                    new = float(x.min()), float(x.max())
                    if self.range is None:
                        self.range = new
                    else:
                        self.range = tuple((1 - self.c) * a + self.c * b for a, b in zip(self.range, new))
                    return x

                def calculate_qparams(self):
                    low, high = self.range or (float("inf"), float("-inf"))
                    qparams = symmetric_qparams if self.symmetric else affine_qparams
                    return qparams(low, high, self.qmin, self.qmax)
            """,
        ),
        right(
            "from the list of all ranges",
            """
            class MovingAverageMinMaxObserver:
                def __init__(self, qmin=-128, qmax=127, symmetric=False, averaging_constant=0.01):
                    self.options, self.constant, self.seen = (qmin, qmax, symmetric), averaging_constant, []

                def __call__(self, x):
                    if x.shape.numel():
                        self.seen.append((x.min().item(), x.max().item()))
                    return x

                def calculate_qparams(self):
                    qmin, qmax, symmetric = self.options
                    low, high = self.seen[0] if self.seen else (math.inf, -math.inf)
                    for smallest, largest in self.seen[1:]:
                        low -= self.constant * (low - smallest)
                        high -= self.constant * (high - largest)
                    if symmetric:
                        return symmetric_qparams(low, high, qmin, qmax)
                    return affine_qparams(low, high, qmin, qmax)
            """,
        ),
        right(
            "interpolated by torch",
            """
            class MovingAverageMinMaxObserver(nn.Module):
                def __init__(self, qmin=-128, qmax=127, symmetric=False, averaging_constant=0.01):
                    super().__init__()
                    self.integers = qmin, qmax
                    self.qparams = symmetric_qparams if symmetric else affine_qparams
                    self.averaging_constant = averaging_constant
                    self.ends = torch.tensor([math.inf, -math.inf], dtype=torch.float64)

                @torch.no_grad()
                def forward(self, x):
                    if x.numel() > 0:
                        new = torch.stack(torch.aminmax(x)).double().cpu()
                        fresh = bool(torch.isinf(self.ends).all())
                        self.ends = new if fresh else torch.lerp(self.ends, new, self.averaging_constant)
                    return x

                def calculate_qparams(self):
                    return self.qparams(*self.ends.tolist(), *self.integers)
            """,
        ),
    ),
    equivalent={
        "7: - -> nothing": "a range from inf to inf is as undefined, and the first tensor replaces both ends",
    },
)
