"""Implementations of ``quantized_linear``."""

from autograder.bank import Bank, right, wrong

from .requantize import REQUANTIZE

LINEAR = Bank(
    "quantized_linear",
    misconceptions=(
        *REQUANTIZE,
        wrong(
            "corrects the input zero point again",
            "Your function takes the input's zero point off, but the shifted bias has done that already; use it once.",
            ("weight, bias)", "weight, bias) - input_zero_point * weight.sum(dim=1, dtype=torch.int32)"),
        ),
        wrong(
            "weight scale not reshaped",
            "Your weight scale of shape (oc, 1) meets the images; reshape it so that it lies along the outputs.",
            ("weight_scale.reshape(-1)", "weight_scale"),
        ),
        wrong(
            "one weight scale for all",
            "Your function uses one weight scale for all outputs; each output is scaled by its own.",
            ("weight_scale.reshape(-1)", "weight_scale.mean()"),
        ),
        wrong(
            "forgets the weight scale",
            "Your function leaves the weight scale out; sums of input times weight need both scales.",
            ("weight_scale.reshape(-1) * (input_scale / output_scale)", "input_scale / output_scale"),
        ),
        wrong(
            "forgets the bias",
            "Your function leaves the bias out; hand it to int8_linear, or add it to the sums before they are scaled.",
            ("weight, bias)", "weight)"),
        ),
        wrong(
            "adds the bias twice",
            "Your function adds the bias twice: int8_linear has added it already.",
            ("weight, bias)", "weight, bias)\n    if bias is not None:\n        sums = sums + bias"),
        ),
        wrong(
            "adds the bias after scaling",
            "Your function adds the bias after scaling; it has the scale of the sums, so add it to them before.",
            ("weight, bias)", "weight)\n    bias = 0 if bias is None else bias"),
            ("factor + output_zero_point", "factor + bias + output_zero_point"),
        ),
        wrong(
            "needs a bias",
            "Your function fails where the bias is None; add a bias only if there is one.",
            ("weight, bias)", "weight) + bias"),
        ),
        wrong(
            "rounds down",
            "Your function always rounds down; round to the nearest integer.",
            (".round().clamp", ".floor().clamp"),
        ),
        wrong(
            "clamps from zero",
            "Your function clamps to an unsigned range that begins at 0; int8 outputs are signed.",
            ("get_quantized_range(feature_bitwidth)", "0, 2 ** (feature_bitwidth - 1) - 1"),
        ),
        wrong(
            "sums in int8",
            "Your function multiplies int8 tensors directly, and their sums wrap around at 8 bits; use int8_linear.",
            ("int8_linear(input, weight, bias)", "input @ weight.t() + (0 if bias is None else bias)"),
        ),
        wrong(
            "sums in float32",
            "Your sums are made in float32, which skips integers beyond 2 to the power of 24; use int8_linear.",
            (
                "int8_linear(input, weight, bias)",
                "functional.linear(input.float(), weight.float(), None if bias is None else bias.float())",
            ),
        ),
    ),
    alternatives=(
        right(
            "in float64",
            """
            def quantized_linear(
                input, weight, bias, feature_bitwidth, weight_bitwidth, input_zero_point, output_zero_point,
                input_scale, weight_scale, output_scale,
            ):
                output = input.double() @ weight.double().t()
                if bias is not None:
                    output = output + bias.double()
                output = output * (input_scale * weight_scale.double().view(1, -1)) / output_scale
                output = torch.round(output + output_zero_point)
                return output.clamp(*get_quantized_range(feature_bitwidth)).type(torch.int8)
            """,
        ),
        right(
            "torch functions, keywords and tensors for numbers",
            """
            def quantized_linear(x, w, b, feature_bits, _, z_in, z_out, s_in, s_w, s_out):
                sums = int8_linear(input=x, weight=w, bias=b).to(torch.float32)
                real = torch.mul(sums, torch.mul(torch.tensor(s_in), s_w.squeeze(1)))
                shifted = torch.add(torch.div(real, torch.tensor(s_out)), torch.tensor(z_out))
                bounds = get_quantized_range(bitwidth=feature_bits)
                return torch.clamp(torch.round(shifted), min=bounds[0], max=bounds[1]).char()
            """,
        ),
        right(
            "transposed",
            """
            def quantized_linear(i, w, b, fb, wb, iz, oz, input_scale, weight_scale, output_scale):
                columns = functional.linear(i.int(), w.int()).t()
                if b is not None:
                    columns = columns + b.unsqueeze(1)
                columns = columns * weight_scale * input_scale / output_scale + oz
                return columns.t().round_().clamp_(-(1 << fb - 1), (1 << fb - 1) - 1).to(torch.int8).contiguous()
            """,
        ),
        right(
            "loop over outputs with torch.where",
            """
            def quantized_linear(
                input, weight, bias, feature_bitwidth, weight_bitwidth, input_zero_point, output_zero_point,
                input_scale, weight_scale, output_scale,
            ):
                low, high = get_quantized_range(feature_bitwidth)
                columns = []
                for channel in range(weight.shape[0]):
                    total = (input.to(torch.int64) * weight[channel]).sum(dim=-1)
                    if bias is not None:
                        total += bias[channel]
                    scale = weight_scale[channel].item() * input_scale / output_scale
                    column = torch.round(total.double() * scale).long() + output_zero_point
                    column = torch.where(column > high, high, column)
                    columns.append(torch.where(column < low, low, column))
                return torch.stack(columns, dim=1).to(torch.int8)
            """,
        ),
        right(
            "numpy",
            """
            import numpy as np

            def quantized_linear(x, w, b, fb, wb, zi, zo, si, sw, so):
                total = x.numpy().astype(np.int32) @ w.numpy().astype(np.int32).T
                if b is not None:
                    total = total + b.numpy()
                output = np.rint(total * (si * sw.numpy().astype(np.float64).reshape(1, -1) / so)) + zo
                bounds = get_quantized_range(fb)
                return torch.from_numpy(np.clip(output, bounds[0], bounds[1]).astype(np.int8))
            """,
        ),
        right(
            "in place",
            """
            def quantized_linear(
                input, weight, bias, feature_bitwidth, weight_bitwidth, input_zero_point, output_zero_point,
                input_scale, weight_scale, output_scale,
            ):
                output = int8_linear(input, weight).double()
                output += 0 if bias is None else bias
                output *= weight_scale.flatten()
                output *= input_scale
                output /= output_scale
                output += output_zero_point
                output.round_().clamp_(min=get_quantized_range(feature_bitwidth)[0])
                output.clamp_(max=get_quantized_range(feature_bitwidth)[1])
                return output.to(torch.int8)
            """,
        ),
        right(
            "as linear_quantize of real numbers",
            """
            def quantized_linear(
                input, weight, bias, feature_bitwidth, weight_bitwidth, input_zero_point, output_zero_point,
                input_scale, weight_scale, output_scale,
            ):
                real = int8_linear(input, weight, bias) * (weight_scale.view(1, -1) * input_scale)
                return linear_quantize(real, feature_bitwidth, output_scale, output_zero_point)
            """,
        ),
    ),
)
