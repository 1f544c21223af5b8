"""Lab 4's solution against its networks in floats, PyTorch's observers, hand-made numbers and the reports' sizes."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from autograder.notebooks import read_lab
from qlab_helpers import quantization as tq
from qlab_helpers.cost import count_parameters
from qlab_helpers.models.resnet import RESNET18_STAGES, RESNET50_STAGES, SMALL_STAGES, BasicBlock, Bottleneck, ResNet
from qlab_helpers.weights import load_pretrained

LAB = "lab4_ptq_qat"
TINY = ((8, 1, 1), (12, 2, 2))


def blocks(lab) -> list[tuple[type, type]]:
    return [(BasicBlock, lab["QuantizableBasicBlock"]), (Bottleneck, lab["QuantizableBottleneck"])]


def settled(model: nn.Module) -> nn.Module:
    """In eval mode, with norms that have seen something."""
    model.train()
    for _ in range(3):
        model(torch.rand(8, 3, 16, 16))
    return model.eval()


def network(lab, number: int, stages=TINY) -> nn.Module:
    return settled(lab["QuantizableResNet"](blocks(lab)[number][1], stages))


def shown(model: nn.Module) -> None:
    with torch.no_grad():
        model(torch.rand(16, 3, 16, 16))


# --- the networks ---


@pytest.mark.parametrize("number", [0, 1])
def test_a_quantizable_network_computes_what_the_one_in_floats_does(lab, number):
    floats = settled(ResNet(blocks(lab)[number][0], TINY))
    ours = lab["quantizable"](floats, blocks(lab)[number][1], TINY)
    images = torch.rand(4, 3, 16, 16)
    torch.testing.assert_close(ours(images), floats(images))


@pytest.mark.parametrize("number", [0, 1])
def test_fusing_changes_nothing_but_the_layers(lab, number):
    model = network(lab, number)
    fused, images = copy.deepcopy(model), torch.rand(4, 3, 16, 16)
    fused.fuse_model()
    torch.testing.assert_close(fused(images), model(images), rtol=1e-4, atol=1e-5)
    left = [name for name, one in fused.named_modules() if isinstance(one, nn.BatchNorm2d)]
    loose = [name for name, one in fused.named_children() if isinstance(one, nn.ReLU)]
    assert left == loose == []


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("training", [False, True])
def test_fusing_for_training_leaves_the_mode_alone(lab, number, training):
    model = network(lab, number).train(training)
    model.fuse_model(is_qat=True)
    assert model.training is training
    assert all(block.training is training for stage in model.stages for block in stage)


def test_two_functions_refuse_the_wrong_mode_and_the_others_do_not(lab):
    with pytest.raises(AssertionError):
        network(lab, 0).train().fuse_model()
    model = network(lab, 0)
    model.fuse_model(is_qat=True)  # in evaluation mode
    with pytest.raises(AssertionError):
        tq.prepare_qat(model, lab["custom_qconfig"](is_qat=True))
    fused = network(lab, 0)
    fused.fuse_model()
    prepared = tq.prepare(fused.train(), lab["custom_qconfig"]())
    shown(prepared)
    assert tq.convert(prepared.train())(torch.rand(2, 3, 16, 16)).shape == (2, 10)


@pytest.mark.parametrize("number", [0, 1])
def test_every_sum_is_observed_after_its_relu(lab, number):
    model = network(lab, number)
    model.fuse_model()
    prepared = tq.prepare(model, lab["any_scale_qconfig"]())
    shown(prepared)
    sums = [one.activation_post_process for one in prepared.modules() if isinstance(one, tq.FloatFunctional)]
    assert len(sums) == 3
    assert all(one.min_val == 0 and one.max_val > 0 for one in sums)


@pytest.mark.parametrize("number", [0, 1])
def test_ptq_gives_an_integer_network_that_computes_nearly_the_same(lab, number):
    model, images = network(lab, number), torch.rand(8, 3, 16, 16)
    quantized = lab["ptq"](model, lab["any_scale_qconfig"](), shown)
    kinds = {one._get_name() for one in quantized.modules() if hasattr(one, "weight") and callable(one.weight)}
    assert kinds == {"QuantizedConv2d", "QuantizedConvReLU2d", "QuantizedLinear"}
    assert not any(isinstance(one, nn.Conv2d | nn.Linear | nn.BatchNorm2d | nn.ReLU) for one in quantized.modules())
    wanted = model(images)
    assert (quantized(images) - wanted).abs().max() < 0.1 * (wanted.max() - wanted.min())


@pytest.mark.parametrize("number", [0, 1])
def test_qat_gives_the_same_kinds_of_layers_as_ptq(lab, number):
    model = network(lab, number)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    tuned = lab["qat"](model, lab["custom_qconfig"](is_qat=True), shown)
    quantized = lab["ptq"](model, lab["custom_qconfig"](), shown)
    assert [one._get_name() for one in tuned.modules()] == [one._get_name() for one in quantized.modules()]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not model.training


def test_an_integer_network_takes_about_a_quarter_of_the_size(lab):
    model = lab["QuantizableResNet"](stages=RESNET18_STAGES).eval()
    quantized = lab["ptq"](model, lab["custom_qconfig"](), shown)
    assert lab["file_mb"](model) / lab["file_mb"](quantized) == pytest.approx(4, rel=0.03)


def test_resnet50_has_the_size_that_both_reports_give_in_two_units(lab):
    model = lab["QuantizableResNet"](lab["QuantizableBottleneck"], RESNET50_STAGES)
    size_mb = lab["file_mb"](model)
    assert count_parameters(model) == 23_520_842
    assert size_mb == pytest.approx(94.41, abs=0.05)
    assert size_mb * 1e6 / 2**20 == pytest.approx(90.03, abs=0.05)


# --- scales ---


def test_all_scales_are_powers_of_two_and_zero_points_are_those_of_the_table(lab):
    quantized = lab["ptq"](network(lab, 0), lab["custom_qconfig"](), shown)
    layers = [one for one in quantized.modules() if hasattr(one, "scale") and hasattr(one, "weight")]
    assert len(layers) == 9
    assert all(math.log2(layer.scale).is_integer() and layer.zero_point == 128 for layer in layers)
    assert all(math.log2(layer.weight().q_scale()).is_integer() for layer in layers)
    assert all(layer.weight().q_zero_point() == 0 for layer in layers)
    assert all(layer.weight().int_repr().min() >= -127 for layer in layers)


@pytest.mark.parametrize(("dtype", "ends"), [(torch.qint8, (-127, 127)), (torch.quint8, (0, 255))])
def test_the_scale_is_torchs_symmetric_one_within_a_factor_of_root_two(lab, dtype, ends):
    options = {"dtype": dtype, "qscheme": torch.per_tensor_symmetric, "quant_min": ends[0], "quant_max": ends[1]}
    ours, theirs = lab["CusQuantObserver"](**options), tq.MovingAverageMinMaxObserver(**options)
    for factor in (1.0, 3.0, 0.5):
        tensor = factor * torch.randn(50)
        ours(tensor)
        theirs(tensor)
    (scale, zero_point), (torch_scale, _) = ours.calculate_qparams(), theirs.calculate_qparams()
    assert math.log2(scale.item()).is_integer() and abs(math.log2(scale.item() / torch_scale.item())) < 0.51
    assert zero_point.item() == (0 if dtype == torch.qint8 else 128)
    assert (scale.dtype, zero_point.dtype, scale.shape) == (torch.float32, torch.int64, (1,))


@pytest.mark.parametrize("values", [None, [0.0, 0.0], [1.0, math.inf], [math.nan, 1.0]])
def test_an_undefined_range_has_the_scale_1(lab, values):
    observer = lab["CusQuantObserver"](dtype=torch.qint8, qscheme=torch.per_tensor_symmetric)
    if values is not None:
        observer(torch.tensor(values))
    assert [one.item() for one in observer.calculate_qparams()] == [1.0, 0]


def test_fake_quantization_puts_values_on_a_grid_of_a_power_of_two(lab):
    rounding = lab["custom_qconfig"](is_qat=True).weight()
    values = torch.randn(200, requires_grad=True)
    rounded = rounding(values)
    steps = rounded / rounding.scale
    assert torch.equal(steps, steps.round()) and steps.abs().max() <= 127
    rounded.sum().backward()
    inside = (values / rounding.scale).round().abs() <= 127
    assert torch.equal(values.grad, inside.float())  # straight through, and 0 where it was clamped


# --- calibration, modes ---


def test_calibration_leaves_the_weights_and_the_norms_alone(lab):
    model = tq.prepare(network(lab, 0), lab["any_scale_qconfig"]())
    before = {name: one.clone() for name, one in model.state_dict().items() if "activation_post" not in name}
    lab["calibrate"](model.train(), [(torch.rand(4, 3, 16, 16), None)] * 3, num_batches=2)
    after = model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert not model.training


def test_pytorch_refuses_the_wrong_mode_or_says_nothing_and_leaves_norms(lab):
    outcomes = {
        (mode, fuse, prepare): lab["attempt"](mode, fuse, prepare)
        for mode in ("eval", "train")
        for fuse in (False, True)
        for prepare in (False, True)
    }
    assert outcomes["eval", False, False].endswith("0 norms left")
    assert outcomes["train", True, True].endswith("0 norms left")
    assert "Fusion only for eval!" in outcomes["train", False, False]
    assert sum(one.startswith("refused") for one in outcomes.values()) == 4
    assert outcomes["eval", True, False].endswith("3 norms left") and "Quantized" not in outcomes["eval", True, False]


def test_any_scale_differs_from_the_custom_qconfig_in_its_scales_only(lab):
    torch.manual_seed(0)
    model, images = network(lab, 0), torch.rand(16, 3, 16, 16)
    model.fuse_model()
    ranges = []
    for qconfig in (lab["any_scale_qconfig"](), lab["custom_qconfig"]()):
        prepared = tq.prepare(model, qconfig)
        with torch.no_grad():
            for factor in (1.0, 0.5, 2.0):
                prepared(factor * images)
        ranges.append([one.max_val.item() for name, one in prepared.named_modules() if name.endswith("post_process")])
    assert len(ranges[0]) > 9 and ranges[0] == ranges[1]


def test_images_for_calibration_are_the_same_each_time(lab, monkeypatch):
    from qlab_helpers.data import ImageSet

    images = torch.randint(0, 256, (1500, 3, 4, 4), dtype=torch.uint8)
    monkeypatch.setitem(lab, "fitting", ImageSet(images, torch.zeros(1500, dtype=torch.long), ("x",) * 10))
    seen = []

    class Network(nn.Linear):
        def forward(self, images):
            seen.append(images)
            return images

    for _ in range(2):
        lab["show_calibration_images"](Network(1, 1))
    assert len(seen) == 20 and all(map(torch.equal, seen[:10], seen[10:]))


# --- training ---


def test_the_learning_rate_climbs_and_falls_as_the_formula_says(lab):
    factors = [lab["warmup_cosine"](step, 100, 20) for step in range(100)]
    assert factors[:3] == [0.05, 0.1, pytest.approx(0.15)]
    assert factors[19] == factors[20] == max(factors) == 1.0
    assert factors[60] == pytest.approx(0.5)
    assert all(one > other for one, other in zip(factors[20:], factors[21:], strict=False)) and factors[-1] > 0


def test_fine_tuning_stops_observers_and_norms_in_its_last_third(lab, monkeypatch):
    from qlab_helpers.data import ImageSet

    images = torch.randint(0, 256, (256, 3, 16, 16), dtype=torch.uint8)
    monkeypatch.setitem(lab, "fitting", ImageSet(images, torch.arange(256) % 10, ("x",) * 10))
    monkeypatch.setitem(lab, "FAST", True)
    monkeypatch.setitem(lab, "QAT_EPOCHS", 2)
    losses, kept = [], {}

    def fine_tune(prepared):
        lab["fine_tuning"](0, losses)(prepared)
        kept.update(prepared=prepared)

    quantized = lab["qat"](network(lab, 0, SMALL_STAGES[:1]), lab["custom_qconfig"](is_qat=True), fine_tune)
    rounding = [one for one in kept["prepared"].modules() if isinstance(one, tq.FakeQuantize)]
    assert len(losses) == 2 and all(math.isfinite(loss) for loss in losses)
    assert all(one.observer_enabled.item() == 0 for one in rounding)
    assert quantized(images[:2] / 255).shape == (2, 10)


# --- the text ---


def test_extension_quantizes_the_pretrained_network_with_torchao(course):
    """The network's own classes of random blobs stand for labels, so the accuracy is how often integers agree."""
    network = load_pretrained("resnet14_cifar10").eval()
    images = functional.interpolate(torch.rand(256, 3, 4, 4), scale_factor=8, mode="bilinear")
    with torch.no_grad():
        batch = (images, network(images).argmax(1))
    assert batch[1].bincount().max() < 150  # several classes
    told = {}
    names = {"copy": copy, "torch": torch, "pretrained": network, "test_set": images}
    names |= {"loaders": {"calibration": [batch], "test": [batch]}, "report_metrics": told.update}
    cell = next(one.source for one in read_lab(course, LAB).cells if "prepare_pt2e" in one.source)
    exec(cell, names)
    assert told["torchao_accuracy"] > 85


def test_points_are_those_that_the_text_names(course):
    source = read_lab(course, LAB)
    reports = {name: points for name, points in source.written.items() if name.startswith("report_")}
    assert (sum(source.items.values()), source.written["question_modes"]) == (90, 10)
    assert list(reports.values()) == [10, 10, 20, 25, 25, 10]


def test_numbers_of_the_model_answers():
    scale = 0.41 / 127
    assert (round(scale, 5), round(-math.log2(scale), 2), round(0.41 * 256)) == (0.00323, 8.27, 105)
    assert round(-math.log2(0.1 / 127)) == 10 and round(0.1 * 256) == 26
    assert round(-math.log2(1e-10)) == 33
    assert round(100 * 0.99**9) == 91
    assert [round(92.72 - 92.37, 2), round(92.72 - 92.15, 2)] == [0.35, 0.57]
    assert [round(93.96 - 92.99, 2), round(93.96 - 93.97, 2)] == [0.97, -0.01]
