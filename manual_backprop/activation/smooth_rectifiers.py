"""Softplus, SiLU and GELU: rectifiers without a kink.

    softplus(z) = ln(1 + e^{βz}) / β           softplus′(z) = σ(βz)
    silu(z)     = z σ(z)                       silu′(z)     = σ(z)(1 + z(1 − σ(z)))
    gelu(z)     = z Φ(z)                       gelu′(z)     = Φ(z) + z φ(z)

    ∂L/∂z = ∂L/∂a ⊙ softplus′(z)               elementwise, any shape

Φ(z) = ½(1 + erf(z/√2)) is the normal distribution, φ(z) = Φ′(z) = e^{−z²/2}/√(2π) its density.
``approximate="tanh"`` replaces Φ by T(z) = ½(1 + tanh u), u = √(2/π)(z + 0.044715 z³):

    gelu′(z) = T(z) + z T′(z),    T′(z) = ½(1 − tanh²u) u′,    u′ = √(2/π)(1 + 3·0.044715 z²)

All three keep z, as PyTorch does. Softplus is taken to be z itself where βz > threshold.

Source: Dugas et al. 2001 (softplus); Hendrycks, Gimpel 2016 (GELU and SiLU).
"""

import math

import torch
from torch import Tensor

from manual_backprop.kit.function import Function, functional, in_opmath, overwrite

SQRT_2_OVER_PI = math.sqrt(2 / math.pi)
CUBIC = 0.044715


class SoftplusFunction(Function):
    """a = ln(1 + e^{βz}) / β.

    Backward: g ⊙ σ(βz)
    """

    @staticmethod
    def forward(input: Tensor, beta: float, threshold: float) -> Tensor:
        return torch.nn.functional.softplus(input, beta, threshold)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, ctx.beta, ctx.threshold = inputs
        ctx.save_for_backward(input)

    @staticmethod
    def backward(ctx, grad_output):
        g, z = in_opmath(grad_output, *ctx.saved_tensors)
        βz = ctx.beta * z
        grad_input = torch.where(βz > ctx.threshold, g, g * torch.sigmoid(βz))
        return grad_input.to(grad_output.dtype), None, None


class SiLUFunction(Function):
    """a = z σ(z).

    Backward: g ⊙ σ(z)(1 + z(1 − σ(z)))
    """

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        return torch.nn.functional.silu(input)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        g, z = in_opmath(grad_output, *ctx.saved_tensors)
        σ = torch.sigmoid(z)
        grad_input = g * σ * (1 + z * (1 - σ))
        return grad_input.to(grad_output.dtype)


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
        Φ = 0.5 * (1 + torch.erf(z * math.sqrt(0.5)))
        φ = torch.exp(-0.5 * z * z) * (0.5 * SQRT_2_OVER_PI)  # 1/√(2π) = ½ √(2/π)
        grad_input = g * (Φ + z * φ)
        return grad_input.to(grad_output.dtype)


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
        tanh_u = torch.tanh(SQRT_2_OVER_PI * (z + CUBIC * z * z * z))
        du = SQRT_2_OVER_PI * (1 + 3 * CUBIC * z * z)
        T, dT = 0.5 * (1 + tanh_u), 0.5 * (1 - tanh_u * tanh_u) * du
        grad_input = g * (T + z * dT)
        return grad_input.to(grad_output.dtype)


@functional(cuda="float32")
def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """a = ln(1 + e^{βz}) / β, as ``torch.nn.functional.softplus``; any shape."""
    return SoftplusFunction.apply(input, beta, threshold)


@functional()
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """a = z σ(z), as ``torch.nn.functional.silu``; any shape."""
    return overwrite(silu, input) if inplace else SiLUFunction.apply(input)


@functional()
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """a = z Φ(z), as ``torch.nn.functional.gelu``; any shape.

    Raises:
        ValueError: if ``approximate`` is neither ``"none"`` nor ``"tanh"``.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: expected approximate 'none' or 'tanh', got {approximate!r}")
    return (GELUTanhFunction if approximate == "tanh" else GELUFunction).apply(input)


class Softplus(torch.nn.Softplus):
    """``torch.nn.Softplus`` with the backward above."""

    def forward(self, input: Tensor) -> Tensor:
        return softplus(input, self.beta, self.threshold)


class SiLU(torch.nn.SiLU):
    """``torch.nn.SiLU`` with the backward above."""

    def forward(self, input: Tensor) -> Tensor:
        return silu(input, self.inplace)


class GELU(torch.nn.GELU):
    """``torch.nn.GELU`` with the backward above."""

    def forward(self, input: Tensor) -> Tensor:
        return gelu(input, self.approximate)
