"""SquaredErrorLoss: the squared error of the lecture notes. PyTorch's is in mse.py.

    L_n = ½(a_n − y_n)²                        ∂L_n/∂a_n = a_n − y_n

and the gradient for the target y is the same with the opposite sign. a and y have one shape; n
runs over all their elements. ``mean`` divides by the number m of samples, the size of the first
dimension, so that it is the mean over samples of ½‖a − y‖².

Under a sigmoid the gradient for z is (a − y) ⊙ σ′(z): it vanishes where the neuron saturates,
the confident mistakes included. Cross entropy does not (``cross_entropy.py``).

Source: lecture notes "Backpropagation" (½ Σ (y − a)²) and "Deep Learning" (1/2m Σ).
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.loss.loss_arguments import chosen_reduction, require_same_shape
from manual_backprop.loss.reduction import reduced, unreduced


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
        grad_a = squared_error_gradient(unreduced(g, ctx.reduction, _samples(a)), a, y)
        if ctx.needs_input_grad[0]:
            grad_input = grad_a.to(input.dtype)
        if ctx.needs_input_grad[1]:
            grad_target = -grad_a.to(target.dtype)
        return grad_input, grad_target, None


def squared_error_gradient(g: Tensor | float, a: Tensor, y: Tensor) -> Tensor:
    """∂L/∂a from g = ∂L/∂L_n."""
    return (a - y) * g  # a − y


def _samples(tensor: Tensor) -> int:
    return tensor.shape[0] if tensor.dim() > 0 else 1


@public(cpu="float32", cuda="float32")
def squared_error_loss(input: Tensor, target: Tensor, reduction: str = "sum") -> Tensor:
    """L = ½ Σ (a − y)²; not in PyTorch.

    Args:
        input: a, shape (m, …), one row per sample.
        target: y, the same shape.
        reduction: ``"sum"``; ``"mean"`` for (1/2m) Σ, m samples; ``"none"`` for each element's.

    Raises:
        ValueError: for an unknown reduction or shapes that differ.
    """
    require_same_shape("squared_error_loss", input, target)
    reduction = chosen_reduction(None, None, reduction)
    dtype = torch.promote_types(input.dtype, target.dtype)
    return SquaredErrorFunction.apply(input.to(dtype), target.to(dtype), reduction)


class SquaredErrorLoss(torch.nn.Module):
    """L = ½ Σ (a − y)², the lecture notes' loss, with the backward of ``squared_error_loss``."""

    def __init__(self, reduction: str = "sum") -> None:
        super().__init__()
        self.reduction = chosen_reduction(None, None, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return squared_error_loss(input, target, reduction=self.reduction)
