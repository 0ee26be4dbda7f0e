"""BCELoss: binary cross entropy of probabilities. Of logits: binary_cross_entropy_with_logits.py.

    L_n = −w (y ln a + (1 − y) ln(1 − a))

    ∂L_n/∂a = w (−y/a + (1 − y)/(1 − a)) = w (a − y) / (a(1 − a))
    ∂L_n/∂y = w (ln(1 − a) − ln a)             for targets that are themselves computed

a and y have one shape; the weights w are constants and broadcast against it. n runs over all
elements. As in PyTorch, ln is cut off at −100 and a(1 − a) at 10⁻¹².

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

SMALLEST_VARIANCE = torch.tensor(1e-12, dtype=torch.float32).item()  # PyTorch's, a C++ float


class BCEFunction(Function):
    """L = −w (y ln a + (1 − y) ln(1 − a)).

    Backward: (a − y)/(a(1 − a)m)
    """

    @staticmethod
    def forward(input: Tensor, target: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
        return F.binary_cross_entropy(input, target, weight, reduction=reduction)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, target, weight, ctx.reduction = inputs
        ctx.save_for_backward(input, target, weight)

    @staticmethod
    def backward(ctx, grad_output):
        input, target, weight = ctx.saved_tensors
        g, a, y, w = in_opmath(grad_output, input, target, weight)
        grad_input = grad_target = None
        g = unreduced(g, ctx.reduction, a.numel())
        if w is not None:
            g = g * w
        if ctx.needs_input_grad[0]:
            grad_input = bce_gradient(g, a, y).to(input.dtype)
        if ctx.needs_input_grad[1]:
            grad_target = (g * (torch.log1p(-a) - torch.log(a))).to(target.dtype)
        return grad_input, grad_target, None, None


def bce_gradient(g: Tensor, a: Tensor, y: Tensor) -> Tensor:
    """∂L/∂a from g = ∂L/∂L_n."""
    variance = ((1 - a) * a).clamp(min=SMALLEST_VARIANCE)
    return g * (a - y) / variance  # −y/a + (1 − y)/(1 − a)


@public(cpu="float32", cuda="float32")
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """L = −w (y ln a + (1 − y) ln(1 − a)), as ``torch.nn.functional.binary_cross_entropy``.

    Args:
        input: a, probabilities of any shape.
        target: y, the same shape.
        weight: w, a constant that broadcasts against them.
        size_average, reduce: PyTorch's former names for ``reduction``.
        reduction: ``"none"``, ``"sum"`` or ``"mean"`` over elements.

    Raises:
        RuntimeError: if an input is outside [0, 1], or the weight requires a gradient.
        ValueError: for an unknown reduction or shapes that differ.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    require_constant(weight=weight)
    require_same_shape("binary_cross_entropy", input, target)
    if weight is not None:
        weight = weight.expand(torch.broadcast_shapes(target.shape, weight.shape))
    return BCEFunction.apply(input, target, weight, reduction)


class BCELoss(torch.nn.BCELoss):
    """``torch.nn.BCELoss`` with the backward of ``functional.binary_cross_entropy``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy(input, target, self.weight, reduction=self.reduction)
