"""Implementations of ``CusQuantObserver``."""

from autograder.bank import Bank, right, wrong

UNDEFINED = """        if not 0 < scale < math.inf:  # of NaN, too, this is true
            return 1.0
"""
POWER = "return 2.0 ** -round(max(0.0, min(-math.log2(scale), max_shift_amount)))"
REACH = "reach = torch.maximum(self.min_val.abs(), self.max_val.abs()).item()"
SCALE = "scale = self.scale_approximate(2 * reach / (self.quant_max - self.quant_min))"
ZERO_POINT = "zero_point = (self.quant_min + self.quant_max + 1) // 2"
ANSWER = "return torch.tensor([scale]), torch.tensor([zero_point])"

OBSERVER = Bank(
    "CusQuantObserver",
    misconceptions=(
        wrong(
            "next smaller power",
            "Your scale is always rounded down to a power of two; round the exponent to the nearest integer.",
            ("-round(", "-math.ceil("),
        ),
        wrong(
            "next larger power",
            "Your scale is always rounded up to a power of two; round the exponent to the nearest integer.",
            ("-round(", "-math.floor("),
        ),
        wrong(
            "natural logarithm",
            "Your exponent comes from the natural logarithm; the power is one of 2, so take math.log2.",
            ("math.log2(scale)", "math.log(scale)"),
        ),
        wrong(
            "exponent not clamped",
            "Your exponent is not clamped; it must lie between 0 and max_shift_amount.",
            (POWER, "return 2.0 ** -round(-math.log2(scale))"),
        ),
        wrong(
            "clamped above only",
            "Your exponent may be negative, so that the scale exceeds 1; it must be at least 0.",
            (POWER, "return 2.0 ** -round(min(-math.log2(scale), max_shift_amount))"),
        ),
        wrong(
            "clamped below only",
            "Your exponent may be as large as it likes; it must be at most max_shift_amount.",
            (POWER, "return 2.0 ** -round(max(0.0, -math.log2(scale)))"),
        ),
        wrong(
            "limit of 8 always",
            "Your exponent is at most 8 whatever is asked for; the limit is max_shift_amount.",
            ("min(-math.log2(scale), max_shift_amount)", "min(-math.log2(scale), 8)"),
        ),
        wrong(
            "wrong sign",
            "Your function returns 2**n; the scale is 2**-n.",
            ("2.0 ** -round", "2.0 ** round"),
        ),
        wrong(
            "undefined scales become 0",
            "Your function makes 0 of undefined scales, by which nothing can be divided; they become 1.0.",
            ("            return 1.0\n", "            return 0.0\n"),
        ),
        wrong(
            "undefined scales not caught",
            "Your function takes the logarithm of 0, infinity or NaN; return 1.0 for them first.",
            (UNDEFINED, ""),
        ),
        wrong(
            "only 0 caught",
            "Your function catches a scale of 0 and nothing else; infinity, NaN and negative numbers become 1.0, too.",
            ("if not 0 < scale < math.inf:", "if scale == 0:"),
        ),
        wrong(
            "scale not approximated",
            "Your calculate_qparams returns the scale as it is; pass it through scale_approximate.",
            (
                SCALE,
                "scale = 2 * reach / (self.quant_max - self.quant_min)\n"
                "        scale = scale if 0 < scale < math.inf else 1.0",
            ),
        ),
        wrong(
            "range not doubled",
            "Your scale is half of what it should be: the range from -a to a is 2a wide.",
            ("2 * reach", "reach"),
        ),
        wrong(
            "over q_max",
            "Your scale is a / q_max, which holds only for integers from -q_max to q_max; take 2a / (q_max - q_min).",
            ("2 * reach / (self.quant_max - self.quant_min)", "reach / self.quant_max"),
        ),
        wrong(
            "integers of 8 bits always",
            "Your scale is always that of 8 bits; the integers go from self.quant_min to self.quant_max.",
            ("(self.quant_max - self.quant_min))", "(254 if self.dtype == torch.qint8 else 255))"),
        ),
        wrong(
            "one step too many",
            "Your scale counts the integers; between them there is one step less.",
            ("(self.quant_max - self.quant_min))", "(self.quant_max - self.quant_min + 1))"),
        ),
        wrong(
            "zero point 0 always",
            "Your zero point is always 0; it is the middle of the integers.",
            (ZERO_POINT, "zero_point = 0"),
        ),
        wrong(
            "zero point of 8 bits always",
            "Your zero point is 128 for all unsigned integers; it is the middle of those that there are.",
            (ZERO_POINT, "zero_point = 0 if self.dtype == torch.qint8 else 128"),
        ),
        wrong(
            "zero point rounded down",
            "Your zero point is the lower of two middles; take the upper one.",
            (ZERO_POINT, "zero_point = (self.quant_min + self.quant_max) // 2"),
        ),
        wrong(
            "upper end only",
            "Your scale comes from the largest value; take the larger magnitude of both ends of the range.",
            (REACH, "reach = self.max_val.abs().item()"),
        ),
        wrong(
            "lower end only",
            "Your scale comes from the smallest value; take the larger magnitude of both ends of the range.",
            (REACH, "reach = self.min_val.abs().item()"),
        ),
        wrong(
            "width of the range",
            "Your scale comes from the width of the range; the scheme is symmetric, so take 2 max |x|.",
            ("2 * reach", "(self.max_val - self.min_val).item()"),
        ),
        wrong(
            "no tensors",
            "Your calculate_qparams returns Python numbers; FakeQuantize and PyTorch expect tensors of one value.",
            (ANSWER, "return scale, zero_point"),
        ),
        wrong(
            "zero point in int32",
            "Your zero point is a tensor of int32; PyTorch expects int64, which torch.tensor([0]) has by itself.",
            ("torch.tensor([zero_point])", "torch.tensor([zero_point], dtype=torch.int32)"),
        ),
        wrong(
            "tensors of no dimension in double",
            "Your scale is a tensor of float64; PyTorch keeps scales in float32.",
            (ANSWER, "return torch.tensor([scale], dtype=torch.float64), torch.tensor([zero_point])"),
        ),
        wrong(
            "forgets at once",
            "Your observer knows the last tensor only; forward is inherited and needs no new version.",
            (
                "    def calculate_qparams",
                "    def forward(self, x):\n"
                "        self.min_val, self.max_val = x.detach().min(), x.detach().max()\n"
                "        return x\n\n"
                "    def calculate_qparams",
            ),
        ),
    ),
    alternatives=(
        right(
            "of the reports",
            """
            class CusQuantObserver(tq.MovingAverageMinMaxObserver):
                def scale_approximate(self, scale: float, max_shift_amount=8) -> float:
                    if math.isnan(scale) or math.isinf(scale) or scale <= 0:
                        return 1.0
                    return 2 ** -(round(min(max(-math.log2(scale), 0), max_shift_amount)))

                def calculate_qparams(self):
                    largest = max(abs(self.min_val.item()), abs(self.max_val.item()))
                    scale = self.scale_approximate(2 * largest / (self.quant_max - self.quant_min))
                    zero_point = self.quant_min + (self.quant_max - self.quant_min + 1) // 2
                    return (
                        torch.tensor(scale, dtype=torch.float32, device=self.min_val.device),
                        torch.tensor(zero_point, dtype=torch.int64, device=self.min_val.device),
                    )
            """,
        ),
        right(
            "logarithm caught",
            """
            class CusQuantObserver(tq.MovingAverageMinMaxObserver):
                def scale_approximate(self, scale, max_shift_amount=8):
                    try:
                        exponent = round(math.log(scale, 2))
                    except (ValueError, OverflowError):
                        return 1.0
                    return 2.0 ** max(-max_shift_amount, min(exponent, 0))

                def calculate_qparams(self):
                    reach = float(torch.stack([self.min_val.abs(), self.max_val.abs()]).max())
                    middle = math.ceil((self.quant_min + self.quant_max) / 2)
                    scale = self.scale_approximate(reach / ((self.quant_max - self.quant_min) / 2))
                    return torch.tensor([scale], dtype=torch.float32), torch.tensor([middle])
            """,
        ),
        right(
            "with torch",
            """
            class CusQuantObserver(tq.MovingAverageMinMaxObserver):
                def scale_approximate(self, scale, max_shift_amount=8):
                    value = torch.tensor(scale, dtype=torch.float64)
                    if not torch.isfinite(value) or value <= 0:
                        return 1.0
                    shift = torch.clamp(torch.round(-torch.log2(value)), 0, max_shift_amount)
                    return torch.exp2(-shift).item()

                def calculate_qparams(self):
                    largest = torch.maximum(-self.min_val, self.max_val).abs()
                    if not bool(torch.isfinite(largest)):
                        largest = torch.tensor(0.0)
                    steps = self.quant_max - self.quant_min
                    scale = self.scale_approximate(float(2 * largest.double() / steps))
                    return torch.tensor([scale]), torch.LongTensor([self.quant_max - steps // 2])
            """,
        ),
        right(
            "halving",
            """
            class CusQuantObserver(tq.MovingAverageMinMaxObserver):
                def scale_approximate(self, scale, max_shift_amount=8):
                    if not (scale > 0 and scale != float("inf")):
                        return 1.0
                    power = 1.0
                    for _ in range(max_shift_amount):
                        if scale * scale < power * power / 2:
                            power /= 2
                    return power

                def calculate_qparams(self):
                    low, high = self.min_val.item(), self.max_val.item()
                    reach = max(abs(low), abs(high)) if math.isfinite(low) and math.isfinite(high) else 0.0
                    approximate = self.scale_approximate(2 * reach / (self.quant_max - self.quant_min))
                    zero = -(-(self.quant_min + self.quant_max) // 2)
                    return torch.FloatTensor([approximate]), torch.LongTensor([zero])
            """,
        ),
    ),
    equivalent={
        "9: .item() -> nothing": "a tensor of one value does for a float",
        "9: min_val.abs(), self.max_val -> max_val.abs(), self.min_val": "the larger of two in any order",
        "9: .abs() -> nothing (2)": "where the largest value is negative, the smallest lies farther from zero",
    },
)
