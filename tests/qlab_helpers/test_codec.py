"""Values survive the way into a tree and back, and trees that no encoder wrote raise nothing but CodecError."""

import json
import math
from collections import namedtuple

import numpy
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from qlab_helpers.checking.codec import DTYPES, CodecError, Other, decode, encode
from qlab_helpers.checking.packing import pack, unpack

FAST = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
Pair = namedtuple("Pair", ["first", "second"])

scalars = st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats() | st.text(max_size=20)


@st.composite
def tensors(draw) -> torch.Tensor:
    shape = draw(st.lists(st.integers(0, 3), max_size=4))
    dtype = draw(st.sampled_from(sorted(DTYPES, key=str)))
    return (torch.arange(math.prod(shape)).reshape(shape) % 5).to(dtype)


values = st.recursive(
    scalars | tensors(),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.builds(Pair, inner, inner),
    max_leaves=8,
)


def travel(value):
    return decode(*unpack(pack(*encode(value))))


def same(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, tuple | list):
        return (
            isinstance(other, tuple if isinstance(one, tuple) else list)
            and getattr(one, "_fields", None) == getattr(other, "_fields", None)
            and len(one) == len(other)
            and all(map(same, one, other))
        )
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    return type(one) is type(other) and one == other


@FAST
@given(values)
def test_every_value_comes_back_the_same(value):
    assert same(value, travel(value))


@pytest.mark.parametrize("bits", [0x7FC00001, 0x80000000, 0x00000001, 0xFF800000])
def test_every_bit_of_a_float_tensor_survives(bits):
    before = torch.from_numpy(numpy.array([bits], dtype=numpy.uint32).view(numpy.float32))
    assert torch.equal(before.view(torch.int32), travel(before).view(torch.int32))


def test_numpy_values_become_tensors_and_plain_numbers():
    assert torch.equal(travel(numpy.arange(6).reshape(2, 3).T), torch.arange(6).reshape(2, 3).t())
    assert travel(numpy.array(3)).shape == ()
    assert travel((numpy.int8(-3), numpy.float32(0.5), numpy.bool_(True))) == (-3, 0.5, True)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, (3, 2), stride=2, padding=(1, 0), dilation=2, groups=2, bias=False),
        nn.Conv2d(2, 3, 3, padding="same"),
        nn.BatchNorm2d(3, eps=0.1).eval(),
        nn.Linear(3, 2),
    ],
    ids=["groups", "same", "norm", "linear"],
)
def test_a_layer_comes_back_and_computes_the_same(layer):
    back = travel(layer)
    shape = (2, 3) if isinstance(layer, nn.Linear) else (2, getattr(layer, "in_channels", 3), 7, 7)
    inputs = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    assert type(back) is type(layer) and torch.equal(back(inputs), layer(inputs))
    assert back.training == layer.training


def test_what_cannot_travel_becomes_its_type_name():
    odd = [object(), {1: 2}, torch.eye(2).to_sparse(), torch.empty(1, device="meta"), 2**80, 1j, print]
    odd += [numpy.array(["text"]), numpy.ones(2, dtype=">f4"), nn.ReLU(), ...]
    assert all(isinstance(travel(one), Other) for one in odd)
    assert travel({1: 2}) != travel({1: 2})


def test_a_value_nested_without_end_is_cut():
    endless = []
    endless.append(endless)
    assert "too deeply nested" in json.dumps(encode(endless)[0])


def test_decoded_tensors_are_copies():
    tree, stored = encode(torch.zeros(3))
    decode(tree, stored).fill_(7)
    assert torch.equal(decode(tree, stored), torch.zeros(3))


def test_a_named_tuple_takes_the_class_that_is_given():
    Codebook = namedtuple("Codebook", ["means", "index"])
    other = namedtuple("Codebook", ["centroids", "labels"])
    back = decode(*encode(Codebook(1, 2)), {"Codebook": other})
    assert type(back) is other and back == (1, 2)


@FAST
@given(values, st.data())
def test_a_damaged_message_raises_codec_errors_only(value, data):
    message = bytearray(pack(*encode(value)))
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode(*unpack(bytes(message)))
    except CodecError:
        pass


names = st.sampled_from(
    ["tensor", "none", "float", "bool", "int", "str", "other", "tuple", "list", "namedtuple", "layer"]
    + ["fields", "items", "options", "state", "transposed", "requires_grad", "training", "in_features", "out_features"]
    + ["in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "num_features", "eps"]
)
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["t", "Linear", "Conv2d", "a", "0x1p9"])
)
trees = st.dictionaries(
    names,
    st.recursive(
        leaves, lambda part: st.lists(part, max_size=3) | st.dictionaries(names, part, max_size=5), max_leaves=12
    ),
    max_size=4,
)


@FAST
@given(trees)
def test_a_malformed_tree_raises_codec_errors_only(tree):
    try:
        decode(tree, {"t": torch.zeros(3)}, {"a": Pair})
    except CodecError:
        pass


def test_a_layer_takes_no_tensor_apart_for_its_options():
    tree, tensors = encode(nn.Conv2d(1, 1, 1))
    tree["options"]["kernel_size"] = {"tensor": "t"}
    with pytest.raises(CodecError, match="no number"):
        decode(tree, {**tensors, "t": torch.ones(3, dtype=torch.int8)})


@pytest.mark.parametrize(
    "tree",
    [
        {"tensor": "missing"},
        {"tensor": ["t"]},
        {"int": 2**63},
        {"float": "0x1p9999"},
        {"namedtuple": [], "fields": [], "items": []},
        {"namedtuple": "Pair", "fields": [], "items": []},
        {"tuple": [{"tuple": [1]}]},
        {"layer": "Linear", "options": {}, "state": {}},
        {"layer": "Linear", "options": {"in_features": {"int": 0}, "out_features": {"int": 0}}, "state": {}},
        {},
    ],
)
def test_a_tree_that_no_encoder_writes_is_refused(tree):
    with pytest.raises(CodecError):
        decode(tree, {"t": torch.zeros(3)}, {"Pair": Pair})


def test_a_layer_of_any_claimed_size_costs_no_memory():
    options = {"num_features": {"int": 2**40}, "eps": {"float": "0x1p-10"}, "device": {"str": "cpu"}}
    with pytest.raises(CodecError):
        decode({"layer": "BatchNorm2d", "options": options, "state": {}}, {})
