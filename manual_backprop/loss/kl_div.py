"""KLDivLoss: the Kullback-Leibler divergence of a model from a target distribution.

    L_n = y_n (ln y_n − x_n)                   x_n = ln q_n, the model's log-probabilities

    ∂L_n/∂x_n = −y_n
    ∂L_n/∂y_n = ln y_n − x_n + 1               for targets that are themselves computed

With ``log_target`` the target is t = ln y:

    L_n = eᵗ (t − x)                           ∂L_n/∂x = −eᵗ,  ∂L_n/∂t = eᵗ (t − x + 1)

n runs over all elements. Where y = 0, L_n = 0. The divergence itself is their sum over the classes,
its mean over the samples ``batchmean``; ``mean`` divides by the number of elements. Shapes
broadcast.

Source: Kullback, Leibler 1951.
"""

import warnings

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.loss.loss_arguments import broadcast, chosen_reduction
from manual_backprop.loss.reduction import reduced, unreduced


class KLDivFunction(Function):
    """L = Σ y (ln y − x) / m, or without the sum and the division.

    Backward: −y/m
    """

    @staticmethod
    def forward(input: Tensor, target: Tensor, reduction: str) -> Tensor:
        losses = torch.xlogy(target, target) - target * input
        return reduced(losses, reduction, losses.numel())

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, target, ctx.reduction = inputs
        ctx.save_for_backward(input, target)

    @staticmethod
    def backward(ctx, grad_output):
        input, target = ctx.saved_tensors
        g, x, y = in_opmath(grad_output, input, target)
        g = unreduced(g, ctx.reduction, x.numel())
        grad_input = grad_target = None
        if ctx.needs_input_grad[0]:
            grad_input = -(y * g).to(input.dtype)  # −y
        if ctx.needs_input_grad[1]:
            one = y / y  # at y = 0 undefined, as in PyTorch
            grad_target = ((y.log() - x + one) * g).to(target.dtype)  # ln y − x + 1
        return grad_input, grad_target, None


class KLDivOfLogsFunction(Function):
    """L = Σ eᵗ (t − x) / m, or without the sum and the division."""

    @staticmethod
    def forward(input: Tensor, target: Tensor, reduction: str) -> Tensor:
        losses = target.exp() * (target - input)
        return reduced(losses, reduction, losses.numel())

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, target, ctx.reduction = inputs
        ctx.save_for_backward(input, target)

    @staticmethod
    def backward(ctx, grad_output):
        input, target = ctx.saved_tensors
        g, x, t = in_opmath(grad_output, input, target)
        y_g = t.exp() * unreduced(g, ctx.reduction, x.numel())
        grad_input = grad_target = None
        if ctx.needs_input_grad[0]:
            grad_input = -y_g.to(input.dtype)  # −eᵗ
        if ctx.needs_input_grad[1]:
            grad_target = ((t - x + 1) * y_g).to(target.dtype)  # eᵗ (t − x + 1)
        return grad_input, grad_target, None


@public(cpu="float32", cuda="float32")
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """L = Σ y (ln y − x) / m, as ``torch.nn.functional.kl_div``.

    Args:
        input: x, log-probabilities of any shape.
        target: y, probabilities, a shape that broadcasts with the input's.
        size_average, reduce: PyTorch's former names for ``reduction``.
        reduction: ``"none"``, ``"sum"``, ``"batchmean"``, the sum divided by the size of the first
            dimension, or ``"mean"`` over elements, with a warning.
        log_target: the target is ln y.

    Raises:
        ValueError: for an unknown reduction.
    """
    samples = None
    if size_average is None and reduce is None:
        if reduction == "mean":
            warnings.warn(
                "kl_div: reduction 'mean' divides by the number of elements; the divergence per "
                "sample is 'batchmean'",
                stacklevel=3,
            )
        if reduction == "batchmean":
            reduction, samples = "sum", input.shape[0] if input.dim() else 1
    reduction = chosen_reduction(size_average, reduce, reduction)
    function = KLDivOfLogsFunction if log_target else KLDivFunction
    loss = function.apply(*broadcast(input, target), reduction)
    return loss if samples is None else loss / samples


class KLDivLoss(torch.nn.KLDivLoss):
    """``torch.nn.KLDivLoss`` with the backward of ``functional.kl_div``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return kl_div(input, target, reduction=self.reduction, log_target=self.log_target)
