"""Implementations of ``linear_quantize_weight_per_channel``."""

from autograder.bank import Bank, right, wrong

PER_CHANNEL = Bank(
    "linear_quantize_weight_per_channel",
    misconceptions=(
        wrong(
            "one scale for all",
            "Your function gives all channels the same scale; each output channel needs the scale of its own weights.",
            (
                "get_quantization_scale_for_weight(channel, bitwidth)",
                "get_quantization_scale_for_weight(tensor, bitwidth)",
            ),
        ),
        wrong(
            "scales of the input channels",
            "Your function takes the channels from the second dimension; output channels are along the first.",
            ("for channel in tensor.detach()]", "for channel in tensor.detach().transpose(0, 1)]"),
            ("scale.reshape(-1, *[1] * (tensor.dim() - 1))", "scale.reshape(1, -1, *[1] * (tensor.dim() - 2))"),
        ),
        wrong(
            "one scale for each kernel",
            "Your function takes the maximum over rows and columns only; take it over the input channels as well.",
            (
                "    scales = [get_quantization_scale_for_weight(channel, bitwidth) for channel in tensor.detach()]\n",
                "    others = tuple(range(2, tensor.dim())) or (1,)\n"
                "    scales = tensor.detach().abs().amax(dim=others, keepdim=True).clamp(min=5e-7)\n",
            ),
            (
                "torch.tensor(scales, dtype=torch.float32, device=tensor.device)",
                "scales / get_quantized_range(bitwidth)[1]",
            ),
            ("    scale = scale.reshape(-1, *[1] * (tensor.dim() - 1))\n", ""),
        ),
        wrong(
            "scale not reshaped",
            "Your scale of shape (oc,) broadcasts along the last dimension; give it as many dimensions as the weight.",
            ("    scale = scale.reshape(-1, *[1] * (tensor.dim() - 1))\n", ""),
        ),
        wrong(
            "four dimensions only",
            "Your scale has four dimensions also for a linear layer; give it as many as the weight has.",
            ("scale.reshape(-1, *[1] * (tensor.dim() - 1))", "scale.reshape(-1, 1, 1, 1)"),
        ),
        wrong(
            "two dimensions only",
            "Your scale has two dimensions also for a convolution; give it as many as the weight has.",
            ("scale.reshape(-1, *[1] * (tensor.dim() - 1))", "scale.reshape(-1, 1)"),
        ),
        wrong(
            "signed maximum",
            "Your function takes each channel's largest weight; a negative one may have the larger magnitude.",
            (
                "[get_quantization_scale_for_weight(channel, bitwidth)",
                "[max(channel.max().item(), 5e-7) / get_quantized_range(bitwidth)[1]",
            ),
        ),
        wrong(
            "divides zeros by zero",
            "Your scale is 0 for a channel of zeros; use get_quantization_scale_for_weight for each channel.",
            (
                "[get_quantization_scale_for_weight(channel, bitwidth)",
                "[channel.abs().max().item() / get_quantized_range(bitwidth)[1]",
            ),
        ),
        wrong(
            "over 2 to the power of b - 1",
            "Your function divides by the number of positive integers and zero; divide by the largest, 127 at 8 bits.",
            (
                "[get_quantization_scale_for_weight(channel, bitwidth)",
                "[max(channel.abs().max().item(), 5e-7) / 2 ** (bitwidth - 1)",
            ),
        ),
        wrong(
            "asymmetric",
            "Your function uses the scale of features, from min to max; weights have a symmetric one and zero point 0.",
            (
                "[get_quantization_scale_for_weight(channel, bitwidth)",
                "[get_quantization_scale_and_zero_point(channel, bitwidth)[0]",
            ),
        ),
        wrong(
            "eight bits always",
            "Your function uses 8 bits whatever bitwidth says; pass bitwidth on.",
            ("(channel, bitwidth)", "(channel, 8)"),
            ("linear_quantize(tensor, bitwidth,", "linear_quantize(tensor, 8,"),
        ),
        wrong(
            "cuts fractions off",
            "Your function cuts fractions off when it converts to int8; let linear_quantize round.",
            ("linear_quantize(tensor, bitwidth, scale, 0)", "(tensor.detach() / scale).to(torch.int8)"),
        ),
        wrong(
            "returns floats",
            "Your function returns the weight as real numbers again; return the integers of linear_quantize.",
            ("linear_quantize(tensor, bitwidth, scale, 0)", "linear_quantize(tensor, bitwidth, scale, 0) * scale"),
        ),
        wrong(
            "a list of scales",
            "Your function returns the scales as a list; return the tensor that you divided by.",
            (
                "linear_quantize(tensor, bitwidth, scale, 0), scale, 0",
                "linear_quantize(tensor, bitwidth, scale, 0), scales, 0",
            ),
        ),
        wrong(
            "no zero point",
            "Your function returns two values; return the quantized weight, the scale and the zero point 0.",
            ("scale, 0), scale, 0", "scale, 0), scale"),
        ),
        wrong(
            "needs a contiguous weight",
            "Your function calls view, which refuses a weight that is not contiguous in memory; use reshape.",
            (
                "for channel in tensor.detach()]",
                "for channel in tensor.detach().view(len(tensor), -1)]",
            ),
        ),
        wrong(
            "changes the weight",
            "Your function divides the caller's weight in place; compute a new tensor instead.",
            (
                "linear_quantize(tensor, bitwidth, scale, 0)",
                "linear_quantize(tensor.detach().div_(scale), bitwidth, 1.0, 0)",
            ),
        ),
        wrong(
            "numpy of a parameter",
            "Your function asks a parameter for numpy(), which it refuses; use torch, or detach() it first.",
            (
                "[get_quantization_scale_for_weight(channel, bitwidth) for channel in tensor.detach()]",
                "[get_quantization_scale_for_weight(torch.from_numpy(one), bitwidth) for one in tensor.numpy()]",
            ),
        ),
    ),
    alternatives=(
        right(
            "without a loop",
            """
            def linear_quantize_weight_per_channel(tensor, bitwidth):
                q_max = get_quantized_range(bitwidth)[1]
                largest = tensor.detach().abs().flatten(start_dim=1).amax(dim=1).clamp(min=5e-7)
                scale = (largest / q_max).reshape(-1, *(1 for _ in tensor.shape[1:]))
                return linear_quantize(tensor, bitwidth, scale, zero_point=0), scale, 0
            """,
        ),
        right(
            "fills a tensor of scales",
            """
            def linear_quantize_weight_per_channel(tensor, bitwidth):
                dim_output_channels = 0
                num_output_channels = tensor.shape[dim_output_channels]
                scale = torch.zeros(num_output_channels, device=tensor.device)
                for oc in range(num_output_channels):
                    _subtensor = tensor.select(dim_output_channels, oc)
                    scale[oc] = get_quantization_scale_for_weight(_subtensor, bitwidth)
                scale_shape = [1] * tensor.dim()
                scale_shape[dim_output_channels] = -1
                scale = scale.view(scale_shape)
                return linear_quantize(tensor, bitwidth, scale, zero_point=0), scale, 0
            """,
        ),
        right(
            "row by row",
            """
            def linear_quantize_weight_per_channel(tensor, bitwidth):
                rows, scales = [], []
                for row in tensor:
                    s = get_quantization_scale_for_weight(row, bitwidth)
                    rows.append(linear_quantize(row, bitwidth, s, 0))
                    scales.append(s)
                scale = torch.tensor(scales, device=tensor.device)
                while scale.dim() < tensor.dim():
                    scale = scale.unsqueeze(-1)
                return torch.stack(rows), scale, 0
            """,
        ),
        right(
            "with transposes",
            """
            @torch.no_grad()
            def linear_quantize_weight_per_channel(w, bits):
                last = w.movedim(0, -1)
                top = last.abs().reshape(-1, len(w)).max(dim=0).values
                low, high = get_quantized_range(bits)
                steps = torch.maximum(top, torch.full_like(top, 5e-7)).double() / high
                integers = torch.round(last.double() / steps).clamp(low, high).char()
                shape = (len(w),) + (1,) * (w.dim() - 1)
                return integers.movedim(-1, 0), steps.float().reshape(shape), 0
            """,
        ),
        right(
            "with numpy",
            """
            import numpy as np

            def linear_quantize_weight_per_channel(tensor, bitwidth):
                values = tensor.detach().cpu().numpy()
                axes = tuple(range(1, values.ndim))
                scale = np.maximum(np.abs(values).max(axis=axes, keepdims=True), 5e-7) / (2 ** (bitwidth - 1) - 1)
                integers = np.rint(values / scale).clip(*get_quantized_range(bitwidth)).astype(np.int8)
                device = tensor.device
                return torch.from_numpy(integers).to(device), torch.from_numpy(scale.astype(np.float32)).to(device), 0
            """,
        ),
    ),
    equivalent={
        "3: dtype=torch.float32,  -> nothing": "a tensor made of Python floats is float32",
        "3: , device=tensor.device -> nothing": "cases are on the CPU, the default device; a GPU would tell",
        "2: .detach() -> nothing": "the scale is made of Python floats, which carry no gradient",
    },
)
