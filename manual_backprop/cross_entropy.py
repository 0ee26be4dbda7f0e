"""Cross entropy: NLLLoss on log-probabilities, CrossEntropyLoss on logits.

    L_n = −Σ_c w_c q_nc ℓ_nc                   q_n the target distribution over the classes c
    ∂L_n/∂ℓ_nc = −w_c q_nc

For a class index t the distribution is one-hot, q_nc = [c=t], and L_n = −w_t ℓ_nt. Label
smoothing ε mixes in the uniform one: q_nc = (1 − ε)[c=t] + ε/C. The mean over samples is weighted,
Σ L_n / Σ w_t, for indices, and plain, Σ L_n / m, for probabilities; samples whose index is
``ignore_index`` count in neither sum. Probabilities may be computed themselves:

    ∂L_n/∂q_nc = −w_c ℓ_nc

Cross entropy is this after ℓ = log-softmax(z) (``softmax.py``). Its two backwards in a row give
the equation that all of this is known for, here with w = 1:

    ∂L_n/∂z_nc = −q_nc − e^{ℓ_nc} Σ_k (−q_nk) = ŷ_nc − q_nc          δᴸ = ŷ − y

Shapes: ℓ and z (C), (N, C) or (N, C, d1, …); indices the same without C, probabilities with it;
w (C), a constant.

Source: lecture notes 000, 001, 002 and 004; label smoothing: Szegedy et al. 2016.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.function import Function, functional, in_opmath
from manual_backprop.reduction import chosen_reduction, reduced, require_constant, unreduced
from manual_backprop.softmax import log_softmax


def _class_dim(shape: torch.Size) -> int:
    return 0 if len(shape) == 1 else 1


def _per_class(weight: Tensor | None, shape: torch.Size) -> Tensor | int:
    """w, shaped so that it broadcasts along the class dimension; 1 without weights."""
    if weight is None:
        return 1
    return weight.view([-1 if d == _class_dim(shape) else 1 for d in range(len(shape))])


class NLLFunction(Function):
    """L = −Σ_c w_c q_c ℓ_c with q = (1 − ε)[c=t] + ε/C for class indices t."""

    @staticmethod
    def forward(
        log_probs: Tensor,
        target: Tensor,
        weight: Tensor | None,
        reduction: str,
        ignore_index: int,
        label_smoothing: float,
    ) -> Tensor:
        hard = F.nll_loss(log_probs, target, weight, None, ignore_index, None, reduction)
        if label_smoothing == 0:
            return hard
        dim = _class_dim(log_probs.shape)
        _, w_t = _targets_and_weights(target, weight, ignore_index, log_probs.dtype)
        mean_loss = -(log_probs * _per_class(weight, log_probs.shape)).mean(dim)
        uniform = mean_loss.masked_fill(target == ignore_index, 0)
        return (1 - label_smoothing) * hard + label_smoothing * reduced(
            uniform, reduction, w_t.sum()
        )

    @staticmethod
    def setup_context(ctx, inputs, output):
        log_probs, target, weight, ctx.reduction, ctx.ignore_index, ctx.label_smoothing = inputs
        ctx.shape, ctx.dtype = log_probs.shape, log_probs.dtype
        ctx.save_for_backward(target, weight)

    @staticmethod
    def backward(ctx, grad_output):
        target, weight = ctx.saved_tensors
        (g,) = in_opmath(grad_output)
        dim, ε = _class_dim(ctx.shape), ctx.label_smoothing
        t, w_t = _targets_and_weights(target, weight, ctx.ignore_index, g.dtype)
        g = unreduced(g, ctx.reduction, w_t.sum())
        # ∂L/∂ℓ = −w q g, and q is zero outside the target class …
        zeros = g.new_zeros(ctx.shape)
        grad_input = zeros.scatter(dim, t.unsqueeze(dim), (-(1 - ε) * g * w_t).unsqueeze(dim))
        if ε:
            # … but for the uniform part of smoothed labels.
            valid = (target != ctx.ignore_index).to(g.dtype)
            uniform = (ε / ctx.shape[dim]) * _per_class(weight, ctx.shape)
            grad_input = grad_input - uniform * (g * valid).unsqueeze(dim)
        return grad_input.to(ctx.dtype), None, None, None, None, None


def _targets_and_weights(
    target: Tensor, weight: Tensor | None, ignore_index: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Class indices t and their weights w_t; (0, weight 0) where the sample is ignored."""
    valid = target != ignore_index
    t = torch.where(valid, target, 0).long()
    w_t = valid.to(dtype)
    return t, w_t if weight is None else w_t * weight[t]


class SoftNLLFunction(Function):
    """L = −Σ_c w_c q_c ℓ_c with q = (1 − ε) y + ε/C for class probabilities y."""

    @staticmethod
    def forward(
        log_probs: Tensor,
        target: Tensor,
        weight: Tensor | None,
        reduction: str,
        label_smoothing: float,
    ) -> Tensor:
        dim = _class_dim(log_probs.shape)
        q = _smoothed(target, label_smoothing, dim)
        losses = -(log_probs * q * _per_class(weight, log_probs.shape)).sum(dim)
        return reduced(losses, reduction, losses.numel())

    @staticmethod
    def setup_context(ctx, inputs, output):
        log_probs, target, weight, ctx.reduction, ctx.label_smoothing = inputs
        ctx.save_for_backward(log_probs, target, weight)

    @staticmethod
    def backward(ctx, grad_output):
        log_probs, target, weight = ctx.saved_tensors
        g, ℓ, y = in_opmath(grad_output, log_probs, target)
        dim, ε = _class_dim(ℓ.shape), ctx.label_smoothing
        grad_input = grad_target = None
        g = unreduced(g, ctx.reduction, ℓ.numel() // max(ℓ.shape[dim], 1))
        if ctx.reduction == "none":
            g = g.unsqueeze(dim)
        wg = _per_class(weight, ℓ.shape) * g
        if ctx.needs_input_grad[0]:
            grad_input = -(_smoothed(y, ε, dim) * wg).to(log_probs.dtype)  # −w q
        if ctx.needs_input_grad[1]:
            grad_target = -((1 - ε) * ℓ * wg).to(target.dtype)  # −w ℓ
        return grad_input, grad_target, None, None, None


def _smoothed(y: Tensor, ε: float, dim: int) -> Tensor:
    return (1 - ε) * y + ε / y.shape[dim] if ε else y


def _check_classes(name: str, input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    if input.dim() == 0:
        raise ValueError(f"{name}: expected input (C), (N, C) or (N, C, d1, …), got a 0-d tensor")
    dim = _class_dim(input.shape)
    expected = input.shape[:dim] + input.shape[dim + 1 :]
    if target.shape != expected:
        raise ValueError(
            f"{name}: expected class indices of shape {tuple(expected)} for input "
            f"{tuple(input.shape)}, got {tuple(target.shape)}"
        )
    if target.dtype not in (torch.int64, torch.uint8):
        raise ValueError(f"{name}: expected class indices of type int64, got {target.dtype}")
    _check_weight(name, input, weight)


def _check_weight(name: str, input: Tensor, weight: Tensor | None) -> None:
    classes = input.shape[_class_dim(input.shape)]
    if weight is not None and weight.shape != (classes,):
        raise ValueError(
            f"{name}: expected one weight for each of {classes} classes, got {tuple(weight.shape)}"
        )
    require_constant(weight=weight)


@functional(cpu="float32", cuda="float32")
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
    _check_classes("nll_loss", input, target, weight)
    return NLLFunction.apply(input, target, weight, reduction, ignore_index, 0.0)


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
        reduction: ``"none"``, ``"sum"`` or ``"mean"``.
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
    probabilities = input.dim() > 0 and target.shape == input.shape
    if probabilities:
        if not target.is_floating_point():
            raise ValueError(
                f"cross_entropy: a target of the input's shape {tuple(input.shape)} means class "
                f"probabilities; expected a floating-point type, got {target.dtype}"
            )
        if ignore_index >= 0:
            raise ValueError(
                "cross_entropy: ignore_index goes with class indices, not with class probabilities"
            )
        _check_weight("cross_entropy", input, weight)
    else:
        _check_classes("cross_entropy", input, target, weight)
    log_probs = log_softmax(input, _class_dim(input.shape))
    if probabilities:
        return SoftNLLFunction.apply(log_probs, target, weight, reduction, label_smoothing)
    return NLLFunction.apply(log_probs, target, weight, reduction, ignore_index, label_smoothing)


class NLLLoss(torch.nn.NLLLoss):
    """``torch.nn.NLLLoss`` with the backward above."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return nll_loss(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class CrossEntropyLoss(torch.nn.CrossEntropyLoss):
    """``torch.nn.CrossEntropyLoss`` with the backward above."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
