import pytest
import torch
from torch import nn

import manual_backprop
from compare.catalogue.values import normal
from manual_backprop import functional


def test_by_hand():
    # Of each sample μ = 0, v = 1, ρ = 1/√(1 + 3) = ½
    x = torch.tensor([[[-1.0, 1, -1, 1]], [[1, -1, 1, -1]]], requires_grad=True)
    w, b = torch.tensor([2.0], requires_grad=True), torch.tensor([5.0], requires_grad=True)
    y = functional.instance_norm(x, weight=w, bias=b, eps=3)
    assert y.tolist() == [[[4, 6, 4, 6]], [[6, 4, 6, 4]]]
    y.backward(torch.tensor([[[8.0, 0, 0, 0]], [[0, 0, 0, 0]]]))
    assert x.grad.tolist() == [[[5.5, -1.5, -2.5, -1.5]], [[0, 0, 0, 0]]]
    assert w.grad.tolist() == [-4]
    assert b.grad.tolist() == [8]


@pytest.mark.parametrize("momentum", [0.1, 0.7, None])
def test_running_statistics_are_those_of_torch_bit_for_bit(momentum):
    twins = [
        layers.InstanceNorm2d(3, momentum=momentum, track_running_stats=True)
        for layers in (manual_backprop, nn)
    ]
    for step in range(5):
        x = normal(4, 3, 5, 2, seed=step).float() + step
        assert torch.equal(*[twin(x) for twin in twins])
    assert torch.equal(*[twin.eval()(x) for twin in twins])
    for ours, theirs in zip(*(twin.buffers() for twin in twins), strict=True):
        assert torch.equal(ours, theirs)


def test_a_single_sample_needs_no_batch():
    x = normal(3, 5)
    layer = manual_backprop.InstanceNorm1d(3)
    assert torch.equal(layer(x), layer(x[None])[0])


@pytest.mark.parametrize(
    ("says", "call"),
    [
        ("more than one position", lambda f: f(normal(2, 3, 1))),
        ("to evaluate with", lambda f: f(normal(2, 3, 4), use_input_stats=False)),
        (r"bias \(3,\)", lambda f: f(normal(2, 3, 4), bias=normal(4))),
    ],
)
def test_bad_input(says, call):
    with pytest.raises(ValueError, match=says):
        call(functional.instance_norm)
