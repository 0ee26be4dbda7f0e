"""MSELoss: the mean squared error, PyTorch's. The lecture notes' is in squared_error.py.

    L_n = (a_n − y_n)²                         ∂L_n/∂a_n = 2(a_n − y_n)

and the gradient for the target y is the same with the opposite sign. a and y have one shape; n
runs over all their elements, and so does the mean. With weights w_n it is L = Σ w_n L_n / Σ w_n,
which also has a gradient for w:

    ∂L/∂w_n = (L_n − L) / Σ w_n                quotient rule

The weights have the shape that a had before it was broadcast against y. Where one w then stands
for several elements, L_n is the sum of theirs, and Σ w_n counts it once, as in PyTorch.

Source: ``torch.nn.MSELoss``.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.loss.loss_arguments import (
    alike,
    chosen_reduction,
    require_weight_of_input,
)
from manual_backprop.loss.reduction import reduced, unreduced


class MSEFunction(Function):
    """L = Σ w (a − y)² / m, or without the sum and the division.

    Backward: 2(a − y)/m
    """

    @staticmethod
    def forward(input: Tensor, target: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
        if weight is None:
            return F.mse_loss(input, target, reduction=reduction)
        return reduced(weight * (input - target) ** 2, reduction, weight.sum())

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, target, weight, ctx.reduction = inputs
        ctx.save_for_backward(input, target, weight)

    @staticmethod
    def backward(ctx, grad_output):
        input, target, weight = ctx.saved_tensors
        g, a, y, w = in_opmath(grad_output, input, target, weight)
        grad_input = grad_target = grad_weight = None
        if w is None:
            grad_a = mse_gradient(unreduced(g, ctx.reduction, a.numel()), a, y)
        else:
            g = unreduced(g, ctx.reduction, w.sum())
            grad_a = mse_gradient(w * g, a, y)
        if ctx.needs_input_grad[0]:
            grad_input = grad_a.to(input.dtype)
        if ctx.needs_input_grad[1]:
            grad_target = -grad_a.to(target.dtype)
        if ctx.needs_input_grad[2]:
            losses = (a - y) ** 2
            grad_weight = (losses * g).sum_to_size(w.shape)  # L_n
            if ctx.reduction == "mean":
                L = (w * losses).sum() / w.sum()
                grad_weight = grad_weight - L * g  # (L_n − L) / Σ w_n
            grad_weight = grad_weight.to(weight.dtype)
        return grad_input, grad_target, grad_weight, None


def mse_gradient(g: Tensor | float, a: Tensor, y: Tensor) -> Tensor:
    """∂L/∂a from g = ∂L/∂L_n."""
    return (a - y) * (2 * g)  # 2(a − y)


@public(cpu="float32", cuda="float32")
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """L = Σ w (a − y)² / m, as ``torch.nn.functional.mse_loss``.

    Args:
        input: a, any shape.
        target: y, the shape of ``input``; another is broadcast with a warning.
        size_average, reduce: PyTorch's former names for ``reduction``.
        reduction: ``"none"``, ``"sum"`` or ``"mean"``, over elements or, if given, weights.
        weight: w, the shape that ``input`` has before it is broadcast.

    Raises:
        ValueError: for an unknown reduction, or a weight of another shape than the input's.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    require_weight_of_input("mse_loss", input, weight)
    input, target = alike("mse_loss", input, target)
    return MSEFunction.apply(input, target, weight, reduction)


class MSELoss(torch.nn.MSELoss):
    """``torch.nn.MSELoss`` with the backward of ``functional.mse_loss``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return mse_loss(input, target, reduction=self.reduction)
