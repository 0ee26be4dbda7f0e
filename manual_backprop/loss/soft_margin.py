"""SoftMarginLoss: a logistic regression whose classes are called 1 and −1.

    L_n = ln(1 + e^{−y_n x_n})                 ∂L_n/∂x_n = −y_n σ(−y_n x_n)

since ln(1 + eᵘ) has the derivative σ(u). Where e^{−yx} overflows PyTorch gives ∞ and NaN. The
targets y are constants. n runs over all elements, and so does the mean; shapes broadcast.

Source: ``torch.nn.SoftMarginLoss``.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.loss.loss_arguments import broadcast, chosen_reduction, require_constant
from manual_backprop.loss.reduction import reduced, unreduced


class SoftMarginFunction(Function):
    """L = Σ ln(1 + e^{−yx}) / m, or without the sum and the division.

    Backward: −yσ(−yx)/m
    """

    @staticmethod
    def forward(input: Tensor, target: Tensor, reduction: str) -> Tensor:
        losses = -F.logsigmoid(target * input)  # no overflow: it is ln(1 + e^{−yx})
        return reduced(losses, reduction, losses.numel())

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, target, ctx.reduction = inputs
        ctx.save_for_backward(input, target)

    @staticmethod
    def backward(ctx, grad_output):
        g, x, y = in_opmath(grad_output, *ctx.saved_tensors)
        g = unreduced(g, ctx.reduction, x.numel())
        grad_input = -y * torch.sigmoid(-y * x) * g  # −y σ(−y x)
        return grad_input.to(grad_output.dtype), None, None


@public(cpu="float32", cuda="float32")
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """L = Σ ln(1 + e^{−yx}) / m, as ``torch.nn.functional.soft_margin_loss``.

    Args:
        input: x, any shape.
        target: y, 1 or −1, a shape that broadcasts with the input's.
        size_average, reduce: PyTorch's former names for ``reduction``.
        reduction: ``"none"``, ``"sum"`` or ``"mean"`` over elements.

    Raises:
        ValueError: for an unknown reduction.
        RuntimeError: if the target requires a gradient.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    require_constant(target=target)
    return SoftMarginFunction.apply(*broadcast(input, target), reduction)


class SoftMarginLoss(torch.nn.SoftMarginLoss):
    """``torch.nn.SoftMarginLoss`` with the backward of ``functional.soft_margin_loss``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return soft_margin_loss(input, target, reduction=self.reduction)
