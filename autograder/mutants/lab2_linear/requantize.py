"""Mistakes that both integer layers share: what is made of the sums of either."""

from autograder.bank import wrong

REQUANTIZE = (
    wrong(
        "forgets the output zero point",
        "Your function never adds the output's zero point; add it once the sums are scaled.",
        ("(sums * factor + output_zero_point)", "(sums * factor)"),
    ),
    wrong(
        "adds the zero point before scaling",
        "Your function adds the output's zero point to the sums before it scales them; scale first, then add.",
        ("(sums * factor + output_zero_point)", "((sums + output_zero_point) * factor)"),
    ),
    wrong(
        "subtracts the output zero point",
        "Your function subtracts the output's zero point; solve r = S (q - Z) for q, and look at its sign.",
        ("factor + output_zero_point", "factor - output_zero_point"),
    ),
    wrong(
        "adds the input zero point",
        "Your function adds the input's zero point to the result; it is the output's that belongs there.",
        ("factor + output_zero_point", "factor + input_zero_point"),
    ),
    wrong(
        "forgets the output scale",
        "Your function leaves the output scale out; real values are divided by it to become integers.",
        ("(input_scale / output_scale)", "input_scale"),
    ),
    wrong(
        "multiplies by the output scale",
        "Your function multiplies by the output scale; divide by it, as the formula does.",
        ("(input_scale / output_scale)", "(input_scale * output_scale)"),
    ),
    wrong(
        "divides by the input scale",
        "Your function multiplies by the output's scale and divides by the input's; exchange the two.",
        ("(input_scale / output_scale)", "(output_scale / input_scale)"),
    ),
    wrong(
        "cuts fractions off",
        "Your function converts to int8 without rounding, which cuts fractions off; round before you clamp.",
        (".round().clamp", ".clamp"),
    ),
    wrong(
        "does not clamp",
        "Your function does not clamp: values beyond the range of feature_bitwidth must become its ends.",
        (".clamp(low, high).to(torch.int8)", ".long().to(torch.int8)"),
    ),
    wrong(
        "casts before the clamp",
        "Your function converts to int8 before it clamps, so large values wrap around; clamp first.",
        (".clamp(low, high).to(torch.int8)", ".long().to(torch.int8).clamp(low, high)"),
    ),
    wrong(
        "clamps to 8 bits",
        "Your function always clamps to 8 bits; feature_bitwidth decides the range of the output.",
        ("get_quantized_range(feature_bitwidth)", "get_quantized_range(8)"),
    ),
    wrong(
        "range of the weight's bits",
        "Your function clamps to the range of weight_bitwidth; the output is a feature, so take feature_bitwidth.",
        ("get_quantized_range(feature_bitwidth)", "get_quantized_range(weight_bitwidth)"),
    ),
    wrong(
        "clamps before the shift",
        "Your function clamps before it adds the output's zero point; clamp the sum of both.",
        ("(sums * factor + output_zero_point)", "(sums * factor)"),
        ("high).to", "high).add(output_zero_point).long().to"),
    ),
    wrong(
        "not cast",
        "Your function returns floats; convert the clamped values to torch.int8 at the end.",
        ("high).to(torch.int8)", "high)"),
    ),
)
