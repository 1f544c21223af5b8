"""Implementations of ``shift_quantized_linear_bias`` and ``quantized_linear``."""

from autograder.bank import Bank, right, wrong

SHIFT_LINEAR = Bank(
    "shift_quantized_linear_bias",
    misconceptions=(
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
            "returns floats",
            "Your function returns floats, because it converts the weights to float; stay in integers, int32.",
            ("quantized_weight.sum(dim=1, dtype=torch.int32)", "quantized_weight.float().sum(dim=1)"),
        ),
        wrong(
            "changes the bias in place",
            "Your function writes into the bias it is given; return a new tensor and leave the argument as it was.",
            ("return quantized_bias - input", "quantized_bias -= input"),
            ("dtype=torch.int32)", "dtype=torch.int32)\n    return quantized_bias"),
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
