"""Implementations of ``linear_energy_pj``."""

from autograder.bank import Bank, right, wrong

FP32 = 'in_features * (ENERGY_PJ["fp32 multiply"] + ENERGY_PJ["fp32 add"])'
EACH = 'ENERGY_PJ["int8 add"] + ENERGY_PJ["int8 multiply"] + ENERGY_PJ["int32 add"]'
ALL = 'out_features * (in_features * each_input + ENERGY_PJ["shift"] + ENERGY_PJ["int8 add"])'
OUTPUT = 'in_features * each_input + ENERGY_PJ["shift"] + ENERGY_PJ["int8 add"]'

ENERGY = Bank(
    "linear_energy_pj",
    misconceptions=(
        wrong(
            "bias forgotten",
            "Your function leaves out the addition of the bias, in both schemes.",
            (FP32, '(in_features * ENERGY_PJ["fp32 multiply"] + (in_features - 1) * ENERGY_PJ["fp32 add"])'),
            (OUTPUT, OUTPUT + ' - ENERGY_PJ["int32 add"]'),
        ),
        wrong(
            "an addition too many",
            "Your function counts an addition for each input and one for the bias; 128 products take 127 additions.",
            (FP32, f'({FP32} + ENERGY_PJ["fp32 add"])'),
            (OUTPUT, OUTPUT + ' + ENERGY_PJ["int32 add"]'),
        ),
        wrong(
            "one output only",
            "Your function counts one output; multiply by out_features.",
            ("return out_features * in_features", "return in_features"),
            ("return out_features * (", "return ("),
        ),
        wrong(
            "sums in int8",
            "Your function sums up in 8 bits; the products are added in int32.",
            ('ENERGY_PJ["int32 add"]', 'ENERGY_PJ["int8 add"]'),
        ),
        wrong(
            "sums in fp32",
            "Your function adds the products as floats; in the power-of-two scheme they are added in int32.",
            ('ENERGY_PJ["int32 add"]', 'ENERGY_PJ["fp32 add"]'),
        ),
        wrong(
            "subtraction of 128 forgotten",
            "Your function leaves out that 128 is subtracted from each input.",
            (EACH, 'ENERGY_PJ["int8 multiply"] + ENERGY_PJ["int32 add"]'),
        ),
        wrong(
            "128 subtracted once",
            "Your function subtracts 128 once from each input; the formula does so for each output anew.",
            (EACH, 'ENERGY_PJ["int8 multiply"] + ENERGY_PJ["int32 add"]'),
            (ALL, ALL + ' + in_features * ENERGY_PJ["int8 add"]'),
        ),
        wrong(
            "shift forgotten",
            "Your function leaves out the shift, one for each output.",
            ('each_input + ENERGY_PJ["shift"]', "each_input"),
        ),
        wrong(
            "addition of 128 forgotten",
            "Your function leaves out that 128 is added to each output.",
            ('ENERGY_PJ["shift"] + ENERGY_PJ["int8 add"]', 'ENERGY_PJ["shift"]'),
        ),
        wrong(
            "addition of 128 in int32",
            "Your function adds 128 to the output in int32; after the shift it is an 8-bit addition.",
            ('ENERGY_PJ["shift"] + ENERGY_PJ["int8 add"]', 'ENERGY_PJ["shift"] + ENERGY_PJ["int32 add"]'),
        ),
        wrong(
            "a shift for each input",
            "Your function shifts every product; only the sum is shifted, once for each output.",
            (OUTPUT, 'in_features * (each_input + ENERGY_PJ["shift"]) + ENERGY_PJ["int8 add"]'),
        ),
        wrong(
            "three shifts",
            "Your function shifts for input, weight and output; the three amounts are one, known before.",
            ('ENERGY_PJ["shift"]', '3 * ENERGY_PJ["shift"]'),
        ),
        wrong(
            "fp32 for both",
            "Your function gives the energy of fp32 for both schemes.",
            ('if scheme == "fp32":', 'if scheme in ("fp32", "power_of_two"):'),
        ),
        wrong(
            "schemes exchanged",
            "Your function exchanges the two schemes.",
            ('scheme == "fp32"', 'scheme != "fp32"'),
        ),
        wrong(
            "inputs and outputs exchanged",
            "Your function exchanges inputs and outputs: what happens once for each output is counted for each input.",
            (ALL, 'in_features * (out_features * each_input + ENERGY_PJ["shift"] + ENERGY_PJ["int8 add"])'),
        ),
    ),
    alternatives=(
        right(
            "term by term",
            """
            def linear_energy_pj(in_features, out_features, scheme):
                if scheme == "fp32":
                    one = in_features * 3.7 + (in_features - 1) * 0.9 + 0.9
                elif scheme == "power_of_two":
                    one = in_features * 0.03 + in_features * 0.2 + (in_features - 1) * 0.1 + 0.1 + 0.01 + 0.03
                else:
                    raise ValueError(f"unknown scheme {scheme!r}")
                return one * out_features
            """,
        ),
        right(
            "counts, then costs",
            """
            def linear_energy_pj(in_features, out_features, scheme):
                products = in_features * out_features
                counts = {
                    "fp32": {"fp32 multiply": products, "fp32 add": products},
                    "power_of_two": {
                        "int8 multiply": products,
                        "int8 add": products + out_features,
                        "int32 add": products,
                        "shift": out_features,
                    },
                }
                return sum(ENERGY_PJ[operation] * count for operation, count in counts[scheme].items())
            """,
        ),
        right(
            "output by output",
            """
            def linear_energy_pj(n, m, kind):
                total = 0.0
                for _ in range(m):
                    if kind == "fp32":
                        total += n * ENERGY_PJ["fp32 multiply"] + n * ENERGY_PJ["fp32 add"]
                    else:
                        total += n * ENERGY_PJ["int8 add"] + n * ENERGY_PJ["int8 multiply"]
                        total += n * ENERGY_PJ["int32 add"] + ENERGY_PJ["shift"] + ENERGY_PJ["int8 add"]
                return total
            """,
        ),
        right(
            "in hundredths",
            """
            def linear_energy_pj(in_features, out_features, scheme):
                fp32 = 460 * in_features
                integers = 33 * in_features + 4
                return out_features * (fp32 if scheme == "fp32" else integers) / 100
            """,
        ),
    ),
)
