"""Exactness of the int8 products, against PyTorch's own int64 arithmetic."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from qlab_helpers import integer
from qlab_helpers.integer import int8_conv2d, int8_linear

cuda = pytest.param(
    "cuda",
    marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")],
)
devices = pytest.mark.parametrize("device", ["cpu", cuda])
#: The ways of adding up: products of int8 matrices where the processor has them (elsewhere this is one of the others),
#: PyTorch's float32 convolution where that is exact, and products of float32 matrices.
WAYS = ["integers", "direct", "products"]
ways = pytest.mark.parametrize("way", WAYS)


def choose(patch: pytest.MonkeyPatch, way: str) -> None:
    if way != "integers":
        patch.setattr(integer, "_has_integer_product", lambda input: False)
    if way == "products":
        patch.setattr(integer, "_direct_is_exact", lambda input: False)


def random_int8(*shape: int, seed: int = 0, low: int = -128) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, 128, shape, generator=generator, dtype=torch.int8)


def conv2d_int64(x, weight, *, padding=(0, 0, 0, 0), value=0, **options):
    return functional.conv2d(functional.pad(x.long(), padding, value=value), weight.long(), **options)


@pytest.fixture
def force(monkeypatch):
    return lambda way: choose(monkeypatch, way)


@ways
@devices
@pytest.mark.parametrize("terms", [1, 7, 1024, 1025, 4608])
def test_linear_equals_int64_arithmetic(terms, device, way, force):
    force(way)
    x, weight = random_int8(5, terms), random_int8(3, terms, seed=1)
    output = int8_linear(x.to(device), weight.to(device))
    assert output.dtype == torch.int32
    assert torch.equal(output.cpu().long(), x.long() @ weight.long().t())


@ways
@devices
@pytest.mark.parametrize(("x_value", "weight_value"), [(-128, -128), (-128, 127), (127, 127)])
def test_linear_is_exact_at_the_largest_sums(x_value, weight_value, device, way, force):
    force(way)
    x = torch.full((2, 20_011), x_value, dtype=torch.int8, device=device)
    weight = torch.full((2, 20_011), weight_value, dtype=torch.int8, device=device)
    assert (int8_linear(x, weight) == 20_011 * x_value * weight_value).all()


def test_plain_float32_is_not_exact_there():
    x = torch.full((1, 20_011), 127.0)
    assert (x @ x.t()).item() != 20_011 * 127 * 127


@ways
def test_operands_need_not_be_contiguous(way, force):
    force(way)
    x, weight = random_int8(40, 64), random_int8(64, 12, seed=1).t()
    operands = (
        (x[:1].expand(5, 64), weight),
        (x[:, ::2], weight[:, ::2]),
        (x.t()[:, :12], weight.t()),
        (x[:1].as_strided((1, 64), (0, 1)), weight[:1].as_strided((1, 64), (7, 12))),
        (x[:, :1], weight[:, :1]),
    )
    for rows, kernel in operands:
        assert torch.equal(int8_linear(rows, kernel).long(), rows.long() @ kernel.long().t())
    image, kernel = random_int8(2, 9, 8, 4).permute(0, 3, 1, 2), random_int8(3, 3, 4, 5, seed=1).permute(3, 2, 0, 1)
    assert torch.equal(int8_conv2d(image, kernel).long(), conv2d_int64(image, kernel))


def test_linear_takes_any_leading_dimensions():
    x, weight = random_int8(2, 3, 8), random_int8(5, 8, seed=1)
    assert torch.equal(int8_linear(x, weight)[1, 2].long(), weight.long() @ x[1, 2].long())
    assert int8_linear(x[0, 0], weight).shape == (5,)


def test_bias_is_added_in_int32():
    x, weight = torch.tensor([[1, 2]], dtype=torch.int8), torch.tensor([[3, 4], [-5, 6]], dtype=torch.int8)
    bias = torch.tensor([16_777_217, -1], dtype=torch.int32)  # 2^24 + 1: not a float32
    assert int8_linear(x, weight, bias).tolist() == [[16_777_228, 6]]
    image, kernel = x.view(1, 2, 1, 1), weight.view(2, 2, 1, 1)
    assert int8_conv2d(image, kernel, bias).flatten().tolist() == [16_777_228, 6]


@settings(deadline=None, max_examples=50)
@given(data=st.data(), way=st.sampled_from(WAYS))
def test_conv2d_equals_int64_arithmetic(data, way):
    small = st.integers(1, 3)
    groups, per_group, kh, kw = (data.draw(small) for _ in range(4))
    stride, dilation = data.draw(st.tuples(small, small)), data.draw(st.tuples(small, small))
    padding = data.draw(st.tuples(*[st.integers(0, 3)] * 4))
    value, seed = data.draw(st.integers(-128, 127)), data.draw(st.integers(0, 1000))
    h, w = 8 + data.draw(small), 7 + data.draw(small)
    x = random_int8(data.draw(small), groups * per_group, h, w, seed=seed)
    weight = random_int8(groups * data.draw(small), per_group, kh, kw, seed=seed + 1)
    options = {"stride": stride, "dilation": dilation, "groups": groups}
    with pytest.MonkeyPatch.context() as patch:
        choose(patch, way)
        output = int8_conv2d(x, weight, padding=padding, padding_value=value, **options)
    assert output.dtype == torch.int32
    assert torch.equal(output.long(), conv2d_int64(x, weight, padding=padding, value=value, **options))


@ways
@devices
@pytest.mark.parametrize(("channels", "groups"), [(512, 1), (1024, 2)])
def test_conv2d_is_exact_at_the_largest_sums(channels, groups, way, device, force):
    force(way)
    for value in (-128, 127):
        x = torch.full((2, channels, 5, 4), value, dtype=torch.int8)
        weight = torch.full((4, channels // groups, 3, 3), value, dtype=torch.int8)
        output = int8_conv2d(x.to(device), weight.to(device), padding=1, groups=groups)
        expected = conv2d_int64(x, weight, padding=(1, 1, 1, 1), groups=groups)
        assert expected.max() > 1 << 24
        assert torch.equal(output.cpu().long(), expected)


@ways
@devices
def test_conv2d_is_exact_on_random_operands_of_a_large_layer(way, device, force):
    force(way)
    x, weight = random_int8(3, 600, 6, 6, low=64), random_int8(8, 600, 3, 3, seed=1, low=64)
    output = int8_conv2d(x.to(device), weight.to(device))
    assert torch.equal(output.cpu().long(), conv2d_int64(x, weight))


@ways
def test_small_weights_are_summed_exactly_in_one_piece(way, force):
    force(way)
    x, weight = random_int8(2, 512, 4, 4), random_int8(4, 512, 3, 3, seed=1) // 16
    assert integer._exact_terms(weight) == 512 * 9
    assert torch.equal(int8_conv2d(x, weight).long(), conv2d_int64(x, weight))


@ways
def test_images_are_convolved_in_pieces_without_a_seam(way, force, monkeypatch):
    force(way)
    monkeypatch.setattr(integer, "PATCH_ELEMENTS", 1)
    x, weight = random_int8(5, 2, 6, 6), random_int8(3, 2, 3, 3, seed=1)
    assert torch.equal(int8_conv2d(x, weight).long(), conv2d_int64(x, weight))


def test_padding_may_be_one_two_or_four_numbers():
    x, weight = random_int8(1, 2, 5, 6), random_int8(3, 2, 3, 3, seed=1)
    assert torch.equal(int8_conv2d(x, weight, padding=1), int8_conv2d(x, weight, padding=(1, 1, 1, 1)))
    assert torch.equal(int8_conv2d(x, weight, padding=(2, 1)), int8_conv2d(x, weight, padding=(1, 1, 2, 2)))


def test_border_holds_the_zero_point():
    x = torch.zeros(1, 1, 1, 1, dtype=torch.int8)
    weight = torch.ones(1, 1, 3, 3, dtype=torch.int8)
    assert int8_conv2d(x, weight, padding=1, padding_value=-5).item() == 8 * -5


def test_empty_batch_gives_an_empty_output():
    weight = random_int8(3, 2, 3, 3)
    assert int8_conv2d(torch.zeros(0, 2, 5, 5, dtype=torch.int8), weight).shape == (0, 3, 3, 3)
    assert int8_linear(torch.zeros(0, 4, dtype=torch.int8), random_int8(3, 4)).shape == (0, 3)


@devices
def test_results_stay_exact_where_float32_is_set_to_low_precision(device):
    x, weight = random_int8(4, 4000, low=100), random_int8(6, 4000, seed=1, low=100)
    image, kernel = x.view(4, 1000, 2, 2), weight.view(6, 1000, 2, 2)
    expected = x.long() @ weight.long().t()
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast(device, torch.bfloat16):
            linear = int8_linear(x.to(device), weight.to(device))
            convolved = int8_conv2d(image.to(device), kernel.to(device))
        assert torch.get_float32_matmul_precision() == "medium"  # as it was found
    finally:
        torch.set_float32_matmul_precision(before)
    assert torch.equal(linear.cpu().long(), expected)
    assert torch.equal(convolved.cpu().long().flatten(1), expected)


def test_newer_precision_switches_are_left_as_they_were():
    switch = torch.backends.cuda.matmul
    if not hasattr(switch, "fp32_precision"):
        pytest.skip("this PyTorch has only the older switches")
    before = switch.fp32_precision
    try:
        for value in ("tf32", "ieee"):
            switch.fp32_precision = value
            int8_linear(random_int8(2, 3), random_int8(4, 3))
            assert switch.fp32_precision == value
    finally:
        switch.fp32_precision = before


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.int32])
def test_operands_that_are_not_int8_are_named(dtype):
    x, weight = torch.zeros(2, 4, dtype=dtype), torch.zeros(3, 4, dtype=torch.int8)
    with pytest.raises(TypeError, match=r"input must be torch\.int8"):
        int8_linear(x, weight)
    with pytest.raises(TypeError, match=r"weight must be torch\.int8"):
        int8_conv2d(weight.view(1, 3, 2, 2), x.view(1, 2, 2, 2))


def test_bias_that_is_not_int32_is_named():
    x = torch.zeros(2, 4, dtype=torch.int8)
    with pytest.raises(TypeError, match=r"bias must be torch\.int32"):
        int8_linear(x, x, torch.zeros(2))
    with pytest.raises(ValueError, match=r"bias must have the shape \(2,\)"):
        int8_linear(x, x, torch.zeros(3, dtype=torch.int32))


@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "options"),
    [
        ((1, 3, 5, 5), (4, 2, 3, 3), {}),
        ((1, 4, 5, 5), (3, 2, 3, 3), {"groups": 2}),
        ((1, 3, 2, 5), (4, 3, 3, 3), {}),
        ((1, 3, 5, 5), (4, 3, 3, 3), {"dilation": 3}),
        ((1, 3, 5, 5), (4, 3, 3, 3), {"padding_value": 128}),
    ],
)
def test_shapes_that_do_not_fit_are_refused(x_shape, weight_shape, options):
    with pytest.raises(ValueError):
        int8_conv2d(random_int8(*x_shape), random_int8(*weight_shape), **options)
