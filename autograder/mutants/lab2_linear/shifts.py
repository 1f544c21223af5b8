"""Implementations of ``shift_quantized_linear_bias`` and ``shift_quantized_conv2d_bias``."""

from autograder.bank import Bank, right, wrong

#: Mistakes of both.
SHIFTED = (
    wrong(
        "adds the correction",
        "Your function adds zero point times sum of the weights; take it away from the bias instead.",
        ("quantized_bias - input", "quantized_bias + input"),
    ),
    wrong(
        "forgets the zero point",
        "Your function takes away the sum of the weights alone; multiply it by the input's zero point first.",
        ("input_zero_point * quantized", "quantized"),
    ),
    wrong(
        "returns the correction only",
        "Your function returns only what is to be taken away; start from the quantized bias.",
        ("quantized_bias - input", "-input"),
    ),
    wrong(
        "scales the bias as well",
        "Your function multiplies the bias by the zero point as well; only the sum of the weights is multiplied.",
        ("quantized_bias - input_zero_point * quantized", "input_zero_point * (quantized_bias - quantized"),
        ("dtype=torch.int32)", "dtype=torch.int32))"),
    ),
    wrong(
        "takes the zero point from each weight",
        "Your function subtracts the zero point from each weight; multiply it by the sum of the weights.",
        ("input_zero_point * quantized_weight.sum", "(quantized_weight.int() - input_zero_point).sum"),
    ),
    wrong(
        "sums in int8",
        "Your sum is made in int8 and wraps around beyond 127; say in the sum that it is to be int32.",
        ("dtype=torch.int32)", "dtype=torch.int8)"),
    ),
    wrong(
        "multiplies in int8",
        "Your function multiplies int8 weights by the zero point, which wraps around; sum in int32 before that.",
        ("input_zero_point * quantized_weight.sum", "(input_zero_point * quantized_weight).sum"),
    ),
    wrong(
        "returns int64",
        "Your function returns int64, which sum() makes of integers by default; the shifted bias is int32.",
        (", dtype=torch.int32", ""),
    ),
    wrong(
        "changes the bias in place",
        "Your function writes into the bias it is given; return a new tensor and leave the argument as it was.",
        ("return quantized_bias - input", "quantized_bias -= input"),
        ("dtype=torch.int32)", "dtype=torch.int32)\n    return quantized_bias"),
    ),
)

SHIFT_LINEAR = Bank(
    "shift_quantized_linear_bias",
    misconceptions=(
        *SHIFTED,
        wrong(
            "sums over the outputs",
            "Your function adds up columns; the weights of one output are one row, so sum over dimension 1.",
            ("dim=1", "dim=0"),
        ),
        wrong(
            "sums all weights",
            "Your function adds up all weights of the layer; each output needs the sum of its own row.",
            ("dim=1, ", ""),
        ),
        wrong(
            "keeps the summed dimension",
            "Your sum has the shape (oc, 1), which broadcasts with the bias to a square; drop that dimension.",
            ("dim=1", "dim=1, keepdim=True"),
        ),
        wrong(
            "returns floats",
            "Your function returns floats, because it converts the weights to float; stay in integers, int32.",
            ("quantized_weight.sum(dim=1, dtype=torch.int32)", "quantized_weight.float().sum(dim=1)"),
        ),
    ),
    alternatives=(
        right(
            "product with a vector",
            """
            def shift_quantized_linear_bias(bias, w, z):
                constant = torch.full((w.shape[1],), z, dtype=torch.int32)
                return bias - torch.matmul(w.int(), constant)
            """,
        ),
        right(
            "loop over rows",
            """
            def shift_quantized_linear_bias(quantized_bias, quantized_weight, input_zero_point):
                shifted = quantized_bias.clone()
                for row in range(len(shifted)):
                    shifted[row] -= input_zero_point * quantized_weight[row].sum()
                return shifted
            """,
        ),
        right(
            "plain integers",
            """
            def shift_quantized_linear_bias(quantized_bias, quantized_weight, input_zero_point):
                pairs = zip(quantized_bias.tolist(), quantized_weight.tolist())
                return torch.tensor([b - int(input_zero_point) * sum(w) for b, w in pairs], dtype=torch.int32)
            """,
        ),
        right(
            "in float64",
            """
            def shift_quantized_linear_bias(quantized_bias, quantized_weight, input_zero_point):
                zero_point = torch.tensor(float(input_zero_point), dtype=torch.float64)
                return (quantized_bias.double() - (zero_point * quantized_weight.double()).sum(-1)).to(torch.int32)
            """,
        ),
        right(
            "numpy",
            """
            import numpy as np

            def shift_quantized_linear_bias(quantized_bias, quantized_weight, input_zero_point):
                sums = np.sum(quantized_weight.numpy(), axis=1, dtype=np.int64)
                return torch.from_numpy((quantized_bias.numpy() - input_zero_point * sums).astype(np.int32))
            """,
        ),
        right(
            "in place on a clone",
            """
            def shift_quantized_linear_bias(quantized_bias, quantized_weight, input_zero_point):
                result = quantized_bias.clone().long()
                result.sub_(quantized_weight.t().sum(dim=0), alpha=input_zero_point)
                return result.type(torch.int32)
            """,
        ),
        right(
            "product with int8_linear",
            """
            def shift_quantized_linear_bias(quantized_bias, quantized_weight, input_zero_point):
                zeros = torch.full_like(quantized_weight[:1], input_zero_point)
                return quantized_bias - int8_linear(zeros, quantized_weight)[0]
            """,
        ),
    ),
)


SHIFT_CONV2D = Bank(
    "shift_quantized_conv2d_bias",
    misconceptions=(
        *SHIFTED,
        wrong(
            "sums over the kernel only",
            "Your function adds up rows and columns of the kernel only; sum over the input channels as well.",
            ("dim=(1, 2, 3)", "dim=(2, 3)"),
        ),
        wrong(
            "sums over the input channels only",
            "Your function adds up the input channels only, as for a linear layer; sum over the kernel as well.",
            ("dim=(1, 2, 3)", "dim=1"),
        ),
        wrong(
            "sums over the outputs",
            "Your function sums over the output channels and keeps the input channels; keep the first dimension.",
            ("dim=(1, 2, 3)", "dim=(0, 2, 3)"),
        ),
        wrong(
            "sums all weights",
            "Your function adds up all weights of the layer; each output channel needs the sum of its own filter.",
            ("dim=(1, 2, 3), ", ""),
        ),
        wrong(
            "keeps the summed dimensions",
            "Your sum has the shape (oc, 1, 1, 1), which broadcasts with the bias; drop the last three dimensions.",
            ("dim=(1, 2, 3)", "dim=(1, 2, 3), keepdim=True"),
        ),
    ),
    alternatives=(
        right(
            "flattened filters",
            """
            def shift_quantized_conv2d_bias(bias, weight, zero_point):
                filters = weight.to(torch.int32).reshape(weight.size(0), -1)
                return torch.sub(bias, filters.sum(dim=1, dtype=torch.int32), alpha=zero_point)
            """,
        ),
        right(
            "one dimension after the other",
            """
            def shift_quantized_conv2d_bias(quantized_bias, quantized_weight, input_zero_point):
                total = quantized_weight.sum(3).sum(2).sum(1)
                return (quantized_bias - total * input_zero_point).to(torch.int32)
            """,
        ),
        right(
            "loop over filters",
            """
            def shift_quantized_conv2d_bias(quantized_bias, quantized_weight, input_zero_point):
                shifted = torch.empty_like(quantized_bias)
                for i, filter in enumerate(quantized_weight):
                    shifted[i] = quantized_bias[i].item() - input_zero_point * filter.sum().item()
                return shifted
            """,
        ),
        right(
            "convolution of a constant image",
            """
            def shift_quantized_conv2d_bias(quantized_bias, quantized_weight, input_zero_point):
                window = torch.full_like(quantized_weight[:1], input_zero_point)
                answer = int8_conv2d(window, quantized_weight)  # (1, oc, 1, 1)
                return quantized_bias - answer.reshape(-1)
            """,
        ),
        right(
            "einsum in float64",
            """
            def shift_quantized_conv2d_bias(quantized_bias, quantized_weight, input_zero_point):
                sums = torch.einsum("oihw->o", quantized_weight.double())
                return (quantized_bias - float(input_zero_point) * sums).round().int()
            """,
        ),
        right(
            "numpy",
            """
            import numpy as np

            def shift_quantized_conv2d_bias(quantized_bias, quantized_weight, input_zero_point):
                weight = quantized_weight.numpy().astype(np.int32)
                sums = weight.sum(axis=(1, 2, 3), dtype=np.int32)
                return torch.as_tensor(quantized_bias.numpy() - np.int32(input_zero_point) * sums)
            """,
        ),
    ),
)
