"""Implementations of ``FineGrainedPruner``."""

from autograder.bank import Bank, right, wrong

WEIGHTS = "weights = {name: parameter for name, parameter in model.named_parameters() if parameter.dim() > 1}"
MASKS = "return {name: fine_grained_prune(weight, sparsity_dict[name]) for name, weight in weights.items()}"
LOOP = "for name, parameter in model.named_parameters():\n            if name in self.masks:"
APPLY = "parameter.mul_(self.masks[name])"

PRUNER = Bank(
    "FineGrainedPruner",
    misconceptions=(
        wrong(
            "apply changes nothing",
            "Your apply leaves the model as it is; multiply in place (weight = weight * mask makes a new tensor).",
            (APPLY, "parameter = parameter * self.masks[name]"),
        ),
        wrong(
            "new masks at each apply",
            "Your apply chooses anew which weights are the smallest; use the masks that are kept.",
            (
                APPLY,
                "fine_grained_prune(parameter, 1 - self.masks[name].float().mean().item())",
            ),
        ),
        wrong(
            "one sparsity for all",
            "Your pruner takes the first sparsity for all weights; each has its own, under its name.",
            ("sparsity_dict[name]", "next(iter(sparsity_dict.values()))"),
        ),
        wrong(
            "largest sparsity for all",
            "Your pruner takes the largest sparsity for all weights; each has its own, under its name.",
            ("sparsity_dict[name]", "max(sparsity_dict.values())"),
        ),
        wrong(
            "sparsity is what stays",
            "Your pruner keeps the share that should go: the dictionary holds shares of zeros.",
            ("sparsity_dict[name]", "1 - sparsity_dict[name]"),
        ),
        wrong(
            "one threshold for the model",
            "Your pruner chooses among all weights of the model together; each tensor is pruned to its own sparsity.",
            (
                MASKS,
                "share = sum(sparsity_dict.values()) / len(sparsity_dict)\n"
                "        everything = torch.cat([weight.abs().flatten() for weight in weights.values()])\n"
                "        threshold = everything.sort().values[round(share * len(everything)) - 1]\n"
                "        masks = {name: weight.abs() > threshold for name, weight in weights.items()}\n"
                "        for name, weight in weights.items():\n"
                "            weight.mul_(masks[name])\n"
                "        return masks",
            ),
        ),
        wrong(
            "everything has a mask",
            "Your pruner looks for a sparsity of every parameter; only those with two or more dimensions are pruned.",
            ("parameter.dim() > 1", "parameter.dim() > 0"),
        ),
        wrong(
            "apply asks for every mask",
            "Your apply asks for a mask of every parameter; biases and BatchNorm's have none, so pass them by.",
            (LOOP + "\n    ", "for name, parameter in model.named_parameters():\n"),
        ),
        wrong(
            "half of what has no sparsity",
            "Your pruner prunes biases and BatchNorm, too; only parameters of two or more dimensions are pruned.",
            ("parameter.dim() > 1", "True"),
            ("sparsity_dict[name]", "sparsity_dict.get(name, 0.5)"),
        ),
        wrong(
            "prunes a clone",
            "Your pruner prunes copies of the weights, so that the model stays dense; prune the weights themselves.",
            ("fine_grained_prune(weight, ", "fine_grained_prune(weight.clone(), "),
        ),
        wrong(
            "only convolutions",
            "Your pruner leaves the classifier out; its weight has two dimensions and is pruned as well.",
            ("parameter.dim() > 1", "parameter.dim() > 3"),
        ),
        wrong(
            "only the classifier",
            "Your pruner leaves the convolutions out; prune every parameter with two or more dimensions.",
            ("parameter.dim() > 1", "parameter.dim() == 2"),
        ),
        wrong(
            "masks the mask",
            "Your apply replaces the weights by their masks; multiply the weights by them.",
            (APPLY, "parameter.copy_(self.masks[name])"),
        ),
        wrong(
            "keeps the pruned ones",
            "Your apply sets the weights to zero that were kept; a mask is 1 for what is kept.",
            (APPLY, "parameter.mul_(1 - self.masks[name].float())"),
        ),
        wrong(
            "pruned weights are kept, not masks",
            "Your apply puts the pruned weights of the beginning back, so that training is lost; apply masks.",
            (
                MASKS,
                "for name, weight in weights.items():\n"
                "            fine_grained_prune(weight, sparsity_dict[name])\n"
                "        return {name: weight.clone() for name, weight in weights.items()}",
            ),
            (APPLY, "parameter.copy_(self.masks[name])"),
        ),
        wrong(
            "remembers parameters, not names",
            "Your apply changes the parameters that were pruned, not those of the model it is given; go by name.",
            (
                MASKS,
                "return {weight: fine_grained_prune(weight, sparsity_dict[name]) for name, weight in weights.items()}",
            ),
            (
                LOOP + "\n                " + APPLY,
                "for weight, mask in self.masks.items():\n            weight.mul_(mask)",
            ),
        ),
        wrong(
            "gradients not switched off",
            "Your apply changes a parameter in place while gradients are recorded, which PyTorch refuses: use no_grad.",
            ("    @torch.no_grad()\n    def apply", "    def apply"),
        ),
        wrong(
            "zero without a mask",
            "Your apply sets parameters without a mask to zero; leave them as they are.",
            (
                LOOP,
                "for name, parameter in model.named_parameters():\n"
                "            if name not in self.masks:\n"
                "                parameter.zero_()\n"
                "            if name in self.masks:",
            ),
        ),
    ),
    alternatives=(
        right(
            "loops",
            """
            class FineGrainedPruner:
                def __init__(self, model, sparsity_dict):
                    self.masks = FineGrainedPruner.prune(model, sparsity_dict)

                @torch.no_grad()
                def apply(self, model):
                    for name, param in model.named_parameters():
                        if name in self.masks:
                            param *= self.masks[name]

                @staticmethod
                @torch.no_grad()
                def prune(model, sparsity_dict):
                    masks = dict()
                    for name, param in model.named_parameters():
                        if param.dim() > 1:
                            masks[name] = fine_grained_prune(param, sparsity_dict[name])
                    return masks
            """,
        ),
        right(
            "on the data",
            """
            class FineGrainedPruner:
                def __init__(self, model, sparsity_dict):
                    self.masks = {}
                    parameters = dict(model.named_parameters())
                    for name, sparsity in sparsity_dict.items():
                        self.masks[name] = fine_grained_prune(parameters[name].data, sparsity)

                def apply(self, model):
                    parameters = dict(model.named_parameters())
                    for name, mask in self.masks.items():
                        parameters[name].data = parameters[name].data * mask
            """,
        ),
        right(
            "masked_fill of zeros",
            """
            class FineGrainedPruner:
                def __init__(self, model: nn.Module, sparsity_dict: dict):
                    self.masks = self.prune(model, sparsity_dict)

                def prune(self, model, sparsity_dict):
                    masks = {}
                    with torch.no_grad():
                        for name, weight in model.named_parameters():
                            if weight.ndim >= 2:
                                copied = weight.clone()
                                fine_grained_prune(copied, sparsity_dict[name])
                                masks[name] = copied != 0
                                weight.copy_(copied)
                    return masks

                def apply(self, model):
                    with torch.no_grad():
                        for name, mask in self.masks.items():
                            model.get_parameter(name).masked_fill_(~mask, 0.0)
            """,
        ),
        right(
            "through the state dict",
            """
            class FineGrainedPruner:
                def __init__(self, model, sparsity_dict):
                    state = model.state_dict()
                    self.masks = {n: fine_grained_prune(state[n], s) for n, s in sparsity_dict.items()}
                    self.apply(model)

                def apply(self, model):
                    state = model.state_dict()
                    state.update({name: state[name] * mask for name, mask in self.masks.items()})
                    model.load_state_dict(state)
            """,
        ),
    ),
)
