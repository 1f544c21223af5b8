"""Bytes that no honest process wrote raise nothing but CodecError, and cost no more to decode than honest ones."""

import struct

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from qlab_helpers.checking.codec import CodecError, decode, encode
from qlab_helpers.checking.packing import MAX_CLASSES, MAX_COPIES, MAX_NESTING, pack, unpack

FAST = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
PAIR = {"namedtuple": "Pair", "fields": ["a"], "items": [{"none": True}]}


@FAST
@given(st.binary(max_size=200))
def test_random_bytes_raise_codec_errors_only(message):
    try:
        decode(*unpack(message))
    except CodecError:
        pass


@pytest.mark.parametrize(
    "message", [b"", b"\0\0\0", struct.pack("<I", 2**31) + b"{}", struct.pack("<I", 2) + b"[]" + b"\0" * 8]
)
def test_a_message_that_is_no_message_is_refused(message):
    with pytest.raises(CodecError):
        unpack(message)


@pytest.mark.parametrize("depth", [MAX_NESTING, 300, 900, 100_000])
def test_a_tree_that_is_nested_too_deeply_is_refused(depth):
    text = b'{"result":' + b"[" * depth + b"]" * depth + b"}"
    with pytest.raises(CodecError):
        unpack(struct.pack("<I", len(text)) + text + pack({}, {})[6:])


def test_a_tensor_may_be_named_a_few_times_and_not_thousands_of_times():
    tensors, node = {"t": torch.ones(1000)}, {"tensor": "t"}
    tree, found = unpack(pack({"list": [node] * MAX_COPIES}, tensors))
    assert len(decode(tree, found)) == MAX_COPIES
    with pytest.raises(CodecError, match="again and again"):
        unpack(pack({"list": [{"list": [node] * 100}] * 100}, tensors))


@pytest.mark.parametrize("node", [PAIR, encode(nn.Linear(1, 1))[0]], ids=["named tuple", "layer"])
def test_what_takes_long_to_make_may_come_in_hundreds_and_not_in_thousands(node):
    tensors = encode(nn.Linear(1, 1))[1]
    unpack(pack({"list": [PAIR] * MAX_CLASSES}, {}))
    with pytest.raises(CodecError, match="named tuples and layers"):
        unpack(pack({"list": [{"list": [node] * 100}] * 100}, tensors))


def test_a_tensor_of_too_many_dimensions_travels_by_name_alone_and_is_refused_as_one():
    tensor = torch.zeros([1] * 60)
    assert encode(tensor)[0] == {"other": "tensor of 60 dimensions"}
    with pytest.raises(CodecError, match="dimensions"):
        unpack(pack({"tensor": "t"}, {"t": tensor}))


def test_a_tensor_without_elements_may_have_any_number_of_rows():
    back = decode(*unpack(pack(*encode(torch.zeros(2**40, 0)))))
    assert back.shape == (2**40, 0)
