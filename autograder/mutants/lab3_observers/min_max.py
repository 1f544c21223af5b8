"""Implementations of ``MinMaxObserver``."""

from autograder.bank import Bank, right, wrong

from .observing import ANSWER, CHOICE, OBSERVING, TENSORS

LOW = "self.min_val = torch.tensor([self.min_val, x.min().item()]).min().item()"
HIGH = "self.max_val = torch.tensor([self.max_val, x.max().item()]).max().item()"
FIRST_LOW = "low = x.min().item()\n            self.min_val = low if self.min_val == math.inf else "
FIRST_HIGH = "high = x.max().item()\n            self.max_val = high if self.max_val == -math.inf else "

MIN_MAX = Bank(
    "MinMaxObserver",
    misconceptions=(
        *OBSERVING,
        wrong(
            *TENSORS,
            (LOW, "self.min_val = min(self.min_val, x.min())"),
            (HIGH, "self.max_val = max(self.max_val, x.max())"),
        ),
        wrong(
            "NaN passed over",
            "Your observer passes over a NaN, since Python's min and max compare with it; once seen, it must stay.",
            (LOW, "self.min_val = min(self.min_val, x.min().item())"),
            (HIGH, "self.max_val = max(self.max_val, x.max().item())"),
        ),
        wrong(
            "NaN forgotten",
            "Your observer forgets a NaN when the next tensor comes, since Python's min and max lose it; it must stay.",
            (LOW, "self.min_val = min(x.min().item(), self.min_val)"),
            (HIGH, "self.max_val = max(x.max().item(), self.max_val)"),
        ),
        wrong(
            "last tensor only",
            "Your observer forgets what it saw before; keep the smallest and the largest value of all tensors.",
            (LOW, "self.min_val = x.min().item()"),
            (HIGH, "self.max_val = x.max().item()"),
        ),
        wrong(
            "first tensor only",
            "Your observer keeps the range of the first tensor; a later one may be wider.",
            ("if x.numel() > 0:", "if x.numel() > 0 and self.min_val == math.inf:"),
        ),
        wrong(
            "mean of the ranges",
            "Your observer averages the ranges; here it remembers the widest.",
            (
                LOW,
                FIRST_LOW + "(self.min_val + low) / 2",
            ),
            (
                HIGH,
                FIRST_HIGH + "(self.max_val + high) / 2",
            ),
        ),
        wrong(
            "range common to all",
            "Your observer keeps the range that all tensors have in common; keep the widest.",
            (
                LOW,
                FIRST_LOW + "max(self.min_val, low)",
            ),
            (
                HIGH,
                FIRST_HIGH + "min(self.max_val, high)",
            ),
        ),
        wrong(
            "largest magnitude on both sides",
            "Your observer notes the largest magnitude for both ends; note the smallest and the largest value.",
            (LOW, LOW.replace("x.min()", "-x.abs().max()")),
            (HIGH, HIGH.replace("x.max()", "x.abs().max()")),
        ),
        wrong(
            "lower end forgotten",
            "Your observer keeps the largest value of all tensors, but only the last tensor's smallest one.",
            (LOW, "self.min_val = x.min().item()"),
        ),
        wrong(
            "upper end forgotten",
            "Your observer keeps the smallest value of all tensors, but only the last tensor's largest one.",
            (HIGH, "self.max_val = x.max().item()"),
        ),
        wrong(
            "returns the range",
            "Your forward returns the range; an observer passes on the tensor that it was given.",
            ("        return x\n", "        return torch.tensor([self.min_val, self.max_val])\n"),
        ),
        wrong(
            "passes on a clamped tensor",
            "Your forward cuts the tensor to the integers' range; an observer changes nothing.",
            ("        return x\n", "        return x.clamp(-1, 1)\n"),
        ),
        wrong(
            "the other way round",
            "Your observer asks symmetric_qparams when self.symmetric is false, and the other when it is true.",
            (CHOICE, "affine_qparams if self.symmetric else symmetric_qparams"),
        ),
        wrong(
            "asking forgets",
            "Your observer forgets its range when it is asked; calculate_qparams must change nothing.",
            (
                ANSWER,
                "answer = qparams(self.min_val, self.max_val, self.qmin, self.qmax)\n"
                "        self.min_val, self.max_val = math.inf, -math.inf\n        return answer",
            ),
        ),
        wrong(
            "swapped",
            "Your observer returns the zero point first; return the scale, then the zero point.",
            (ANSWER, "return qparams(self.min_val, self.max_val, self.qmin, self.qmax)[::-1]"),
        ),
        wrong(
            "a range for each column",
            "Your forward asks for the extremes of each column; one smallest and one largest value are wanted.",
            ("x.min().item()", "x.min(dim=-1).values.item()"),
        ),
    ),
    alternatives=(
        right(
            "tensors, as torch does it",
            """
            class MinMaxObserver(nn.Module):
                def __init__(self, qmin=-128, qmax=127, symmetric=False):
                    super().__init__()
                    self.qmin, self.qmax, self.symmetric = qmin, qmax, symmetric
                    self.register_buffer("min_val", torch.tensor(float("inf")))
                    self.register_buffer("max_val", torch.tensor(float("-inf")))

                def forward(self, x_orig):
                    if x_orig.numel() == 0:
                        return x_orig
                    low, high = torch.aminmax(x_orig.detach())
                    self.min_val.copy_(torch.min(low, self.min_val))
                    self.max_val.copy_(torch.max(high, self.max_val))
                    return x_orig

                def calculate_qparams(self):
                    ends = self.min_val.item(), self.max_val.item()
                    if self.symmetric:
                        return symmetric_qparams(*ends, self.qmin, self.qmax)
                    return affine_qparams(*ends, self.qmin, self.qmax)
            """,
        ),
        right(
            "no module",
            """
            class MinMaxObserver:
                def __init__(self, qmin=-128, qmax=127, symmetric=False):
                    self.integers, self.seen, self.broken = (qmin, qmax), [math.inf, -math.inf], False
                    self.choose = symmetric_qparams if symmetric else affine_qparams

                def __call__(self, x):
                    for value in x.flatten().tolist():
                        self.broken = self.broken or value != value
                        if value < self.seen[0]:
                            self.seen[0] = value
                        if value > self.seen[1]:
                            self.seen[1] = value
                    return x

                def calculate_qparams(self):
                    ends = [math.nan, math.nan] if self.broken else self.seen
                    return self.choose(*ends, *self.integers)
            """,
        ),
        right(
            "keeps all extremes",
            """
            class MinMaxObserver(nn.Module):
                def __init__(self, qmin: int = -128, qmax: int = 127, symmetric: bool = False):
                    super().__init__()
                    self.qmin, self.qmax, self.symmetric = qmin, qmax, symmetric
                    self.lows, self.highs = [], []

                def forward(self, x):
                    if x.nelement():
                        self.lows.append(float(x.min()))
                        self.highs.append(float(x.max()))
                    return x

                def calculate_qparams(self):
                    low, high = min(self.lows, default=math.inf), max(self.highs, default=-math.inf)
                    if any(math.isnan(one) for one in self.lows):
                        low = high = math.nan
                    function = {True: symmetric_qparams, False: affine_qparams}[self.symmetric]
                    return function(min_val=low, max_val=high, qmin=self.qmin, qmax=self.qmax)
            """,
        ),
        right(
            "starts at zero, which every range includes",
            """
            class MinMaxObserver(nn.Module):
                def __init__(self, qmin=-128, qmax=127, symmetric=False):
                    super().__init__()
                    self.qmin, self.qmax, self.symmetric = qmin, qmax, symmetric
                    self.min_val = self.max_val = 0.0

                @torch.no_grad()
                def forward(self, x):
                    if len(x) == 0:
                        return x
                    self.min_val = torch.clamp(x.amin(), max=self.min_val).item()
                    self.max_val = torch.clamp(x.amax(), min=self.max_val).item()
                    return x

                def calculate_qparams(self):
                    qparams = affine_qparams if not self.symmetric else symmetric_qparams
                    return qparams(self.min_val, self.max_val, self.qmin, self.qmax)
            """,
        ),
    ),
    equivalent={
        "10: .item() -> nothing (2)": "torch.tensor takes a tensor of one value for a number",
        "11: .item() -> nothing (2)": "torch.tensor takes a tensor of one value for a number",
    },
)
