"""Gated activations: which half is the gate, and both gradients."""

import math

import pytest
import torch

import manual_backprop
from manual_backprop import functional
from tests.manual_backprop.calls import close


def test_glu_by_hand():
    x = torch.tensor([8.0, 4, 0, math.log(3)], dtype=torch.float64, requires_grad=True)
    a = functional.glu(x)  # the gates are ½ and ¾
    close(a, torch.tensor([4.0, 3], dtype=torch.float64))
    a.backward(torch.tensor([2.0, 4], dtype=torch.float64))
    close(x.grad, torch.tensor([1.0, 3, 4, 3], dtype=torch.float64))


@pytest.mark.parametrize("name", ["SwiGLU", "GEGLU"])
def test_the_gate_comes_first(name):
    """Where the gate is 0 nothing passes; its slope there is ½ of either function."""
    x = torch.tensor([[0.0, 0, 6, -8]], requires_grad=True)
    a = getattr(manual_backprop, name)()(x)
    assert a.tolist() == [[0, 0]]
    a.backward(torch.tensor([[2.0, 3]]))
    assert x.grad.tolist() == [[6, -12, 0, 0]]


def test_swiglu_is_silu_of_one_map_times_another():
    """Shazeer's (silu(x W) ⊙ x V), written by our other layers."""
    torch.manual_seed(0)
    x = torch.randn(5, 4, dtype=torch.float64)
    W, V = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    together = functional.swiglu(functional.linear(x, W), functional.linear(x, V))
    apart = functional.silu(functional.linear(x, W)) * functional.linear(x, V)
    g = torch.randn(5, 3, dtype=torch.float64)
    for actual, expected in zip(
        *(torch.autograd.grad(a, (W, V), g) for a in (together, apart)), strict=True
    ):
        close(actual, expected, g)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"geglu: expected .* got \(2, 3\) and \(3,\)"):
        functional.geglu(torch.ones(2, 3), torch.ones(3))
