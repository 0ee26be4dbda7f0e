"""SmoothL1Loss and HuberLoss: quadratic for small errors, linear for large ones.

    smooth_l1: L_n = d²/(2β)  if |d| < β else |d| − β/2       ∂L_n/∂a = min(max(d/β, −1), 1)
    huber:     L_n = d²/2     if |d| < δ else δ(|d| − δ/2)    ∂L_n/∂a = min(max(d, −δ), δ)

with the error d = a − y; ∂L_n/∂y = −∂L_n/∂a. One is the other with β = δ, divided by δ. a and y
have one shape; n runs over all their elements, and so does the mean. There is no kink: at |d| = β
either side gives ±1. With β = 0 smooth_l1 is l1. The weights of huber multiply the L_n,
∂L/∂w_n = L_n/m; its mean, unlike that of l1 and mse, divides by the number of elements.

Source: Huber 1964; Girshick 2015, "Fast R-CNN" (smooth_l1).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.loss.l1 import L1Function
from manual_backprop.loss.loss_arguments import alike, chosen_reduction, require_weight_of_input
from manual_backprop.loss.reduction import reduced, unreduced


class SmoothL1Function(Function):
    """L_n = d²/(2β) if |d| < β else |d| − β/2, with d = a − y.

    Backward: min(max((a − y)/β, −1), 1)/m
    """

    @staticmethod
    def forward(input: Tensor, target: Tensor, reduction: str, beta: float) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=reduction, beta=beta)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, target, ctx.reduction, ctx.beta = inputs
        ctx.save_for_backward(input, target)

    @staticmethod
    def backward(ctx, grad_output):
        input, target = ctx.saved_tensors
        g, a, y = in_opmath(grad_output, input, target)
        g = unreduced(g, ctx.reduction, a.numel())
        grad_a = g * ((a - y) / ctx.beta).clamp(-1, 1)  # d/β, or ±1
        grad_input = grad_a.to(input.dtype) if ctx.needs_input_grad[0] else None
        grad_target = -grad_a.to(target.dtype) if ctx.needs_input_grad[1] else None
        return grad_input, grad_target, None, None


class HuberFunction(Function):
    """L_n = w d²/2 if |d| < δ else w δ(|d| − δ/2), with d = a − y.

    Backward: min(max(a − y, −δ), δ)/m
    """

    @staticmethod
    def forward(
        input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, delta: float
    ) -> Tensor:
        if weight is None:
            return F.huber_loss(input, target, reduction=reduction, delta=delta)
        losses = weight * F.huber_loss(input, target, reduction="none", delta=delta)
        return reduced(losses, reduction, losses.numel())

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, target, weight, ctx.reduction, ctx.delta = inputs
        ctx.save_for_backward(input, target, weight)

    @staticmethod
    def backward(ctx, grad_output):
        input, target, weight = ctx.saved_tensors
        g, a, y, w = in_opmath(grad_output, input, target, weight)
        grad_input = grad_target = grad_weight = None
        g = unreduced(g, ctx.reduction, a.numel())
        grad_a = (g if w is None else w * g) * (a - y).clamp(-ctx.delta, ctx.delta)  # d, or ±δ
        if ctx.needs_input_grad[0]:
            grad_input = grad_a.to(input.dtype)
        if ctx.needs_input_grad[1]:
            grad_target = -grad_a.to(target.dtype)
        if ctx.needs_input_grad[2]:
            losses = F.huber_loss(a, y, reduction="none", delta=ctx.delta)
            grad_weight = (losses * g).sum_to_size(w.shape).to(weight.dtype)  # L_n
        return grad_input, grad_target, grad_weight, None, None


@public(cpu="float32", cuda="float32")
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """L = Σ L_n / m, as ``torch.nn.functional.smooth_l1_loss``.

    Args:
        input: a, any shape.
        target: y, the shape of ``input``; another is broadcast with a warning.
        size_average, reduce: PyTorch's former names for ``reduction``.
        reduction: ``"none"``, ``"sum"`` or ``"mean"`` over elements.
        beta: β, the error at which the quadratic part ends; with 0 there is none.

    Raises:
        ValueError: for an unknown reduction, or a negative β.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: expected a beta of 0 or more, got {beta}")
    input, target = alike("smooth_l1_loss", input, target)
    if beta == 0:
        return L1Function.apply(input - target, None, reduction)
    return SmoothL1Function.apply(input, target, reduction, beta)


@public(cpu="float32", cuda="float32")
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """L = Σ w L_n / m, as ``torch.nn.functional.huber_loss``.

    Args:
        input: a, any shape.
        target: y, the shape of ``input``; another is broadcast with a warning.
        reduction: ``"none"``, ``"sum"`` or ``"mean"`` over elements, with weights, too.
        delta: δ, the error at which the quadratic part ends.
        weight: w, the shape that ``input`` has before it is broadcast.

    Raises:
        ValueError: for an unknown reduction, a δ that is not positive, or a weight of another
            shape than the input's.
    """
    reduction = chosen_reduction(None, None, reduction)
    if delta <= 0:
        raise ValueError(f"huber_loss: expected a positive delta, got {delta}")
    require_weight_of_input("huber_loss", input, weight)
    input, target = alike("huber_loss", input, target)
    return HuberFunction.apply(input, target, weight, reduction, delta)


class SmoothL1Loss(torch.nn.SmoothL1Loss):
    """``torch.nn.SmoothL1Loss`` with the backward of ``functional.smooth_l1_loss``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(torch.nn.HuberLoss):
    """``torch.nn.HuberLoss`` with the backward of ``functional.huber_loss``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return huber_loss(input, target, self.reduction, self.delta)
