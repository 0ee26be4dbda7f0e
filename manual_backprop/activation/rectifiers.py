"""ReLU, LeakyReLU and ELU: activations that pass positive values on unchanged.

    relu(z)  = z  if z > 0 else 0              relu′(z)  = 1  if z > 0 else 0
    leaky(z) = z  if z > 0 else s·z            leaky′(z) = 1  if z > 0 else s
    elu(z)   = z  if z > 0 else α(eᶻ − 1)      elu′(z)   = 1  if z > 0 else α eᶻ

    ∂L/∂z = ∂L/∂a ⊙ relu′(z)                   elementwise, any shape

At the kink z = 0 the derivative is the one from the left, as in PyTorch: relu′(0) = 0. Every
derivative is chosen (``choice.where``) and not multiplied by a mask, so that an infinite or
undefined gradient (0 · ∞) does not leak through a unit that is switched off.

ReLU is positive exactly where z is, so its output is enough for the backward; a layer that
follows has to keep it anyway. The others keep z.

Source: lecture notes 001 (ReLU) and 002 (activation functions; its ReLU′ takes 1 at z = 0);
ELU: Clevert, Unterthiner, Hochreiter 2016.
"""

import torch
from torch import Tensor

from manual_backprop.kit.choice import where
from manual_backprop.kit.function import Function, functional, in_opmath, overwrite


class ReLUFunction(Function):
    """a = max(z, 0).

    Backward: g where z > 0, else 0
    """

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        return torch.relu(input)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad_output):
        (a,) = ctx.saved_tensors
        # The same twice, and each four times as fast as the other in its place.
        on = a != 0 if torch.compiler.is_compiling() else a.bool()
        return where(on, grad_output, 0)  # relu′(z) = 1 where a ≠ 0


class LeakyReLUFunction(Function):
    """a = z if z > 0 else s·z, with the slope s.

    Backward: g where z > 0, else s·g
    """

    @staticmethod
    def forward(input: Tensor, negative_slope: float) -> Tensor:
        return torch.nn.functional.leaky_relu(input, negative_slope)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, ctx.negative_slope = inputs
        ctx.save_for_backward(input)

    @staticmethod
    def backward(ctx, grad_output):
        (z,) = ctx.saved_tensors
        grad_input = where(z > 0, grad_output, grad_output * ctx.negative_slope)
        return grad_input, None


class ELUFunction(Function):
    """a = z if z > 0 else α(eᶻ − 1).

    Backward: g where z > 0, else g ⊙ αeᶻ
    """

    @staticmethod
    def forward(input: Tensor, alpha: float) -> Tensor:
        return torch.nn.functional.elu(input, alpha)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, ctx.alpha = inputs
        ctx.save_for_backward(input)

    @staticmethod
    def backward(ctx, grad_output):
        g, z = in_opmath(grad_output, *ctx.saved_tensors)
        # eᶻ is only used for z ≤ 0; the clamp keeps it from overflowing where it is not.
        grad_input = where(z > 0, g, g * ctx.alpha * z.clamp(max=0).exp())
        return grad_input.to(grad_output.dtype), None


@functional()
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """a = max(z, 0), as ``torch.nn.functional.relu``; any shape."""
    return overwrite(relu, input) if inplace else ReLUFunction.apply(input)


@functional()
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """a = z if z > 0 else s·z, as ``torch.nn.functional.leaky_relu``; any shape."""
    if inplace:
        return overwrite(lambda z: leaky_relu(z, negative_slope), input)
    return LeakyReLUFunction.apply(input, negative_slope)


@functional()
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """a = z if z > 0 else α(eᶻ − 1), as ``torch.nn.functional.elu``; any shape."""
    return overwrite(lambda z: elu(z, alpha), input) if inplace else ELUFunction.apply(input, alpha)


class ReLU(torch.nn.ReLU):
    """``torch.nn.ReLU`` with the backward above."""

    def forward(self, input: Tensor) -> Tensor:
        return relu(input, self.inplace)


class LeakyReLU(torch.nn.LeakyReLU):
    """``torch.nn.LeakyReLU`` with the backward above."""

    def forward(self, input: Tensor) -> Tensor:
        return leaky_relu(input, self.negative_slope, self.inplace)


class ELU(torch.nn.ELU):
    """``torch.nn.ELU`` with the backward above."""

    def forward(self, input: Tensor) -> Tensor:
        return elu(input, self.alpha, self.inplace)
