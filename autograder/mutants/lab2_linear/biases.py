"""Implementations of ``linear_quantize_bias_per_output_channel``."""

from autograder.bank import Bank, right, wrong

BIAS = Bank(
    "linear_quantize_bias_per_output_channel",
    misconceptions=(
        wrong(
            "forgets the input scale",
            "Your function divides by the weight scale only; products of weight and input have both scales.",
            (".reshape(-1) * input_scale", ".reshape(-1)"),
        ),
        wrong(
            "forgets the weight scale",
            "Your function divides by the input scale only; products of weight and input have both scales.",
            (".reshape(-1) * input_scale", ".reshape(-1) * 0 + input_scale"),
        ),
        wrong(
            "divides the scales",
            "Your function divides the weight scale by the input scale; the scale of a product is their product.",
            (".reshape(-1) * input_scale", ".reshape(-1) / input_scale"),
        ),
        wrong(
            "adds the scales",
            "Your function adds the two scales; the scale of a product is the product of the scales.",
            (".reshape(-1) * input_scale", ".reshape(-1) + input_scale"),
        ),
        wrong(
            "multiplies the bias by the scale",
            "Your function multiplies the bias by its scale; an integer is the real number divided by the scale.",
            ("linear_quantize(bias, 32, scale, 0", "linear_quantize(bias, 32, 1 / scale, 0"),
        ),
        wrong(
            "scale of the bias itself",
            "Your function takes the scale from the bias; it must be that of the sums that the bias is added to.",
            (
                "    return linear_quantize",
                "    scale = bias.detach().abs().max() / (2**31 - 1)\n    return linear_quantize",
            ),
        ),
        wrong(
            "one scale for all",
            "Your function uses one scale for all channels; every output channel has its own.",
            ("weight_scale.reshape(-1)", "weight_scale.max().expand(len(bias))"),
        ),
        wrong(
            "eight bits",
            "Your function clamps the bias to 8 bits; it is added to int32 sums, so quantize it at 32.",
            ("linear_quantize(bias, 32,", "linear_quantize(bias, 8,"),
        ),
        wrong(
            "sixteen bits",
            "Your function clamps the bias to 16 bits; it is added to int32 sums, so quantize it at 32.",
            ("linear_quantize(bias, 32,", "linear_quantize(bias, 16,"),
        ),
        wrong(
            "int8",
            "Your function stores the bias as int8, the default of linear_quantize; ask for torch.int32.",
            (", dtype=torch.int32)", ")"),
        ),
        wrong(
            "int64",
            "Your function returns the bias as int64; return torch.int32.",
            ("dtype=torch.int32), scale", "dtype=torch.int64), scale"),
        ),
        wrong(
            "broadcasts to a square",
            "Your function divides (oc,) by (oc, 1), which makes (oc, oc); bring the scale to one dimension first.",
            (".reshape(-1) * input_scale", " * input_scale"),
        ),
        wrong(
            "cuts fractions off",
            "Your function cuts fractions off when it converts to int32; let linear_quantize round.",
            ("linear_quantize(bias, 32, scale, 0, dtype=torch.int32)", "(bias.detach() / scale).to(torch.int32)"),
        ),
        wrong(
            "changes the bias",
            "Your function divides the caller's bias in place; compute a new tensor instead.",
            ("linear_quantize(bias, 32, scale, 0,", "linear_quantize(bias.detach().div_(scale), 32, 1.0, 0,"),
        ),
        wrong(
            "only the bias",
            "Your function returns the quantized bias alone; return it, its scale and the zero point 0.",
            ("dtype=torch.int32), scale, 0", "dtype=torch.int32)"),
        ),
        wrong(
            "returns the weight scale",
            "Your function divides by the right scale but returns the weight's; return the one that you divided by.",
            ("dtype=torch.int32), scale, 0", "dtype=torch.int32), weight_scale.reshape(-1), 0"),
        ),
        wrong(
            "squeezes the bias",
            "Your function squeezes away the only dimension of a layer with one output; keep the shape (oc,).",
            ("linear_quantize(bias, 32,", "linear_quantize(bias.squeeze(), 32,"),
            ("weight_scale.reshape(-1)", "weight_scale.squeeze()"),
        ),
        wrong(
            "numpy of a parameter",
            "Your function asks a parameter for numpy(), which it refuses; use torch, or detach() it first.",
            ("linear_quantize(bias, 32,", "linear_quantize(torch.from_numpy(bias.numpy()), 32,"),
        ),
    ),
    alternatives=(
        right(
            "flattens the scale",
            """
            def linear_quantize_bias_per_output_channel(bias, weight_scale, input_scale):
                if isinstance(weight_scale, torch.Tensor):
                    weight_scale = weight_scale.flatten()
                else:
                    weight_scale = torch.full_like(bias, weight_scale, requires_grad=False)
                bias_scale = weight_scale * input_scale
                quantized_bias = linear_quantize(bias, 32, bias_scale, zero_point=0, dtype=torch.int32)
                return quantized_bias, bias_scale, 0
            """,
        ),
        right(
            "in float64",
            """
            def linear_quantize_bias_per_output_channel(b, w_scale, i_scale):
                step = torch.as_tensor(w_scale, dtype=torch.float64).reshape(-1) * float(i_scale)
                step = step + torch.zeros(b.shape[0], dtype=torch.float64)
                lowest, highest = get_quantized_range(32)
                integers = torch.div(b.detach().double(), step).round().clamp(min=lowest, max=highest)
                return integers.int(), step.float(), 0
            """,
        ),
        right(
            "channel by channel",
            """
            def linear_quantize_bias_per_output_channel(bias, weight_scale, input_scale):
                count = len(bias)
                if torch.is_tensor(weight_scale):
                    scales = [s * input_scale for s in weight_scale.flatten().tolist()]
                else:
                    scales = [weight_scale * input_scale] * count
                quantized = torch.zeros(count, dtype=torch.int32, device=bias.device)
                for c in range(count):
                    quantized[c] = linear_quantize(bias[c], 32, scale=scales[c], zero_point=0, dtype=torch.int32)
                return quantized, torch.tensor(scales, dtype=torch.float32, device=bias.device), 0
            """,
        ),
        right(
            "as a column",
            """
            def linear_quantize_bias_per_output_channel(bias, weight_scale, input_scale):
                column = torch.ones_like(bias, requires_grad=False)[:, None]
                column = column * (weight_scale.view(-1, 1) if hasattr(weight_scale, "view") else weight_scale)
                column = column * input_scale
                q = linear_quantize(bias.unsqueeze(1), 32, column, 0, torch.int32)
                return q.squeeze(1), column.squeeze(1), 0
            """,
        ),
        right(
            "with numpy",
            """
            import numpy as np

            def linear_quantize_bias_per_output_channel(bias, weight_scale, input_scale):
                real = bias.detach().cpu().numpy().astype(np.float64)
                scale = np.asarray(weight_scale, dtype=np.float64).ravel() * np.ones(len(real)) * input_scale
                whole = np.clip(np.rint(real / scale), -(2**31), 2**31 - 1).astype(np.int32)
                return torch.from_numpy(whole), torch.from_numpy(scale.astype(np.float32)), 0
            """,
        ),
        right(
            "in integers",
            """
            def linear_quantize_bias_per_output_channel(bias, weight_scale, input_scale):
                scale = (torch.as_tensor(weight_scale) * input_scale).to(torch.float32).reshape(-1)
                if scale.numel() == 1:
                    scale = scale.repeat(bias.numel())
                low, high = get_quantized_range(32)
                quotient = torch.round(bias / scale).to(torch.int64)
                return torch.where(quotient < low, low, torch.where(quotient > high, high, quotient)).int(), scale, 0
            """,
        ),
    ),
)
