import copy

import pytest
import torch
from torch import nn

import manual_backprop
from compare.catalogue.recomputing import Couplings
from compare.catalogue.values import normal
from tests.manual_backprop.checks import saved_bytes


def test_by_hand():
    """f(b) = 3b and then f(b) = b²/2: (1, 2) ↦ (2, 7) ↦ (7, 26.5)."""

    class HalfSquare(nn.Module):
        def forward(self, b):
            return b * b / 2

    triple = nn.Linear(1, 1, bias=False)
    nn.init.constant_(triple.weight, 3)
    x = torch.tensor([[1.0, 2.0]], requires_grad=True)
    y = manual_backprop.Reversible([triple, HalfSquare()])(x)
    y.backward(torch.tensor([[1.0, 1.0]]))
    assert y.tolist() == [[7, 26.5]]
    # (α, β) = (1, 1) ← (1, 1 + 7 · 1) = (1, 8) ← (8, 1 + 3 · 8) = (8, 25); ∂L/∂3 = 2 · 8
    assert x.grad.tolist() == [[8, 25]]
    assert triple.weight.grad.tolist() == [[16]]


def blocks(depth, d=3):
    return [nn.Sequential(nn.Linear(d, 5), nn.Tanh(), nn.Linear(5, d)) for _ in range(depth)]


@pytest.mark.parametrize("depth", [1, 2, 9])
def test_what_is_kept_does_not_depend_on_the_depth(depth):
    module = manual_backprop.Reversible(blocks(depth)).double()
    parameters = sum(p.nbytes for p in module.parameters())
    x = normal(4, 6).requires_grad_()
    assert saved_bytes(module, (x,)) == x.nbytes + parameters


def test_autocast():
    """The layers run in the backward as they ran in the forward, though autocast is over."""
    reference = Couplings(blocks(4))
    module = manual_backprop.Reversible(copy.deepcopy(list(reference.layers)))
    x = torch.randn(7, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = []
    for network in (module, reference):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = network(x)
        found.append([y, *torch.autograd.grad(y.square().sum(), [x, *network.parameters()])])
    for actual, expected in zip(*found, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.BatchNorm1d(3)], ids=["dropout", "norm"])
def test_a_layer_that_computes_something_else_the_second_time(layer):
    module, x = manual_backprop.Reversible([layer]), torch.randn(4, 6)
    with pytest.raises(RuntimeError, match="compute the same when they are run again"):
        module(x)
    assert module.eval()(x).shape == x.shape


@pytest.mark.parametrize("shape", [(4, 5), ()])
def test_bad_input(shape):
    with pytest.raises(ValueError, match="an even number of features"):
        manual_backprop.Reversible(blocks(1))(torch.randn(shape))
