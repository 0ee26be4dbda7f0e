"""Activations of straight lines, by hand."""

import pytest
import torch

import manual_backprop
from manual_backprop import functional

Z = [-6.0, -3, -1, 0, 1, 3, 6]


@pytest.mark.parametrize(
    ("name", "options", "a", "grad"),
    [
        ("hardtanh", (-1.0, 3.0), [-1, -1, -1, 0, 1, 3, 3], [0, 0, 0, 1, 1, 0, 0]),
        ("relu6", (), [0, 0, 0, 0, 1, 3, 6], [0, 0, 0, 0, 1, 1, 0]),
        ("hardswish", (), [0, 0, -1 / 3, 0, 2 / 3, 3, 6], [0, 0, 1 / 6, 0.5, 5 / 6, 1, 1]),
        ("softshrink", (1.0,), [-5, -2, 0, 0, 0, 2, 5], [1, 1, 0, 0, 0, 1, 1]),
        ("hardshrink", (1.0,), [-6, -3, 0, 0, 0, 3, 6], [1, 1, 0, 0, 0, 1, 1]),
        ("threshold", (1.0, 9.0), [9, 9, 9, 9, 9, 3, 6], [0, 0, 0, 0, 0, 1, 1]),
    ],
)
def test_by_hand(name, options, a, grad):
    z = torch.tensor(Z, requires_grad=True)
    found = getattr(functional, name)(z, *options)
    torch.testing.assert_close(found, torch.tensor(a, dtype=torch.float32))
    found.backward(torch.full((7,), 2.0))
    torch.testing.assert_close(z.grad, 2 * torch.tensor(grad, dtype=torch.float32))


def test_hardsigmoid_by_hand():
    z = torch.tensor(Z, requires_grad=True)
    a = functional.hardsigmoid(z)
    torch.testing.assert_close(a * 6, torch.tensor([0.0, 0, 2, 3, 4, 6, 6]))
    a.backward(torch.full((7,), 6.0))
    assert z.grad.tolist() == [0, 0, 1, 1, 1, 0, 0]


def test_prelu_by_hand():
    z = torch.tensor([[1.0, -2], [-3, 4], [0, -5]], requires_grad=True)
    layer = manual_backprop.PReLU(2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([2.0, 3]))
    a = layer(z)
    assert a.tolist() == [[1, -6], [-6, 4], [0, -15]]
    a.backward(torch.tensor([[1.0, 2], [3, 4], [5, 6]]))
    assert z.grad.tolist() == [[1, 6], [6, 4], [10, 18]]
    assert layer.weight.grad.tolist() == [-9, -34]  # 3·(−3) and 2·(−2) + 6·(−5)


@pytest.mark.parametrize(
    ("says", "call"),
    [
        (r"min_val ≤ max_val, got 2 and 1", lambda z: functional.hardtanh(z, 2, 1)),
        (r"\(3,\) for the channels .* got \(2,\)", lambda z: functional.prelu(z, torch.ones(2))),
        ("type torch.float32", lambda z: functional.prelu(z, torch.ones(3).double())),
    ],
)
def test_bad_input(says, call):
    with pytest.raises(ValueError, match=says):
        call(torch.ones(4, 3))
