"""Implementations of ``PowerOfTwoObserver``."""

from autograder.bank import Bank, right, wrong

UNDEFINED = """        if not 0 < scale < math.inf:  # of NaN, too, this is true
            return 1.0
"""
SHIFT = "shift = round(-math.log2(scale))"
POWER = "return 2.0 ** -max(0, min(shift, max_shift_amount))"
INTEGERS = "(-127, 127) if self.dtype == torch.qint8 else (0, 255)"
RANGE = "symmetric_qparams(self.min_val.item(), self.max_val.item(), qmin, qmax)"
ANSWER = "return torch.tensor([self.scale_approximate(scale)]), torch.tensor([zero_point])"

POWER_OF_TWO = Bank(
    "PowerOfTwoObserver",
    misconceptions=(
        wrong(
            "next smaller power",
            "Your scale is always rounded down to a power of two; round the exponent to the nearest integer.",
            (SHIFT, "shift = math.ceil(-math.log2(scale))"),
        ),
        wrong(
            "next larger power",
            "Your scale is always rounded up to a power of two; round the exponent to the nearest integer.",
            (SHIFT, "shift = math.floor(-math.log2(scale))"),
        ),
        wrong(
            "nearest power",
            "Your function takes the power of two that is nearest to the scale; take the nearest exponent.",
            (SHIFT, "shift = min(range(-60, 60), key=lambda n: abs(2.0**-n - scale))"),
        ),
        wrong(
            "natural logarithm",
            "Your exponent comes from the natural logarithm; the power is one of 2, so take math.log2.",
            ("math.log2(scale)", "math.log(scale)"),
        ),
        wrong(
            "exponent not clamped",
            "Your exponent is not clamped; it must lie between 0 and max_shift_amount.",
            (POWER, "return 2.0**-shift"),
        ),
        wrong(
            "clamped above only",
            "Your exponent may be negative, so that the scale exceeds 1; it must be at least 0.",
            (POWER, "return 2.0 ** -min(shift, max_shift_amount)"),
        ),
        wrong(
            "clamped below only",
            "Your exponent may be as large as it likes; it must be at most max_shift_amount.",
            (POWER, "return 2.0 ** -max(0, shift)"),
        ),
        wrong(
            "clamped to -8 and 8",
            "Your exponent may be negative down to -8, as in some courses; here it is at least 0.",
            ("max(0, min", "max(-max_shift_amount, min"),
        ),
        wrong(
            "limit of 8 always",
            "Your exponent is at most 8 whatever is asked for; the limit is max_shift_amount.",
            ("min(shift, max_shift_amount)", "min(shift, 8)"),
        ),
        wrong(
            "scale clamped in place of the exponent",
            "Your function clamps to multiples of the limit, not to powers; clamp the exponent, then raise 2 to it.",
            (POWER, "return min(1.0, max(1 / max_shift_amount, 2.0**-shift))"),
        ),
        wrong(
            "wrong sign",
            "Your function returns 2**n; the scale is 2**-n.",
            ("2.0 ** -max", "2.0 ** max"),
        ),
        wrong(
            "the exponent itself",
            "Your function returns the exponent; return 2 to the power of minus it.",
            (POWER, "return float(max(0, min(shift, max_shift_amount)))"),
        ),
        wrong(
            "undefined scales become 0",
            "Your function makes 0 of undefined scales, by which nothing can be divided; they become 1.0.",
            ("            return 1.0\n", "            return 0.0\n"),
        ),
        wrong(
            "undefined scales become the smallest",
            "Your function gives undefined scales the smallest power; they become 1.0.",
            ("            return 1.0\n", "            return 2.0**-max_shift_amount\n"),
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
            ("self.scale_approximate(scale)", "scale"),
        ),
        wrong(
            "range doubled",
            "Your scale is twice too large: symmetric_qparams knows already that the range is 2 max |x| wide.",
            ("self.scale_approximate(scale)", "self.scale_approximate(2 * scale)"),
        ),
        wrong(
            "weights to -128",
            "Your weights use -128; their integers go from -127 to 127.",
            ("(-127, 127)", "(-128, 127)"),
        ),
        wrong(
            "activations as weights",
            "Your activations have the zero point 0, as weights have it; quint8 is unsigned: 0 to 255, zero point 128.",
            (INTEGERS, "(-127, 127)"),
        ),
        wrong(
            "weights as activations",
            "Your weights use 0 to 255 and the zero point 128; torch.qint8 is signed: -127 to 127, zero point 0.",
            (INTEGERS, "(0, 255)"),
        ),
        wrong(
            "zero point 127",
            "Your activations have the zero point 127; of the two middles of 0 to 255 take 128.",
            (ANSWER, ANSWER.replace("[zero_point]", "[min(zero_point, 127)]")),
        ),
        wrong(
            "upper end only",
            "Your scale comes from the largest value; take the larger magnitude of both ends of the range.",
            ("self.min_val.item(), self.max_val.item()", "min(self.max_val.item(), 0.0), self.max_val.item()"),
        ),
        wrong(
            "affine range of activations",
            "Your scale comes from the width of the range; the scheme is symmetric, so take 2 max |x|.",
            (
                RANGE,
                RANGE + "\n        low, high = self.min_val.item(), self.max_val.item()\n"
                "        scale = (high - low) / (qmax - qmin) if 0 < high - low < math.inf else 1.0",
            ),
        ),
        wrong(
            "affine parameters",
            "Your scale and zero point are those of affine_qparams; take symmetric_qparams.",
            ("symmetric_qparams(", "affine_qparams("),
        ),
        wrong(
            "zero point in int32",
            "Your zero point is a tensor of int32; PyTorch expects int64, which torch.tensor([0]) has by itself.",
            ("torch.tensor([zero_point])", "torch.tensor([zero_point], dtype=torch.int32)"),
        ),
        wrong(
            "no tensors",
            "Your calculate_qparams returns Python numbers; PyTorch expects tensors of one value.",
            (ANSWER, "return self.scale_approximate(scale), zero_point"),
        ),
    ),
    alternatives=(
        right(
            "clamped before it is rounded",
            """
            class PowerOfTwoObserver(tq.MinMaxObserver):
                def scale_approximate(self, scale: float, max_shift_amount=8) -> float:
                    if math.isnan(scale) or math.isinf(scale) or scale <= 0:
                        return 1.0
                    return 2 ** -(round(min(max(-math.log2(scale), 0), max_shift_amount)))

                def calculate_qparams(self):
                    low, high = self.min_val.item(), self.max_val.item()
                    if self.dtype == torch.qint8:
                        scale, zero_point = symmetric_qparams(low, high, -127, 127)
                    else:
                        scale, zero_point = symmetric_qparams(low, high, 0, 255)
                    scale = torch.tensor(self.scale_approximate(scale), dtype=torch.float32)
                    return scale, torch.tensor(zero_point, dtype=torch.int64)
            """,
        ),
        right(
            "without symmetric_qparams",
            """
            class PowerOfTwoObserver(tq.MinMaxObserver):
                def scale_approximate(self, scale, max_shift_amount=8):
                    try:
                        exponent = round(math.log(scale, 2))
                    except (ValueError, OverflowError):
                        return 1.0
                    return 2.0 ** max(-max_shift_amount, min(exponent, 0))

                def calculate_qparams(self):
                    reach = max(abs(self.min_val.item()), abs(self.max_val.item()))
                    steps, zero_point = (254, 0) if self.dtype == torch.qint8 else (255, 128)
                    if not reach < math.inf:
                        reach = 0.0
                    scale = self.scale_approximate(2 * reach / steps)
                    return torch.tensor([scale], dtype=torch.float32), torch.tensor([zero_point])
            """,
        ),
        right(
            "with torch",
            """
            class PowerOfTwoObserver(tq.MinMaxObserver):
                def scale_approximate(self, scale, max_shift_amount=8):
                    value = torch.tensor(scale, dtype=torch.float64)
                    if not torch.isfinite(value) or value <= 0:
                        return 1.0
                    shift = torch.clamp(torch.round(-torch.log2(value)), 0, max_shift_amount)
                    return torch.exp2(-shift).item()

                def calculate_qparams(self):
                    largest = torch.maximum(self.min_val.abs(), self.max_val.abs())
                    signed = self.dtype == torch.qint8
                    scale = self.scale_approximate(float(largest / (127.0 if signed else 127.5)))
                    return torch.tensor([scale]), torch.tensor([0 if signed else 128], dtype=torch.int64)
            """,
        ),
        right(
            "halving",
            """
            class PowerOfTwoObserver(tq.MinMaxObserver):
                def scale_approximate(self, scale, max_shift_amount=8):
                    if not (scale > 0 and scale != float("inf")):
                        return 1.0
                    power = 1.0
                    for _ in range(max_shift_amount):
                        if scale * scale < power * power / 2:
                            power /= 2
                    return power

                def calculate_qparams(self):
                    unsigned = self.dtype is torch.quint8
                    ends = (0, 255) if unsigned else (-127, 127)
                    scale, zero_point = symmetric_qparams(float(self.min_val), float(self.max_val), *ends)
                    return torch.FloatTensor([self.scale_approximate(scale)]), torch.LongTensor([zero_point])
            """,
        ),
    ),
    equivalent={
        "11: min_val.item(), self.max_val -> max_val.item(), self.min_val": "a symmetric range has no order",
        "11: .item() -> nothing": "a tensor of one value does for a float",
        "11: .item() -> nothing (2)": "a tensor of one value does for a float",
    },
)
