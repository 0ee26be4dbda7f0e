"""GELU: z times the probability that a standard normal number is below z.

    gelu(z) = z Φ(z)                           gelu′(z) = Φ(z) + z φ(z)

    ∂L/∂z = ∂L/∂a ⊙ gelu′(z)                   elementwise, any shape

Φ(z) = ½ erfc(−z/√2) is the normal distribution, φ(z) = Φ′(z) = e^{−z²/2}/√(2π) its density.
``approximate="tanh"`` replaces Φ by T(z) = ½(1 + tanh u), u = √(2/π)(z + 0.044715 z³). With
1 + tanh u = 2σ(2u) that is

    T(z) = σ(2u)                               T′(z) = σ(2u) σ(−2u) 2u′

The backwards compute erfc and σ, since 1 + erf and 1 + tanh cancel in the left tail: at z = −9
nothing is left of Φ. Both keep z, as PyTorch does.

Source: Hendrycks, Gimpel 2016.
"""

import math

import torch
from torch import Tensor

from manual_backprop.kit.blocks import in_blocks
from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class GELUFunction(Function):
    """a = z Φ(z).

    Backward: g ⊙ (Φ(z) + zφ(z))
    """

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        return torch.nn.functional.gelu(input)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        g, z = in_opmath(grad_output, *ctx.saved_tensors)
        return in_blocks(gelu_gradient, g, z).to(grad_output.dtype)


def gelu_gradient(g: Tensor, z: Tensor) -> Tensor:
    """∂L/∂z from g = ∂L/∂a."""
    Φ = 0.5 * torch.erfc(z * -math.sqrt(0.5))
    φ = torch.exp(-0.5 * z * z)  # √(2π) φ(z)
    return g * torch.addcmul(Φ, z, φ, value=1 / math.sqrt(2 * math.pi))  # gelu′(z) = Φ(z) + z φ(z)


class GELUTanhFunction(Function):
    """a = z T(z), with the tanh approximation T of Φ."""

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        return torch.nn.functional.gelu(input, approximate="tanh")

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        g, z = in_opmath(grad_output, *ctx.saved_tensors)
        return in_blocks(gelu_tanh_gradient, g, z).to(grad_output.dtype)


def gelu_tanh_gradient(g: Tensor, z: Tensor) -> Tensor:
    """∂L/∂z from g = ∂L/∂a."""
    c = math.sqrt(8 / math.pi)
    z2 = z * z
    two_u = z * (c + 0.044715 * c * z2)
    two_du = c + 3 * 0.044715 * c * z2
    T = torch.sigmoid(two_u)
    dT = T * torch.sigmoid(-two_u) * two_du  # T′ = σ(2u) σ(−2u) 2u′
    return g * torch.addcmul(T, z, dT)  # (z T)′ = T + z T′


@public()
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """a = z Φ(z), as ``torch.nn.functional.gelu``; any shape.

    Raises:
        ValueError: if ``approximate`` is neither ``"none"`` nor ``"tanh"``.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: expected approximate 'none' or 'tanh', got {approximate!r}")
    return (GELUTanhFunction if approximate == "tanh" else GELUFunction).apply(input)


class GELU(torch.nn.GELU):
    """``torch.nn.GELU`` with the backward of ``functional.gelu``."""

    def forward(self, input: Tensor) -> Tensor:
        return gelu(input, self.approximate)
