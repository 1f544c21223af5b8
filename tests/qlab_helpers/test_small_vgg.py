"""The reports' VGG has the parameters that they print."""

import io

import torch

from qlab_helpers.cost import MiB, count_parameters, model_size_bits
from qlab_helpers.models.small_vgg import SmallVGG

#: Param # of the reports' summary, in its order, without the layers that have none.
REPORTED = (896, 64, 9248, 64, 18496, 128, 36928, 128, 73856, 256, 147584, 256, 295168, 512, 590080, 512) + (
    262400,
    32896,
    1290,
)


def test_it_has_the_parameters_of_the_reports():
    assert count_parameters(SmallVGG()) == 1_470_762


def test_each_layer_has_the_parameters_of_the_reports():
    layers = [module for module in SmallVGG().modules() if not list(module.children())]
    counts = [count_parameters(layer) for layer in layers]
    assert tuple(count for count in counts if count) == REPORTED


def test_its_size_is_that_of_the_reports():
    model, file = SmallVGG(), io.BytesIO()
    torch.save(model.state_dict(), file)
    assert round(model_size_bits(model) / MiB, 2) == 5.61
    assert abs(len(file.getvalue()) / 1e6 - 5.91) < 0.01


def test_it_gives_a_logit_for_each_class():
    assert SmallVGG().eval()(torch.rand(3, 3, 32, 32)).shape == (3, 10)


def test_its_groups_name_every_layer_with_parameters_but_the_last_once():
    model = SmallVGG()
    named = [name for group in model.fusible_groups() for name in group]
    owners = [name for name, module in model.named_modules() if list(module.parameters(recurse=False))]
    assert len(named) == len(set(named))
    assert set(owners) - set(named) == {"classifier.linear2"}
