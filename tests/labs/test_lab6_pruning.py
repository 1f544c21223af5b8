"""Lab 6's solution against torch's own pruning, hand-made numbers and the VGG's arithmetic; what its text says."""

import copy
import io

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from autograder.notebooks import read_lab
from qlab_helpers.checking.pruning_drivers import LayeredNet
from qlab_helpers.cost import count_parameters, model_macs
from qlab_helpers.models.vgg import VGG
from qlab_helpers.weights import load_pretrained

LAB = "lab6_pruning"


def small_model() -> LayeredNet:
    layers: list[nn.Module] = []
    for before, after in ((3, 8), (8, 12), (12, 6)):
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)]
        for vector in (layers[-1].weight.data, layers[-1].running_mean):
            vector.normal_()
        layers[-1].running_var.uniform_(0.5, 2)
    return LayeredNet(layers, nn.Linear(6, 4)).eval()


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same_state(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# --- fine-grained ---


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 0.77, 0.999, 1.0])
def test_a_tensor_is_pruned_as_torch_prunes_it(lab, sparsity):
    weight = torch.randn(6, 5, 3, 3)
    layer = nn.Conv2d(5, 6, 3)
    layer.weight.data = weight.clone()
    torch_prune.l1_unstructured(layer, "weight", amount=sparsity)
    pruned = weight.clone()
    mask = lab["fine_grained_prune"](pruned, sparsity)
    assert torch.equal(mask.float(), layer.weight_mask)
    assert torch.equal(pruned, layer.weight.detach())


def test_a_tensor_pruned_by_hand(lab):
    tensor = torch.tensor([3.0, -1.0, 0.5, -4.0, 2.0])
    mask = lab["fine_grained_prune"](tensor, 0.55)  # 2.75 of 5: three go
    assert tensor.tolist() == [3.0, 0.0, 0.0, -4.0, 0.0]
    assert mask.tolist() == [True, False, False, True, False]


def test_what_is_pruned_stays_zero_while_a_model_is_trained(lab):
    model = small_model().train()
    sparsities = {name: 0.7 for name, parameter in model.named_parameters() if parameter.dim() > 1}
    pruner = lab["FineGrainedPruner"](model, sparsities)
    zero = {name: model.get_parameter(name) == 0 for name in sparsities}
    before = state(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(4, 3, 8, 8)).square().sum().backward()
        optimizer.step()
        pruner.apply(model)
    for name, where in zero.items():
        assert not model.get_parameter(name)[where].any()
        assert where.float().mean() == pytest.approx(0.7, abs=0.03)
        assert not torch.equal(model.get_parameter(name), before[name])


def test_a_scan_measures_one_pruned_weight_at_a_time_and_leaves_the_model_as_it_was(lab):
    model, images = small_model(), torch.randn(60, 3, 8, 8)
    batches = [(images[:40], model(images[:40]).argmax(dim=1)), (images[40:], model(images[40:]).argmax(dim=1))]
    before = state(model)
    sparsities, accuracies = lab["sensitivity_scan"](model, batches, 0.3, 0.3, 1.0, verbose=False)
    assert np.allclose(sparsities, [0.3, 0.6, 0.9])
    assert same_state(before, state(model))
    for row, name in enumerate(["backbone.conv0", "backbone.conv1", "backbone.conv2", "classifier"]):
        for column, sparsity in enumerate(sparsities):
            pruned = copy.deepcopy(model)
            torch_prune.l1_unstructured(pruned.get_submodule(name), "weight", amount=float(sparsity))
            right = sum(int((pruned(x).argmax(dim=1) == y).sum()) for x, y in batches)
            assert accuracies[row][column] == pytest.approx(100 * right / 60)


# --- channels ---


@pytest.mark.parametrize(
    ("channels", "ratio", "expected"), [(64, 0.3, 45), (128, 0.3, 90), (256, 0.3, 179), (512, 0.3, 358), (7, 0.0, 7)]
)
def test_channels_to_keep_worked_out_by_hand(lab, channels, ratio, expected):
    assert lab["get_num_channels_to_keep"](channels, ratio) == expected


def test_a_pruned_model_computes_what_the_model_does_whose_last_channels_are_silenced(lab):
    model = small_model()
    silent = copy.deepcopy(model)
    for number, keep in ((0, 4), (1, 6)):  # half of 8 and of 12
        norm = silent.backbone.get_submodule(f"bn{number}")
        norm.weight.data[keep:], norm.bias.data[keep:] = 0.0, 0.0
    before, images = state(model), torch.randn(5, 3, 8, 8)
    pruned = lab["channel_prune"](model, 0.5)
    assert torch.allclose(pruned(images), silent(images), atol=1e-5)
    assert same_state(before, state(model))
    shapes = [tuple(conv.weight.shape) for conv in pruned.backbone if isinstance(conv, nn.Conv2d)]
    assert shapes == [(4, 3, 3, 3), (6, 4, 3, 3), (6, 6, 3, 3)]


def test_a_file_of_the_pruned_model_has_become_smaller_too(lab):
    files = [io.BytesIO(), io.BytesIO()]
    model = VGG()
    for one, file in zip((model, lab["channel_prune"](model, 0.3)), files, strict=True):
        torch.save(one.state_dict(), file)
    assert len(files[0].getvalue()) / len(files[1].getvalue()) > 1.8


def test_thirty_per_cent_of_the_channels_are_half_of_the_computation(lab):
    model, image = VGG(), torch.zeros(1, 3, 32, 32)
    pruned = lab["channel_prune"](model, 0.3)
    widths = [3, 45, 90, 179, 179, 358, 358, 358, 512]
    pixels = [1024, 1024, 256, 256, 64, 64, 16, 16]
    pairs = zip(widths, widths[1:], pixels, strict=False)
    by_hand = sum(before * after * 9 * size for before, after, size in pairs) + 512 * 10
    # torchprofile counts one more for each value that BatchNorm and pooling compute.
    assert model_macs(pruned, image) == pytest.approx(by_hand, rel=0.01)
    assert model_macs(model, image) / model_macs(pruned, image) == pytest.approx(2, abs=0.05)
    assert count_parameters(model) / count_parameters(pruned) == pytest.approx(1.8, abs=0.05)


def test_importance_is_the_norm_of_what_an_input_is_multiplied_with(lab):
    weight = torch.randn(5, 4, 3, 3)
    norms = [torch.linalg.matrix_norm(weight[:, channel].reshape(5, 9)).item() for channel in range(4)]
    assert lab["get_input_channel_importance"](weight).tolist() == pytest.approx(norms, rel=1e-5)


def test_a_sorted_model_computes_the_same_with_its_important_channels_first(lab):
    model, images = small_model(), torch.randn(5, 3, 8, 8)
    before = state(model)
    made = lab["apply_channel_sorting"](model)
    assert torch.allclose(made(images), model(images), atol=1e-5)
    assert same_state(before, state(model))
    for number in (1, 2):
        importance = lab["get_input_channel_importance"](made.backbone.get_submodule(f"conv{number}").weight)
        assert (importance.diff() <= 0).all()
        given = lab["get_input_channel_importance"](model.backbone.get_submodule(f"conv{number}").weight)
        assert not torch.equal(importance, given)


# --- three stages ---


def test_shared_values_keep_the_zeros_and_have_label_0_for_them_alone(lab):
    weight = torch.randn(40, 10)
    lab["fine_grained_prune"](weight, 0.6)
    zero = weight == 0
    before = weight.clone()
    codebook = lab["share_nonzeros"](weight, 3)
    assert torch.equal(weight == 0, zero) and torch.equal(codebook.labels == 0, zero)
    assert torch.equal(codebook.centroids[codebook.labels.long()], weight)
    assert len(weight.unique()) == 8 and len(codebook.centroids) == 8
    assert (weight - before).square().mean() < before.square().mean() / 10


@pytest.mark.parametrize("bits", [5, 3])
def test_each_stage_is_smaller_than_the_one_before(lab, bits):
    weight = torch.randn(64, 32, 3, 3) / 10
    lab["fine_grained_prune"](weight, 0.75)
    pruned = lab["encode_sparse"](weight).size_bits(32)
    size = lab["compress"](weight, bits)
    assert 32 * weight.numel() > pruned > size["quantized"] > size["Huffman"] > 0


# --- the text ---


def test_points_are_those_that_the_text_names(course):
    source = read_lab(course, LAB)
    assert (sum(source.items.values()), sum(source.written.values())) == (40, 18)


def test_numbers_of_the_model_answers():
    assert round(128 * 64 * 9 * 1024 / 1e6, 1) == 75.5
    assert round(90 * 45 * 9 * 1024 / 1e6, 1) == 37.3
    assert round(100 * 90 * 45 / (128 * 64), 1) == 49.4


def test_shares_of_small_weights_are_those_that_the_text_names():
    """All layers but the first have more than half below a tenth of the largest; two have hardly any weights."""
    dense = load_pretrained("vgg_cifar10")
    weights = {name: weight.detach() for name, weight in dense.named_parameters() if weight.dim() > 1}
    small = {name: (one.abs() < one.abs().max() / 10).float().mean().item() for name, one in weights.items()}
    assert [name for name, share in small.items() if share <= 0.5] == ["backbone.conv0.weight"]
    shares = {name: round(100 * one.numel() / count_parameters(dense), 2) for name, one in weights.items()}
    assert (shares["backbone.conv0.weight"], shares["classifier.weight"]) == (0.02, 0.06)
    most = [name for name in shares if shares[name] == max(shares.values())]
    assert most == [f"backbone.conv{number}.weight" for number in (5, 6, 7)]


def test_pruned_matrix_of_the_text_has_six_weights_left(lab):
    matrix = torch.randn(5, 5)
    assert lab["fine_grained_prune"](matrix, 0.75).sum() == 6


def test_every_weight_of_the_vgg_has_a_sparsity(lab):
    weights = {name: parameter for name, parameter in VGG().named_parameters() if parameter.dim() > 1}
    assert lab["SPARSITIES"].keys() == weights.keys()
    kept = sum(weight.numel() * (1 - lab["SPARSITIES"][name]) for name, weight in weights.items())
    assert 3.5 < sum(weight.numel() for weight in weights.values()) / kept < 6  # "about four times fewer"
