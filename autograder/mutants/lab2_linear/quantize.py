"""Implementations of ``linear_quantize`` and ``get_quantization_scale_and_zero_point``."""

from autograder.bank import Bank, right, wrong

QUANTIZE = Bank(
    "linear_quantize",
    misconceptions=(
        wrong(
            "cuts fractions off",
            "Your function cuts fractions off; round to the nearest integer with torch.round.",
            ("torch.round(fp_tensor.detach() / scale)", "torch.trunc(fp_tensor.detach() / scale)"),
        ),
        wrong(
            "rounds down",
            "Your function always rounds down; round to the nearest integer with torch.round.",
            ("torch.round(fp_tensor.detach() / scale)", "torch.floor(fp_tensor.detach() / scale)"),
        ),
        wrong(
            "rounds ties up",
            "Your function rounds halves up (0.5 to 1); torch.round takes them to the even neighbour (0.5 to 0).",
            ("torch.round(fp_tensor.detach() / scale)", "torch.floor(fp_tensor.detach() / scale + 0.5)"),
        ),
        wrong(
            "casts before the clamp",
            "Your function converts to the integer type before it clamps, so large values wrap around; clamp first.",
            (".clamp(low, high).to(dtype)", ".long().to(dtype).clamp(low, high)"),
        ),
        wrong(
            "does not clamp",
            "Your function does not clamp: values beyond the range of the bit width must become its ends.",
            (".clamp(low, high).to(dtype)", ".long().to(dtype)"),
        ),
        wrong(
            "clamps before the shift",
            "Your function clamps before it adds the zero point; clamp the sum of both.",
            ("(rounded.double() + zero_point).clamp(low, high)", "(rounded.double().clamp(low, high) + zero_point)"),
            (".to(dtype)", ".long().to(dtype)"),
        ),
    ),
    alternatives=(
        right(
            "in float64",
            """
            def linear_quantize(fp_tensor, bitwidth, scale, zero_point, dtype=torch.int8):
                exact = (fp_tensor.detach().double() / scale).round() + zero_point
                return exact.clamp(-(2 ** (bitwidth - 1)), 2 ** (bitwidth - 1) - 1).to(dtype)
            """,
        ),
    ),
)
