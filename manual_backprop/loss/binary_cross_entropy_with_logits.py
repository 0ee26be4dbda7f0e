"""BCEWithLogitsLoss: binary cross entropy of ŷ = σ(z).

    L_n = −w (p y ln ŷ + (1 − y) ln(1 − ŷ))

    ∂L_n/∂z = w (ŷ − y)                        p = 1
    ∂L_n/∂z = w (ŷ(1 − y) − p y (1 − ŷ)) = w (ŷ(1 + (p − 1) y) − p y)
    ∂L_n/∂y = w (ln σ(−z) − p ln σ(z))         since 1 − σ(z) = σ(−z)

ŷ − y: the factor σ′(z) = ŷ(1 − ŷ) that the chain rule brings cancels the denominator of the loss
of probabilities, (ŷ − y) / (ŷ(1 − ŷ)). That is why the logits are the better input, in
mathematics (no vanishing gradient at confident mistakes) and in numbers (no division).

z and y have one shape; the weights w and p (``pos_weight``) are constants and broadcast against
it. n runs over all elements.

Source: lecture notes "Deep Learning" and "How results change with the loss function" (sigmoid
output and binary cross entropy).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.loss.loss_arguments import (
    chosen_reduction,
    require_constant,
    require_same_shape,
)
from manual_backprop.loss.reduction import unreduced


class BCEWithLogitsFunction(Function):
    """L = −w (p y ln σ(z) + (1 − y) ln(1 − σ(z))).

    Backward: (σ(z) − y)/m
    """

    @staticmethod
    def forward(
        input: Tensor,
        target: Tensor,
        weight: Tensor | None,
        pos_weight: Tensor | None,
        reduction: str,
    ) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, weight, reduction=reduction, pos_weight=pos_weight
        )

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, target, weight, pos_weight, ctx.reduction = inputs
        ctx.save_for_backward(input, target, weight, pos_weight)

    @staticmethod
    def backward(ctx, grad_output):
        input, target, weight, pos_weight = ctx.saved_tensors
        g, z, y, w, p = in_opmath(grad_output, input, target, weight, pos_weight)
        grad_input = grad_target = None
        g = unreduced(g, ctx.reduction, z.numel())
        if w is not None:
            g = g * w
        if ctx.needs_input_grad[0]:
            ŷ = torch.sigmoid(z)
            grad_input = bce_with_logits_gradient(g, ŷ, y, p).to(input.dtype)
        if ctx.needs_input_grad[1]:
            grad_y = F.logsigmoid(-z) - (1 if p is None else p) * F.logsigmoid(z)
            grad_target = (grad_y * g).to(target.dtype)
        return grad_input, grad_target, None, None, None


def bce_with_logits_gradient(
    g: Tensor | float, ŷ: Tensor, y: Tensor, p: Tensor | None = None
) -> Tensor:
    """∂L/∂z from g = ∂L/∂L_n and ŷ = σ(z)."""
    if p is None:
        return (ŷ - y) * g  # ŷ − y
    return (ŷ * (1 + (p - 1) * y) - p * y) * g


@public(cpu="float32", cuda="float32")
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross entropy of σ(z), as ``torch.nn.functional.binary_cross_entropy_with_logits``.

    Args:
        input: z, logits of any shape.
        target: y, the same shape.
        weight: w, a constant that broadcasts against them.
        size_average, reduce: PyTorch's former names for ``reduction``.
        reduction: ``"none"``, ``"sum"`` or ``"mean"`` over elements.
        pos_weight: p, the weight of positive answers, a constant that broadcasts likewise.

    Raises:
        RuntimeError: if a weight requires a gradient.
        ValueError: for an unknown reduction or shapes that differ.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    require_constant(weight=weight, pos_weight=pos_weight)
    require_same_shape("binary_cross_entropy_with_logits", input, target)
    return BCEWithLogitsFunction.apply(input, target, weight, pos_weight, reduction)


class BCEWithLogitsLoss(torch.nn.BCEWithLogitsLoss):
    """``torch.nn.BCEWithLogitsLoss`` with a hand-written backward.

    It is that of ``functional.binary_cross_entropy_with_logits``.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )
