"""GELU where Φ is tiny: its derivative, to the last digits."""

import math

import pytest
import torch

from manual_backprop import functional


def derivative(z, approximate="none"):
    z = z.clone().requires_grad_()
    return torch.autograd.grad(functional.gelu(z, approximate).sum(), z)[0]


def test_left_tail():
    # erfcx(x) = e^{x²} erfc(x), so e^{−z²/2} can be taken out of Φ(z) + z φ(z).
    z = torch.tensor([-5.0, -8.0, -20.0, -37.0], dtype=torch.float64)
    inner = 0.5 * torch.special.erfcx(-z / math.sqrt(2)) + z / math.sqrt(2 * math.pi)
    torch.testing.assert_close(derivative(z), torch.exp(-z * z / 2) * inner, rtol=1e-12, atol=0)


def test_left_tail_of_the_approximation():
    # T = e^v/(1 + e^v) with v = 2u, and e^v < 10⁻²⁰ does not count beside 1.
    z = torch.tensor([-8.0, -20.0], dtype=torch.float64)
    v = math.sqrt(8 / math.pi) * (z + 0.044715 * z**3)
    slope = math.sqrt(8 / math.pi) * (1 + 3 * 0.044715 * z**2)
    expected = torch.exp(v) * (1 + z * slope)
    torch.testing.assert_close(derivative(z, "tanh"), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_far_out_it_is_a_step(approximate):
    z = torch.tensor([-1e4, 1e4], dtype=torch.float64)
    assert derivative(z, approximate).tolist() == [0, 1]
