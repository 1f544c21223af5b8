"""Implementations of ``apply_channel_sorting``."""

from autograder.bank import Bank, right, wrong

COPY = "    model = copy.deepcopy(model)\n"
ORDER = "order = get_input_channel_importance(following.weight).argsort(descending=True)"
TENSORS = "(conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var)"
SORT = "tensor.copy_(tensor[order])"
INPUTS = "following.weight.copy_(following.weight[:, order])"

CHANNEL_SORTING = Bank(
    "apply_channel_sorting",
    misconceptions=(
        wrong(
            "least important first",
            "Your channels come in rising order; the most important comes first.",
            ("argsort(descending=True)", "argsort()"),
        ),
        wrong(
            "importance of the outputs",
            "Your order comes from the first convolution's own filters; take the inputs of the next convolution.",
            (ORDER, "order = torch.linalg.vector_norm(conv.weight, dim=(1, 2, 3)).argsort(descending=True)"),
        ),
        wrong(
            "importance of BatchNorm's factor",
            "Your order comes from BatchNorm's weights; take the inputs of the next convolution.",
            (ORDER, "order = norm.weight.abs().argsort(descending=True)"),
        ),
        wrong(
            "inputs of the next not sorted",
            "Your function leaves the inputs of the next convolution in their old order; the model computes nonsense.",
            (INPUTS, "pass"),
        ),
        wrong(
            "outputs not sorted",
            "Your function leaves the outputs of the first convolution in their old order; sort both sides.",
            (TENSORS, "(norm.weight, norm.bias, norm.running_mean, norm.running_var)"),
        ),
        wrong(
            "normalization not sorted",
            "Your function leaves BatchNorm in the old order; all four of its vectors belong to the channels.",
            (TENSORS, "(conv.weight,)"),
        ),
        wrong(
            "statistics not sorted",
            "Your function leaves running_mean and running_var in the old order; they belong to the channels, too.",
            (TENSORS, "(conv.weight, norm.weight, norm.bias)"),
        ),
        wrong(
            "only the statistics sorted",
            "Your function leaves weight and bias of BatchNorm in the old order; they belong to the channels, too.",
            (TENSORS, "(conv.weight, norm.running_mean, norm.running_var)"),
        ),
        wrong(
            "places in place of an order",
            "Your function sends channel i to place order[i]; index with the order, so that place i gets order[i].",
            ("argsort(descending=True)", "argsort(descending=True).argsort()"),
        ),
        wrong(
            "one side sorted back",
            "Your two sides have inverse orders; index outputs and inputs with the same order.",
            (INPUTS, "following.weight.copy_(following.weight[:, order.argsort()])"),
        ),
        wrong(
            "outputs of the next sorted",
            "Your function sorts the outputs of the next convolution; its inputs are the second dimension.",
            (INPUTS, "following.weight.copy_(following.weight[order])"),
        ),
        wrong(
            "each tensor by itself",
            "Your function sorts every tensor by its own values; one order is for all of them.",
            (
                SORT,
                "tensor.copy_(tensor[tensor.flatten(1).norm(dim=1).argsort(descending=True)] if tensor.dim() > 1\n"
                "                         else tensor.sort(descending=True).values)",
            ),
        ),
        wrong(
            "first pair only",
            "Your function sorts behind the first convolution only; go on to the last but one.",
            ("enumerate(convs[1:])", "enumerate(convs[1:2])"),
        ),
        wrong(
            "no copy",
            "Your function changes the model that it is given; copy it with all its layers: copy.deepcopy.",
            (COPY, ""),
        ),
        wrong(
            "no parameters",
            "Your function puts a plain tensor where a parameter is; make it one with nn.Parameter, or copy_ into it.",
            (
                "        for tensor in " + TENSORS + ":\n            " + SORT,
                "        conv.weight = conv.weight[order]\n"
                "        norm.weight, norm.bias = norm.weight[order], norm.bias[order]\n"
                "        norm.running_mean, norm.running_var = norm.running_mean[order], norm.running_var[order]",
            ),
            (INPUTS, "following.weight = following.weight[:, order]"),
        ),
        wrong(
            "statistics as parameters",
            "Your running_mean and running_var have become parameters; they are buffers, so assign plain tensors.",
            (TENSORS, "(conv.weight, norm.weight, norm.bias)"),
            (
                INPUTS,
                INPUTS + "\n        norm.running_mean = nn.Parameter(norm.running_mean[order])\n"
                "        norm.running_var = nn.Parameter(norm.running_var[order])",
            ),
        ),
        wrong(
            "returns nothing",
            "Your function returns nothing; return the sorted copy.",
            ("    return model\n", ""),
        ),
        wrong(
            "nothing sorted",
            "Your function returns the copy as it was; put the channels in the order of their importance.",
            (SORT, "tensor.copy_(tensor)"),
            (INPUTS, "following.weight.copy_(following.weight)"),
        ),
    ),
    alternatives=(
        right(
            "index_select, tensor by tensor",
            """
            @torch.no_grad()
            def apply_channel_sorting(model):
                model = copy.deepcopy(model)
                all_convs = [m for m in model.backbone if isinstance(m, nn.Conv2d)]
                all_bns = [m for m in model.backbone if isinstance(m, nn.BatchNorm2d)]
                for i_conv in range(len(all_convs) - 1):
                    prev_conv, prev_bn, next_conv = all_convs[i_conv], all_bns[i_conv], all_convs[i_conv + 1]
                    importance = get_input_channel_importance(next_conv.weight)
                    sort_idx = torch.argsort(importance, descending=True)
                    prev_conv.weight.copy_(torch.index_select(prev_conv.weight.detach(), 0, sort_idx))
                    for name in ["weight", "bias", "running_mean", "running_var"]:
                        tensor = getattr(prev_bn, name)
                        tensor.copy_(torch.index_select(tensor.detach(), 0, sort_idx))
                    next_conv.weight.copy_(torch.index_select(next_conv.weight.detach(), 1, sort_idx))
                return model
            """,
        ),
        right(
            "on the data, sorted in Python",
            """
            def apply_channel_sorting(model):
                made = copy.deepcopy(model)
                convs = [m for m in made.modules() if isinstance(m, nn.Conv2d)]
                norms = [m for m in made.modules() if isinstance(m, nn.BatchNorm2d)]
                for first, norm, second in zip(convs, norms, convs[1:]):
                    importance = get_input_channel_importance(second.weight.data).tolist()
                    order = sorted(range(len(importance)), key=importance.__getitem__, reverse=True)
                    first.weight.data = first.weight.data[order]
                    second.weight.data = second.weight.data[:, order]
                    for vector in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                        vector.data = vector.data[order]
                return made
            """,
        ),
        right(
            "all orders first",
            """
            @torch.no_grad()
            def apply_channel_sorting(model):
                model = copy.deepcopy(model)
                convs = [m for m in model.backbone.children() if isinstance(m, nn.Conv2d)]
                norms = [m for m in model.backbone.children() if isinstance(m, nn.BatchNorm2d)]
                orders = [(-get_input_channel_importance(conv.weight)).argsort() for conv in convs[1:]]
                for conv, norm, order in zip(convs, norms, orders):
                    conv.weight = nn.Parameter(conv.weight[order])
                    norm.load_state_dict(
                        {key: value[order] if value.dim() else value for key, value in norm.state_dict().items()}
                    )
                for conv, order in zip(convs[1:], orders):
                    conv.weight = nn.Parameter(conv.weight[:, order])
                return model
            """,
        ),
        right(
            "state dict, backwards",
            """
            def apply_channel_sorting(model):
                model = copy.deepcopy(model)
                state = model.state_dict()
                convs = [n for n, m in model.named_modules() if isinstance(m, nn.Conv2d)]
                norms = [n for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
                for i in range(len(convs) - 2, -1, -1):
                    after = convs[i + 1] + ".weight"
                    order = get_input_channel_importance(state[after]).sort(descending=True).indices
                    state[after] = state[after][:, order].clone()
                    for key in [convs[i] + ".weight"] + [k for k in state if k.startswith(norms[i] + ".")]:
                        if state[key].dim() > 0:
                            state[key] = state[key][order].clone()
                model.load_state_dict(state)
                return model
            """,
        ),
    ),
    equivalent={
        "9: conv.weight, norm -> norm.weight, conv": "each tensor is sorted by itself, in any order",
    },
)
