"""GaussianNLLLoss: the negative log-likelihood of numbers, y, that are normally distributed.

    L_n = ½ (ln v + d²/v)                      d = a − y the error, v its variance

    ∂L_n/∂a = d/v                              ∂L_n/∂y = −d/v
    ∂L_n/∂v = ½ (1/v − d²/v²)

The model says the mean a and the variance. v is the variance cut off at ε from below, and as in
PyTorch the cut has derivative 1 everywhere, so that a variance that is too small can grow again.
``full`` adds the constant ½ ln 2π. One variance for a whole sample is broadcast over it, and its
gradient is the sum. n runs over all elements, and so does the mean; shapes broadcast.

Source: Nix, Weigend 1994.
"""

import math

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.loss.loss_arguments import chosen_reduction
from manual_backprop.loss.reduction import reduced, unreduced


class GaussianNLLFunction(Function):
    """L = Σ ½ (ln v + (a − y)²/v) / m, or without the sum and the division.

    Backward: ∂L/∂a = (a − y)/(vm),  ∂L/∂v = ½(1/v − (a − y)²/v²)/m
    """

    @staticmethod
    def forward(
        input: Tensor, target: Tensor, var: Tensor, full: bool, eps: float, reduction: str
    ) -> Tensor:
        v = var.clamp(min=eps)
        losses = 0.5 * (v.log() + (input - target) ** 2 / v)
        if full:
            losses = losses + 0.5 * math.log(2 * math.pi)
        return reduced(losses, reduction, losses.numel())

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, target, var, _, ctx.eps, ctx.reduction = inputs
        ctx.save_for_backward(input, target, var)

    @staticmethod
    def backward(ctx, grad_output):
        input, target, var = ctx.saved_tensors
        g, a, y, v = in_opmath(grad_output, input, target, var)
        g = unreduced(g, ctx.reduction, a.numel())
        grad_input = grad_target = grad_var = None
        v = v + (v.clamp(min=ctx.eps) - v).detach()  # cut off at ε, with derivative 1
        e = (a - y) / v
        if ctx.needs_input_grad[0]:
            grad_input = (g * e).to(input.dtype)  # d/v
        if ctx.needs_input_grad[1]:
            grad_target = -(g * e).to(target.dtype)
        if ctx.needs_input_grad[2]:
            grad_var = (0.5 * g * (1 / v - e * e)).to(var.dtype)  # ½ (1/v − d²/v²)
        return grad_input, grad_target, grad_var, None, None, None


@public(cuda="float32")
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """L = Σ ½ (ln v + (a − y)²/v) / m, as ``torch.nn.functional.gaussian_nll_loss``.

    Args:
        input: a, means of any shape.
        target: y, a shape that broadcasts with it.
        var: the variances: of the input's shape, without its last dimension, with one dimension
            of size 1, or one number.
        full: add the constant ½ ln 2π.
        eps: ε, the smallest variance.
        reduction: ``"none"``, ``"sum"`` or ``"mean"`` over elements.

    Raises:
        ValueError: for an unknown reduction, a negative variance or a shape that does not fit.
    """
    reduction = chosen_reduction(None, None, reduction)
    if not isinstance(var, Tensor):
        var = input.new_full((1,) * input.dim(), var)
    elif var.shape != input.shape:
        if var.shape == input.shape[:-1]:
            var = var.unsqueeze(-1)
        elif not _is_wider_in_one(input.shape, var.shape):
            raise ValueError(
                f"gaussian_nll_loss: expected a variance of the input's shape "
                f"{tuple(input.shape)}, without its last dimension or with one dimension of "
                f"size 1, got {tuple(var.shape)}"
            )
    _check_not_negative(var)
    input, target, var = torch.broadcast_tensors(input, target, var)
    return GaussianNLLFunction.apply(input, target, var, full, eps, reduction)


def _is_wider_in_one(shape: torch.Size, narrow: torch.Size) -> bool:
    """Whether they differ in one dimension, of which the second has 1."""
    if len(shape) != len(narrow):
        return False
    return [n for m, n in zip(shape, narrow, strict=True) if m != n] == [1]


def _check_not_negative(var: Tensor) -> None:
    """Where the values can be looked at: neither while compiling nor under vmap."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return
    if bool((var < 0).any()):
        raise ValueError(
            f"gaussian_nll_loss: expected variances of 0 or more, the smallest is {var.min():.4g}"
        )


class GaussianNLLLoss(torch.nn.GaussianNLLLoss):
    """``torch.nn.GaussianNLLLoss`` with the backward of ``functional.gaussian_nll_loss``."""

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return gaussian_nll_loss(
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )
