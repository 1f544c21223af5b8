"""What the drivers of whole networks return, seen with classes and functions that are not those of the lab."""

import copy

import pytest
import torch
from torch import nn

from qlab_helpers import quantization as tq
from qlab_helpers.checking.network_drivers import (
    Pipeline,
    Unit,
    describe_qconfig,
    filled,
    layers_of,
    observe_custom,
    plain_qconfig,
    quantize_after_training,
    quantize_while_training,
    show_batches,
    use_block,
    use_network,
)

VALUES = torch.linspace(-0.5, 0.5, 101)


class Doubled(Unit):
    """A block that adds its result to itself."""

    def __init__(self, inputs, channels, stride=1):
        super().__init__(inputs, channels, stride)
        self.sum = tq.FloatFunctional()

    def forward(self, x):
        y = super().forward(x)
        return self.sum.add(y, y)


class Network(nn.Module):
    def __init__(self, block, stages, classes):
        super().__init__()
        self.quant, self.dequant = tq.QuantStub(), tq.DeQuantStub()
        self.conv1 = nn.Conv2d(3, 4, 3, stride=2)
        self.block = block(4, stages[0][0], 1)
        self.fc = nn.Linear(stages[0][0], classes)

    def forward(self, x):
        x = self.block(self.conv1(self.quant(x))).mean((2, 3))
        return self.dequant(self.fc(x))

    def fuse_model(self, is_qat=False):
        self.block.fuse_model(is_qat)


@pytest.mark.parametrize(
    ("step", "layers"),
    [
        ("float", "conv Conv2d, bn BatchNorm2d, relu ReLU"),
        ("fused", "conv ConvReLU2d; evaluation mode"),
        ("fused for training", "conv ConvBnReLU2d; training mode"),
        ("converted", "conv QuantizedConvReLU2d"),
    ],
)
def test_a_block_is_taken_as_far_as_asked(step, layers):
    x = torch.rand(2, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    output, found, _ = use_block(Doubled, (2, 3, 1), VALUES, x, step)
    expected = filled(Doubled(2, 3), VALUES)(x)
    assert found == layers
    torch.testing.assert_close(output, expected, rtol=1e-4, atol=0.1 if step == "converted" else 1e-4)


def test_ranges_are_those_of_the_sums():
    x = torch.rand(2, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    output, _, ranges = use_block(Doubled, (2, 3, 1), VALUES, x, "observed")
    assert ranges.tolist() == [[output.min().item(), output.max().item()]]
    assert use_block(Unit, (2, 3, 1), VALUES, x, "observed")[2].shape == (0, 2)


def test_the_order_of_first_and_last_layers_is_recorded():
    images = torch.rand(2, 3, 8, 8)
    assert use_network(Network, ((5, 1, 1),), VALUES, images, "order")[1] == "quant, conv1, fc, dequant"


def test_a_converted_network_returns_floats():
    logits, layers = use_network(Network, ((5, 1, 1),), VALUES, torch.rand(2, 3, 8, 8), "converted")
    assert logits.dtype == torch.float32 and logits.shape == (2, 5)
    assert "block.conv QuantizedConvReLU2d" in layers and "fc QuantizedLinear" in layers


def test_weights_are_the_values_in_turn_and_variances_are_positive():
    state = filled(Unit(2, 3), VALUES).state_dict()
    assert torch.equal(state["conv.weight"].flatten(), VALUES[:54])
    assert torch.equal(state["bn.weight"], VALUES[54:57].abs() + 0.5)
    assert (state["bn.running_var"] >= 0.5).all()


def test_an_observer_is_asked_alone_and_inside_a_fake_quantization():
    x = torch.tensor([-1.0, 0.3, 1.27])

    class Observer(tq.MinMaxObserver):
        def scale_approximate(self, scale, limit=2):
            return scale * limit

    scale, zero_point, _, rounded = observe_custom(Observer, "qint8", (-127, 127), [x], [], ())
    assert (round(scale.item(), 6), zero_point.item()) == (0.01, 0)
    torch.testing.assert_close(rounded, x)
    assert observe_custom(Observer, "qint8", (-127, 127), [x], [1.0, 3.0], (5,))[2].tolist() == [5.0, 15.0]


def test_a_qconfig_is_told_in_words():
    activations, weights = describe_qconfig(lambda fake: plain_qconfig(fake=fake), (False,))
    assert activations == "MinMaxObserver, quint8, per_tensor_symmetric, 0 to 255"
    assert describe_qconfig(lambda fake: plain_qconfig(fake=fake), (True,))[1] == f"FakeQuantize of {weights}"


@pytest.mark.parametrize("training", [False, True])
def test_calibration_is_watched(training):
    batches = [(torch.full((3, 2, 6, 6), float(number)), torch.zeros(3)) for number in range(3)]

    def calibrate(model, loader, number):
        for images, _ in loader[:number]:
            model(images)

    seen, passes, means, with_gradients, mode = show_batches(calibrate, VALUES, batches, (2,), training)
    assert (seen.tolist(), passes, with_gradients) == ([0.0, 1.0], 2, 2)
    assert mode == ("training mode" if training else "evaluation mode")
    unchanged = filled(Pipeline(), VALUES)
    same = torch.cat([unchanged.unit1.bn.running_mean, unchanged.unit2.bn.running_mean])
    assert torch.equal(means, same) is not training


def test_what_ptq_shows_and_leaves_behind_is_told():
    def ptq(model, qconfig, show_images):
        model.eval().fuse_model()
        prepared = tq.prepare(model, qconfig)
        show_images(prepared)
        return tq.convert(prepared)

    batches = [torch.rand(3, 2, 6, 6)]
    logits, layers, scales, shown, given = quantize_after_training(ptq, VALUES, batches, True)
    assert logits.shape == (3, 3) and scales.shape == (4, 2) and "fc QuantizedLinear" in layers
    assert shown == "4 observers, evaluation mode"
    assert "unit1.conv ConvReLU2d" in given and given.endswith("evaluation mode")


def test_what_qat_trains_and_leaves_behind_is_told():
    def qat(model, qconfig, fine_tune):
        copied = copy.deepcopy(model).train()
        copied.fuse_model(is_qat=True)
        prepared = tq.prepare_qat(copied, qconfig)
        before = prepared.fc.weight.detach().clone()
        fine_tune(prepared)
        assert not torch.equal(prepared.fc.weight, before)
        return tq.convert(prepared.eval())

    batches = [torch.rand(3, 2, 6, 6, generator=torch.Generator().manual_seed(0))]
    layers, trained, given, logits = quantize_while_training(qat, VALUES, batches, False)
    assert logits.shape == (3, 3) and "unit1.conv QuantizedConvReLU2d" in layers
    assert "unit1.conv ConvBnReLU2d" in trained and trained.endswith("7 roundings; training mode")
    assert given == f"{layers_of(Pipeline())}; evaluation mode"
