"""Drivers of the pruning lab: what they hand to a student's function, and what they make of its results."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from qlab_helpers.checking.drivers import apply


def layers() -> list[nn.Module]:
    torch.manual_seed(0)
    return [nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1, bias=False), nn.BatchNorm2d(2)]


def test_a_mask_counts_whatever_its_dtype():
    for mask in (torch.tensor([True, False]), torch.tensor([1, 0]), torch.tensor([1.0, 0.0])):
        found = apply("prune_tensor", lambda tensor, sparsity, mask=mask: mask, (torch.zeros(2), 0.5))
        assert found.dtype == torch.float32 and found.tolist() == [1.0, 0.0]
    assert apply("prune_tensor", lambda tensor, sparsity: None, (torch.zeros(2), 0.5)) is None


def test_a_network_of_a_case_is_named_as_the_vgg_is():
    seen = []
    apply("change_channels", lambda model: seen.append(model), (layers(), nn.Linear(2, 3), torch.zeros(1, 3, 5, 5), ()))
    names = [name for name, _ in seen[0].named_parameters()]
    assert names[:2] == ["backbone.conv0.weight", "backbone.bn0.weight"] and names[-1] == "classifier.bias"
    assert [name for name, _ in seen[0].backbone.named_children()] == ["conv0", "bn0", "relu0", "conv1", "bn1", "relu1"]


def test_a_pruner_is_given_a_sparsity_for_each_weight_and_a_trained_copy_to_apply_to():
    class Pruner:
        def __init__(self, model, sparsity_dict):
            self.model, self.sparsities = model, sparsity_dict

        def apply(self, model):
            assert model is not self.model
            Pruner.used = self.sparsities
            model.classifier.weight.data.zero_()

    classifier = nn.Linear(2, 3)
    before = classifier.weight.detach().clone()
    pruned, trained, others, unmasked = apply("prune_and_train", Pruner, (layers(), classifier, (0.1, 0.2, 0.3), 0.5))
    assert Pruner.used == {"backbone.conv0.weight": 0.1, "backbone.conv1.weight": 0.2, "classifier.weight": 0.3}
    assert torch.equal(pruned[-6:], before.flatten()) and not trained[-6:].any()
    assert torch.equal(trained[:-6], pruned[:-6] + 0.5)
    assert torch.equal(unmasked, pruned + 0.5)
    assert others.numel() == 4 + 4 + 2 + 2 + 3


def test_what_a_scan_returns_may_be_lists_or_arrays():
    case = (layers(), nn.Linear(2, 3), [], (0.1,))
    expected = [[50.0, 25.0]]
    for accuracies in (expected, np.array(expected), [[torch.tensor(50.0), torch.tensor(25.0)]]):
        sparsities, found, parameters = apply(
            "scan_layers", lambda model, data, step, verbose, found=accuracies: ((step, 0.2), found), case
        )
        assert sparsities.tolist() == [0.1, 0.2] and found.tolist() == expected
        assert parameters.numel() == 108 + 8 + 8 + 4 + 9
    ragged = apply("scan_layers", lambda model, data, step, verbose: ([step], [[1.0], [1.0, 2.0]]), case)
    assert ragged[1] == [[1.0], [1.0, 2.0]]
    assert apply("scan_layers", lambda model, data, step, verbose: None, case) is None


def test_a_scan_is_asked_to_print_nothing():
    seen = []
    case = (layers(), nn.Linear(2, 3), [], ())
    apply("scan_layers", lambda model, data, verbose=True: seen.append(verbose), case)
    assert seen == [False]


def test_a_mask_that_apply_misses_is_told_from_a_sparsity_that_the_constructor_misses():
    class Pruner:
        def __init__(self, model, sparsity_dict):
            self.masks = {name: sparsity_dict[name] for name in sparsity_dict}

        def apply(self, model):
            return [self.masks[name] for name, _ in model.named_parameters()]

    with pytest.raises(LookupError, match="'backbone.bn0.weight'") as error:
        apply("prune_and_train", Pruner, (layers(), nn.Linear(2, 3), (0.1, 0.2, 0.3), 0.5))
    assert type(error.value) is LookupError
    assert "apply" in [entry.name for entry in error.traceback]


def test_a_buffer_that_has_become_a_parameter_is_named():
    def changed(model):
        made = copy.deepcopy(model)
        made.backbone.bn1.running_mean = nn.Parameter(made.backbone.bn1.running_mean)
        return made

    case = (layers(), nn.Linear(2, 3), torch.zeros(1, 3, 5, 5), ())
    usual, other = (apply("change_channels", function, case)[-2] for function in (copy.deepcopy, changed))
    assert usual == (
        "BatchNorm2d: bias, num_batches_tracked (buffer), running_mean (buffer), running_var (buffer), weight; "
        "Conv2d: weight; Linear: bias, weight"
    )
    assert ", running_mean, running_mean (buffer)," in other


def test_a_model_whose_layers_do_not_fit_has_shapes_and_no_outputs():
    def broken(model):
        made = copy.deepcopy(model)
        made.backbone.conv0.weight = nn.Parameter(made.backbone.conv0.weight[:2])
        return made

    case = (layers(), nn.Linear(2, 3), torch.zeros(1, 3, 5, 5), ())
    shapes, _, weights, *_, logits, _, given = apply("change_channels", broken, case)
    assert shapes.tolist() == [[2, 3, 3, 3], [2, 4, 1, 1]]
    assert weights.numel() == 6 and logits.numel() == 0
    assert given.numel() == 108 + 8 + 16 + 8 + 9
    assert apply("change_channels", lambda model: None, case) is None
