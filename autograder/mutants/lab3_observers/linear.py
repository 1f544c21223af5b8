"""Implementations of ``power_of_two_linear``."""

from autograder.bank import Bank, right, wrong

CENTRED = "centred = (x_uint8.to(torch.int32) - 128).to(torch.int8)"
SUMS = "sums = int8_linear(centred, w_int8, b_int32)"
SHIFTED = "shifted = (sums.clamp(min=0) >> shift).clamp(max=127)"
ADDED = "shifted = (sums.clamp(min=0) >> shift) + 128"
ANSWER = "return (shifted + 128).to(torch.uint8)"
INT64 = "(centred.long().unsqueeze(1) * w_int8.long()).sum(dim=2)"

LINEAR = Bank(
    "power_of_two_linear",
    misconceptions=(
        wrong(
            "subtracts in uint8",
            "Your function subtracts 128 in uint8, where 100 - 128 is 228; convert to a signed type first.",
            (CENTRED, "centred = x_uint8 - 128"),
            (SUMS, f"sums = ({INT64} + b_int32).to(torch.int32)"),
        ),
        wrong(
            "zero point of the input forgotten",
            "Your function multiplies the inputs as they are; subtract their zero point, 128, first.",
            (CENTRED, "centred = x_uint8"),
            (SUMS, f"sums = ({INT64} + b_int32).to(torch.int32)"),
        ),
        wrong(
            "zero point of the output forgotten",
            "Your function does not add 128 to its results; that is their zero point.",
            (SHIFTED, "shifted = (sums.clamp(min=0) >> shift).clamp(max=255)"),
            (ANSWER, "return shifted.to(torch.uint8)"),
        ),
        wrong(
            "no ReLU",
            "Your function has no ReLU: sums below zero must become 0, so that no result is below 128.",
            (SHIFTED, "shifted = (sums >> shift).clamp(-128, 127)"),
        ),
        wrong(
            "ReLU after the zero point",
            "Your function clamps at 0 after 128 is added; ReLU comes before that, when 0 still stands for zero.",
            (SHIFTED, "shifted = ((sums >> shift) + 128).clamp(min=0)"),
            (ANSWER, "return (shifted & 255).to(torch.uint8)"),
        ),
        wrong(
            "wraps around",
            "Your function converts results above 255 to uint8, which keeps their low eight bits; clamp them first.",
            (SHIFTED, "shifted = sums.clamp(min=0) >> shift"),
        ),
        wrong(
            "128 added before the limit",
            "Your function adds 128 before it limits the results, and near the end of int32 that wraps around; limit "
            "them to 127, then add 128.",
            (SHIFTED, ADDED),
            (ANSWER, "return shifted.clamp(max=255).to(torch.uint8)"),
        ),
        wrong(
            "saturates at 127",
            "Your function clamps to the range of int8; the results are uint8, up to 255.",
            (SHIFTED, ADDED),
            (ANSWER, "return shifted.clamp(max=127).to(torch.uint8)"),
        ),
        wrong(
            "limit of 254",
            "Your function limits its results to 254; uint8 goes up to 255, so limit to 127 before 128 is added.",
            (".clamp(max=127)", ".clamp(max=126)"),
        ),
        wrong(
            "rounds to the nearest",
            "Your function rounds to the nearest integer; a shift cuts off what falls out at the right end.",
            ("(sums.clamp(min=0) >> shift)", "((sums.clamp(min=0) + (1 << shift >> 1)) >> shift)"),
        ),
        wrong(
            "divides by the amount",
            "Your function divides by the amount of the shift; a shift by n divides by 2**n.",
            ("sums.clamp(min=0) >> shift", "sums.clamp(min=0) // shift"),
        ),
        wrong(
            "shifts to the left",
            "Your function shifts to the left, which multiplies; shift to the right.",
            ("(min=0) >> shift", "(min=0) << shift"),
        ),
        wrong(
            "no shift",
            "Your function does not shift the sums.",
            ("(sums.clamp(min=0) >> shift)", "sums.clamp(min=0)"),
        ),
        wrong(
            "shifts by one more",
            "Your function shifts by one place too many.",
            ("(min=0) >> shift", "(min=0) >> (shift + 1)"),
        ),
        wrong(
            "bias forgotten",
            "Your function leaves the bias out.",
            ("int8_linear(centred, w_int8, b_int32)", "int8_linear(centred, w_int8)"),
        ),
        wrong(
            "bias after the shift",
            "Your function adds the bias after the shift; it has the scale of the sums, so add it before.",
            ("int8_linear(centred, w_int8, b_int32)", "int8_linear(centred, w_int8)"),
            ("(sums.clamp(min=0) >> shift)", "((sums >> shift) + b_int32).clamp(min=0)"),
        ),
        wrong(
            "bias subtracted",
            "Your function subtracts the bias; add it.",
            ("w_int8, b_int32)", "w_int8, -b_int32)"),
        ),
        wrong(
            "sums in 16 bits",
            "Your function sums up in 16 bits, which overflow; use int32.",
            (SUMS, SUMS.replace(")", ").to(torch.int16).to(torch.int32)")),
        ),
        wrong(
            "weight transposed",
            "Your function sums over the outputs; the weight is (out, in), and the sum runs over the inputs.",
            ("centred, w_int8, b_int32", "centred, w_int8.t().contiguous(), b_int32"),
        ),
        wrong(
            "weight not transposed",
            "Your function multiplies by the weight as it lies, (out, in); transpose it, or leave that to int8_linear.",
            (SUMS, "sums = centred.to(torch.int32) @ w_int8.to(torch.int32) + b_int32"),
        ),
        wrong(
            "int32 result",
            "Your results are int32; the layer behind expects uint8.",
            (ANSWER, "return shifted + 128"),
        ),
    ),
    alternatives=(
        right(
            "products summed up in int64",
            """
            def power_of_two_linear(x_uint8, w_int8, b_int32, shift):
                x = x_uint8.long() - 128
                total = b_int32.long() + (x[:, None, :] * w_int8.long()[None]).sum(dim=-1)
                y = torch.relu(total).bitwise_right_shift(shift) + 128
                return torch.clamp(y, 0, 255).to(torch.uint8)
            """,
        ),
        right(
            "zero point in the bias",
            """
            def power_of_two_linear(x_uint8, w_int8, b_int32, shift):
                weight, bias = w_int8.to(torch.int64), b_int32.to(torch.int64)
                bias = bias - 128 * weight.sum(dim=1)
                sums = torch.einsum("ni,oi->noi", x_uint8.to(torch.int64), weight).sum(dim=-1) + bias
                shifted = torch.where(sums > 0, sums, 0) >> shift
                return torch.minimum(shifted + 128, torch.tensor(255)).to(torch.uint8)
            """,
        ),
        right(
            "ReLU after the shift",
            """
            def power_of_two_linear(x, w, b, shift):
                centred = (x ^ 128).view(torch.int8)
                y = int8_linear(centred, w, b) >> shift
                return (y.clamp(0, 127) + 128).to(torch.uint8)
            """,
        ),
        right(
            "divided and rounded down",
            """
            def power_of_two_linear(x_uint8, w_int8, b_int32, shift):
                acc = int8_linear((x_uint8.to(torch.int16) - 128).to(torch.int8), w_int8) + b_int32
                acc = torch.div(torch.clamp_min(acc, 0), 2**shift, rounding_mode="floor")
                return acc.clamp(0, 127).type(torch.uint8) + 128
            """,
        ),
        right(
            "number by number",
            """
            def power_of_two_linear(x_uint8, w_int8, b_int32, shift):
                rows = []
                for image in x_uint8.tolist():
                    row = []
                    for weights, bias in zip(w_int8.tolist(), b_int32.tolist()):
                        total = bias + sum((x - 128) * w for x, w in zip(image, weights))
                        row.append(min((max(total, 0) >> shift) + 128, 255))
                    rows.append(row)
                return torch.tensor(rows, dtype=torch.uint8, device=x_uint8.device)
            """,
        ),
    ),
    equivalent={
        "2: - -> +": "as int8, x + 128 and x - 128 are the same",
        "2: .to(torch.int32) -> nothing": "what wraps in uint8 wraps back in int8",
        "2: int32 -> int8": "what wraps in int8 wraps back",
        "2: int32 -> int64": "both hold x - 128",
        "5: + -> -": "in uint8, x + 128 and x - 128 are the same",
    },
)
