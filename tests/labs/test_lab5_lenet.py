"""Lab 5's solution against the report's figures, PyTorch's own layers and numbers worked out by hand."""

import copy
import statistics
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

from autograder.notebooks import read_lab
from qlab_helpers import quantization as tq
from qlab_helpers.cost import count_parameters, model_macs
from qlab_helpers.data import ImageSet
from qlab_helpers.models.lenet import LeNet

LAB = "lab5_lenet"
MODULES = ["quant", "features.0", "features.3", "features.6", "classifier.0", "classifier.2"]
BACKEND = tq.default_backend()

pytestmark = [
    pytest.mark.filterwarnings("ignore:TypedStorage is deprecated"),  # torch's own files of integers
    pytest.mark.filterwarnings("ignore:must run observer"),  # what the detective question is about
]


@pytest.fixture(autouse=True)
def _engine_as_before():
    before = torch.backends.quantized.engine
    yield
    torch.backends.quantized.engine = before


@pytest.fixture
def model() -> LeNet:
    return LeNet().eval()


@pytest.fixture
def loader() -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(torch.rand(8, 1, 32, 32), torch.zeros(8, dtype=torch.int64)) for _ in range(3)]


# --- dynamic ---


def test_dynamic_quantization_takes_the_linear_layers_and_leaves_the_given_model(lab, model):
    before = copy.deepcopy(model.state_dict())
    quantized = lab["quantize_dynamic_model"](model)
    kinds = [type(quantized.get_submodule(name)) for name in MODULES[1:]]
    assert kinds[:3] == [nn.Conv2d] * 3
    assert [kind.__module__.split(".")[-2:] for kind in kinds[3:]] == [["modules", "linear"]] * 2
    assert kinds[3] is not nn.Linear
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_dynamic_layer_computes_the_formula_of_the_text(lab):
    """A scale of the input's own range; torch uses seven of the eight bits on x86."""
    linear = nn.Sequential(nn.Linear(30, 7)).eval()
    x = torch.randn(5, 30)
    weight = lab["quantize_dynamic_model"](linear)[0].weight()
    low, high = x.min().item(), x.max().item()
    found = []
    for steps in (127, 255):
        scale = (high - low) / steps
        zero_point = round(-low / scale)
        integers = (x / scale).round() + zero_point
        sums = (integers - zero_point) @ weight.int_repr().float().t()
        found.append(weight.q_scale() * scale * sums + linear[0].bias)
    got = lab["quantize_dynamic_model"](linear)(x)
    assert min((one - got).abs().max().item() for one in found) < 0.01


def test_bytes_that_dynamic_quantization_saves_are_those_of_the_short_answer(lab, model):
    weights = [model.classifier[0].weight, model.classifier[2].weight]
    assert lab["answer_dynamic_bytes"] == 3 * sum(one.numel() for one in weights) == 32_760


# --- size ---


def test_sizes_are_the_published_ones_within_a_fiftieth(lab, model, loader):
    static = lab["quantize_static_model"](model, loader, "x86") if BACKEND == "x86" else None
    assert lab["saved_size_mb"](model) == pytest.approx(0.250382, rel=0.02)
    assert lab["saved_size_mb"](lab["quantize_dynamic_model"](model)) == pytest.approx(0.219062, rel=0.02)
    assert static is None or lab["saved_size_mb"](static) == pytest.approx(0.075466, rel=0.02)


@pytest.mark.skipif(BACKEND != "x86", reason="the recipe with a scale for each output channel")
def test_static_file_has_about_30_per_cent_of_the_bytes(lab, model, loader):
    static = lab["saved_size_mb"](lab["quantize_static_model"](model, loader, "x86"))
    assert static / lab["saved_size_mb"](model) == pytest.approx(0.3, abs=0.01)
    assert 1e6 * static == pytest.approx(75_466, abs=1000)  # "up to a kilobyte"


def test_given_model_keeps_its_mode(lab, model, loader):
    model.train()
    for made in (lab["quantize_dynamic_model"](model), lab["quantize_static_model"](model, loader, BACKEND)):
        assert not made.training and all(module.training for module in model.modules())


def test_integer_layers_have_no_parameters_to_count(lab, model, loader):
    assert count_parameters(lab["quantize_static_model"](model, loader, BACKEND)) == 0


# --- static ---


def test_static_model_is_fused_and_integer_from_quant_to_dequant(lab, model, loader):
    quantized = lab["quantize_static_model"](model, loader, BACKEND)
    kinds = [repr(quantized.get_submodule(name)).partition("(")[0] for name in MODULES]
    convolutions = ["QuantizedConvReLU2d"] * 3
    assert kinds == ["Quantize", *convolutions, "QuantizedLinearReLU", "QuantizedLinear"]
    assert not [module for module in quantized.modules() if type(module) in (nn.Conv2d, nn.Linear, nn.ReLU)]


def test_static_model_is_what_torchs_own_functions_make(lab, model, loader):
    from torch.ao import quantization as ao

    torch.backends.quantized.engine = BACKEND
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecation
        reference = ao.fuse_modules(copy.deepcopy(model), model.fusible_groups())
        reference.qconfig = ao.get_default_qconfig(BACKEND)
        ao.prepare(reference, inplace=True)
        for images, _ in loader:
            reference(images)
        ao.convert(reference, inplace=True)
    quantized = lab["quantize_static_model"](model, loader, BACKEND)
    assert torch.equal(quantized(loader[0][0]), reference(loader[0][0]))


def test_static_model_stays_near_the_fp32_one_and_leaves_it_as_it_was(lab, model, loader):
    images = loader[0][0]
    before = model(images)
    quantized = lab["quantize_static_model"](model, loader, BACKEND)
    assert torch.equal(model(images), before)
    assert functional.mse_loss(quantized(images), before) < 0.01 * before.var()


def test_engine_is_the_backend(lab, model, loader):
    lab["quantize_static_model"](model, loader, "qnnpack")
    assert torch.backends.quantized.engine == "qnnpack"


def test_scales_of_a_range_seen_are_those_of_the_range(lab, model):
    """Pixels from 0 to 1 on 7 bits: 1 / 127; on 8 bits 1 / 255."""
    images = torch.linspace(0, 1, 1024).reshape(1, 1, 32, 32)
    for backend, steps in (("x86", 127), ("qnnpack", 255)):
        if backend in torch.backends.quantized.supported_engines:
            quantized = lab["quantize_static_model"](model, [(images, None)], backend)
            assert quantized.quant.scale.item() == pytest.approx(1 / steps, rel=0.01)
            assert quantized.quant.zero_point.item() == 0


# --- the detective question ---


def test_the_reports_listing_is_reproduced(lab, model):
    quantized = lab["quantize_as_reported"](model, BACKEND)
    assert lab["find_unit_scales"](quantized) == MODULES
    text = repr(quantized)
    assert "Quantize(scale=tensor([1.]), zero_point=tensor([0]), dtype=torch.quint8)" in text
    assert text.count("scale=1.0, zero_point=0") == 5


def test_modules_that_choose_no_scale_have_none(lab, model, loader):
    quantized = lab["quantize_static_model"](model, loader, BACKEND)
    with_scale = [name for name, module in quantized.named_modules() if hasattr(module, "scale")]
    assert with_scale == MODULES
    assert not hasattr(quantized.features[2], "zero_point")  # pooling


def test_a_calibrated_model_and_an_fp32_one_have_no_unit_scales(lab, model, loader):
    assert lab["find_unit_scales"](lab["quantize_static_model"](model, loader, BACKEND)) == []
    assert lab["find_unit_scales"](model) == []


def test_pixels_become_black_or_white_at_a_scale_of_one(lab, model):
    outputs = lab["integer_outputs"](lab["quantize_as_reported"](model, BACKEND), torch.rand(2, 1, 32, 32))
    assert set(outputs["quant"].tolist()) == {0, 1}
    assert lab["answer_scale_of_one"] == "b"


def test_a_deployed_model_computes_the_same_to_the_bit(lab, model, loader, tmp_path):
    quantized = lab["quantize_static_model"](model, loader, BACKEND)
    torch.save(quantized.state_dict(), tmp_path / "lenet.pt")
    deployed = lab["load_static_model"](tmp_path / "lenet.pt", BACKEND)
    assert torch.equal(deployed(loader[1][0]), quantized(loader[1][0]))


# --- speed ---


@pytest.mark.parametrize("warmup", [0, 3, 8])
def test_latency_is_the_median_of_what_is_left(lab, warmup):
    seconds = torch.rand(20, dtype=torch.float64).tolist()
    assert lab["median_latency_ms"](seconds, warmup) == pytest.approx(1000 * statistics.median(seconds[warmup:]))
    assert lab["median_latency_ms"]([9.0, 0.004, 0.001, 0.002, 0.003], 1) == pytest.approx(2.5)


def test_each_call_of_each_model_is_timed_and_the_threads_are_as_before(lab):
    before = torch.get_num_threads()
    models = {"one": nn.Identity(), "other": nn.Flatten()}
    seconds = lab["time_in_turns"](models, torch.zeros(1, 1), repeats=7, threads=before + 1)
    assert {name: len(of) for name, of in seconds.items()} == {"one": 7, "other": 7}
    assert all(one >= 0 for of in seconds.values() for one in of)
    assert torch.get_num_threads() == before


def test_a_block_of_the_sweep_can_be_quantized(lab):
    block, x = lab["ConvBlock"](8).eval(), torch.rand(1, 8, 16, 16)
    quantized = lab["quantize_static_model"](block, [(x, None)], BACKEND)
    assert torch.allclose(quantized(x), block(x), atol=0.05)
    assert lab["speedup"](block, quantized, x, 3) > 0


# --- the text ---


def test_framed_images_have_zeros_around_them(lab):
    framed = lab["framed"](ImageSet(torch.full((2, 1, 28, 28), 7, dtype=torch.uint8), torch.zeros(2), ("a",)))
    assert framed.images.shape == (2, 1, 32, 32)
    assert framed.images.sum() == 2 * 7 * 28 * 28 and framed.images[:, :, 2:-2, 2:-2].eq(7).all()


def test_macs_in_the_text_and_in_the_plot_are_those_counted(course):
    source = "\n".join(cell.source for cell in read_lab(course, LAB).cells)
    block = source[source.index("LAYERS = {") : source.index("def layer_latencies_us")]
    names: dict = {}
    exec(block, names)
    pooled = 6 * 14 * 14 + 16 * 5 * 5  # torchprofile counts one for each mean
    assert sum(names["LAYERS"].values()) == 416_520
    assert model_macs(LeNet(), torch.rand(1, 1, 32, 32)) == 416_520 + pooled
    linear = names["LAYERS"]["classifier.0"] + names["LAYERS"]["classifier.2"]
    assert round(100 * linear / 416_520, 1) == 2.6 and "2.6 % of the multiplications" in " ".join(source.split())


def test_points_are_those_that_the_text_names(course):
    source = read_lab(course, LAB)
    answers = sum(points for name, points in source.items.items() if name.startswith("answer_"))
    functions = sum(source.items.values()) - answers
    assert (functions, answers, list(source.written.values())) == (36, 4, [10, 10])
