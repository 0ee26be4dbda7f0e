"""Cross entropy of logits: softmax, then minus the logarithm of what the right class got.

    ŷ = softmax(z),    L_n = −Σ_c y_nc ln ŷ_nc

    ∂L_n/∂z_nc = ŷ_nc − y_nc                   δᴸ = ŷ − y

since ∂L_n/∂ln ŷ_nk = −y_nk and ∂ln ŷ_nk/∂z_nc = [k=c] − ŷ_nc, so that the chain rule sums to
−y_nc + ŷ_nc Σ_k y_nk, and the y_nk sum to 1. No derivative of the activation is left in it: it
does not vanish at confident mistakes.

y is one-hot for a class index t. Class weights and smoothing (``nll.py``) only change what stands
in place of y, and Σ y with it. Class probabilities are in ``soft_nll.py``.

Shapes: z, ŷ and y (C), (N, C) or (N, C, d1, …); t the same without C.

Source: lecture notes "The MNIST network by hand" and "How results change with the loss function"
(cross entropy of a softmax).
"""

import torch
from torch import Tensor

from manual_backprop.activation.softmax import exp, log_softmax, log_softmax_gradient
from manual_backprop.kit.function import Function
from manual_backprop.kit.plain import plain
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.loss.classes import check_class_indices, check_classes, class_dim
from manual_backprop.loss.loss_arguments import chosen_reduction, require_constant
from manual_backprop.loss.nll import nll, nll_gradient
from manual_backprop.loss.soft_nll import SoftNLLFunction


class CrossEntropyFunction(Function):
    """L for class indices; and ln ŷ, so that what the backward keeps can be differentiated again.

    Backward: (ŷ − y)/m
    """

    @staticmethod
    def forward(input, target, weight, reduction, ignore_index, ε):
        log_ŷ = torch.log_softmax(input, class_dim(input.shape))
        return nll(log_ŷ, target, weight, reduction, ignore_index, ε), log_ŷ  # −Σ_c y_c ln ŷ_c

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, target, weight, *ctx.options = inputs
        ctx.save_for_backward(output[1], target, weight)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad_output, grad_log_ŷ):
        saved, target, weight = ctx.saved_tensors
        if grad_log_ŷ is None and is_plain_mean(grad_output, saved, target, weight, *ctx.options):
            grad_input = plain_mean_gradient(grad_output, saved, target)  # (ŷ − y)/m
            return grad_input, None, None, None, None, None
        (log_ŷ,) = in_opmath(saved)
        (g,) = in_opmath(log_ŷ.new_zeros(()) if grad_output is None else grad_output)
        minus_y, minus_sum = nll_gradient(g, log_ŷ.shape, target, weight, *ctx.options)
        if grad_log_ŷ is not None:  # only in a second derivative
            minus_y = minus_y + grad_log_ŷ
            minus_sum = minus_sum + grad_log_ŷ.sum(class_dim(log_ŷ.shape), keepdim=True)
        grad_input = log_softmax_gradient(minus_y, minus_sum, log_ŷ)  # −y + ŷ Σ y = ŷ − y
        return grad_input.to(saved.dtype), None, None, None, None, None


def is_plain_mean(
    g: Tensor | None,
    log_ŷ: Tensor,
    target: Tensor,
    weight: Tensor | None,
    reduction: str,
    ignore_index: int,
    ε: float,
) -> bool:
    """Whether L is the mean over all samples and its gradient is one that nobody looks into."""
    return (
        g is not None
        and weight is None
        and ε == 0
        and reduction == "mean"
        and ignore_index < 0
        and log_ŷ.dtype in (torch.float32, torch.float64)
        and target.dtype == torch.int64
        and target.numel() > 0
        and plain(g, log_ŷ, target)
        and int(target.min()) >= 0  # so that none is to be ignored
    )


def plain_mean_gradient(g: Tensor, log_ŷ: Tensor, target: Tensor) -> Tensor:
    """g (ŷ − y)/m in four operations; to the bit what the longer way gives."""
    share, dim = g.item() / target.numel(), class_dim(log_ŷ.shape)
    minus_y = torch.zeros_like(log_ŷ).scatter_(dim, target.unsqueeze(dim), -share)
    return minus_y.add_(exp(log_ŷ), alpha=share)


@public(cpu="float32", cuda="float32")
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
        weight: w, one for each class, shape (C); a constant if the target is class indices.
        size_average, reduce: PyTorch's former names for ``reduction``.
        ignore_index: the index whose samples count neither in the loss nor in its mean.
        reduction: ``"none"``, ``"sum"`` or ``"mean"``, for indices weighted by w_t.
        label_smoothing: ε in [0, 1], the share of the uniform distribution in the target.

    Raises:
        IndexError: if an index is outside [0, C) and not ``ignore_index``.
        RuntimeError: if the weight requires a gradient and the target is class indices.
        ValueError: for an unknown reduction, an ε outside [0, 1] or shapes that do not fit.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(
            f"cross_entropy: expected label_smoothing in [0, 1], got {label_smoothing}"
        )
    check_classes("cross_entropy", input, weight)
    if target.shape == input.shape:
        _check_class_probabilities(target, ignore_index)
        log_ŷ = log_softmax(input, class_dim(input.shape))
        return SoftNLLFunction.apply(log_ŷ, target, weight, reduction, label_smoothing)
    check_class_indices("cross_entropy", input, target)
    require_constant(weight=weight)
    options = reduction, ignore_index, label_smoothing
    return CrossEntropyFunction.apply(input, target, weight, *options)[0]


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
    """``torch.nn.CrossEntropyLoss`` with the backward of ``functional.cross_entropy``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
