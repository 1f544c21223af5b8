"""Drivers that make small networks tell what a function did to them, in plain values, and leave the engine alone."""

import copy

import pytest
import torch
from torch import nn

from qlab_helpers import quantization as tq
from qlab_helpers.checking.drivers import apply

IMAGES = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def layers() -> list[nn.Module]:
    torch.manual_seed(0)
    return [nn.Conv2d(1, 2, 5), nn.Conv2d(2, 3, 5), nn.Conv2d(3, 4, 5), nn.Linear(4, 3), nn.Linear(3, 2)]


def by_hand() -> torch.Tensor:
    first, second, third, hidden, last = layers()
    x = IMAGES.repeat_interleave(4, 2).repeat_interleave(4, 3)
    pool, relu = nn.AvgPool2d(2), nn.ReLU()
    features = relu(third(pool(relu(second(pool(relu(first(x))))))))
    return last(relu(hidden(features.flatten(1))))


def test_a_function_that_does_nothing_is_told_by_its_fp32_outputs():
    kinds, outputs, given, modes = apply("quantize_dynamic", lambda network: network, (layers(), IMAGES))
    assert (kinds, modes) == ("", "returned: training, given: training")
    assert torch.allclose(outputs, by_hand(), atol=1e-6) and torch.equal(outputs, given)


def test_integer_layers_are_told_by_name_kind_and_dtype():
    kinds, _, given, modes = apply(
        "quantize_dynamic", lambda network: tq.quantize_dynamic(network.eval(), {nn.Linear}), (layers(), IMAGES)
    )
    assert kinds == "classifier.0 DynamicQuantizedLinear qint8, classifier.2 DynamicQuantizedLinear qint8"
    assert modes == "returned: eval, given: eval"
    assert torch.allclose(given, by_hand(), atol=1e-6)


def test_a_static_model_is_told_by_its_scales_and_the_engine_is_as_before():
    batches, before = [IMAGES, 2 * IMAGES], torch.backends.quantized.engine
    other = next(name for name in ("qnnpack", "x86") if name in torch.backends.quantized.supported_engines)
    seen = []

    def function(network, loader, backend):
        torch.backends.quantized.engine = backend
        prepared = tq.prepare(copy.deepcopy(network).eval(), tq.get_default_qconfig(backend))
        for images, labels in loader:
            seen.append((images.shape, labels.shape))
            prepared(images)
        return tq.convert(prepared)

    kinds, scales, zero_points, outputs, engine, given, modes = apply(
        "quantize_static", function, (layers(), batches, other, IMAGES)
    )
    assert seen == [((2, 1, 32, 32), (2,))] * 2
    assert [kind.split()[1] for kind in kinds.split(", ")] == ["QuantizedConv2d"] * 3 + ["QuantizedLinear"] * 2
    assert len(scales) == len(zero_points) == 6 and (scales > 0).all()
    assert torch.allclose(given, by_hand(), atol=1e-6) and torch.allclose(outputs, given, atol=0.05)
    assert (engine, torch.backends.quantized.engine) == (other, before)
    assert modes == "returned: eval, given: training"


@pytest.mark.parametrize(("driver", "rest"), [("quantize_dynamic", ()), ("quantize_static", ([], "x86"))])
def test_what_is_no_network_is_passed_on(driver, rest):
    arguments = (layers(), *rest, IMAGES)
    assert apply(driver, lambda *given: None, arguments) is None
    assert apply(driver, lambda *given: 5, arguments) == 5


def test_a_list_of_names_is_told_from_a_text_and_settings_are_put_in():
    settings = [("quant", 0.5, 3), ("classifier.2", 0.25, 7)]
    seen = {}

    def function(network):
        seen.update({name: module for name, module in network.named_modules() if hasattr(module, "scale")})
        return list(seen)

    names = ["quant", "features.0", "features.3", "features.6", "classifier.0", "classifier.2"]
    assert apply("name_modules", function, (settings, True)) == str(names)
    pairs = [(float(module.scale), int(module.zero_point)) for module in seen.values()]
    assert pairs == [(0.5, 3), (1.0, 0), (1.0, 0), (1.0, 0), (1.0, 0), (0.25, 7)]
    assert apply("name_modules", lambda network: [], ([], False)) == "[]"
    assert apply("name_modules", lambda network: "[]", ([], False)) == "the text '[]'"
    assert apply("name_modules", lambda network: 3, ([], True)) == 3


@pytest.mark.parametrize(("kind", "bytes_of_a_value"), [("float32", 4), ("float64", 8), ("int8", None), ("norm", 4)])
def test_networks_to_save_have_the_widths_and_types_asked_for(kind, bytes_of_a_value):
    network = apply("save_network", copy.copy, (kind, [6, 5, 3]))
    sizes = {one.element_size() for one in network.parameters()}
    assert sizes == ({bytes_of_a_value} if bytes_of_a_value else set())
    linear = [layer for layer in network if hasattr(layer, "in_features")]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(6, 5), (5, 3)]
    assert isinstance(network[-1], nn.BatchNorm1d) == (kind == "norm")
