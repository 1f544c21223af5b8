"""Implementations of ``symmetric_qparams``."""

from autograder.bank import Bank, right, wrong

USABLE = "0 < scale < math.inf"
FINITE = "not (math.isfinite(min_val) and math.isfinite(max_val))"

SYMMETRIC = Bank(
    "symmetric_qparams",
    misconceptions=(
        wrong(
            "upper end only",
            "Your function looks at the upper end only; the lower one may be farther from zero.",
            ("max(abs(min_val), abs(max_val))", "abs(max_val)"),
        ),
        wrong(
            "larger end, not larger magnitude",
            "Your function takes the larger end, which may be negative; take the larger magnitude of both.",
            ("max(abs(min_val), abs(max_val))", "max(min_val, max_val)"),
        ),
        wrong(
            "smaller magnitude",
            "Your function takes the end that is nearer to zero; take the one that is farther away.",
            ("max(abs(min_val), abs(max_val))", "min(abs(min_val), abs(max_val))"),
        ),
        wrong(
            "affine scale",
            "Your function spreads the range as it is over the integers; make it symmetric around zero first.",
            ("2 * max(abs(min_val), abs(max_val))", "(max(max_val, 0.0) - min(min_val, 0.0))"),
        ),
        wrong(
            "half of the range",
            "Your function spreads only one half of the symmetric range over all steps; the whole is twice as wide.",
            ("2 * max", "max"),
        ),
        wrong(
            "over q_max",
            "Your function divides by q_max; the symmetric range is spread over all steps from q_min to q_max.",
            ("2 * max(abs(min_val), abs(max_val)) / (qmax - qmin)", "max(abs(min_val), abs(max_val)) / qmax"),
        ),
        wrong(
            "one step too many",
            "Your function divides by the number of integers; there is one step less between them.",
            ("/ (qmax - qmin)", "/ (qmax - qmin + 1)"),
        ),
        wrong(
            "eight bits always",
            "Your function divides by 255 whatever the integers are; use q_min and q_max.",
            ("/ (qmax - qmin)", "/ 255"),
        ),
        wrong(
            "zero point always 0",
            "Your zero point is always 0; it is the middle of the integers, which for 0 to 255 is 128.",
            ("middle = (qmin + qmax + 1) // 2", "middle = 0"),
        ),
        wrong(
            "zero point always 128 or 0",
            "Your zero point is 128 for all unsigned integers; work the middle out from q_min and q_max.",
            ("middle = (qmin + qmax + 1) // 2", "middle = 0 if qmin < 0 else 128"),
        ),
        wrong(
            "lower middle",
            "Your zero point is the lower of two middles; for 0 to 255 take 128.",
            ("(qmin + qmax + 1) // 2", "(qmin + qmax) // 2"),
        ),
        wrong(
            "middle with a fraction",
            "Your zero point has a fraction; divide by //, so that it is an integer.",
            ("(qmin + qmax + 1) // 2", "(qmin + qmax + 1) / 2"),
        ),
        wrong(
            "affine zero point",
            "Your zero point depends on the range; in a symmetric one it is always the middle of the integers.",
            (
                f"    return (scale if {USABLE} else 1.0), middle",
                f"    scale = scale if {USABLE} else 1.0\n    return scale, qmin - round(min(min_val, 0.0) / scale)",
            ),
        ),
        wrong(
            "zeros at scale 0",
            "Your scale is 0 for a range of zeros, and nothing can be divided by it; return 1.0.",
            (f"(scale if {USABLE} else 1.0)", "scale"),
        ),
        wrong(
            "zeros at a least scale",
            "Your function gives a range of zeros a tiny scale; it is undefined, and has the scale 1.0.",
            (f"(scale if {USABLE} else 1.0)", "max(scale, 2.0**-23)"),
        ),
        wrong(
            "undefined at zero point 0",
            "Your function returns the zero point 0 for undefined ranges; here it is the middle even for them.",
            ("        return 1.0, middle\n", "        return 1.0, 0\n"),
            (
                f"    return (scale if {USABLE} else 1.0), middle",
                f"    return (scale, middle) if {USABLE} else (1.0, 0)",
            ),
        ),
        wrong(
            "infinite ranges not caught",
            "Your scale is infinite or NaN for undefined ranges; return 1.0 for them.",
            (f"    if {FINITE}:\n        return 1.0, middle\n", ""),
            (USABLE, "scale > 0"),
        ),
        wrong(
            "NaN not caught",
            "Your function catches infinite ends, but not NaN; math.isfinite catches both.",
            (FINITE, "math.isinf(min_val) or math.isinf(max_val)"),
            (USABLE, "scale != 0"),
        ),
        wrong(
            "infinite scale not caught",
            "Your scale is infinite for a range that is too wide for a float; return 1.0.",
            (USABLE, "scale > 0"),
        ),
        wrong(
            "lower end not looked at",
            "Your function asks whether the upper end is finite, and not the lower one; look at both.",
            (FINITE, "not math.isfinite(max_val)"),
            (USABLE, "scale > 0"),
        ),
        wrong(
            "swapped",
            "Your function returns the zero point first; return the scale, then the zero point.",
            ("        return 1.0, middle\n", "        return middle, 1.0\n"),
            (f"    return (scale if {USABLE} else 1.0), middle", f"    return middle, (scale if {USABLE} else 1.0)"),
        ),
    ),
    alternatives=(
        right(
            "half the steps",
            """
            def symmetric_qparams(min_val, max_val, qmin, qmax):
                zero_point = -(-(qmin + qmax) // 2)
                reach = max(-min_val, max_val)
                if not all(map(math.isfinite, (min_val, max_val))) or reach == 0:
                    return 1.0, zero_point
                scale = reach / ((qmax - qmin) / 2)
                return (scale if math.isfinite(scale) else 1.0), zero_point
            """,
        ),
        right(
            "in float32 tensors",
            """
            def symmetric_qparams(min_val, max_val, qmin, qmax):
                zero_point = (qmin + qmax + 1) // 2
                ends = torch.tensor([min_val, max_val])
                if not bool(torch.isfinite(ends).all()) or not bool(ends.any()):
                    return 1.0, zero_point
                return (2 * ends.abs().max() / (qmax - qmin)).item(), zero_point
            """,
        ),
        right(
            "compares with infinity",
            """
            def symmetric_qparams(r_min, r_max, q_min, q_max):
                middle = math.ceil((q_min + q_max) / 2)
                reach = max(abs(r_min), abs(r_max)) if r_min == r_min and r_max == r_max else math.nan
                step = (reach - -reach) / (q_max - q_min)
                return (step if step > 0 and step < math.inf else 1.0), middle
            """,
        ),
        right(
            "with numpy",
            """
            import numpy as np

            def symmetric_qparams(min_val, max_val, qmin, qmax):
                with np.errstate(all="ignore"):
                    scale = 2 * np.abs([min_val, max_val]).max() / (qmax - qmin)
                scale = scale if np.isfinite(scale) and scale > 0 else 1.0
                return float(scale), int(np.floor((qmin + qmax + 1) / 2))
            """,
        ),
        right(
            "step by step",
            """
            def symmetric_qparams(min_val, max_val, qmin, qmax):
                count = qmax - qmin + 1
                zero_point = qmin + count // 2
                for end in (min_val, max_val):
                    if math.isnan(end) or math.isinf(end):
                        return 1.0, zero_point
                largest = max_val if max_val > -min_val else -min_val
                if largest == 0:
                    return 1.0, zero_point
                scale = 2.0 * largest / (count - 1)
                return (1.0 if math.isinf(scale) else scale), zero_point
            """,
        ),
    ),
    equivalent={
        "3: not (math.isfinite(min_val) and math.isfinite(max_val)) -> False": "the scale is 0, infinite or NaN then",
    },
)
