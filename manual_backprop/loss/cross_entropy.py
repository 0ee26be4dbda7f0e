"""Cross entropy of logits: log-softmax, then the negative log-likelihood.

    L_n = −Σ_c w_c q_nc ℓ_nc,    ℓ = ln softmax(z)

For class indices the second half is in ``nll.py``. Class probabilities y give, with smoothing ε,

    q_nc = (1 − ε) y_nc + ε/C                  ∂L_n/∂ℓ_nc = −w_c q_nc
                                               ∂L_n/∂y_nc = −(1 − ε) w_c ℓ_nc

and their mean is the plain one over the samples. The two backwards in a row, this one and that
of ``softmax.py``, give the equation that all of this is known for (w = 1, ŷ = e^ℓ = softmax(z)):

    ∂L_n/∂z_nc = −q_nc − ŷ_nc Σ_k (−q_nk) = ŷ_nc − q_nc                     δᴸ = ŷ − y

It does not vanish at confident mistakes: no derivative of the activation is left in it.

Shapes: z, ℓ and y (C), (N, C) or (N, C, d1, …); w (C), a constant.

Source: lecture notes 000, 001, 002 and 004, "cross entropy and softmax".
"""

import torch
from torch import Tensor

from manual_backprop.activation.softmax import log_softmax, log_softmax_gradient
from manual_backprop.kit.function import Function, functional, in_opmath
from manual_backprop.loss.nll import (
    check_class_indices,
    check_classes,
    class_dim,
    nll,
    nll_gradient,
    per_class,
)
from manual_backprop.loss.reduction import chosen_reduction, reduced, unreduced


class CrossEntropyFunction(Function):
    """L for class indices; and ℓ, so that what the backward keeps can be differentiated again.

    Backward: (ŷ − y)/m
    """

    @staticmethod
    def forward(
        input: Tensor,
        target: Tensor,
        weight: Tensor | None,
        reduction: str,
        ignore_index: int,
        ε: float,
    ) -> tuple[Tensor, Tensor]:
        log_probs = torch.log_softmax(input, class_dim(input.shape))
        return nll(log_probs, target, weight, reduction, ignore_index, ε), log_probs

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, target, weight, *ctx.options = inputs
        ctx.save_for_backward(output[1], target, weight)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad_output, grad_log_probs):
        log_probs, target, weight = ctx.saved_tensors
        (ℓ,) = in_opmath(log_probs)
        grad_input = None
        if grad_output is not None:
            g, sum_g = nll_gradient(grad_output, ℓ.shape, target, weight, *ctx.options)  # −w q
            grad_input = log_softmax_gradient(g, sum_g, ℓ).to(log_probs.dtype)  # w (ŷ − q)
        if grad_log_probs is not None:  # only in a second derivative
            (g,) = in_opmath(grad_log_probs)
            sum_g = g.sum(class_dim(ℓ.shape), keepdim=True)
            more = log_softmax_gradient(g, sum_g, ℓ).to(log_probs.dtype)
            grad_input = more if grad_input is None else grad_input + more
        return grad_input, None, None, None, None, None


class SoftNLLFunction(Function):
    """L = −Σ_c w_c q_c ℓ_c with q = (1 − ε) y + ε/C."""

    @staticmethod
    def forward(
        log_probs: Tensor, target: Tensor, weight: Tensor | None, reduction: str, ε: float
    ) -> Tensor:
        dim = class_dim(log_probs.shape)
        q = _smoothed(target, ε, dim)
        losses = -(log_probs * q * per_class(weight, log_probs.shape)).sum(dim)
        return reduced(losses, reduction, losses.numel())

    @staticmethod
    def setup_context(ctx, inputs, output):
        log_probs, target, weight, ctx.reduction, ctx.ε = inputs
        ctx.save_for_backward(log_probs, target, weight)

    @staticmethod
    def backward(ctx, grad_output):
        log_probs, target, weight = ctx.saved_tensors
        g, ℓ, y = in_opmath(grad_output, log_probs, target)
        dim, ε = class_dim(ℓ.shape), ctx.ε
        samples = ℓ.shape[:dim].numel() * ℓ.shape[dim + 1 :].numel()
        g = unreduced(g, ctx.reduction, samples)
        g = per_class(weight, ℓ.shape) * (g.unsqueeze(dim) if ctx.reduction == "none" else g)
        grad_input = grad_target = None
        if ctx.needs_input_grad[0]:
            grad_input = -(_smoothed(y, ε, dim) * g).to(log_probs.dtype)  # −w q
        if ctx.needs_input_grad[1]:
            grad_target = -((1 - ε) * ℓ * g).to(target.dtype)  # −(1 − ε) w ℓ
        return grad_input, grad_target, None, None, None


def _smoothed(y: Tensor, ε: float, dim: int) -> Tensor:
    return (1 - ε) * y + ε / y.shape[dim] if ε else y


@functional(cpu="float32", cuda="float32")
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross entropy of softmax(z), as ``torch.nn.functional.cross_entropy``.

    Args:
        input: z, logits of shape (C), (N, C) or (N, C, d1, …).
        target: class indices in [0, C) of the same shape without C, or probabilities with it.
        weight: w, one constant for each class, shape (C).
        size_average, reduce: PyTorch's former names for ``reduction``.
        ignore_index: the index whose samples count neither in the loss nor in its mean.
        reduction: ``"none"``, ``"sum"`` or ``"mean"``, for indices weighted by w_t.
        label_smoothing: ε in [0, 1], the share of the uniform distribution in the target.

    Raises:
        IndexError: if an index is outside [0, C) and not ``ignore_index``.
        RuntimeError: if the weight requires a gradient.
        ValueError: for an unknown reduction, an ε outside [0, 1] or shapes that do not fit.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(
            f"cross_entropy: expected label_smoothing in [0, 1], got {label_smoothing}"
        )
    check_classes("cross_entropy", input, weight)
    probabilities = target.shape == input.shape
    if probabilities:
        _check_class_probabilities(target, ignore_index)
    else:
        check_class_indices("cross_entropy", input, target)
    if not probabilities:
        options = reduction, ignore_index, label_smoothing
        return CrossEntropyFunction.apply(input, target, weight, *options)[0]
    log_probs = log_softmax(input, class_dim(input.shape))
    return SoftNLLFunction.apply(log_probs, target, weight, reduction, label_smoothing)


def _check_class_probabilities(target: Tensor, ignore_index: int) -> None:
    if not target.is_floating_point():
        raise ValueError(
            "cross_entropy: a target of the input's shape means class probabilities; expected a "
            f"floating-point type, got {target.dtype}"
        )
    if ignore_index >= 0:
        raise ValueError(
            f"cross_entropy: ignore_index goes with class indices, not with class probabilities; "
            f"expected a negative one, got {ignore_index}"
        )


class CrossEntropyLoss(torch.nn.CrossEntropyLoss):
    """``torch.nn.CrossEntropyLoss`` with the backwards above."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
