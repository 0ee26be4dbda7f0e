"""MarginRankingLoss: of two scores the first should be larger by Δ (y = 1), or smaller (y = −1).

    L_n = max(0, h_n)                          h_n = Δ − y_n d_n,  d_n = x₁ − x₂

    ∂L_n/∂d_n = −y_n if h_n > 0 else 0         ∂L_n/∂x₁ = ∂L_n/∂d,  ∂L_n/∂x₂ = −∂L_n/∂d
    ∂L_n/∂y_n = −d_n if h_n > 0 else 0

At the kink h = 0 the derivative is 0, as in PyTorch. The Function is that of d, so that one tensor
is kept for the two scores. n runs over all elements, and so does the mean; shapes broadcast.

Source: ``torch.nn.MarginRankingLoss``; Herbrich, Graepel, Obermayer 2000.
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.loss.loss_arguments import broadcast, chosen_reduction
from manual_backprop.loss.reduction import reduced, unreduced


class MarginRankingFunction(Function):
    """L_n = max(0, Δ − y d), with d = x₁ − x₂.

    Backward: ∂L/∂x₁ = −yg where y(x₁ − x₂) < Δ, else 0,  ∂L/∂x₂ = −∂L/∂x₁
    """

    @staticmethod
    def forward(difference: Tensor, target: Tensor, margin: float, reduction: str) -> Tensor:
        losses = (margin - target * difference).clamp(min=0)
        return reduced(losses, reduction, losses.numel())

    @staticmethod
    def setup_context(ctx, inputs, output):
        difference, target, ctx.margin, ctx.reduction = inputs
        ctx.save_for_backward(difference, target)

    @staticmethod
    def backward(ctx, grad_output):
        difference, target = ctx.saved_tensors
        g, d, y = in_opmath(grad_output, difference, target)
        g = unreduced(g, ctx.reduction, d.numel())
        g = torch.where(ctx.margin - y * d > 0, g, 0)
        grad_difference = -(y * g).to(difference.dtype) if ctx.needs_input_grad[0] else None
        grad_target = -(d * g).to(target.dtype) if ctx.needs_input_grad[1] else None
        return grad_difference, grad_target, None, None


@public(cpu="float32", cuda="float32")
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """L = Σ max(0, Δ − y(x₁ − x₂)) / m, as ``torch.nn.functional.margin_ranking_loss``.

    Args:
        input1: x₁, scores of any shape.
        input2: x₂, as many dimensions; the shapes broadcast.
        target: y, 1 or −1, as many dimensions.
        margin: Δ.
        size_average, reduce: PyTorch's former names for ``reduction``.
        reduction: ``"none"``, ``"sum"`` or ``"mean"`` over elements.

    Raises:
        ValueError: for an unknown reduction.
        RuntimeError: if the numbers of dimensions differ.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            "margin_ranking_loss: expected inputs and target with the same number of "
            "dimensions, got "
            f"{tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(target.shape)}"
        )
    difference, target = broadcast(input1 - input2, target)
    return MarginRankingFunction.apply(difference, target, margin, reduction)


class MarginRankingLoss(torch.nn.MarginRankingLoss):
    """``torch.nn.MarginRankingLoss`` with the backward of ``functional.margin_ranking_loss``."""

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)
