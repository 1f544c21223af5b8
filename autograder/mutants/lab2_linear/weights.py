"""Implementations of ``get_quantization_scale_for_weight``."""

from autograder.bank import Bank, right, wrong

WEIGHT_SCALE = Bank(
    "get_quantization_scale_for_weight",
    misconceptions=(
        wrong(
            "forgets negative weights",
            "Your function takes the largest weight; take the largest magnitude, which a negative weight may have.",
            ("weight.abs().max()", "weight.max()"),
        ),
        wrong(
            "magnitude of the largest weight",
            "Your function finds the largest weight first and takes its magnitude then; do it the other way round.",
            ("weight.abs().max()", "weight.max().abs()"),
        ),
        wrong(
            "changes the weight",
            "Your function turns the caller's weight into magnitudes in place; leave it as it is.",
            ("weight.abs()", "weight.detach().abs_()"),
        ),
        wrong(
            "smallest magnitude",
            "Your function takes the magnitude that is nearest to zero; take the one that is farthest from it.",
            ("weight.abs().max()", "weight.abs().min()"),
        ),
        wrong(
            "whole range",
            "Your function divides max - min by all steps, as for features; here the range is symmetric around zero.",
            ("_, high = get", "low, high = get"),
            ("weight.abs().max().item(), 5e-7) / high", "(weight.max() - weight.min()).item(), 5e-7) / (high - low)"),
        ),
        wrong(
            "over 2 to the power of b - 1",
            "Your function divides by 128 at 8 bits; the largest integer is 127.",
            ("/ high", "/ 2 ** (bitwidth - 1)"),
        ),
        wrong(
            "over the number of steps",
            "Your function divides by the number of steps between all integers; divide by the largest integer only.",
            ("/ high", "/ (2**bitwidth - 1)"),
        ),
        wrong(
            "over q_min",
            "Your function divides by the smallest integer, so that the scale is negative; divide by the largest.",
            ("_, high = get", "high, _ = get"),
        ),
        wrong(
            "eight bits always",
            "Your function divides by 127 whatever the bit width; take the largest integer of the width given.",
            ("get_quantized_range(bitwidth)", "-128, 127"),
        ),
        wrong(
            "no least range",
            "Your scale is 0 for a weight of zeros; count the largest magnitude as at least 5e-7.",
            ("max(weight.abs().max().item(), 5e-7)", "weight.abs().max().item()"),
        ),
        wrong(
            "least scale instead of least range",
            "Your function holds the scale above 5e-7; that limit is for the largest magnitude, before the division.",
            ("max(weight.abs().max().item(), 5e-7) / high", "max(weight.abs().max().item() / high, 5e-7)"),
        ),
        wrong(
            "least range for zeros only",
            "Your function uses 5e-7 only for zeros; a largest magnitude that is smaller also counts as 5e-7.",
            ("max(weight.abs().max().item(), 5e-7)", "(weight.abs().max().item() or 5e-7)"),
        ),
        wrong(
            "adds the least range",
            "Your function adds 5e-7 to every range; take the larger of the two instead.",
            ("max(weight.abs().max().item(), 5e-7)", "(weight.abs().max().item() + 5e-7)"),
        ),
        wrong(
            "a scale for each row",
            "Your function returns a scale for each row; here one number is wanted for the whole tensor.",
            (
                "max(weight.abs().max().item(), 5e-7)",
                "weight.detach().abs().amax(dim=-1, keepdim=True).clamp(min=5e-7)",
            ),
        ),
        wrong(
            "numpy of a parameter",
            "Your function asks a parameter for numpy(), which it refuses; use torch, or detach() it first.",
            ("weight.abs().max().item()", "abs(weight.numpy()).max()"),
        ),
    ),
    alternatives=(
        right(
            "clamped tensor",
            """
            def get_quantization_scale_for_weight(weight, bitwidth):
                biggest = weight.detach().abs().max().clamp(min=5e-7)
                return (biggest / get_quantized_range(bitwidth)[1]).item()
            """,
        ),
        right(
            "both ends",
            """
            def get_quantization_scale_for_weight(w, n_bits):
                q_max = 2 ** (n_bits - 1) - 1
                farthest = max(abs(float(w.min())), abs(float(w.max())))
                if farthest < 5e-7:
                    farthest = 5e-7
                return farthest / q_max
            """,
        ),
        right(
            "largest absolute norm",
            """
            def get_quantization_scale_for_weight(weight, bitwidth):
                with torch.no_grad():
                    norm = torch.linalg.vector_norm(weight.to(torch.float64), ord=float("inf"))
                    limited = torch.maximum(norm, torch.tensor(5e-7, dtype=torch.float64))
                    _, q_max = get_quantized_range(bitwidth=bitwidth)
                    return float(torch.div(limited, q_max))
            """,
        ),
        right(
            "with numpy",
            """
            import numpy as np

            def get_quantization_scale_for_weight(weight, bitwidth):
                values = np.abs(weight.detach().cpu().numpy())
                return float(np.fmax(values.max(), 5e-7)) / get_quantized_range(bitwidth)[1]
            """,
        ),
        right(
            "value by value",
            """
            def get_quantization_scale_for_weight(weight, bitwidth):
                r_max = 5e-7
                for value in weight.reshape(-1).tolist():
                    if abs(value) > r_max:
                        r_max = abs(value)
                return r_max / ((1 << (bitwidth - 1)) - 1)
            """,
        ),
    ),
    equivalent={
        "3: .item() -> nothing": "a tensor of one number is accepted for a float",
    },
)
