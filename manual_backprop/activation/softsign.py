"""Softsign: an activation that squashes, as tanh does, but nears its limits ±1 slowly.

    softsign(z) = z / (1 + |z|)               softsign′(z) = 1 / (1 + |z|)²

    ∂L/∂z = ∂L/∂a ⊙ softsign′(z)              elementwise, any shape

With s = 1 + |z| the quotient rule gives (s − z sgn z)/s² = 1/s². It has no kink: from either side
of 0 the derivative is 1. At ±∞ PyTorch gives NaN, for a = ∞/∞ and for the gradient.

Source: Turian, Bergstra, Bengio 2009; Glorot, Bengio 2010.
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class SoftsignFunction(Function):
    """a = z / (1 + |z|).

    Backward: g/(1 + |z|)²
    """

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        return torch.nn.functional.softsign(input)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        g, z = in_opmath(grad_output, *ctx.saved_tensors)
        return softsign_gradient(g, z).to(grad_output.dtype)


def softsign_gradient(g: Tensor, z: Tensor) -> Tensor:
    """∂L/∂z from g = ∂L/∂a."""
    s = 1 + z.abs()
    return torch.where(z.isinf(), torch.nan, g / (s * s))  # g ⊙ softsign′(z)


@public()
def softsign(input: Tensor) -> Tensor:
    """a = z / (1 + |z|), as ``torch.nn.functional.softsign``; any shape."""
    return SoftsignFunction.apply(input)


class Softsign(torch.nn.Softsign):
    """``torch.nn.Softsign`` with the backward of ``functional.softsign``."""

    def forward(self, input: Tensor) -> Tensor:
        return softsign(input)
