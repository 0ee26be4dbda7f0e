"""HingeEmbeddingLoss: distances of pairs that are alike, or not and then should be Δ at least.

    L_n = x_n if y_n = 1 else max(0, Δ − x_n)            y_n = −1 for a pair that is not alike

    ∂L_n/∂x_n = 1 if y_n = 1 else (−1 if x_n < Δ else 0)

At the kink x = Δ the derivative is 0, as in PyTorch. A y that is neither counts as both, and its
L_n is the sum. n runs over all elements, and so does the mean; shapes broadcast.

Source: ``torch.nn.HingeEmbeddingLoss``; Hadsell, Chopra, LeCun 2006 for the idea, in squares.
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.public import public
from manual_backprop.loss.loss_arguments import chosen_reduction
from manual_backprop.loss.reduction import reduced, unreduced


class HingeEmbeddingFunction(Function):
    """L_n = x [y≠−1] + max(0, Δ − x) [y≠1], given the truth of the two.

    Backward: g where y = 1, else −g where x < Δ
    """

    @staticmethod
    def forward(
        input: Tensor, alike: Tensor, unlike: Tensor, margin: float, reduction: str
    ) -> Tensor:
        hinge = (margin - input).clamp(min=0)
        losses = torch.where(alike, input, 0) + torch.where(unlike, hinge, 0)
        return reduced(losses, reduction, losses.numel())

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, alike, unlike, ctx.margin, ctx.reduction = inputs
        ctx.save_for_backward(input, alike, unlike)

    @staticmethod
    def backward(ctx, grad_output):
        x, alike, unlike = ctx.saved_tensors
        g = unreduced(grad_output, ctx.reduction, x.numel())
        below = unlike & (x < ctx.margin)
        grad_input = torch.where(alike, g, 0) - torch.where(below, g, 0)  # 1, −1 or 0
        return grad_input, None, None, None, None


@public(cpu="float32", cuda="float32")
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """L = Σ (x if y = 1 else max(0, Δ − x)) / m, as ``torch.nn.functional.hinge_embedding_loss``.

    Args:
        input: x, distances of any shape.
        target: y, 1 or −1, a shape that broadcasts with the input's.
        margin: Δ.
        size_average, reduce: PyTorch's former names for ``reduction``.
        reduction: ``"none"``, ``"sum"`` or ``"mean"`` over elements.

    Raises:
        ValueError: for an unknown reduction.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    x, alike, unlike = torch.broadcast_tensors(input, target != -1, target != 1)
    return HingeEmbeddingFunction.apply(x, alike, unlike, margin, reduction)


class HingeEmbeddingLoss(torch.nn.HingeEmbeddingLoss):
    """``torch.nn.HingeEmbeddingLoss`` with the backward of ``functional.hinge_embedding_loss``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)
