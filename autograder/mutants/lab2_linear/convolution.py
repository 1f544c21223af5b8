"""Implementations of ``quantized_conv2d``."""

from autograder.bank import Bank, right, wrong

from .requantize import REQUANTIZE

CONV2D = Bank(
    "quantized_conv2d",
    misconceptions=(
        *REQUANTIZE,
        wrong(
            "pads with 0",
            "Your function fills the border with the integer 0; the integer that stands for 0.0 is the zero point.",
            ("padding, value=input_zero_point", "padding"),
        ),
        wrong(
            "pads with the output zero point",
            "Your function fills the border with the output's zero point; the border belongs to the input.",
            ("value=input_zero_point", "value=output_zero_point"),
        ),
        wrong(
            "ignores the padding",
            "Your function never pads; add the border before you convolve.",
            ("functional.pad(input, padding, value=input_zero_point)", "input"),
        ),
        wrong(
            "pads twice",
            "Your function pads the input and then lets int8_conv2d pad it once more; do it in one place only.",
            ("stride=stride", "stride=stride, padding=padding, padding_value=input_zero_point"),
        ),
        wrong(
            "padding equal on all sides",
            "Your function pads all sides by the same number; padding holds left, right, top and bottom.",
            ("input, padding", "input, [padding[0]] * 4"),
        ),
        wrong(
            "padding top and bottom first",
            "Your function takes padding as top, bottom, left, right; it is given as left, right, top, bottom.",
            ("input, padding", "input, (*padding[2:], *padding[:2])"),
        ),
        wrong(
            "padding as two numbers",
            "Your function uses two of the four paddings and takes the other sides to be equal; pass all four on.",
            ("functional.pad(input, padding, value=input_zero_point)", "input"),
            ("stride=stride", "stride=stride, padding=(padding[2], padding[0]), padding_value=input_zero_point"),
        ),
        wrong(
            "ignores the stride",
            "Your function does not use the stride; pass it on to the convolution.",
            ("stride=stride, ", ""),
        ),
        wrong(
            "one stride for both",
            "Your function uses the vertical stride for both directions; pass both numbers on.",
            ("stride=stride", "stride=stride[0]"),
        ),
        wrong(
            "ignores the dilation",
            "Your function does not use the dilation; pass it on to the convolution.",
            ("dilation=dilation, ", ""),
        ),
        wrong(
            "ignores the groups",
            "Your function does not use the groups; pass their number on to the convolution.",
            (", groups=groups", ""),
        ),
        wrong(
            "weight scale not reshaped",
            "Your weight scale lies along the images, the first dimension of the sums; bring it to the second one.",
            ("weight_scale.reshape(-1, 1, 1)", "weight_scale"),
        ),
        wrong(
            "weight scale along the columns",
            "Your weight scale has one dimension and meets the image's columns; give it two more behind the channels.",
            ("weight_scale.reshape(-1, 1, 1)", "weight_scale.reshape(-1)"),
        ),
        wrong(
            "one weight scale for all",
            "Your function uses one weight scale for all; each output channel is scaled by its own.",
            ("weight_scale.reshape(-1, 1, 1)", "weight_scale.mean()"),
        ),
        wrong(
            "forgets the bias",
            "Your function leaves the bias out; hand it to int8_conv2d, or add it to the sums before they are scaled.",
            ("weight, bias, ", "weight, "),
        ),
        wrong(
            "adds the bias twice",
            "Your function adds the bias twice: int8_conv2d has added it already.",
            (
                "groups=groups)",
                "groups=groups)\n    if bias is not None:\n        sums = sums + bias.reshape(-1, 1, 1)",
            ),
        ),
        wrong(
            "adds the bias after scaling",
            "Your function adds the bias after scaling; it has the scale of the sums, so add it to them before.",
            ("weight, bias, ", "weight, "),
            ("groups=groups)", "groups=groups)\n    bias = 0 if bias is None else bias.reshape(-1, 1, 1)"),
            ("factor + output_zero_point", "factor + bias + output_zero_point"),
        ),
        wrong(
            "needs a bias",
            "Your function fails where the bias is None; add a bias only if there is one.",
            ("weight, bias, ", "weight, "),
            ("groups=groups)", "groups=groups) + bias.reshape(-1, 1, 1)"),
        ),
        wrong(
            "sums in int8",
            "Your function keeps the sums in int8, where they wrap around; leave them in int32 until the end.",
            ("groups=groups)", "groups=groups).to(torch.int8)"),
        ),
        wrong(
            "sums in float32",
            "Your sums are made in float32, which skips integers beyond 2 to the power of 24; use int8_conv2d.",
            ("= int8_conv2d(padded, weight, bias, ", "= functional.conv2d(padded.float(), weight.float(), bias, "),
            ("    sums", "    bias = None if bias is None else bias.float()\n    sums"),
        ),
    ),
    alternatives=(
        right(
            "padding by int8_conv2d",
            """
            def quantized_conv2d(
                input, weight, bias, feature_bitwidth, weight_bitwidth, input_zero_point, output_zero_point,
                input_scale, weight_scale, output_scale, stride, padding, dilation, groups,
            ):
                output = int8_conv2d(
                    input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups,
                    padding_value=input_zero_point,
                ).float()
                output *= (weight_scale * input_scale / output_scale).view(1, -1, 1, 1)
                output += output_zero_point
                low, high = get_quantized_range(feature_bitwidth)
                return output.round().clamp(min=low, max=high).type(torch.int8)
            """,
        ),
        right(
            "in float64",
            """
            def quantized_conv2d(x, w, b, fb, wb, zi, zo, si, sw, so, stride, padding, dilation, groups):
                x = functional.pad(x.double(), padding, "constant", zi)
                b = None if b is None else b.double()
                real = functional.conv2d(x, w.double(), b, stride=stride, dilation=dilation, groups=groups)
                real = torch.div(real * si * sw.double().permute(1, 0, 2, 3), so)
                return torch.round(real + zo).clamp(*get_quantized_range(fb)).char()
            """,
        ),
        right(
            "integer sums and torch.where",
            """
            def quantized_conv2d(x, w, b, bits, _, z_in, z_out, s_in, s_w, s_out, stride, padding, dilation, groups):
                x = functional.pad(input=x, pad=padding, mode="constant", value=z_in).to(torch.int64)
                sums = functional.conv2d(x, w.to(torch.int64), None, stride, 0, dilation, groups)
                if b is not None:
                    sums = sums + b[None, :, None, None]
                multiplier = torch.transpose(s_w, 0, 1).double() * s_in / s_out
                rounded = torch.round(sums * multiplier).to(torch.int64) + z_out
                smallest, largest = get_quantized_range(bits)
                rounded = torch.where(rounded < smallest, smallest, rounded)
                return torch.where(rounded > largest, largest, rounded).to(torch.int8)
            """,
        ),
        right(
            "border by hand, channels last",
            """
            def quantized_conv2d(
                input, weight, bias, feature_bitwidth, weight_bitwidth, input_zero_point, output_zero_point,
                input_scale, weight_scale, output_scale, stride, padding, dilation, groups,
            ):
                n, c, h, w = input.shape
                left, right, top, bottom = padding
                canvas = input.new_full((n, c, top + h + bottom, left + w + right), input_zero_point)
                canvas[:, :, top : top + h, left : left + w] = input
                sums = int8_conv2d(canvas, weight, stride=stride, dilation=dilation, groups=groups)
                sums = sums.permute(0, 2, 3, 1)
                if bias is not None:
                    sums = sums + bias
                output = sums * weight_scale.flatten() * input_scale / output_scale + output_zero_point
                output = torch.clip(output.round(), *get_quantized_range(feature_bitwidth))
                return output.permute(0, 3, 1, 2).to(torch.int8)
            """,
        ),
        right(
            "loop over output channels",
            """
            def quantized_conv2d(
                input, weight, bias, feature_bitwidth, weight_bitwidth, input_zero_point, output_zero_point,
                input_scale, weight_scale, output_scale, stride, padding, dilation, groups,
            ):
                padded = functional.pad(input, padding, value=input_zero_point)
                outputs, inputs = weight.shape[:2]
                each = outputs // groups
                maps = []
                for channel in range(outputs):
                    first = channel // each * inputs
                    part = padded[:, first : first + inputs].double()
                    total = functional.conv2d(part, weight[channel : channel + 1].double(), None, stride, 0, dilation)
                    if bias is not None:
                        total = total + bias[channel].item()
                    total = total * (float(weight_scale[channel]) * input_scale / output_scale)
                    maps.append(total + output_zero_point)
                low, high = get_quantized_range(feature_bitwidth)
                return torch.cat(maps, dim=1).round().clamp(low, high).to(torch.int8)
            """,
        ),
        right(
            "patches and matrix products",
            """
            def quantized_conv2d(x, w, b, fb, wb, zi, zo, si, sw, so, stride, padding, dilation, groups):
                x = functional.pad(x, padding, value=zi).double()
                patches = functional.unfold(x, w.shape[2:], dilation=dilation, stride=stride)
                patches = patches.unflatten(1, (groups, -1))  # (n, groups, inputs, places)
                filters = w.double().reshape(groups, len(w) // groups, -1)
                sums = torch.matmul(filters, patches).flatten(1, 2)
                sums = sums + (0 if b is None else b.unsqueeze(-1))
                output = torch.round(sums * sw.reshape(-1, 1) * si / so + zo)
                spread = dilation[0] * (w.shape[2] - 1) + 1
                rows = (x.shape[2] - spread) // stride[0] + 1
                low, high = get_quantized_range(fb)
                return output.clamp(low, high).reshape(len(x), len(w), rows, -1).to(torch.int8)
            """,
        ),
        right(
            "as linear_quantize of real numbers",
            """
            def quantized_conv2d(
                input, weight, bias, feature_bitwidth, weight_bitwidth, input_zero_point, output_zero_point,
                input_scale, weight_scale, output_scale, stride, padding, dilation, groups,
            ):
                padded = functional.pad(input, padding, value=input_zero_point)
                sums = int8_conv2d(padded, weight, bias, stride=stride, dilation=dilation, groups=groups)
                real = sums * (weight_scale.squeeze(1) * input_scale)
                return linear_quantize(real, feature_bitwidth, output_scale, output_zero_point)
            """,
        ),
    ),
)
