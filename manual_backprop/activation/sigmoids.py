"""Sigmoid and Tanh: activations that squash, and whose derivative needs only their output.

    σ(z) = 1 / (1 + e⁻ᶻ)                      σ′(z) = σ(z)(1 − σ(z)) = a(1 − a)
    tanh(z) = (eᶻ − e⁻ᶻ) / (eᶻ + e⁻ᶻ)         tanh′(z) = 1 − tanh²(z) = 1 − a²

    ∂L/∂z = ∂L/∂a ⊙ σ′(z)                     elementwise, any shape

Both derivatives vanish where the activation saturates (a → 0, 1, ±1): that is why gradients
fade in deep networks of them.

Source: lecture notes "Deep Learning" (activation functions) and "How results change with the loss
function" (∂a/∂z = a(1 − a)).
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class SigmoidFunction(Function):
    """a = σ(z).

    Backward: g ⊙ a(1 − a)
    """

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        return torch.sigmoid(input)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad_output):
        g, a = in_opmath(grad_output, *ctx.saved_tensors)
        return sigmoid_gradient(g, a).to(grad_output.dtype)


def sigmoid_gradient(g: Tensor, a: Tensor) -> Tensor:
    """∂L/∂z from g = ∂L/∂a."""
    return g * (1 - a) * a  # g ⊙ σ′(z), σ′(z) = a(1 − a)


class TanhFunction(Function):
    """a = tanh(z).

    Backward: g ⊙ (1 − a²)
    """

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        return torch.tanh(input)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad_output):
        g, a = in_opmath(grad_output, *ctx.saved_tensors)
        return tanh_gradient(g, a).to(grad_output.dtype)


def tanh_gradient(g: Tensor, a: Tensor) -> Tensor:
    """∂L/∂z from g = ∂L/∂a."""
    return g * (1 - a * a)  # g ⊙ tanh′(z), tanh′(z) = 1 − a²


@public()
def sigmoid(input: Tensor) -> Tensor:
    """σ of z, as ``torch.nn.functional.sigmoid``; any shape."""
    return SigmoidFunction.apply(input)


@public()
def tanh(input: Tensor) -> Tensor:
    """tanh of z, as ``torch.nn.functional.tanh``; any shape."""
    return TanhFunction.apply(input)


class Sigmoid(torch.nn.Sigmoid):
    """``torch.nn.Sigmoid`` with the backward of ``functional.sigmoid``."""

    def forward(self, input: Tensor) -> Tensor:
        return sigmoid(input)


class Tanh(torch.nn.Tanh):
    """``torch.nn.Tanh`` with the backward of ``functional.tanh``."""

    def forward(self, input: Tensor) -> Tensor:
        return tanh(input)
