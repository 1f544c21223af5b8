"""Implementations of ``fuse_conv_bn``."""

from autograder.bank import Bank, right, wrong

FUSE = Bank(
    "fuse_conv_bn",
    misconceptions=(
        wrong(
            "no eps",
            "Your function leaves eps out; add it to the running variance under the root.",
            ("bn.running_var + bn.eps", "bn.running_var"),
        ),
        wrong(
            "eps outside the root",
            "Your function adds eps to the root; add it to the variance before the root is taken.",
            ("torch.sqrt(bn.running_var + bn.eps)", "(torch.sqrt(bn.running_var) + bn.eps)"),
        ),
        wrong(
            "eps of 1e-5",
            "Your function takes eps to be 1e-5; read it from the layer, bn.eps.",
            ("bn.eps", "1e-5"),
        ),
        wrong(
            "no root",
            "Your function divides by the variance; divide by the standard deviation, which is its root.",
            ("torch.sqrt(bn.running_var + bn.eps)", "(bn.running_var + bn.eps)"),
        ),
        wrong(
            "multiplies by the deviation",
            "Your function multiplies by the standard deviation; the normalization divides by it.",
            ("bn.weight / torch.sqrt", "bn.weight * torch.sqrt"),
        ),
        wrong(
            "forgets gamma",
            "Your function leaves gamma out, which is bn.weight; the factor is gamma over the standard deviation.",
            ("bn.weight / torch.sqrt", "1 / torch.sqrt"),
        ),
        wrong(
            "exchanges gamma and beta",
            "Your function uses gamma and beta in each other's place; bn.weight multiplies and bn.bias is added.",
            ("bn.weight / torch", "bn.bias / torch"),
            ("factor + bn.bias", "factor + bn.weight"),
        ),
        wrong(
            "mean of the wrong sign",
            "Your function adds the running mean; the normalization subtracts it.",
            ("bias - bn.running_mean", "bias + bn.running_mean"),
        ),
        wrong(
            "mean not scaled",
            "Your function subtracts the running mean as it is; it is multiplied by the factor as well.",
            ("(bias - bn.running_mean) * factor + bn.bias", "bias * factor - bn.running_mean + bn.bias"),
        ),
        wrong(
            "forgets the mean",
            "Your function leaves the running mean out; it belongs to the new bias, times the factor.",
            ("(bias - bn.running_mean) * factor", "bias * factor"),
        ),
        wrong(
            "forgets beta",
            "Your function leaves beta out, which is bn.bias; add it to the new bias.",
            (" * factor + bn.bias", " * factor"),
        ),
        wrong(
            "beta scaled",
            "Your function multiplies beta by the factor; beta is added last, as it is.",
            ("(bias - bn.running_mean) * factor + bn.bias", "(bias - bn.running_mean + bn.bias) * factor"),
        ),
        wrong(
            "loses the convolution's bias",
            "Your function ignores a bias that the convolution has; it counts as a part of y.",
            ("(bias - bn.running_mean) * factor", "-bn.running_mean * factor"),
        ),
        wrong(
            "convolution's bias not scaled",
            "Your function adds the convolution's own bias as it is; it is multiplied by the factor as well.",
            ("(bias - bn.running_mean) * factor", "bias - bn.running_mean * factor"),
        ),
        wrong(
            "needs a bias",
            "Your function fails where the convolution has no bias; take zeros in its place.",
            ("torch.zeros_like(bn.running_mean) if conv.bias is None else conv.bias", "conv.bias"),
        ),
        wrong(
            "factor along the inputs",
            "Your factor lies along the input channels; it belongs to the first dimension, the output channels.",
            ("reshape(-1, 1, 1, 1)", "reshape(1, -1, 1, 1)"),
        ),
        wrong(
            "factor not reshaped",
            "Your factor of shape (oc,) meets the kernel's columns; give it three more dimensions behind.",
            ("factor.reshape(-1, 1, 1, 1)", "factor"),
        ),
        wrong(
            "weight unchanged",
            "Your function changes the bias only; the weight is multiplied by the factor, too.",
            ("conv.weight * factor.reshape(-1, 1, 1, 1)", "conv.weight"),
        ),
        wrong(
            "bias unchanged",
            "Your function changes the weight only; the layer needs the bias that replaces mean and beta, too.",
            ("conv.bias = nn.Parameter((bias - bn.running_mean) * factor + bn.bias)", "conv.bias = nn.Parameter(bias)"),
        ),
        wrong(
            "new layer without its options",
            "Your new convolution has the default stride, padding, dilation and groups; give it those of the old one.",
            (
                "    return conv",
                """\
    fused = nn.Conv2d(conv.weight.shape[1], conv.out_channels, conv.kernel_size)
    fused.weight, fused.bias = conv.weight, conv.bias
    return fused""",
            ),
        ),
        wrong(
            "statistics of the weight",
            "Your function normalizes by statistics of the weights; use bn.running_mean and bn.running_var.",
            ("bn.running_var + bn.eps", "conv.weight.var(dim=(1, 2, 3)) + bn.eps"),
            ("bias - bn.running_mean", "bias - conv.weight.mean(dim=(1, 2, 3))"),
        ),
        wrong(
            "returns nothing",
            "Your function changes the convolution but returns nothing; return the layer.",
            ("    return conv", ""),
        ),
        wrong(
            "returns a pair",
            "Your function returns weight and bias; put them into the convolution and return that.",
            ("return conv", "return conv.weight, conv.bias"),
        ),
    ),
    alternatives=(
        right(
            "function of PyTorch",
            """
            import torch.nn.utils.fusion

            def fuse_conv_bn(conv, bn):
                return torch.nn.utils.fusion.fuse_conv_bn_eval(conv.eval(), copy.deepcopy(bn).eval())
            """,
        ),
        right(
            "in place on the data",
            """
            def fuse_conv_bn(convolution, normalization):
                deviation = (normalization.running_var + normalization.eps).pow(0.5)
                gamma = normalization.weight.data
                if convolution.bias is None:
                    convolution.bias = nn.Parameter(torch.zeros(convolution.out_channels))
                convolution.weight.data *= (gamma / deviation)[:, None, None, None]
                convolution.bias.data -= normalization.running_mean
                convolution.bias.data.mul_(gamma).div_(deviation).add_(normalization.bias.data)
                return convolution
            """,
        ),
        right(
            "new layer",
            """
            def fuse_conv_bn(conv, bn):
                fused = nn.Conv2d(
                    conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding,
                    conv.dilation, conv.groups, bias=True,
                )
                with torch.no_grad():
                    scale = bn.weight * torch.rsqrt(bn.running_var + bn.eps)
                    fused.weight.copy_(torch.einsum("oikl,o->oikl", conv.weight, scale))
                    fused.bias.copy_(bn.bias - scale * bn.running_mean)
                    if conv.bias is not None:
                        fused.bias.add_(scale * conv.bias)
                return fused
            """,
        ),
        right(
            "loop over filters of a copy, in float64",
            """
            def fuse_conv_bn(conv, bn):
                fused = copy.deepcopy(conv)
                weight = conv.weight.detach().double().clone()
                bias = torch.zeros(len(weight), dtype=torch.float64)
                for o in range(len(weight)):
                    factor = bn.weight[o].item() / (bn.running_var[o].item() + bn.eps) ** 0.5
                    weight[o] *= factor
                    own = 0.0 if conv.bias is None else conv.bias[o].item()
                    bias[o] = factor * (own - bn.running_mean[o].item()) + bn.bias[o].item()
                fused.weight, fused.bias = nn.Parameter(weight.float()), nn.Parameter(bias.float())
                return fused
            """,
        ),
        right(
            "diagonal matrix",
            """
            def fuse_conv_bn(conv, bn):
                diagonal = torch.diag(bn.weight.div(torch.sqrt(bn.eps + bn.running_var))).detach()
                flat = torch.mm(diagonal, conv.weight.detach().flatten(1))
                shift = bn.bias.detach() - diagonal @ bn.running_mean
                if conv.bias is not None:
                    shift = shift + diagonal @ conv.bias.detach()
                conv.weight = nn.Parameter(flat.view_as(conv.weight))
                conv.bias = nn.Parameter(shift)
                return conv
            """,
        ),
        right(
            "weights transposed",
            """
            @torch.no_grad()
            def fuse_conv_bn(conv, bn):
                mean, variance, gamma, beta = bn.running_mean, bn.running_var, bn.weight, bn.bias
                factor = torch.exp(torch.log(variance.double() + bn.eps) / -2) * gamma
                start = mean.neg() if conv.bias is None else torch.sub(conv.bias, mean)
                weight = (conv.weight.transpose(0, -1) * factor).transpose(0, -1)
                bias = torch.addcmul(beta.double(), start.double(), factor)
                conv.weight = nn.Parameter(weight.float().contiguous())
                conv.register_parameter("bias", nn.Parameter(bias.float()))
                return conv
            """,
        ),
    ),
)
