"""Binary cross entropy: of probabilities (BCELoss) and of logits (BCEWithLogitsLoss).

    bce:         L = −w (y ln a + (1 − y) ln(1 − a))
    with logits: L = −w (p y ln σ(z) + (1 − y) ln(1 − σ(z)))

    ∂L/∂a = w (−y/a + (1 − y)/(1 − a)) = w (a − y) / (a(1 − a))
    ∂L/∂z = w (σ(z)(1 − y) − p y (1 − σ(z))) = w (σ(z)(1 + (p − 1) y) − p y)

With p = 1 and w = 1 the second is ŷ − y: the factor σ′(z) = a(1 − a) that the chain rule brings
cancels the denominator of the first. That is why the logits are the better input, in
mathematics (no vanishing gradient at confident mistakes) and in numbers (no division).

    ∂L/∂y = w (ln(1 − a) − ln a)               for targets that are themselves computed
    ∂L/∂y = w (ln σ(−z) − p ln σ(z))           since 1 − σ(z) = σ(−z)

a, z and y have one shape; the weights w and p (``pos_weight``) are constants and broadcast
against it. As in PyTorch, ln is cut off at −100 and a(1 − a) at 10⁻¹².

Source: lecture notes 000, 002 and 004, "sigmoid output and binary cross entropy".
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.kit.function import Function, functional, in_opmath
from manual_backprop.loss.reduction import chosen_reduction, require_constant, unreduced

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
        g, a, y = in_opmath(grad_output, input, target)
        grad_input = grad_target = None
        g = unreduced(g, ctx.reduction, a.numel())
        if weight is not None:
            g = g * weight
        if ctx.needs_input_grad[0]:
            variance = ((1 - a) * a).clamp(min=SMALLEST_VARIANCE)
            grad_input = (g * (a - y) / variance).to(input.dtype)
        if ctx.needs_input_grad[1]:
            grad_target = (g * (torch.log1p(-a) - torch.log(a))).to(target.dtype)
        return grad_input, grad_target, None, None


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
        g, z, y = in_opmath(grad_output, input, target)
        grad_input = grad_target = None
        g = unreduced(g, ctx.reduction, z.numel())
        if weight is not None:
            g = g * weight
        p = 1 if pos_weight is None else pos_weight
        if ctx.needs_input_grad[0]:
            if pos_weight is None:
                grad_z = torch.sigmoid(z) - y  # ŷ − y
            else:
                grad_z = torch.sigmoid(z) * (1 + (p - 1) * y) - p * y
            grad_input = (grad_z * g).to(input.dtype)
        if ctx.needs_input_grad[1]:
            grad_y = F.logsigmoid(-z) - p * F.logsigmoid(z)
            grad_target = (grad_y * g).to(target.dtype)
        return grad_input, grad_target, None, None, None


def _check_target(name: str, input: Tensor, target: Tensor) -> None:
    if target.shape != input.shape:
        raise ValueError(
            f"{name}: expected a target of the input's shape {tuple(input.shape)}, "
            f"got {tuple(target.shape)}"
        )


@functional(cpu="float32", cuda="float32")
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
    _check_target("binary_cross_entropy", input, target)
    if weight is not None:
        weight = weight.expand(torch.broadcast_shapes(target.shape, weight.shape))
    return BCEFunction.apply(input, target, weight, reduction)


@functional(cpu="float32", cuda="float32")
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
    _check_target("binary_cross_entropy_with_logits", input, target)
    return BCEWithLogitsFunction.apply(input, target, weight, pos_weight, reduction)


class BCELoss(torch.nn.BCELoss):
    """``torch.nn.BCELoss`` with the backward above."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(torch.nn.BCEWithLogitsLoss):
    """``torch.nn.BCEWithLogitsLoss`` with the backward above."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )
