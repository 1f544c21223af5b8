"""Implementations of ``channel_prune``."""

from autograder.bank import Bank, right, wrong

COPY = "    model = copy.deepcopy(model)\n"
RATIOS = "ratios = prune_ratio if isinstance(prune_ratio, list) else [prune_ratio] * (len(convs) - 1)"
KEEP = "keep = get_num_channels_to_keep(conv.out_channels, ratio)"
OUTPUTS = "conv.weight = nn.Parameter(conv.weight[:keep].clone())"
VECTORS = "norm.weight, norm.bias = nn.Parameter(norm.weight[:keep].clone()), nn.Parameter(norm.bias[:keep].clone())"
STATISTICS = "norm.running_mean, norm.running_var = norm.running_mean[:keep].clone(), norm.running_var[:keep].clone()"
INPUTS = "following.weight = nn.Parameter(following.weight[:, :keep].clone())"

CHANNEL_PRUNE = Bank(
    "channel_prune",
    misconceptions=(
        wrong(
            "last channels kept",
            "Your function keeps the last channels; keep the first.",
            (OUTPUTS, OUTPUTS.replace("[:keep]", "[-keep:]")),
            (VECTORS, VECTORS.replace("[:keep]", "[-keep:]")),
            (STATISTICS, STATISTICS.replace("[:keep]", "[-keep:]")),
            (INPUTS, INPUTS.replace("[:, :keep]", "[:, -keep:]")),
        ),
        wrong(
            "inputs of the next not pruned",
            "Your function leaves the next convolution its inputs; it loses those whose outputs are gone.",
            (INPUTS, "following.weight = nn.Parameter(following.weight.clone())"),
        ),
        wrong(
            "other end of the inputs",
            "Your function keeps the first outputs, but the last inputs of the next convolution; keep the same ones.",
            (INPUTS, INPUTS.replace("[:, :keep]", "[:, -keep:]")),
        ),
        wrong(
            "inputs taken for outputs",
            "Your function takes outputs away from the next convolution; its inputs are the second dimension.",
            (INPUTS, INPUTS.replace("[:, :keep]", "[:keep]")),
        ),
        wrong(
            "normalization not pruned",
            "Your function leaves BatchNorm as it was; all four of its vectors lose the same channels.",
            (VECTORS, "pass"),
            (STATISTICS, "pass"),
        ),
        wrong(
            "statistics not pruned",
            "Your function leaves running_mean and running_var as they were; they lose the same channels.",
            (STATISTICS, "pass"),
        ),
        wrong(
            "only the statistics pruned",
            "Your function leaves weight and bias of BatchNorm as they were; they lose the same channels.",
            (VECTORS, "pass"),
        ),
        wrong(
            "new statistics",
            "Your BatchNorm begins with new statistics, 0 and 1; keep the running means and variances of its channels.",
            (STATISTICS, "norm.running_mean, norm.running_var = torch.zeros(keep), torch.ones(keep)"),
        ),
        wrong(
            "no copy",
            "Your function changes the model that it is given; copy it with all its layers: copy.deepcopy.",
            (COPY, ""),
        ),
        wrong(
            "ratio is what stays",
            "Your function keeps the share that should go; a prune ratio is the share that goes.",
            (KEEP, "keep = get_num_channels_to_keep(conv.out_channels, 1 - ratio)"),
        ),
        wrong(
            "first ratio for all",
            "Your function uses the first ratio of the list for all convolutions; each has its own.",
            (RATIOS, "ratios = [prune_ratio[0] if isinstance(prune_ratio, list) else prune_ratio] * (len(convs) - 1)"),
        ),
        wrong(
            "numbers only",
            "Your function fails on a list of ratios; prune_ratio may be a number or a list.",
            (RATIOS, "ratios = [float(prune_ratio)] * (len(convs) - 1)"),
        ),
        wrong(
            "lists only",
            "Your function fails on a number; prune_ratio may be a number for all convolutions, or a list.",
            (RATIOS, "ratios = list(prune_ratio)"),
        ),
        wrong(
            "last convolution pruned, too",
            "Your function takes outputs away from the last convolution; the classifier expects all of them.",
            (
                "    return model\n",
                "    keep = get_num_channels_to_keep(convs[-1].out_channels, ratios[-1])\n"
                "    convs[-1].weight = nn.Parameter(convs[-1].weight[:keep].clone())\n"
                "    for name in ('weight', 'bias', 'running_mean', 'running_var'):\n"
                "        getattr(norms[-1], name).data = getattr(norms[-1], name).data[:keep].clone()\n"
                "    model.classifier.weight.data = model.classifier.weight.data[:, :keep].clone()\n"
                "    return model\n",
            ),
        ),
        wrong(
            "as many ratios as convolutions",
            "Your function prunes the last convolution, too, when the ratio is a number; it keeps all its outputs.",
            (RATIOS, RATIOS.replace("(len(convs) - 1)", "len(convs)")),
            ("convs[index], norms[index], convs[index + 1]", "convs[index], norms[index], (*convs, conv0)[index + 1]"),
            ("    for index, ratio in", "    conv0 = copy.deepcopy(convs[0])\n    for index, ratio in"),
        ),
        wrong(
            "last convolution and classifier pruned",
            "Your function prunes the last convolution and the classifier's inputs; both stay as they are.",
            (RATIOS, RATIOS.replace("(len(convs) - 1)", "len(convs)")),
            ("convs[index + 1]", "(*convs[1:], model.classifier)[index]"),
        ),
        wrong(
            "no parameters",
            "Your function puts a plain tensor where a parameter is; make it one, with nn.Parameter.",
            (OUTPUTS, "conv.weight = conv.weight[:keep].clone()"),
            (VECTORS, "norm.weight, norm.bias = norm.weight[:keep].clone(), norm.bias[:keep].clone()"),
            (INPUTS, "following.weight = following.weight[:, :keep].clone()"),
        ),
        wrong(
            "statistics as parameters",
            "Your running_mean and running_var have become parameters; they are buffers, so assign plain tensors.",
            (
                STATISTICS,
                "norm.running_mean = nn.Parameter(norm.running_mean[:keep].clone())\n"
                "        norm.running_var = nn.Parameter(norm.running_var[:keep].clone())",
            ),
        ),
        wrong(
            "first pair only",
            "Your function prunes behind the first convolution only; go on to the last but one.",
            ("enumerate(ratios)", "enumerate(ratios[:1])"),
        ),
        wrong(
            "zeros in place of removal",
            "Your function sets channels to zero; take them out, so that the tensors become smaller.",
            (
                KEEP,
                "number = get_num_channels_to_keep(conv.out_channels, ratio)\n"
                "        conv.weight[number:], following.weight[:, number:] = 0, 0\n"
                "        keep = conv.out_channels",
            ),
        ),
        wrong(
            "cut off in place of rounded",
            "Your function cuts off the number of channels; ask get_num_channels_to_keep.",
            (KEEP, "keep = int(conv.out_channels * (1 - ratio))"),
        ),
        wrong(
            "returns nothing",
            "Your function returns nothing; return the pruned copy.",
            ("    return model\n", ""),
        ),
    ),
    alternatives=(
        right(
            "in place on the copy's tensors",
            """
            @torch.no_grad()
            def channel_prune(model, prune_ratio):
                model = copy.deepcopy(model)
                all_convs = [m for m in model.backbone if isinstance(m, nn.Conv2d)]
                all_bns = [m for m in model.backbone if isinstance(m, nn.BatchNorm2d)]
                if isinstance(prune_ratio, list):
                    assert len(prune_ratio) == len(all_convs) - 1
                else:
                    prune_ratio = [prune_ratio] * (len(all_convs) - 1)
                for i_ratio, p_ratio in enumerate(prune_ratio):
                    prev_conv, prev_bn, next_conv = all_convs[i_ratio], all_bns[i_ratio], all_convs[i_ratio + 1]
                    n_keep = get_num_channels_to_keep(prev_conv.out_channels, p_ratio)
                    prev_conv.weight.set_(prev_conv.weight.detach()[:n_keep])
                    for tensor in (prev_bn.weight, prev_bn.bias, prev_bn.running_mean, prev_bn.running_var):
                        tensor.set_(tensor.detach()[:n_keep])
                    next_conv.weight.set_(next_conv.weight.detach()[:, :n_keep])
                return model
            """,
        ),
        right(
            "new layers",
            """
            def channel_prune(model, prune_ratio):
                pruned = copy.deepcopy(model)
                names = [name for name, module in pruned.backbone.named_children() if isinstance(module, nn.Conv2d)]
                bns = [name for name, module in pruned.backbone.named_children() if isinstance(module, nn.BatchNorm2d)]
                ratios = [prune_ratio] * (len(names) - 1) if isinstance(prune_ratio, float) else list(prune_ratio)
                inputs = model.backbone.get_submodule(names[0]).in_channels
                for name, bn_name, ratio in zip(names, bns, [*ratios, 0.0]):
                    old, old_bn = model.backbone.get_submodule(name), model.backbone.get_submodule(bn_name)
                    outputs = get_num_channels_to_keep(old.out_channels, ratio)
                    conv = nn.Conv2d(inputs, outputs, old.kernel_size, old.stride, old.padding, bias=False)
                    conv.weight.data = old.weight.data[:outputs, :inputs].clone()
                    bn = nn.BatchNorm2d(outputs, eps=old_bn.eps)
                    bn.load_state_dict({
                        key: value[:outputs] if value.dim() else value for key, value in old_bn.state_dict().items()
                    })
                    setattr(pruned.backbone, name, conv)
                    setattr(pruned.backbone, bn_name, bn)
                    inputs = outputs
                return pruned.train(model.training)
            """,
        ),
        right(
            "index_select on the data",
            """
            def channel_prune(model, prune_ratio):
                model = copy.deepcopy(model)
                layers = list(model.backbone)
                places = [at for at, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
                for number, (here, there) in enumerate(zip(places, places[1:])):
                    ratio = prune_ratio[number] if isinstance(prune_ratio, (list, tuple)) else prune_ratio
                    conv, bn, after = layers[here], layers[here + 1], layers[there]
                    kept = torch.arange(get_num_channels_to_keep(conv.weight.size(0), ratio))
                    conv.weight.data = conv.weight.data.index_select(0, kept)
                    after.weight.data = after.weight.data.index_select(1, kept)
                    for vector in (bn.weight, bn.bias, bn.running_mean, bn.running_var):
                        vector.data = vector.data.index_select(0, kept)
                return model
            """,
        ),
        right(
            "backwards, boolean masks",
            """
            @torch.no_grad()
            def channel_prune(model, prune_ratio):
                new = copy.deepcopy(model)
                convs = [m for m in new.modules() if isinstance(m, nn.Conv2d)]
                bns = [m for m in new.modules() if isinstance(m, nn.BatchNorm2d)]
                for i in reversed(range(len(convs) - 1)):
                    ratio = prune_ratio[i] if type(prune_ratio) is list else prune_ratio
                    channels = convs[i].out_channels
                    stays = torch.arange(channels) < get_num_channels_to_keep(channels, ratio)
                    convs[i].weight = nn.Parameter(convs[i].weight[stays])
                    convs[i + 1].weight = nn.Parameter(convs[i + 1].weight[:, stays])
                    bns[i].weight, bns[i].bias = nn.Parameter(bns[i].weight[stays]), nn.Parameter(bns[i].bias[stays])
                    bns[i].running_mean = bns[i].running_mean[stays]
                    bns[i].running_var = bns[i].running_var[stays]
                return new
            """,
        ),
    ),
    equivalent={
        "14: conv.out_channels = norm.num_features = following.in_channels = keep -> pass": "nothing is computed with",
    },
)
