"""Softplus and SiLU: rectifiers without a kink. A third one, GELU, is in gelu.py.

    softplus(z) = ln(1 + e^{βz}) / β           softplus′(z) = σ(βz)
    silu(z)     = z σ(z)                       silu′(z)     = σ(z)(1 + z(1 − σ(z)))

    ∂L/∂z = ∂L/∂a ⊙ softplus′(z)               elementwise, any shape

Both keep z, as PyTorch does. Softplus is taken to be z itself where βz > threshold.

Source: Dugas et al. 2001 (softplus); Hendrycks, Gimpel 2016 (SiLU).
"""

import torch
from torch import Tensor

from manual_backprop.kit.blocks import in_blocks
from manual_backprop.kit.function import Function
from manual_backprop.kit.inplace import overwrite
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


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
        grad_input = softplus_gradient(g, z, ctx.beta, ctx.threshold)
        return grad_input.to(grad_output.dtype), None, None


def softplus_gradient(g: Tensor, z: Tensor, β: float = 1, threshold: float = 20) -> Tensor:
    """∂L/∂z from g = ∂L/∂a."""
    βz = β * z
    return torch.where(βz > threshold, g, g * torch.sigmoid(βz))  # softplus′(z) = 1 or σ(βz)


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
        return in_blocks(silu_gradient, g, z).to(grad_output.dtype)


def silu_gradient(g: Tensor, z: Tensor) -> Tensor:
    """∂L/∂z from g = ∂L/∂a."""
    σ = torch.sigmoid(z)
    return g * σ * (1 + z * (1 - σ))  # silu′(z) = σ(z)(1 + z(1 − σ(z)))


@public(cuda="float32")
def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """a = ln(1 + e^{βz}) / β, as ``torch.nn.functional.softplus``; any shape."""
    return SoftplusFunction.apply(input, beta, threshold)


@public()
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """a = z σ(z), as ``torch.nn.functional.silu``; any shape."""
    return overwrite(silu, input) if inplace else SiLUFunction.apply(input)


class Softplus(torch.nn.Softplus):
    """``torch.nn.Softplus`` with the backward of ``functional.softplus``."""

    def forward(self, input: Tensor) -> Tensor:
        return softplus(input, self.beta, self.threshold)


class SiLU(torch.nn.SiLU):
    """``torch.nn.SiLU`` with the backward of ``functional.silu``."""

    def forward(self, input: Tensor) -> Tensor:
        return silu(input, self.inplace)
