"""The table of activations: every σ with its σ′, as ``Network`` uses them.

    a = σ(z),    ∂L/∂z = ∂L/∂a ⊙ σ′(z)             elementwise, any shape

    relu      max(z, 0)                            1 if z > 0 else 0
    leaky     z if z > 0 else s·z, s = 0.01        1 if z > 0 else s: max(sgn z, s)
    elu       z if z > 0 else eᶻ − 1               e^{min(z, 0)}
    sigmoid   1 / (1 + e⁻ᶻ)                        a(1 − a)
    tanh      (eᶻ − e⁻ᶻ) / (eᶻ + e⁻ᶻ)              1 − a²
    softplus  ln(1 + eᶻ)                           σ(z), the sigmoid
    silu      z σ(z)                               σ(z) + a σ(−z)
    gelu      z Φ(z)                               Φ(z) + z φ(z)
    identity  z                                    1

Φ is the normal distribution, φ its density. Values and constants are those of the modules in
``torch.nn``; at a kink the derivative is the one from the left, as in PyTorch. The same derivatives
are derived, one topic a file, in sigmoids.py, rectifiers.py and smooth_rectifiers.py.

Source: lecture note 002 (activation functions) and, for its ReLU, note 001.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Activation(NamedTuple):
    """σ and σ′. The derivative may use a = σ(z), which the forward pass has computed already."""

    function: Callable[[Tensor], Tensor]
    """z ↦ a, elementwise."""
    derivative: Callable[[Tensor, Tensor], Tensor]
    """(z, a) ↦ σ′(z), elementwise."""


def _normal_distribution(z: Tensor) -> Tensor:
    """Φ(z) = ½ erfc(−z/√2), exact in the left tail too, where ½(1 + erf(z/√2)) cancels."""
    return 0.5 * torch.erfc(z * -math.sqrt(0.5))


def _normal_density(z: Tensor) -> Tensor:
    """φ(z) = e^{−z²/2} / √(2π)."""
    return torch.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


ACTIVATIONS = {
    "relu": Activation(torch.relu, lambda z, a: (z > 0).to(z.dtype)),
    "leaky-relu": Activation(F.leaky_relu, lambda z, a: torch.sign(z).clamp(min=0.01)),
    "elu": Activation(F.elu, lambda z, a: torch.exp(z.clamp(max=0))),
    "sigmoid": Activation(torch.sigmoid, lambda z, a: a * (1 - a)),
    "tanh": Activation(torch.tanh, lambda z, a: 1 - a * a),
    # PyTorch's softplus is z itself above 20, and so is its derivative 1.
    "softplus": Activation(F.softplus, lambda z, a: torch.where(z > 20, 1.0, torch.sigmoid(z))),
    "silu": Activation(F.silu, lambda z, a: torch.sigmoid(z) + a * torch.sigmoid(-z)),
    "gelu": Activation(F.gelu, lambda z, a: _normal_distribution(z) + z * _normal_density(z)),
    "identity": Activation(torch.clone, lambda z, a: torch.ones_like(z)),
}
