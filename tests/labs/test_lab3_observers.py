"""Lab 3's solution against PyTorch's own observers and integer layers, hand-made numbers and the reports' figures."""

import math

import pytest
import torch
from torch import nn

from autograder.notebooks import read_lab
from qlab_helpers import quantization as tq
from qlab_helpers.models.small_vgg import SmallVGG

LAB = "lab3_observers"
UNDEFINED = [(0.0, 0.0), (math.inf, -math.inf), (-1.0, math.inf), (-math.inf, 1.0), (math.nan, math.nan)]
RANGES = {torch.qint8: (-128, 127), torch.quint8: (0, 255)}


def tensors() -> list[torch.Tensor]:
    return [scale * torch.randn(7, 9) + shift for scale, shift in ((1, 0.5), (3, -1), (0.2, 4), (2, 0))]


def torchs(observer: nn.Module) -> tuple[float, int]:
    scale, zero_point = observer.calculate_qparams()
    return scale.item(), zero_point.item()


# --- ranges ---


def test_affine_parameters_worked_out_by_hand(lab):
    assert lab["affine_qparams"](-1.0, 4.1, 0, 255) == (pytest.approx(0.02), 50)
    assert lab["affine_qparams"](-1.0, 4.1, -128, 127) == (pytest.approx(0.02), -78)
    assert lab["affine_qparams"](2.0, 5.1, 0, 255) == (pytest.approx(0.02), 0)
    assert lab["affine_qparams"](-5.1, -2.0, 0, 255) == (pytest.approx(0.02), 255)


def test_symmetric_parameters_worked_out_by_hand(lab):
    assert lab["symmetric_qparams"](-2.54, 1.0, -127, 127) == (pytest.approx(0.02), 0)
    assert lab["symmetric_qparams"](-1.0, 2.55, 0, 255) == (pytest.approx(0.02), 128)
    assert lab["symmetric_qparams"](3.0, 3.75, 0, 15) == (pytest.approx(0.5), 8)


@pytest.mark.parametrize("function", ["affine_qparams", "symmetric_qparams"])
@pytest.mark.parametrize("ends", UNDEFINED)
@pytest.mark.parametrize("integers", [(-128, 127), (0, 255), (-8, 7)])
def test_undefined_ranges_have_the_scale_1_and_a_zero_point_that_exists(lab, function, ends, integers):
    scale, zero_point = lab[function](*ends, *integers)
    assert scale == 1.0
    assert integers[0] <= zero_point <= integers[1]


@pytest.mark.parametrize("function", ["affine_qparams", "symmetric_qparams"])
def test_a_scale_that_would_be_infinite_or_0_is_1(lab, function):
    for ends in ((-1e308, 1e308), (-1.7e308, 1.7e308), (0.0, 5e-324)):
        scale, zero_point = lab[function](*ends, 0, 255)
        assert scale == 1.0 and 0 <= zero_point <= 255


@pytest.mark.parametrize("ends", [(-1.5, 0.5), (2.0, 3.0), (-3.0, -2.0), (-1e-30, 1e-30), (-3e38, 3e38), (0.0, 1e-44)])
@pytest.mark.parametrize("function", ["affine_qparams", "symmetric_qparams"])
def test_zero_is_an_integer_of_its_own_and_the_scale_is_a_positive_number(lab, function, ends):
    for qmin, qmax in RANGES.values():
        scale, zero_point = lab[function](*ends, qmin, qmax)
        assert 0 < scale < math.inf
        assert isinstance(zero_point, int) and qmin <= zero_point <= qmax


# --- observers ---


@pytest.mark.parametrize("dtype", RANGES)
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("name", ["MinMaxObserver", "MovingAverageMinMaxObserver"])
def test_observers_agree_with_torchs_on_the_same_data(lab, name, dtype, symmetric):
    qscheme = torch.per_tensor_symmetric if symmetric else torch.per_tensor_affine
    ours = lab[name](*RANGES[dtype], symmetric)
    reference = getattr(tq, name)(dtype=dtype, qscheme=qscheme)
    for tensor in tensors():
        assert torch.equal(ours(tensor), tensor)
        reference(tensor)
        scale, zero_point = ours.calculate_qparams()
        torch_scale, torch_zero_point = torchs(reference)
        assert math.isclose(scale, torch_scale, rel_tol=1e-5)
        assert zero_point == torch_zero_point


@pytest.mark.parametrize("constant", [0.01, 0.5, 1.0])
def test_the_averaging_constant_is_torchs(lab, constant):
    ours = lab["MovingAverageMinMaxObserver"](0, 255, averaging_constant=constant)
    reference = tq.MovingAverageMinMaxObserver(averaging_constant=constant, dtype=torch.quint8)
    for tensor in tensors():
        ours(tensor)
        reference(tensor)
    assert math.isclose(ours.min_val, reference.min_val.item(), rel_tol=1e-5)
    assert math.isclose(ours.max_val, reference.max_val.item(), rel_tol=1e-5)


@pytest.mark.parametrize("name", ["MinMaxObserver", "MovingAverageMinMaxObserver"])
@pytest.mark.parametrize("values", [[], [0.0, 0.0], [1.0, math.inf], [math.nan], [-math.inf]])
def test_an_observer_of_undefined_ranges_neither_stops_nor_gives_a_useless_scale(lab, name, values):
    observer = lab[name]()
    observer(torch.tensor(values))
    assert observer.calculate_qparams() == (1.0, 0)


@pytest.mark.parametrize("name", ["MinMaxObserver", "MovingAverageMinMaxObserver"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_nan_in_any_tensor_stays_as_in_torch(lab, name, place):
    ours, reference = lab[name](0, 255), getattr(tq, name)(dtype=torch.quint8)
    for number, tensor in enumerate(tensors()[:3]):
        if number == place:
            tensor[2, 3] = math.nan
        ours(tensor)
        reference(tensor)
    assert reference.min_val.isnan() and reference.max_val.isnan()
    assert math.isnan(ours.min_val) and math.isnan(ours.max_val)
    assert ours.calculate_qparams() == (1.0, 0)
    assert reference.calculate_qparams()[0].isnan()  # the third of the differences that the text names


# --- powers of two ---


def power_of_two(lab, dtype: torch.dtype) -> nn.Module:
    return lab["PowerOfTwoObserver"](dtype=dtype, qscheme=torch.per_tensor_symmetric)


@pytest.mark.parametrize(
    ("scale", "expected"), [(1.0, 0), (0.7, 1), (0.3, 2), (0.36, 1), (0.012, 6), (1e-10, 8), (5.0, 0), (2**-7.4, 7)]
)
def test_a_scale_becomes_the_power_of_two_with_the_nearest_exponent(lab, scale, expected):
    assert power_of_two(lab, torch.qint8).scale_approximate(scale) == 2.0**-expected


def test_the_largest_exponent_is_an_argument(lab):
    assert power_of_two(lab, torch.qint8).scale_approximate(1e-10, max_shift_amount=12) == 2.0**-12


@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, -math.inf, math.nan])
def test_a_scale_that_is_no_positive_number_becomes_1(lab, scale):
    assert power_of_two(lab, torch.qint8).scale_approximate(scale) == 1.0


@pytest.mark.parametrize(("dtype", "zero_point"), [(torch.qint8, 0), (torch.quint8, 128)])
@pytest.mark.parametrize("values", [None, [0.0, 0.0], [1.0, math.inf], [math.nan, 1.0]])
def test_power_of_two_observer_has_an_answer_for_undefined_ranges(lab, dtype, zero_point, values):
    observer = power_of_two(lab, dtype)
    if values is not None:
        observer(torch.tensor(values))
    assert torchs(observer) == (1.0, zero_point)


@pytest.mark.parametrize("dtype", RANGES)
def test_power_of_two_scale_is_torchs_symmetric_one_within_a_factor_of_root_two(lab, dtype):
    observer = power_of_two(lab, dtype)
    reference = tq.MinMaxObserver(dtype=dtype, qscheme=torch.per_tensor_symmetric)
    for tensor in tensors():
        observer(tensor)
        reference(tensor)
    (scale, zero_point), (torch_scale, torch_zero_point) = torchs(observer), torchs(reference)
    assert math.log2(scale).is_integer()
    assert abs(math.log2(scale / torch_scale)) < 0.51
    assert zero_point == torch_zero_point


def test_parameters_have_the_types_that_torch_expects(lab):
    scale, zero_point = power_of_two(lab, torch.qint8).calculate_qparams()
    assert (scale.dtype, zero_point.dtype) == (torch.float32, torch.int64)
    assert scale.shape == zero_point.shape == (1,)


# --- a layer with integers only ---


def test_a_layer_worked_out_by_hand(lab):
    x = torch.tensor([[100, 150]], dtype=torch.uint8)  # -28 and 22
    weight = torch.tensor([[3, 10], [-7, 2], [0, -1], [127, 127]], dtype=torch.int8)
    bias = torch.tensor([5, -1, 0, 3000], dtype=torch.int32)
    # 141, 239, -22 and 2238, each shifted by 2: 35, 59, 0 and 559, which saturates
    assert lab["power_of_two_linear"](x, weight, bias, 2).tolist() == [[163, 187, 128, 255]]


def test_sums_of_many_inputs_are_exact(lab):
    x = torch.randint(0, 256, (4, 1000), dtype=torch.uint8)
    weight = torch.randint(-127, 128, (6, 1000), dtype=torch.int8)
    bias = torch.randint(-(2**20), 2**20, (6,), dtype=torch.int32)
    sums = (x.double() - 128) @ weight.double().t() + bias.double()
    expected = ((sums.clamp(min=0) / 2**14).floor() + 128).clamp(max=255)
    assert torch.equal(lab["power_of_two_linear"](x, weight, bias, 14), expected.to(torch.uint8))


def test_the_formula_is_what_torchs_integer_layer_computes_up_to_its_rounding(lab):
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU()).eval()
    prepared = tq.prepare(tq.QuantWrapper(tq.fuse_modules(model, [("0", "1")])).eval(), lab["POWER_OF_TWO"])
    images = torch.rand(50, 64)
    prepared(images)
    layer, seen = tq.convert(prepared), {}
    layer.module[0].register_forward_hook(lambda module, inputs, output: seen.update(x=inputs[0], y=output))
    layer(images)
    x, y, weight = seen["x"], seen["y"], layer.module[0].weight()
    bias = (layer.module[0].bias().detach() / (x.q_scale() * weight.q_scale())).round().to(torch.int32)
    shift = round(math.log2(y.q_scale() / (x.q_scale() * weight.q_scale())))
    ours = lab["power_of_two_linear"](x.int_repr(), weight.int_repr(), bias, shift)
    difference = y.int_repr().int() - ours.int()
    assert shift > 0 and difference.min() >= 0 and difference.max() == 1  # torch rounds, a shift cuts off


def test_sums_near_the_end_of_int32_do_not_wrap(lab):
    x, weight = torch.tensor([[255]], dtype=torch.uint8), torch.tensor([[1], [-1]], dtype=torch.int8)
    bias = torch.tensor([2**31 - 200, -(2**31) + 200], dtype=torch.int32)
    assert lab["power_of_two_linear"](x, weight, bias, 0).tolist() == [[255, 128]]


# --- energy ---


def test_energy_of_the_reports_layer(lab):
    assert lab["linear_energy_pj"](128, 10, "fp32") == pytest.approx(5888)
    assert lab["linear_energy_pj"](128, 10, "power_of_two") == pytest.approx(422.8)


# --- the model ---


def test_the_reports_model_is_quantized_with_the_students_qconfig(lab):
    images = torch.rand(4, 3, 32, 32)
    quantized = lab["quantize_model"](SmallVGG(), lab["POWER_OF_TWO"], [images])
    layers = [module for module in quantized.modules() if hasattr(module, "scale") and hasattr(module, "weight")]
    assert len(layers) == 11
    assert all(math.log2(layer.scale).is_integer() and layer.zero_point == 128 for layer in layers)
    assert all(math.log2(layer.weight().q_scale()).is_integer() for layer in layers)
    assert quantized(images).shape == (4, 10)


def test_observed_model_still_knows_the_ranges_of_the_converted_one(lab):
    torch.manual_seed(0)
    model, images = SmallVGG(), [torch.rand(4, 3, 32, 32)]
    observed = lab["observe_model"](model, lab["POWER_OF_TWO"], images)
    quantized = lab["quantize_model"](model, lab["POWER_OF_TWO"], images)
    for name, module in quantized.named_modules():
        if hasattr(module, "scale") and hasattr(module, "weight"):
            observer = observed.get_submodule(name).activation_post_process
            reach = max(observer.max_val.item(), -observer.min_val.item())
            assert module.scale == 2.0 ** -min(8, max(0, round(-math.log2(reach / 127.5))))


# --- clipping ---


def test_a_percentile_cuts_off_as_much_as_it_says(lab):
    values = torch.arange(1001.0)[torch.randperm(1001)]
    assert lab["percentile_range"](values, 99.0) == (5.0, 995.0)
    assert lab["percentile_range"](values, 100.0) == (0.0, 1000.0)


def test_the_range_of_least_error_cuts_off_an_outlier_at_few_bits(lab):
    values = torch.cat([torch.randn(2000), torch.tensor([30.0])])
    low, high = lab["least_error_range"](values, 4)
    widest = lab["quantization_error"](values, values.min().item(), values.max().item(), 4)
    assert high < 30 and lab["quantization_error"](values, low, high, 4) < widest


def test_clipping_costs_what_the_text_says(lab):
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(512, generator=generator) + 0.5 for _ in range(200)]
    batches[19][0] = 40.0
    observed = torch.cat(batches)
    widest, percentile = (observed.min().item(), observed.max().item()), lab["percentile_range"](observed)
    errors = {(b, r): lab["quantization_error"](observed, *r, b) for b in (8, 4) for r in (widest, percentile)}
    assert [round(errors[8, r], 4) for r in (widest, percentile)] == [0.0025, 0.0129]
    assert round(errors[8, percentile] / errors[8, widest]) == 5
    assert round(errors[4, widest], 2) == 0.67 and round(errors[4, widest] / errors[4, percentile]) == 23
    assert round(lab["least_error_range"](observed, 8)[1], 1) == 34.8 and round(percentile[1], 2) == 3.86
    cut_off = (observed - observed.clamp(*percentile)).square()
    assert (int((cut_off > 0).sum()), len(observed)) == (102, 102_400)
    assert round(cut_off.mean().item(), 4) == 0.0129 and round(100 * (cut_off.max() / cut_off.sum()).item()) == 99
    steps = [(widest[1] - widest[0]) / (2**bits - 1) for bits in (8, 4)]
    assert [round(steps[0], 2), round(steps[1], 1)] == [0.17, 2.9]


# --- the text ---


def test_points_are_those_that_the_text_names(course):
    source = read_lab(course, LAB)
    reports = sum(points for name, points in source.written.items() if name.startswith("report_"))
    assert (sum(source.items.values()), source.written["question_overflow"], reports) == (90, 10, 100)


def test_numbers_of_the_model_answers(lab):
    assert 295168 + 590080 == 885248 and round(100 * 885248 / 1470762) == 60 and round(100 * 262400 / 1470762) == 18
    assert round(-math.log2(1e-10)) == 33
    assert round(127 * math.sqrt(2)) == 180
    assert round(-math.log2(1.41)) == 0 and round(-math.log2(1.42)) == -1
    scale = 0.41 / 127
    assert (round(scale, 5), round(-math.log2(scale), 2), round(0.41 * 256)) == (0.00323, 8.27, 105)
    assert round(5888 / 422.8, 1) == 13.9
