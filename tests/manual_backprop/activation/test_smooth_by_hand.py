"""Activations with exponentials, where e^z is a whole number."""

import math

import pytest
import torch

from manual_backprop import functional

LN2, λ = math.log(2), 1.0507009873554805


@pytest.mark.parametrize(
    ("name", "options", "z", "a", "grad"),
    [
        # e^z is ½ and ¼: α(e^z − 1) and α e^z.
        ("elu", (4.0,), [-LN2, -2 * LN2, 3], [-2, -3, 3], [2, 1, 1]),
        ("celu", (2.0,), [-2 * LN2, -4 * LN2, 3], [-1, -1.5, 3], [0.5, 0.25, 1]),
        # e^z = 1 and 3: ln σ is −ln 2 and ln ¾, σ(−z) ½ and ¼.
        ("logsigmoid", (), [0, math.log(3)], [-LN2, math.log(0.75)], [0.5, 0.25]),
        # tanh(ln 2) = (2 − ½)/(2 + ½).
        ("tanhshrink", (), [0, LN2], [0, LN2 - 0.6], [0, 0.36]),
        # softplus(0) = ln 2, so t = 0.6.
        ("mish", (), [0], [0], [0.6]),
        # The constants keep variance 1 and mean 0; λ and λα are the slopes at 0.
        (
            "selu",
            (),
            [1, -1e-300],
            [λ, 0],
            [λ, 1.7580993408473766],
        ),
    ],
)
def test_by_hand(name, options, z, a, grad):
    z, a, grad = (torch.tensor(x, dtype=torch.float64) for x in (z, a, grad))
    z.requires_grad_()
    found = getattr(functional, name)(z, *options)
    torch.testing.assert_close(found, a, rtol=1e-14, atol=1e-15)
    found.sum().backward()
    torch.testing.assert_close(z.grad, grad, rtol=1e-14, atol=1e-15)


def test_tanhshrink_is_exact_where_pytorch_cancels():
    z = torch.tensor([1e-9], dtype=torch.float64, requires_grad=True)
    functional.tanhshrink(z).backward()
    assert z.grad.item() == pytest.approx(1e-18, rel=1e-12)


def test_logsigmoid_keeps_its_right_tail():
    z = torch.tensor([50.0], dtype=torch.float64, requires_grad=True)
    functional.logsigmoid(z).backward()
    assert z.grad.item() == pytest.approx(math.exp(-50), rel=1e-12)


def test_softmin_by_hand():
    z = torch.tensor([0.0, LN2, LN2], dtype=torch.float64, requires_grad=True)
    a = functional.softmin(z, 0)
    torch.testing.assert_close(a, torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64))
    a.backward(torch.tensor([4.0, 0, 8], dtype=torch.float64))  # Σ g a = 4
    torch.testing.assert_close(z.grad, torch.tensor([0.0, 1, -1], dtype=torch.float64))
    with pytest.warns(UserWarning, match="dim=0") as caught:
        functional.softmin(z)
    assert caught[0].filename == __file__
