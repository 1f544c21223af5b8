"""The loops, on problems small enough to know the answer."""

import random

import numpy
import pytest
import torch
from torch import nn

from qlab_helpers import train
from qlab_helpers.data import ImageLoader, ImageSet
from qlab_helpers.train import evaluate, fit, seed_everything, train_epoch


def batches(count: int = 64, size: int = 16) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Points of the plane, labelled by the sign of their sum."""
    points = torch.randn(count, 2, generator=torch.Generator().manual_seed(0))
    labels = (points.sum(dim=1) > 0).long()
    return list(zip(points.split(size), labels.split(size), strict=True))


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(2, 2)


def test_loss_falls_and_the_problem_is_learnt():
    model = linear()
    losses = fit(model, batches(), epochs=20, learning_rate=0.5, weight_decay=0, label_smoothing=0)
    assert len(losses) == 20
    assert losses[-1] < 0.3 * losses[0]
    assert evaluate(model, batches()) > 95


def test_accuracy_is_the_share_of_right_answers():
    logits = torch.tensor([[2.0, 1.0], [0.0, 5.0], [3.0, -1.0], [1.0, 0.0], [0.0, 1.0]])
    labels = torch.tensor([0, 1, 1, 0, 1])  # the third is wrong
    loader = [(logits[:4], labels[:4]), (logits[4:], labels[4:])]
    assert evaluate(nn.Identity(), loader) == 80.0


def test_a_short_evaluation_shows_no_progress_bar(capsys):
    evaluate(nn.Flatten(), [(torch.eye(3), torch.arange(3))])
    assert capsys.readouterr() == ("", "")


def test_preprocessing_is_applied_in_order():
    loader = [(torch.tensor([[1.0, 2.0]]), torch.tensor([0]))]
    assert evaluate(nn.Identity(), loader) == 0
    assert evaluate(nn.Identity(), loader, [lambda x: x + 1, lambda x: x * -1]) == 100


def test_evaluation_uses_eval_mode_and_changes_nothing():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    evaluate(model, batches())
    assert not model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_no_images_are_an_error():
    with pytest.raises(ValueError, match="no images to evaluate"):
        evaluate(nn.Identity(), [])
    with pytest.raises(ValueError, match="no images to train"):
        train_epoch(linear(), [], torch.optim.SGD(linear().parameters(), lr=0.1))


def test_mean_loss_weighs_batches_by_their_images():
    # With all weights zero each image costs log 2; the second batch's labels are impossible to miss: nothing is learnt.
    model = linear()
    with torch.no_grad():
        model.weight.zero_()
        model.bias.copy_(torch.tensor([0.0, 1.0]))
    loader = [(torch.zeros(3, 2), torch.zeros(3).long()), (torch.zeros(1, 2), torch.ones(1).long())]
    loss = train_epoch(model, loader, torch.optim.SGD(model.parameters(), lr=0.0))
    right, wrong = (torch.log(torch.tensor(1.0) + torch.exp(torch.tensor(sign))).item() for sign in (-1.0, 1.0))
    assert loss == pytest.approx((3 * wrong + right) / 4, rel=0.01)  # bfloat16 where the CPU has it


def test_callbacks_and_scheduler_run_after_every_batch():
    model, calls = linear(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)

    def clamp() -> None:
        calls.append(optimizer.param_groups[0]["lr"])
        model.weight.data.clamp_(-0.01, 0.01)

    train_epoch(model, batches(64, 16), optimizer, scheduler=scheduler, callbacks=[clamp])
    assert calls == [0.5, 0.25, 0.125, 0.0625]  # one a batch, after the scheduler's step
    assert model.weight.abs().max() <= 0.01  # and after the optimizer's


@pytest.mark.parametrize(("full_precision", "expected"), [(False, torch.bfloat16), (True, torch.float32)])
def test_full_precision_never_computes_in_bfloat16(monkeypatch, full_precision, expected):
    monkeypatch.setattr(train, "_has_bfloat16", lambda: True)
    model, seen = linear(), []
    model.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    train_epoch(model, batches(), torch.optim.SGD(model.parameters(), lr=0.1), full_precision=full_precision)
    assert set(seen) == {expected}


def test_weights_can_be_viewed_as_a_row_by_callbacks_and_after_training():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 6), nn.Flatten())
    image_set = ImageSet(torch.randint(0, 256, (8, 3, 8, 8), dtype=torch.uint8), torch.arange(8) % 2, ("a", "b"))
    loader = ImageLoader(image_set, 4, shuffle=True, augment=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_epoch(model, loader, optimizer, callbacks=[lambda: [p.data.view(-1) for p in model.parameters()]])
    assert all(parameter.is_contiguous() for parameter in model.parameters())


def test_learning_rate_climbs_to_the_given_one_and_falls_to_zero(monkeypatch):
    rates = []

    def record(model, loader, optimizer, *, scheduler, **options):
        for _ in loader:
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return 0.0

    monkeypatch.setattr(train, "train_epoch", record)
    fit(linear(), batches(160, 16), epochs=2, learning_rate=0.4, warmup=0.2)  # 20 steps, 4 of them rising
    assert rates[:4] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert rates[4:] == pytest.approx([0.4 * (20 - step) / 16 for step in range(4, 20)])


def test_weight_decay_spares_biases_and_batchnorm(monkeypatch):
    groups = []
    monkeypatch.setattr(
        train, "train_epoch", lambda model, loader, optimizer, **_: groups.extend(optimizer.param_groups)
    )
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    fit(model, [1], epochs=1, learning_rate=0.1, weight_decay=0.25)
    decayed = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert {name: decayed[id(p)] for name, p in model.named_parameters()} == {
        "0.weight": 0.25,
        "0.bias": 0,
        "1.weight": 0,
        "1.bias": 0,
    }


def test_each_epoch_is_reported_with_its_loss():
    reported = []
    losses = fit(
        linear(), batches(), epochs=3, learning_rate=0.1, after_epoch=lambda epoch, loss: reported.append((epoch, loss))
    )
    assert reported == list(enumerate(losses))


def test_seed_fixes_every_generator():
    def draw():
        seed_everything(3)
        return random.random(), numpy.random.rand(), torch.rand(1).item()

    assert draw() == draw()
