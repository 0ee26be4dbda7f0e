"""Softshrink, Hardshrink and Tanhshrink: what is large passes, what is small is lost.

    hard(z) = z            if |z| > λ else 0     hard′(z) = 1  if |z| > λ else 0
    soft(z) = z − λ sgn z  if |z| > λ else 0     soft′(z) = 1  if |z| > λ else 0
    tanhshrink(z) = z − tanh z                   tanhshrink′(z) = 1 − (1 − tanh² z) = tanh² z

    ∂L/∂z = ∂L/∂a ⊙ hard′(z)                     elementwise, any shape

Softshrink is what a step of an optimiser does to the weights under an L1 penalty λ; Hardshrink
keeps what is left as it was. Both have the same derivative, 0 at |z| = λ as in PyTorch. For
Tanhshrink PyTorch computes 1 − (1 − tanh² z), of which nothing is left where |z| is tiny; tanh² z
is exact there. All keep z.

Source: Donoho 1995, "De-noising by soft-thresholding" (soft and hard).
"""

import torch
from torch import Tensor

from manual_backprop.kit.choice import where
from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class HardshrinkFunction(Function):
    """a = z if |z| > λ else 0.

    Backward: g where |z| > λ, else 0
    """

    @staticmethod
    def forward(input: Tensor, lambd: float) -> Tensor:
        return torch.nn.functional.hardshrink(input, lambd)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, ctx.lambd = inputs
        ctx.save_for_backward(input)

    @staticmethod
    def backward(ctx, grad_output):
        (z,) = ctx.saved_tensors
        return where(z.abs() > ctx.lambd, grad_output, 0), None


class SoftshrinkFunction(Function):
    """a = z − λ sgn z if |z| > λ else 0.

    Backward: g where |z| > λ, else 0
    """

    @staticmethod
    def forward(input: Tensor, lambd: float) -> Tensor:
        return torch.nn.functional.softshrink(input, lambd)

    setup_context = HardshrinkFunction.setup_context
    backward = HardshrinkFunction.backward  # a constant λ less: the same derivative


class TanhshrinkFunction(Function):
    """a = z − tanh z.

    Backward: g ⊙ tanh² z
    """

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        return torch.nn.functional.tanhshrink(input)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        g, z = in_opmath(grad_output, *ctx.saved_tensors)
        t = torch.tanh(z)
        return (g * (t * t)).to(grad_output.dtype)  # tanhshrink′(z) = tanh² z


@public()
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """a = z if |z| > λ else 0, as ``torch.nn.functional.hardshrink``; any shape."""
    return HardshrinkFunction.apply(input, lambd)


@public()
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """a = z − λ sgn z if |z| > λ else 0, as ``torch.nn.functional.softshrink``; any shape.

    Raises:
        RuntimeError: (by PyTorch) if λ is negative.
    """
    return SoftshrinkFunction.apply(input, lambd)


@public()
def tanhshrink(input: Tensor) -> Tensor:
    """a = z − tanh z, as ``torch.nn.functional.tanhshrink``; any shape."""
    return TanhshrinkFunction.apply(input)


class Hardshrink(torch.nn.Hardshrink):
    """``torch.nn.Hardshrink`` with the backward of ``functional.hardshrink``."""

    def forward(self, input: Tensor) -> Tensor:
        return hardshrink(input, self.lambd)


class Softshrink(torch.nn.Softshrink):
    """``torch.nn.Softshrink`` with the backward of ``functional.softshrink``."""

    def forward(self, input: Tensor) -> Tensor:
        return softshrink(input, self.lambd)


class Tanhshrink(torch.nn.Tanhshrink):
    """``torch.nn.Tanhshrink`` with the backward of ``functional.tanhshrink``."""

    def forward(self, input: Tensor) -> Tensor:
        return tanhshrink(input)
