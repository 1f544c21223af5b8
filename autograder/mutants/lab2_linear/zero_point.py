"""Implementations of ``get_quantization_scale_and_zero_point``."""

from autograder.bank import Bank, right, wrong

SCALE_AND_ZERO_POINT = Bank(
    "get_quantization_scale_and_zero_point",
    misconceptions=(
        wrong(
            "scale over the number of integers",
            "Your scale is divided by the number of integers; between 256 integers there are 255 steps.",
            ("/ (high - low)", "/ (high - low + 1)"),
        ),
        wrong(
            "scale over q_max",
            "Your function divides the range by q_max; all steps from q_min to q_max share it.",
            ("/ (high - low)", "/ high"),
        ),
        wrong(
            "scale from the largest value",
            "Your scale comes from r_max alone; it must span the whole range from r_min to r_max.",
            ("(real_max - real_min) / (high - low)", "real_max / high"),
        ),
        wrong(
            "symmetric",
            "Your function takes the symmetric scale that weights have; here use r_min, r_max and a zero point.",
            (
                "    zero_point = round(low - real_min / scale)",
                "    scale, zero_point = max(abs(real_min), abs(real_max)) / high, 0",
            ),
        ),
        wrong(
            "eight bits always",
            "Your function uses the range of 8 bits whatever the bit width; ask get_quantized_range for it.",
            ("get_quantized_range(bitwidth)", "-128, 127"),
        ),
        wrong(
            "zero point not clipped",
            "Your zero point can lie outside of the integers of the bit width; clip it to q_min and q_max.",
            ("max(low, min(high, zero_point))", "zero_point"),
        ),
        wrong(
            "zero point clipped from below only",
            "Your zero point can become larger than q_max; clip it at both ends.",
            ("max(low, min(high, zero_point))", "max(low, zero_point)"),
        ),
        wrong(
            "zero point clipped to unsigned integers",
            "Your zero point is clipped to the integers from 0 up; clip it to the signed range, q_min to q_max.",
            ("max(low, min(high, zero_point))", "max(0, min(high - low, zero_point))"),
        ),
        wrong(
            "zero point without q_min",
            "Your zero point is only -r_min / S; solve r_min = S(q_min - Z) for Z, with q_min in it.",
            ("round(low - real_min / scale)", "round(-real_min / scale)"),
        ),
        wrong(
            "zero point of the wrong sign",
            "Your zero point has the wrong sign; solve r_min = S(q_min - Z) for Z once more.",
            ("round(low - real_min / scale)", "round(real_min / scale - low)"),
        ),
        wrong(
            "adds the quotient",
            "Your function adds r_min / S to q_min; solved for Z, r_min = S(q_min - Z) has a minus there.",
            ("low - real_min / scale", "low + real_min / scale"),
        ),
        wrong(
            "zero point from the wrong end",
            "Your zero point pairs r_max with q_min; the smallest value belongs to the smallest integer.",
            ("low - real_min / scale", "low - real_max / scale"),
        ),
        wrong(
            "zero point cut off",
            "Your function cuts the zero point's fraction off; round it to the nearest integer.",
            ("round(low - real_min / scale)", "int(low - real_min / scale)"),
        ),
        wrong(
            "zero point rounded down",
            "Your function always rounds the zero point down; round it to the nearest integer.",
            ("round(low - real_min / scale)", "int((low - real_min / scale) // 1)"),
        ),
        wrong(
            "zero point not rounded",
            "Your zero point has a fraction; it is the integer that stands for 0, so round it.",
            ("round(low - real_min / scale)", "low - real_min / scale"),
        ),
        wrong(
            "zero point a float",
            "Your zero point is rounded but still a float; return a Python int.",
            ("max(low, min(high, zero_point))", "float(max(low, min(high, zero_point)))"),
        ),
        wrong(
            "range always with zero",
            "Your function always widens the range to include zero; do that only if all values are equal.",
            ("    if real_min == real_max:\n        real_min, real_max =", "    real_min, real_max ="),
        ),
        wrong(
            "constants not widened",
            "Your function divides by zero if all values are equal; widen the range to include zero first.",
            ("min(real_min, 0.0), max(real_max, 0.0)", "real_min, real_max"),
            ("    if real_min == real_max:\n        return 1.0, 0\n", ""),
        ),
        wrong(
            "constants at scale 1",
            "Your function treats every constant tensor like zeros; widen the range to include zero and go on.",
            ("min(real_min, 0.0), max(real_max, 0.0)", "real_min, real_max"),
        ),
        wrong(
            "constants at a least scale",
            "Your function gives constant tensors a tiny scale; widen their range to include zero instead.",
            (
                "        real_min, real_max = min(real_min, 0.0), max(real_max, 0.0)",
                "        return 1e-8, max(low, min(high, round(low - real_min / 1e-8)))",
            ),
        ),
        wrong(
            "negative constants not widened upwards",
            "Your function starts every widened range at zero; for a negative constant zero is the upper end.",
            ("min(real_min, 0.0), max(real_max, 0.0)", "0.0, real_max"),
        ),
        wrong(
            "constants over q_max",
            "Your function divides a constant by q_max; the range from zero to it is spanned by all the steps.",
            (
                "        real_min, real_max = min(real_min, 0.0), max(real_max, 0.0)",
                "        return abs(real_max) / high or 1.0, 0",
            ),
        ),
        wrong(
            "zeros divide by zero",
            "Your function divides by zero for a tensor of zeros; return the scale 1.0 and the zero point 0 for it.",
            ("    if real_min == real_max:\n        return 1.0, 0\n", ""),
        ),
        wrong(
            "zeros at scale 0",
            "Your function returns a scale of 0 for zeros, by which nothing can be divided; return 1.0 and 0.",
            ("return 1.0, 0", "return 0.0, 0"),
        ),
        wrong(
            "zeros at q_min",
            "Your function gives a tensor of zeros the zero point q_min; for it return the scale 1.0 and 0.",
            ("return 1.0, 0", "return 1.0, low"),
        ),
        wrong(
            "swapped",
            "Your function returns the zero point first; return the scale, then the zero point.",
            ("return scale, max(low, min(high, zero_point))", "return max(low, min(high, zero_point)), scale"),
            ("return 1.0, 0", "return 0, 1.0"),
        ),
        wrong(
            "numpy of a parameter",
            "Your function asks a parameter for numpy(), which it refuses; use torch, or detach() it first.",
            ("fp_tensor.min().item(), fp_tensor.max().item()", "fp_tensor.numpy().min(), fp_tensor.numpy().max()"),
        ),
    ),
    alternatives=(
        right(
            "in float32 tensors",
            """
            def get_quantization_scale_and_zero_point(fp_tensor, bitwidth):
                qmin, qmax = get_quantized_range(bitwidth)
                r_min, r_max = torch.aminmax(fp_tensor.detach())
                if r_min == r_max:
                    r_min, r_max = r_min.clamp(max=0), r_max.clamp(min=0)
                if r_min == r_max:
                    return 1.0, 0
                scale = torch.div(r_max - r_min, qmax - qmin)
                zero_point = torch.round(torch.clamp(qmin - r_min / scale, qmin, qmax))
                return scale.item(), int(zero_point.item())
            """,
        ),
        right(
            "from the upper end",
            """
            def get_quantization_scale_and_zero_point(t, n):
                q_lowest, q_highest = get_quantized_range(n)
                ordered = t.detach().flatten().double().sort().values
                smallest, largest = float(ordered[0]), float(ordered[-1])
                if smallest == largest == 0:
                    return 1.0, 0
                if smallest == largest:
                    smallest, largest = sorted((0.0, smallest))
                step = (largest - smallest) / (2**n - 1)
                zero = int(round(q_highest - largest / step))
                if zero < q_lowest:
                    zero = q_lowest
                elif zero > q_highest:
                    zero = q_highest
                return step, zero
            """,
        ),
        right(
            "constants first",
            """
            def get_quantization_scale_and_zero_point(fp_tensor, bitwidth):
                low, high = get_quantized_range(bitwidth)
                value = fp_tensor.reshape(-1)[0].item()
                if bool((fp_tensor == value).all()):
                    if value == 0:
                        return 1.0, 0
                    return abs(value) / (high - low), low if value > 0 else high
                r_min, r_max = float(fp_tensor.min()), float(fp_tensor.max())
                scale = (r_max - r_min) / (high - low)
                if r_min > 0 and r_min / scale > 0.5:
                    return scale, low
                if r_max < 0 and r_max / scale < -0.5:
                    return scale, high
                return scale, int(round(low - r_min / scale))
            """,
        ),
        right(
            "with numpy",
            """
            import numpy as np

            def get_quantization_scale_and_zero_point(fp_tensor, bitwidth):
                data = fp_tensor.detach().cpu().numpy().astype(np.float64)
                r_min, r_max = data.min(), data.max()
                if np.ptp(data) == 0:
                    r_min, r_max = np.minimum(r_min, 0), np.maximum(r_max, 0)
                if r_max - r_min == 0:
                    return 1.0, 0
                low, high = get_quantized_range(bitwidth)
                scale = (r_max - r_min) / (high - low)
                return float(scale), int(np.clip(np.rint(low - r_min / scale), low, high))
            """,
        ),
        right(
            "in fractions",
            """
            from fractions import Fraction

            def get_quantization_scale_and_zero_point(fp_tensor, bitwidth):
                numbers = [Fraction(number) for number in fp_tensor.flatten().tolist()]
                ends = {min(numbers), max(numbers)}
                if len(ends) == 1:
                    ends.add(Fraction(0))
                if len(ends) == 1:
                    return 1.0, 0
                steps = 2**bitwidth - 1
                scale = (max(ends) - min(ends)) / steps
                above_lowest = min(max(round(-min(ends) / scale), 0), steps)
                return float(scale), above_lowest - 2 ** (bitwidth - 1)
            """,
        ),
        right(
            "a helper for the range",
            """
            @torch.no_grad()
            def find_range(tensor):
                lowest, highest = tensor.amin(), tensor.amax()
                zero = torch.zeros_like(lowest)
                if torch.equal(lowest, highest):
                    return torch.minimum(lowest, zero).item(), torch.maximum(highest, zero).item()
                return lowest.item(), highest.item()

            def get_quantization_scale_and_zero_point(fp_tensor, bitwidth):
                quantized_min, quantized_max = get_quantized_range(bitwidth)
                fp_min, fp_max = find_range(fp_tensor)
                scale = (fp_max - fp_min) / (quantized_max - quantized_min)
                if scale == 0.0:
                    return 1.0, 0
                zero_point = quantized_min - fp_min / scale
                if zero_point < quantized_min:
                    zero_point = quantized_min
                if zero_point > quantized_max:
                    zero_point = quantized_max
                return scale, int(round(zero_point))
            """,
        ),
    ),
)
