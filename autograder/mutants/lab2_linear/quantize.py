"""Implementations of ``linear_quantize``."""

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
            "rounds ties away from zero",
            "Your function rounds halves away from zero; torch.round takes them to the even neighbour (0.5 to 0).",
            (
                "    rounded = torch.round(fp_tensor.detach() / scale)",
                "    exact = fp_tensor.detach() / scale\n    rounded = exact.sign() * (exact.abs() + 0.5).floor()",
            ),
        ),
        wrong(
            "rounds before dividing",
            "Your function rounds the real numbers themselves; divide by the scale first and round the quotient.",
            ("torch.round(fp_tensor.detach() / scale)", "torch.round(fp_tensor.detach()) / scale"),
        ),
        wrong(
            "multiplies by the scale",
            "Your function multiplies by the scale; r = S(q - Z) solved for q has a division by S.",
            ("fp_tensor.detach() / scale", "fp_tensor.detach() * scale"),
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
        wrong(
            "shifts in int8",
            "Your function adds the zero point to an int8 tensor, where sums wrap around; add it first, convert last.",
            (
                "(rounded.double() + zero_point).clamp(low, high).to(dtype)",
                "(rounded.double().clamp(low, high).to(dtype) + zero_point).clamp(low, high)",
            ),
        ),
        wrong(
            "clamps to 8 bits",
            "Your function clamps to -128 and 127 whatever the bit width; take the range from get_quantized_range.",
            ("get_quantized_range(bitwidth)", "-128, 127"),
        ),
        wrong(
            "clamps to a symmetric range",
            "Your function never returns the smallest integer, such as -128 at 8 bits; use the whole range.",
            (".clamp(low, high)", ".clamp(-high, high)"),
        ),
        wrong(
            "clamps to unsigned integers",
            "Your function clamps to the integers from 0 up; the integers here are signed, -128 to 127 at 8 bits.",
            ("get_quantized_range(bitwidth)", "0, 2**bitwidth - 1"),
            (".to(dtype)", ".long().to(dtype)"),
        ),
        wrong(
            "clamps one too high",
            "Your function lets through one integer too many at the top; the largest is 127 at 8 bits, not 128.",
            (".clamp(low, high)", ".clamp(low, high + 1).long()"),
        ),
        wrong(
            "overflows at 32 bits",
            "Your function clamps in float32, which has no 2147483647; clamp as float64 or int64, then convert.",
            ("rounded.double()", "rounded"),
        ),
        wrong(
            "subtracts the zero point",
            "Your function subtracts the zero point; solved for q, the formula r = S(q - Z) adds it.",
            ("rounded.double() + zero_point", "rounded.double() - zero_point"),
        ),
        wrong(
            "forgets the zero point",
            "Your function never adds the zero point, the integer that stands for the real number 0.",
            ("(rounded.double() + zero_point)", "rounded.double()"),
        ),
        wrong(
            "adds the zero point before dividing",
            "Your function adds the zero point to the real numbers; it is an integer, so add it after the division.",
            ("fp_tensor.detach() / scale", "(fp_tensor.detach() + zero_point) / scale"),
            ("rounded.double() + zero_point", "rounded.double()"),
        ),
        wrong(
            "always int8",
            "Your function always returns int8; convert to the dtype that the caller names.",
            (".to(dtype)", ".long().to(torch.int8)"),
        ),
        wrong(
            "always int32",
            "Your function always returns int32; convert to the dtype that the caller names.",
            (".to(dtype)", ".to(torch.int32)"),
        ),
        wrong(
            "not cast",
            "Your function returns floats with integer values; convert the result to dtype at the end.",
            (".to(dtype)", ".float()"),
        ),
        wrong(
            "changes its input",
            "Your function divides the caller's tensor in place; compute a new tensor instead.",
            ("torch.round(fp_tensor.detach() / scale)", "fp_tensor.detach().div_(scale).round_()"),
        ),
        wrong(
            "one scale only",
            "Your function makes one number of the scale; it may be a tensor, so let the division broadcast.",
            ("fp_tensor.detach() / scale", "fp_tensor.detach() / torch.as_tensor(scale).flatten()[0]"),
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
        right(
            "in integers",
            """
            def linear_quantize(fp_tensor, bitwidth, scale, zero_point, dtype=torch.int8):
                quantized_min, quantized_max = get_quantized_range(bitwidth)
                scaled_tensor = torch.div(fp_tensor, scale)
                rounded_tensor = torch.round(scaled_tensor)
                shifted_tensor = rounded_tensor.to(torch.int64) + zero_point
                return torch.clamp(shifted_tensor, min=quantized_min, max=quantized_max).to(dtype=dtype)
            """,
        ),
        right(
            "rounds last",
            """
            def linear_quantize(x, bits, s, z, dtype=torch.int8):
                lowest, highest = get_quantized_range(bitwidth=bits)
                return (x.double() / s + z).round().clamp(lowest, highest).type(dtype)
            """,
        ),
        right(
            "clamps with torch.where",
            """
            def linear_quantize(fp_tensor, bitwidth, scale, zero_point, dtype=torch.int8):
                q_min, q_max = get_quantized_range(bitwidth)
                q = torch.round(fp_tensor / scale).to(torch.int64) + zero_point
                q = torch.where(q < q_min, torch.full_like(q, q_min), q)
                q = torch.where(q > q_max, torch.full_like(q, q_max), q)
                return q.to(dtype)
            """,
        ),
        right(
            "in place on a clone",
            """
            def linear_quantize(fp_tensor, bitwidth, scale, zero_point, dtype=torch.int8):
                out = fp_tensor.detach().clone().to(torch.float64)
                out /= scale
                out.round_()
                out += zero_point
                low, high = get_quantized_range(bitwidth)
                out[out < low] = low
                out[out > high] = high
                return out.to(dtype)
            """,
        ),
        right(
            "with numpy",
            """
            import numpy as np

            def linear_quantize(fp_tensor, bitwidth, scale, zero_point, dtype=torch.int8):
                values = fp_tensor.detach().cpu().numpy().astype(np.float64)
                quotient = np.rint(values / np.asarray(scale)) + np.asarray(zero_point)
                clipped = np.clip(quotient, *get_quantized_range(bitwidth))
                return torch.as_tensor(clipped.astype(np.int64)).to(dtype).to(fp_tensor.device)
            """,
        ),
        right(
            "clamps before the shift to a shifted range",
            """
            def linear_quantize(fp_tensor, bitwidth, scale, zero_point, dtype=torch.int8):
                @torch.no_grad()
                def saturate(integers):
                    lower, upper = (torch.as_tensor(end - zero_point).long() for end in get_quantized_range(bitwidth))
                    return torch.minimum(torch.maximum(integers, lower), upper)

                return (saturate(torch.round(fp_tensor / scale).long()) + zero_point).to(dtype)
            """,
        ),
        right(
            "multiplies by the reciprocal",
            """
            def linear_quantize(fp_tensor, bitwidth, scale, zero_point, dtype=torch.int8):
                half = 1 << (bitwidth - 1)
                step = torch.as_tensor(scale, dtype=torch.float64, device=fp_tensor.device)
                quantized = fp_tensor.detach().to(torch.float64).mul(step.reciprocal()).round().add(zero_point)
                return quantized.clip(-half, half - 1).to(dtype)
            """,
        ),
    ),
    equivalent={
        "3: .detach() -> nothing": "the result is converted to integers, which carry no gradient",
    },
)
