"""L1Loss: the mean absolute error.

    L_n = |d_n|,  d = a − y                    ∂L_n/∂d_n = sgn d_n

∂L/∂a = ∂L/∂d and ∂L/∂y = −∂L/∂d for the target y. The Function is that of the error d, so that one
tensor is kept. n runs over all elements of one shape, and so does the mean. At the kink d = 0 the
derivative is 0, as in PyTorch. With weights w_n it is L = Σ w_n L_n / Σ w_n, which also has a
gradient for w:

    ∂L/∂w_n = (L_n − L) / Σ w_n                quotient rule

Source: ``torch.nn.L1Loss``.
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.loss.loss_arguments import alike, chosen_reduction, require_weight_of_input
from manual_backprop.loss.reduction import reduced, unreduced


class L1Function(Function):
    """L = Σ w |d| / m, or without the sum and the division.

    Backward: sgn(a − y)/m
    """

    @staticmethod
    def forward(error: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
        if weight is None:
            return reduced(error.abs(), reduction, error.numel())
        return reduced(weight * error.abs(), reduction, weight.sum())

    @staticmethod
    def setup_context(ctx, inputs, output):
        error, weight, ctx.reduction = inputs
        ctx.save_for_backward(error, weight)

    @staticmethod
    def backward(ctx, grad_output):
        error, weight = ctx.saved_tensors
        g, d, w = in_opmath(grad_output, error, weight)
        grad_error = grad_weight = None
        g = unreduced(g, ctx.reduction, d.numel() if w is None else w.sum())
        if ctx.needs_input_grad[0]:
            grad_error = (d.sgn() * (g if w is None else w * g)).to(error.dtype)  # sgn d
        if ctx.needs_input_grad[1]:
            grad_weight = (d.abs() * g).sum_to_size(w.shape)  # L_n
            if ctx.reduction == "mean":
                L = (w * d.abs()).sum() / w.sum()
                grad_weight = grad_weight - L * g  # (L_n − L) / Σ w_n
            grad_weight = grad_weight.to(weight.dtype)
        return grad_error, grad_weight, None


@public(cpu="float32", cuda="float32")
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """L = Σ w |a − y| / m, as ``torch.nn.functional.l1_loss``.

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
    require_weight_of_input("l1_loss", input, weight)
    input, target = alike("l1_loss", input, target)
    return L1Function.apply(input - target, weight, reduction)


class L1Loss(torch.nn.L1Loss):
    """``torch.nn.L1Loss`` with the backward of ``functional.l1_loss``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return l1_loss(input, target, reduction=self.reduction)
