"""ReLU, LeakyReLU and Threshold: activations that pass positive values on unchanged.

    relu(z)  = z  if z > 0 else 0              relu′(z)  = 1  if z > 0 else 0
    leaky(z) = z  if z > 0 else s·z            leaky′(z) = 1  if z > 0 else s
    thr(z)   = z  if z > θ else v              thr′(z)   = 1  if z > θ else 0

    ∂L/∂z = ∂L/∂a ⊙ relu′(z)                   elementwise, any shape

s, θ and v are constants. At the kink z = 0 the derivative is the one from the left, as in PyTorch:
relu′(0) = 0. Every derivative is chosen (``choice.where``) and not multiplied by a mask, so that an
infinite or undefined gradient (0 · ∞) does not leak through a unit that is switched off.

ReLU is positive exactly where z is, so its output is enough for the backward; a layer that
follows has to keep it anyway. The others keep z.

Source: lecture notes "The MNIST network by hand" (ReLU) and "Deep Learning" (activation functions;
its ReLU′ takes 1 at z = 0).
"""

import torch
from torch import Tensor

from manual_backprop.kit.choice import where
from manual_backprop.kit.function import Function
from manual_backprop.kit.inplace import overwrite
from manual_backprop.kit.public import public


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
        return relu_gradient(grad_output, *ctx.saved_tensors)


def relu_gradient(g: Tensor, a: Tensor) -> Tensor:
    """∂L/∂z from g = ∂L/∂a."""
    # The same twice, and each four times as fast as the other in its place.
    on = a != 0 if torch.compiler.is_compiling() else a.bool()
    return where(on, g, 0)  # relu′(z) = 1 where a ≠ 0


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
        return leaky_relu_gradient(grad_output, z, ctx.negative_slope), None


def leaky_relu_gradient(g: Tensor, z: Tensor, s: float = 0.01) -> Tensor:
    """∂L/∂z from g = ∂L/∂a."""
    return where(z > 0, g, g * s)  # leaky′(z) = 1 or s


class ThresholdFunction(Function):
    """a = z if z > θ else the constant v.

    Backward: g where z > θ, else 0
    """

    @staticmethod
    def forward(input: Tensor, threshold: float, value: float) -> Tensor:
        return torch.nn.functional.threshold(input, threshold, value)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, ctx.threshold, _ = inputs
        ctx.save_for_backward(input)

    @staticmethod
    def backward(ctx, grad_output):
        (z,) = ctx.saved_tensors
        return where(~(z <= ctx.threshold), grad_output, 0), None, None  # NaN passes, as in a


@public()
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """a = max(z, 0), as ``torch.nn.functional.relu``; any shape."""
    return overwrite(relu, input) if inplace else ReLUFunction.apply(input)


@public()
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """a = z if z > 0 else s·z, as ``torch.nn.functional.leaky_relu``; any shape."""
    if inplace:
        return overwrite(lambda z: leaky_relu(z, negative_slope), input)
    return LeakyReLUFunction.apply(input, negative_slope)


@public()
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """a = z if z > threshold else value, as ``torch.nn.functional.threshold``; any shape."""
    if inplace:
        return overwrite(lambda z: ThresholdFunction.apply(z, threshold, value), input)
    return ThresholdFunction.apply(input, threshold, value)


class ReLU(torch.nn.ReLU):
    """``torch.nn.ReLU`` with the backward of ``functional.relu``."""

    def forward(self, input: Tensor) -> Tensor:
        return relu(input, self.inplace)


class LeakyReLU(torch.nn.LeakyReLU):
    """``torch.nn.LeakyReLU`` with the backward of ``functional.leaky_relu``."""

    def forward(self, input: Tensor) -> Tensor:
        return leaky_relu(input, self.negative_slope, self.inplace)


class Threshold(torch.nn.Threshold):
    """``torch.nn.Threshold`` with the backward of ``functional.threshold``."""

    def forward(self, input: Tensor) -> Tensor:
        return threshold(input, self.threshold, self.value, self.inplace)
