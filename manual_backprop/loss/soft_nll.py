"""The second half of a cross entropy with class probabilities: their log-likelihood.

    L_n = −Σ_c w_c q_nc ℓ_nc                   q_nc = (1 − ε) y_nc + ε/C

    ∂L_n/∂ℓ_nc = −w_c q_nc
    ∂L_n/∂y_nc = −(1 − ε) w_c ℓ_nc
    ∂L_n/∂w_c  = −q_nc ℓ_nc                    one w for all samples: to be summed over n

y are the probabilities, q what label smoothing ε leaves of them. The mean is the plain one over
the N samples. Shapes: ℓ, y and q (C), (N, C) or (N, C, d1, …); w (C).

Source: lecture note "The MNIST network by hand" (−Σ y ln ŷ); label smoothing: Szegedy et al. 2016.
"""

from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.loss.classes import class_dim, per_class
from manual_backprop.loss.reduction import reduced, unreduced


class SoftNLLFunction(Function):
    """L = −Σ_c w_c q_c ℓ_c with q = (1 − ε) y + ε/C."""

    @staticmethod
    def forward(ℓ: Tensor, y: Tensor, weight: Tensor | None, reduction: str, ε: float) -> Tensor:
        dim = class_dim(ℓ.shape)
        losses = -(ℓ * _smoothed(y, ε, dim) * per_class(weight, ℓ.shape)).sum(dim)
        return reduced(losses, reduction, losses.numel())

    @staticmethod
    def setup_context(ctx, inputs, output):
        ℓ, y, weight, ctx.reduction, ctx.ε = inputs
        ctx.save_for_backward(ℓ, y, weight)

    @staticmethod
    def backward(ctx, grad_output):
        log_probs, target, weight = ctx.saved_tensors
        g, ℓ, y, w = in_opmath(grad_output, log_probs, target, weight)
        dim, ε, w = class_dim(ℓ.shape), ctx.ε, per_class(w, ℓ.shape)
        samples = ℓ.shape[:dim].numel() * ℓ.shape[dim + 1 :].numel()
        g = unreduced(g, ctx.reduction, samples)
        g = g.unsqueeze(dim) if ctx.reduction == "none" else g
        grad_log_probs = grad_target = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_log_probs = -(_smoothed(y, ε, dim) * (w * g)).to(log_probs.dtype)  # −w q
        if ctx.needs_input_grad[1]:
            grad_target = -((1 - ε) * ℓ * (w * g)).to(target.dtype)  # −(1 − ε) w ℓ
        if ctx.needs_input_grad[2]:
            grad_w = -_sum_over_samples(_smoothed(y, ε, dim) * ℓ * g, dim)  # −Σ_n q ℓ
            grad_weight = grad_w.to(weight.dtype)
        return grad_log_probs, grad_target, grad_weight, None, None


def _smoothed(y: Tensor, ε: float, dim: int) -> Tensor:
    return (1 - ε) * y + ε / y.shape[dim] if ε else y


def _sum_over_samples(tensor: Tensor, class_dim: int) -> Tensor:
    """(C), (N, C) or (N, C, d1, …) → (C)."""
    others = [dim for dim in range(tensor.dim()) if dim != class_dim]
    return tensor.sum(others) if others else tensor
