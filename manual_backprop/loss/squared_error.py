"""Squared error: MSELoss, PyTorch's, and SquaredErrorLoss, the lecture notes'.

    mse:            L_n = (a_n − y_n)²         ∂L_n/∂a_n = 2(a_n − y_n)
    squared error:  L_n = ½(a_n − y_n)²        ∂L_n/∂a_n = a_n − y_n

and the gradient for the target y is the same with the opposite sign. a and y have one shape; n
runs over all their elements.

They differ in what ``mean`` divides by: mse by the number of elements; the squared error
by the number m of samples, the size of the first dimension, so that it is the mean over samples
of ½‖a − y‖². With weights w_n, mse is Σ w_n L_n / Σ w_n, which also has a gradient for w:

    ∂L/∂w_n = (L_n − L) / Σ w_n                quotient rule

Under a sigmoid the gradient for z is (a − y) ⊙ σ′(z): it vanishes where the neuron saturates,
the confident mistakes included. Cross entropy does not (``binary_cross_entropy.py``).

Source: lecture notes 000, 003, 004 (½ Σ (y − a)²) and 002 (1/2m Σ).
"""

import warnings

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.kit.function import Function, functional, in_opmath
from manual_backprop.loss.reduction import chosen_reduction, reduced, unreduced


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
        g, a, y = in_opmath(grad_output, input, target)
        grad_input = grad_target = grad_weight = None
        if weight is None:
            g = unreduced(g, ctx.reduction, a.numel())
            grad_a = (a - y) * (2 * g)  # ∂L_n/∂a_n = 2(a_n − y_n)
        else:
            (w,) = in_opmath(weight)
            g = unreduced(g, ctx.reduction, w.sum())
            grad_a = w * (a - y) * (2 * g)
            if ctx.needs_input_grad[2]:
                losses = (a - y) ** 2
                mean = (w * losses).sum() / w.sum() if ctx.reduction == "mean" else 0
                grad_weight = ((losses - mean) * g).to(weight.dtype)
        if ctx.needs_input_grad[0]:
            grad_input = grad_a.to(input.dtype)
        if ctx.needs_input_grad[1]:
            grad_target = -grad_a.to(target.dtype)
        return grad_input, grad_target, grad_weight, None


class SquaredErrorFunction(Function):
    """L = ½ Σ (a − y)², over m for the mean.

    Backward: a − y
    """

    @staticmethod
    def forward(input: Tensor, target: Tensor, reduction: str) -> Tensor:
        return reduced(0.5 * (input - target) ** 2, reduction, _samples(input))

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, target, ctx.reduction = inputs
        ctx.save_for_backward(input, target)

    @staticmethod
    def backward(ctx, grad_output):
        input, target = ctx.saved_tensors
        g, a, y = in_opmath(grad_output, input, target)
        grad_input = grad_target = None
        grad_a = (a - y) * unreduced(g, ctx.reduction, _samples(a))  # ∂L_n/∂a_n = a_n − y_n
        if ctx.needs_input_grad[0]:
            grad_input = grad_a.to(input.dtype)
        if ctx.needs_input_grad[1]:
            grad_target = -grad_a.to(target.dtype)
        return grad_input, grad_target, None


def _samples(tensor: Tensor) -> int:
    return tensor.shape[0] if tensor.dim() > 0 else 1


@functional(cpu="float32", cuda="float32")
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
        weight: w, the shape of ``input``.

    Raises:
        ValueError: for an unknown reduction, or a weight of another shape than the input's.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if weight is not None and weight.shape != input.shape:
        raise ValueError(
            f"mse_loss: expected a weight of the input's shape {tuple(input.shape)}, "
            f"got {tuple(weight.shape)}"
        )
    if target.shape != input.shape:
        warnings.warn(
            f"mse_loss: the target's shape {tuple(target.shape)} is not the input's "
            f"{tuple(input.shape)}; broadcasting them is rarely what is meant",
            stacklevel=3,
        )
    input, target = _same_shape_and_type(input, target)
    if weight is not None:
        weight = weight.expand_as(input)
    return MSEFunction.apply(input, target, weight, reduction)


@functional(cpu="float32", cuda="float32")
def squared_error_loss(input: Tensor, target: Tensor, reduction: str = "sum") -> Tensor:
    """L = ½ Σ (a − y)²; not in PyTorch.

    Args:
        input: a, shape (m, …), one row per sample.
        target: y, the same shape.
        reduction: ``"sum"``; ``"mean"`` for (1/2m) Σ, m samples; ``"none"`` for each element's.

    Raises:
        ValueError: for an unknown reduction or shapes that differ.
    """
    if input.shape != target.shape:
        raise ValueError(
            f"squared_error_loss: expected input and target of one shape, "
            f"got {tuple(input.shape)} and {tuple(target.shape)}"
        )
    reduction = chosen_reduction(None, None, reduction)
    return SquaredErrorFunction.apply(*_same_shape_and_type(input, target), reduction)


def _same_shape_and_type(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    input, target = torch.broadcast_tensors(input, target)
    dtype = torch.promote_types(input.dtype, target.dtype)
    return input.to(dtype), target.to(dtype)


class MSELoss(torch.nn.MSELoss):
    """``torch.nn.MSELoss`` with the backward above."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return mse_loss(input, target, reduction=self.reduction)


class SquaredErrorLoss(torch.nn.Module):
    """L = ½ Σ (a − y)², the lecture notes' loss; see ``squared_error_loss``."""

    def __init__(self, reduction: str = "sum") -> None:
        super().__init__()
        self.reduction = chosen_reduction(None, None, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return squared_error_loss(input, target, reduction=self.reduction)
