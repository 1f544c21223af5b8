"""What passes and what fails, and that nothing a function returns raises or shows a hidden value.

Right and wrong are told from the rules by hand, or by running ``fast_pytorch_kmeans`` and torch themselves.
"""

from collections import namedtuple

import numpy
import pytest
import torch
from fast_pytorch_kmeans import KMeans
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from qlab_helpers.checking.codec import Other
from qlab_helpers.checking.compare import compare
from qlab_helpers.checking.outputs import different
from qlab_helpers.checking.reference import Case, Item, Rule
from qlab_helpers.checking.verdict import Verdict
from qlab_helpers.clustering import KMeans1d

Codebook = namedtuple("Codebook", ["centroids", "labels"])
INT8 = torch.tensor([[1, -2, 3], [127, -128, 0]], dtype=torch.int8)
NAN, INF = float("nan"), float("inf")


def judge(expected, got, *rules: Rule, before=(), observe=None, observed=None, after=None, kind="values") -> Verdict:
    """Judge ``got``; ``observed`` are the expected arguments after the call, ``after`` those that the call left."""
    names = tuple(observe or ())
    item = Item("f", "function", "lab", 1.0, names, rules, kind, (), (), ())
    case = Case("c", "t", "h", False, 1.0, names, ())
    return compare(
        item,
        case,
        tuple(before),
        expected,
        dict(zip(names, observed or (), strict=True)),
        got,
        dict(zip(names, after or (), strict=True)),
    )


def tensor_rule(**options) -> Rule:
    return Rule("q", **options)


# One output


def test_equal_tensors_pass():
    assert judge(INT8, INT8.clone(), tensor_rule(dtype="int8"))


def test_the_first_difference_is_found_in_reading_order():
    got = INT8.clone()
    got[1, 0], got[0, 2] = -128, 4
    verdict = judge(INT8, got, tensor_rule(dtype="int8"))
    assert not verdict
    assert verdict.first_difference == (0, 2)
    assert verdict.message == "q: 2 of 6 values differ"
    assert verdict.detail == "q: 2 of 6 values differ, the first at [0, 2]: expected 3, got 4"
    assert verdict.differs.tolist() == [[False, False, True], [True, False, False]]


def test_a_wrong_dtype_is_named():
    verdict = judge(INT8, INT8.float(), tensor_rule(dtype="int8"))
    assert (verdict.passed, verdict.message) == (False, "q: wrong dtype: expected int8, got float32")


def test_any_dtype_will_do_where_none_is_demanded():
    assert judge(INT8, INT8.double(), tensor_rule())
    assert not judge(torch.tensor([1, 0]), torch.tensor([True, False]), tensor_rule())


def test_a_wrong_shape_is_named():
    verdict = judge(INT8, INT8.t(), tensor_rule())
    assert (verdict.passed, verdict.message) == (False, "q: expected shape (2, 3), got shape (3, 2)")


def test_flat_ignores_the_shape_but_not_the_order():
    scale = torch.tensor([0.5, 0.25, 2.0])
    assert judge(scale.reshape(3, 1, 1, 1), scale, tensor_rule(flat=True))
    assert not judge(scale.reshape(3, 1), scale.flip(0), tensor_rule(flat=True))
    assert not judge(scale, scale[:2], tensor_rule(flat=True))


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        (1.0, 1.0 + 1e-7, True),
        (1.0, 1.1, False),
        (NAN, NAN, True),
        (NAN, 1.0, False),
        (1.0, NAN, False),
        (INF, INF, True),
        (INF, 1.0, False),
        (INF, -INF, False),
        (1.0, INF, False),
        (0.0, -0.0, True),
    ],
)
def test_floats_within_tolerance(expected, got, same):
    assert bool(judge(torch.tensor([expected]), torch.tensor([got]), tensor_rule(rtol=1e-6, atol=1e-9))) is same


def test_exact_floats_have_no_tolerance():
    one = torch.tensor([0.1])
    assert not judge(one, torch.nextafter(one, torch.tensor([1.0])), tensor_rule())


def test_large_integers_are_not_compared_as_floats():
    large = torch.tensor([2**60])
    assert not judge(large, large + 1, tensor_rule())


@given(st.lists(st.floats(width=32), min_size=1, max_size=6), st.lists(st.floats(width=32), min_size=6, max_size=6))
@settings(deadline=None, max_examples=100)
def test_different_agrees_with_torch_isclose(expected, got):
    one, other = torch.tensor(expected).double(), torch.tensor(got[: len(expected)]).double()
    close = torch.isclose(other, one, rtol=0.25, atol=1e-3, equal_nan=True)
    assert torch.equal(~different(one, other, rtol=0.25, atol=1e-3), close)


@pytest.mark.parametrize("got", [3, torch.tensor(3), torch.tensor(3, dtype=torch.int8), numpy.int64(3), numpy.array(3)])
def test_a_scalar_integer_may_come_in_any_form(got):
    assert judge(3, got, Rule("z", kind="integer"))
    assert not judge(4, got, Rule("z", kind="integer"))


@pytest.mark.parametrize("got", [1.0, torch.tensor(1.0), True, torch.tensor(True), torch.tensor([1]), "1", None, [1]])
def test_no_other_form_is_an_integer(got):
    assert not judge(1, got, Rule("z", kind="integer"))


@pytest.mark.parametrize("got", [0.5, torch.tensor(0.5), numpy.float32(0.5), torch.tensor(0.5, requires_grad=True)])
def test_a_number_may_come_in_any_form(got):
    assert judge(0.5, got, Rule("scale", kind="number", rtol=1e-6))


@pytest.mark.parametrize("got", [True, "0.5", None, torch.tensor([0.5]), 0.6, NAN, INF])
def test_a_wrong_number_fails(got):
    assert not judge(0.5, got, Rule("scale", kind="number", rtol=1e-6))


def test_a_text_is_compared_without_case_and_margins():
    rule = Rule("answer", kind="text")
    assert judge("b", " B ", rule)
    assert not judge("b", "a", rule)
    assert not judge("b", 2, rule)


def test_the_wrong_one_of_several_outputs_is_named():
    rules = Rule("q", dtype="int8"), Rule("scale", kind="number"), Rule("zero point", kind="integer")
    assert judge((INT8, 0.5, 3), [INT8, 0.5, torch.tensor(3)], *rules)
    assert judge((INT8, 0.5, 3), (INT8, 0.5, 4), *rules).message == "zero point: wrong number"
    assert (
        judge((INT8, 0.5, 3), (INT8, 0.5), *rules).message
        == "expected 3 values (q, scale, zero point), got a tuple of 2"
    )


def test_a_verdict_is_true_just_if_passed():
    assert bool(judge(3, 3, Rule("z", kind="integer"))) is True
    assert bool(judge(3, None, Rule("z", kind="integer"))) is False


# Arguments after the call


def test_a_modified_input_fails():
    before = torch.tensor([1.0, 2.0])
    verdict = judge(
        INT8, INT8, tensor_rule(), before=[before], observe=["x"], observed=[before], after=[torch.tensor([1.0, 2.5])]
    )
    assert (verdict.passed, verdict.message) == (False, "the argument x must not be modified")
    assert verdict.first_difference == (1,)


def test_an_input_that_should_not_change_is_compared_exactly():
    before = torch.tensor([1.0])
    after = torch.nextafter(before, torch.tensor([2.0]))
    options = {"before": [before], "observe": ["x"], "observed": [before]}
    assert judge(INT8, INT8, tensor_rule(rtol=0.1), **options, after=[before.clone()])
    assert not judge(INT8, INT8, tensor_rule(rtol=0.1), **options, after=[after])


def test_an_argument_must_be_changed_in_place():
    before, expected = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0])
    options = {"before": [before], "observe": ["x"], "observed": [expected]}
    assert judge(None, None, **options, after=[expected.clone()])
    verdict = judge(None, None, **options, after=[before.clone()])
    assert verdict.message == "the argument x must be changed in place, and was left as it was"


def test_a_changed_argument_is_compared_within_tolerance_and_by_position():
    labels = torch.tensor([0, 1, 1])
    before, expected = Codebook(torch.tensor([0.0, 0.0]), labels), Codebook(torch.tensor([0.1, 3.0]), labels)
    options = {"before": [before], "observe": ["codebook"], "observed": [expected]}
    other_names = namedtuple("Book", ["c", "l"])(expected.centroids * (1 + 1e-7), labels)
    assert judge(None, None, **options, after=[other_names])
    assert not judge(None, None, **options, after=[Codebook(expected.centroids + 0.01, labels)])
    wrong = judge(None, None, **options, after=[Codebook(expected.centroids, labels.flip(0))])
    assert wrong.message == "the argument codebook.labels must not be modified"


def test_a_changed_layer_argument_is_noticed():
    before, after = nn.Linear(2, 1), nn.Linear(2, 1)
    after.load_state_dict(before.state_dict())
    options = {"before": [before], "observe": ["layer"], "observed": [before]}
    assert judge(1, 1, Rule("z", kind="integer"), **options, after=[after])
    after.weight.data += 1
    verdict = judge(1, 1, Rule("z", kind="integer"), **options, after=[after])
    assert verdict.message == "the argument layer.weight must not be modified"


# Layers


def conv(**options) -> nn.Conv2d:
    layer = nn.Conv2d(4, 6, 3, **{"stride": 2, "padding": 1, "dilation": 1, "groups": 2, **options})
    nn.init.constant_(layer.weight, 0.5)
    if layer.bias is not None:
        nn.init.constant_(layer.bias, 0.25)
    return layer


def judge_layer(got) -> Verdict:
    return judge(conv(), got, Rule("weight", rtol=1e-5), Rule("bias", atol=1e-5), kind="layer")


def test_a_layer_with_equal_parameters_passes_within_tolerance():
    near = conv()
    near.weight.data *= 1 + 1e-6
    near.bias.data += 1e-6
    assert judge_layer(near)


@pytest.mark.parametrize("option", ["stride", "padding", "dilation", "groups"])
def test_a_layer_with_another_option_fails(option):
    got = conv(**{option: {"stride": 1, "padding": 0, "dilation": 2, "groups": 1}[option]})
    assert judge_layer(got).message == f"the layer has the wrong {option}"


def test_a_layer_with_wrong_parameters_fails():
    wrong_weight, wrong_bias = conv(), conv()
    wrong_weight.weight.data[0, 0, 0, 0] = 9
    wrong_bias.bias.data[2] = 9
    assert judge_layer(wrong_weight).message == "weight: 1 of 108 values differ"
    assert judge_layer(wrong_bias).first_difference == (2,)
    assert judge_layer(conv(bias=False)).message == "the layer has no bias"
    assert judge_layer(nn.BatchNorm2d(4)).message == "expected a Conv2d layer, got a BatchNorm2d layer"


# Codebooks


def quantize(tensor, bitwidth, *, clusters=None, seed=0, kmeans=KMeans):
    torch.manual_seed(seed)
    means = kmeans(n_clusters=clusters or 1 << bitwidth)
    labels = means.fit_predict(tensor.reshape(-1, 1)).long()
    book = Codebook(means.centroids.reshape(-1).float(), labels)
    return book, book.centroids[labels].reshape(tensor.shape)


def judge_codebook(tensor, bitwidth, book, after, given=None) -> Verdict:
    rules = Rule("centroids", dtype="float32"), Rule("labels", dtype="int64")
    arguments = (tensor, bitwidth) if given is None else (tensor, bitwidth, given)
    item = Item("f", "function", "lab", 1.0, ("fp32_tensor", "bitwidth", "codebook"), rules, "codebook", (), (), ())
    case = Case("c", "t", "h", False, 1.0, ("fp32_tensor",), ())
    return compare(item, case, arguments, book, {}, book, {"fp32_tensor": after})


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.empty(shape).uniform_(-8, 8, generator=torch.Generator().manual_seed(seed))


def homework() -> torch.Tensor:
    """The tensor of the homework's question on k-means quantization."""
    return torch.tensor(
        [[-0.3747, 0.0874, 0.3200, -0.4868, 0.4404], [-0.0402, 0.2322, -0.2024, -0.4986, 0.1814],
         [0.3102, -0.3942, -0.2030, 0.0883, -0.4741], [-0.1592, -0.0777, -0.3946, -0.2128, 0.2675],
         [0.0611, -0.1933, -0.4350, 0.2928, -0.1087]]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tensor", "bitwidth", "seeds"),
    [(homework(), 2, 150), (draw(16, 16) + 10, 2, 60), (draw(8, 4, 3, 3), 3, 30), (draw(32, 32), 6, 5)],
    ids=["homework", "far from zero", "3 bits", "6 bits"],
)
def test_the_library_passes_from_every_start(tensor, bitwidth, seeds):
    failed = [
        seed for seed in range(seeds) if not judge_codebook(tensor, bitwidth, *quantize(tensor, bitwidth, seed=seed))
    ]
    assert failed == []


def test_exact_clustering_passes_too():
    assert judge_codebook(homework(), 2, *quantize(homework(), 2, kmeans=KMeans1d))


def test_clusters_may_come_in_any_order():
    book, after = quantize(homework(), 2)
    order = torch.tensor([2, 0, 3, 1])
    shuffled = Codebook(book.centroids[order], order.argsort()[book.labels])
    assert judge_codebook(homework(), 2, shuffled, after)


@pytest.mark.parametrize(("bitwidth", "clusters"), [(4, 8), (6, 12), (8, 16), (2, 5), (4, 17), (4, 2)])
def test_a_wrong_number_of_clusters_fails(bitwidth, clusters):
    tensor = draw(64, 32)
    assert not judge_codebook(tensor, bitwidth, *quantize(tensor, bitwidth, clusters=clusters))


def test_one_value_for_two_groups_fails():
    groups = torch.cat([draw(16) / 16 - 3, draw(16) / 16 + 5])
    assert judge_codebook(groups, 1, *quantize(groups, 1))
    assert not judge_codebook(groups, 1, *quantize(groups, 1, clusters=1))


def test_labels_of_another_clustering_fail():
    book, _ = quantize(homework(), 2)
    labels = book.labels[torch.randperm(25, generator=torch.Generator().manual_seed(1))]
    wrong = Codebook(book.centroids, labels)
    verdict = judge_codebook(homework(), 2, wrong, wrong.centroids[labels].reshape(5, 5))
    assert verdict.message == "labels do not point at the nearest centroids"


def test_centroids_sorted_without_their_labels_fail():
    book, _ = quantize(homework(), 2)
    wrong = Codebook(book.centroids.sort().values, book.labels)
    if torch.equal(wrong.centroids, book.centroids):
        wrong = Codebook(book.centroids.flip(0), book.labels)
    assert not judge_codebook(homework(), 2, wrong, wrong.centroids[wrong.labels].reshape(5, 5))


def test_a_tensor_not_quantized_in_place_fails():
    book, _ = quantize(homework(), 2)
    verdict = judge_codebook(homework(), 2, book, homework())
    assert verdict.message == "the tensor must be quantized in place, and was left as it was"


def test_a_tensor_that_lost_its_shape_fails():
    book, after = quantize(homework(), 2)
    assert not judge_codebook(homework(), 2, book, after.reshape(-1))


def test_a_given_codebook_is_decoded_as_it_is():
    given_book = Codebook(torch.tensor([0.5, -1.0]), torch.arange(25) % 2)
    after = given_book.centroids[given_book.labels].reshape(5, 5)
    assert judge_codebook(homework(), 1, given_book, after, given=given_book)
    assert not judge_codebook(homework(), 2, *quantize(homework(), 2), given=given_book)


@pytest.mark.parametrize(
    "book",
    [
        None,
        torch.zeros(2),
        Codebook(None, None),
        Codebook(torch.zeros(4), torch.zeros(25)),
        Codebook(torch.zeros(4), torch.full((25,), 4)),
        Codebook(torch.zeros(4), torch.full((25,), -1)),
        Codebook(torch.zeros(4), torch.zeros(24, dtype=torch.int64)),
        Codebook(torch.zeros(0), torch.zeros(25, dtype=torch.int64)),
        Codebook(torch.full((4,), NAN), torch.zeros(25, dtype=torch.int64)),
        Codebook(torch.zeros(4, dtype=torch.int64), torch.zeros(25, dtype=torch.int64)),
    ],
)
def test_a_malformed_codebook_fails(book):
    assert not judge_codebook(homework(), 2, book, homework())


# Whatever comes back

odd = st.recursive(
    st.sampled_from(
        [None, ..., True, 0, 2**70, -1, NAN, INF, "x" * 20_000, Other("<b>" * 500), object(), {}, nn.ReLU()]
    )
    | st.sampled_from([torch.zeros(0), torch.zeros(0, 3), torch.full((2, 3), NAN), torch.tensor(INF), torch.eye(3) > 0])
    | st.sampled_from(
        [INT8, INT8.float(), torch.tensor(3), torch.zeros(2, 3, 1), torch.full((25,), 2**62), nn.Linear(2, 2)]
    )
    | st.sampled_from([nn.Conv2d(4, 6, 3), nn.Conv2d(4, 6, 3, padding="same"), torch.eye(2).to_sparse(), homework()]),
    lambda part: st.lists(part, max_size=4) | st.tuples(part, part) | st.builds(Codebook, part, part),
    max_leaves=6,
)
EXPECTED = [
    (INT8, (tensor_rule(dtype="int8"),), "values"),
    (torch.tensor(2.5), (tensor_rule(rtol=0.1),), "values"),
    (torch.tensor([True, False]), (tensor_rule(flat=True),), "values"),
    (31337, (Rule("z", kind="integer"),), "values"),
    (0.31337, (Rule("z", kind="number", rtol=1e-3),), "values"),
    ("31337", (Rule("z", kind="text"),), "values"),
    ((INT8, 31337), (tensor_rule(), Rule("z", kind="integer")), "values"),
    (None, (), "values"),
    (conv(), (Rule("w", rtol=1e-3),), "layer"),
    (None, (Rule("centroids"), Rule("labels")), "codebook"),
]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(odd, odd, st.sampled_from(EXPECTED))
def test_no_value_raises_or_floods_the_message(got, after, judged):
    expected, rules, kind = judged
    verdict = judge(
        expected, got, *rules, before=[homework()], observe=["x"], observed=[homework()], after=[after], kind=kind
    )
    assert len(verdict.message) < 500 and len(verdict.detail) < 800
    assert "31337" not in verdict.message


@pytest.mark.parametrize(
    ("expected", "got", "rule"),
    [
        (torch.tensor([31337, 1]), torch.tensor([42424, 1]), tensor_rule()),
        (31337, 42424, Rule("z", kind="integer")),
        (0.31337, 0.42424, Rule("z", kind="number")),
        ("31337", "42424", Rule("z", kind="text")),
    ],
)
def test_the_message_for_hidden_cases_has_no_value_and_the_detail_has(expected, got, rule):
    verdict = judge(expected, got, rule)
    assert "31337" not in verdict.message and "42424" not in verdict.message
    assert "31337" in verdict.detail and "42424" in verdict.detail


def test_an_unknown_judge_is_our_own_mistake():
    with pytest.raises(ValueError, match="'eye'"):
        judge(1, 1, kind="eye")
