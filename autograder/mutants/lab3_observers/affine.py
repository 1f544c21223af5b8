"""Implementations of ``affine_qparams``."""

from autograder.bank import Bank, right, wrong

USABLE = "0 < scale < math.inf"

AFFINE = Bank(
    "affine_qparams",
    misconceptions=(
        wrong(
            "range without zero",
            "Your function takes the range as it is; widen it first so that it includes zero.",
            ("min(min_val, 0.0), max(max_val, 0.0)", "min_val, max_val"),
        ),
        wrong(
            "zero below only",
            "Your function widens the range downwards only; zero may lie above it as well.",
            ("max(max_val, 0.0)", "max_val"),
        ),
        wrong(
            "zero above only",
            "Your function widens the range upwards only; zero may lie below it as well.",
            ("min(min_val, 0.0)", "min_val"),
        ),
        wrong(
            "one step too many",
            "Your function divides by the number of integers; there is one step less between them.",
            ("(qmax - qmin)", "(qmax - qmin + 1)"),
        ),
        wrong(
            "over q_max",
            "Your function divides the width by q_max; it is spread over all the steps from q_min to q_max.",
            ("/ (qmax - qmin)", "/ qmax"),
        ),
        wrong(
            "eight bits always",
            "Your function divides by 255 whatever the integers are; use q_min and q_max.",
            ("/ (qmax - qmin)", "/ 255"),
        ),
        wrong(
            "zero point cut off",
            "Your function cuts off the fraction of r_min / S; round it to the nearest integer.",
            ("round(low / scale)", "int(low / scale)"),
        ),
        wrong(
            "zero point not rounded",
            "Your zero point has a fraction; it is the integer that stands for 0, so round it.",
            ("round(low / scale)", "low / scale"),
        ),
        wrong(
            "wrong sign",
            "Your zero point adds r_min / S to q_min; subtract it.",
            ("qmin - round", "qmin + round"),
        ),
        wrong(
            "without q_min",
            "Your zero point is right only if q_min is 0; the lower end of the range becomes q_min.",
            ("qmin - round", "-round"),
        ),
        wrong(
            "symmetric",
            "Your function makes the range symmetric around zero; spread the integers over the range as it is.",
            (
                "    low, high = min(min_val, 0.0), max(max_val, 0.0)\n",
                "    high = max(abs(min_val), abs(max_val))\n    low = -high\n",
            ),
        ),
        wrong(
            "zeros divide by zero",
            "Your function divides by zero for a range of zeros; return the scale 1.0 and the zero point 0 for it.",
            (f"(scale, qmin - round(low / scale)) if {USABLE} else (1.0, 0)", "scale, qmin - round(low / scale)"),
        ),
        wrong(
            "least scale",
            "Your function holds the scale above a least value; only a range of no width is special, and it gets 1.0.",
            (
                f"    return (scale, qmin - round(low / scale)) if {USABLE} else (1.0, 0)",
                "    scale = max(scale, 2.0**-23)\n    return scale, qmin - round(low / scale)",
            ),
        ),
        wrong(
            "zeros at q_min",
            "Your function gives a range of zeros the zero point q_min; undefined ranges have the zero point 0.",
            ("else (1.0, 0)", "else (1.0, qmin)"),
        ),
        wrong(
            "undefined ranges at q_min",
            "Your function gives infinite ranges and NaN the zero point q_min; undefined ranges have the zero point 0.",
            ("        return 1.0, 0\n", "        return 1.0, qmin\n"),
        ),
        wrong(
            "infinite ranges not caught",
            "Your function computes with infinite ends and with NaN; return the scale 1.0 and zero point 0 for them.",
            ("    if not (math.isfinite(min_val) and math.isfinite(max_val)):\n        return 1.0, 0\n", ""),
            (USABLE, "scale > 0"),
        ),
        wrong(
            "NaN not caught",
            "Your function catches infinite ends, but not NaN; math.isfinite catches both.",
            ("not (math.isfinite(min_val) and math.isfinite(max_val))", "math.isinf(min_val) or math.isinf(max_val)"),
            (USABLE, "scale != 0"),
        ),
        wrong(
            "infinite scale not caught",
            "Your scale is infinite for a range that is too wide for a float; return the scale 1.0 and zero point 0.",
            (USABLE, "scale > 0"),
        ),
        wrong(
            "upper end not looked at",
            "Your function asks whether the lower end is finite, and not the upper one; look at both.",
            ("not (math.isfinite(min_val) and math.isfinite(max_val))", "not math.isfinite(min_val)"),
            (USABLE, "scale > 0"),
        ),
        wrong(
            "scale 0 for undefined ranges",
            "Your function returns a scale of 0 for undefined ranges, by which nothing can be divided; return 1.0.",
            ("        return 1.0, 0\n", "        return 0.0, 0\n"),
            ("else (1.0, 0)", "else (0.0, 0)"),
        ),
        wrong(
            "swapped",
            "Your function returns the zero point first; return the scale, then the zero point.",
            ("        return 1.0, 0\n", "        return 0, 1.0\n"),
            (
                f"(scale, qmin - round(low / scale)) if {USABLE} else (1.0, 0)",
                f"(qmin - round(low / scale), scale) if {USABLE} else (0, 1.0)",
            ),
        ),
    ),
    alternatives=(
        right(
            "in float32 tensors, as torch does it",
            """
            def affine_qparams(min_val, max_val, qmin, qmax):
                ends = torch.tensor([min_val, max_val])
                if not torch.isfinite(ends).all():
                    return 1.0, 0
                low, high = torch.clamp(ends[0], max=0), torch.clamp(ends[1], min=0)
                scale = (high - low) / float(qmax - qmin)
                if scale == 0:
                    return 1.0, 0
                zero_point = torch.clamp(qmin - torch.round(low / scale).to(torch.int), qmin, qmax)
                return scale.item(), int(zero_point)
            """,
        ),
        right(
            "from the upper end",
            """
            def affine_qparams(r_min, r_max, q_min, q_max):
                undefined = any(map(math.isnan, (r_min, r_max))) or any(map(math.isinf, (r_min, r_max)))
                if undefined or r_min == r_max == 0:
                    return 1.0, 0
                if r_min > 0:
                    r_min = 0.0
                if r_max < 0:
                    r_max = 0.0
                step = (r_max - r_min) / (q_max - q_min)
                if math.isinf(step):
                    return 1.0, 0
                return step, int(round(q_max - r_max / step))
            """,
        ),
        right(
            "with numpy",
            """
            import numpy as np

            def affine_qparams(min_val, max_val, qmin, qmax):
                ends = np.array([min_val, max_val, 0.0])
                with np.errstate(all="ignore"):
                    scale = np.ptp(ends) / (qmax - qmin)
                if not np.isfinite(scale) or not scale:
                    return 1.0, 0
                return float(scale), int(np.clip(np.rint(qmin - ends.min() / scale), qmin, qmax))
            """,
        ),
        right(
            "the undefined ranges last",
            """
            def affine_qparams(min_val, max_val, qmin, qmax):
                steps = qmax - qmin
                width = max(0.0, max_val) - min(0.0, min_val)
                if 0.0 < width < float("inf") and min_val == min_val and max_val == max_val:
                    fraction = min(max_val, -min(min_val, 0.0)) / width if max_val < 0 else -min(min_val, 0.0) / width
                    if max_val < 0:
                        fraction = 1.0
                    return width / steps, qmin + round(steps * fraction)
                return 1.0, 0
            """,
        ),
        right(
            "in fractions",
            """
            from fractions import Fraction

            def affine_qparams(min_val, max_val, qmin, qmax):
                try:
                    ends = [Fraction(min_val), Fraction(max_val), Fraction(0)]
                    scale = (max(ends) - min(ends)) / (qmax - qmin)
                    as_float = float(scale)
                except (OverflowError, ValueError):
                    return 1.0, 0
                if not scale:
                    return 1.0, 0
                return as_float, qmin + round(-min(ends) / scale)
            """,
        ),
    ),
    equivalent={
        "2: not (math.isfinite(min_val) and math.isfinite(max_val)) -> False": "the scale is 0, infinite or NaN then",
    },
)
