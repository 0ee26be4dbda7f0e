"""NLLLoss: the negative log-likelihood of class indices, labels smoothed or not.

    L_n = −w_t ℓ_nt                            t the class of sample n
    ∂L_n/∂ℓ_nc = −w_t [c=t]

Label smoothing mixes a share ε of the uniform distribution into the one-hot target:

    L_n = −Σ_c w_c q_nc ℓ_nc                   q_nc = (1 − ε)[c=t] + ε/C
    ∂L_n/∂ℓ_nc = −w_c q_nc

The mean over samples is weighted, Σ L_n / Σ w_t; a sample whose index is ``ignore_index`` counts
in neither sum.

Shapes: ℓ, log-probabilities, (C), (N, C) or (N, C, d1, …); t the same without C; w (C), constant.

Source: lecture notes "Deep Learning" and "How results change with the loss function"; label
smoothing: Szegedy et al. 2016.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.loss.classes import (
    check_class_indices,
    check_classes,
    class_dim,
    per_class,
    targets_and_weights,
)
from manual_backprop.loss.loss_arguments import chosen_reduction, require_constant
from manual_backprop.loss.reduction import reduced, unreduced


def nll(
    ℓ: Tensor, target: Tensor, weight: Tensor | None, reduction: str, ignore_index: int, ε: float
) -> Tensor:
    """L of the log-probabilities ℓ."""
    one_hot = F.nll_loss(ℓ, target, weight, None, ignore_index, None, reduction)
    if ε == 0:
        return one_hot
    dim = class_dim(ℓ.shape)
    uniform = -(per_class(weight, ℓ.shape) * ℓ).mean(dim)
    uniform = uniform.masked_fill(target == ignore_index, 0)
    _, _, w_t = targets_and_weights(target, weight, ignore_index, ℓ.shape[dim])
    m = w_t.sum().to(ℓ.dtype)
    return (1 - ε) * one_hot + ε * reduced(uniform, reduction, m)


def nll_gradient(
    g: Tensor,
    shape: torch.Size,
    target: Tensor,
    weight: Tensor | None,
    reduction: str,
    ignore_index: int,
    ε: float,
) -> tuple[Tensor, Tensor]:
    """∂L/∂ℓ for an ℓ of this shape, and its sum over the classes, from the gradient g for L."""
    dim = class_dim(shape)
    t, valid, w_t = targets_and_weights(target, weight, ignore_index, shape[dim])
    g = unreduced(g, reduction, w_t.sum())
    # ∂L/∂ℓ = −w q g: the one-hot part of q is zero outside the target class …
    g_t = g * (ε - 1) if weight is None else w_t * (g * (ε - 1))
    # Chosen, not multiplied by 0: where all samples are ignored, m is 0 and g infinite.
    one_hot = torch.where(valid, g_t, 0).unsqueeze(dim)
    grad_input = g.new_zeros(shape).scatter(dim, t.unsqueeze(dim), one_hot)
    if ε == 0:
        return grad_input, one_hot
    # … and the uniform part is the same for all.
    g = torch.where(valid, g, 0).unsqueeze(dim)
    grad_input = grad_input - per_class(weight, shape) * g * (ε / shape[dim])
    return grad_input, grad_input.sum(dim, keepdim=True)


class NLLFunction(Function):
    """L = −Σ_c w_c q_c ℓ_c with q = (1 − ε)[c=t] + ε/C.

    Backward: −[c = t]/m
    """

    forward = staticmethod(nll)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ℓ, target, weight, *ctx.options = inputs
        ctx.shape, ctx.dtype = ℓ.shape, ℓ.dtype
        ctx.save_for_backward(target, weight)

    @staticmethod
    def backward(ctx, grad_output):
        (g,) = in_opmath(grad_output)
        grad_input, _ = nll_gradient(g, ctx.shape, *ctx.saved_tensors, *ctx.options)
        return grad_input.to(ctx.dtype), None, None, None, None, None


@public(cpu="float32", cuda="float32")
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """L = −w_t ℓ_t, as ``torch.nn.functional.nll_loss``.

    Args:
        input: ℓ, log-probabilities of shape (C), (N, C) or (N, C, d1, …).
        target: t, class indices in [0, C) of the same shape without C.
        weight: w, one constant for each class, shape (C).
        size_average, reduce: PyTorch's former names for ``reduction``.
        ignore_index: the index whose samples count neither in the loss nor in its mean.
        reduction: ``"none"``, ``"sum"`` or ``"mean"``, weighted by w_t.

    Raises:
        IndexError: if an index is outside [0, C) and not ``ignore_index``.
        RuntimeError: if the weight requires a gradient.
        ValueError: for an unknown reduction or shapes that do not fit.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    check_classes("nll_loss", input, weight)
    check_class_indices("nll_loss", input, target)
    require_constant(weight=weight)
    return NLLFunction.apply(input, target, weight, reduction, ignore_index, 0.0)


class NLLLoss(torch.nn.NLLLoss):
    """``torch.nn.NLLLoss`` with the backward of ``functional.nll_loss``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return nll_loss(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )
