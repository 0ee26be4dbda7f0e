"""NLLLoss: the negative log-likelihood of class indices, labels smoothed or not.

    L_n = −Σ_c w_c q_nc ℓ_nc                   q_n the target distribution over the C classes
    ∂L_n/∂ℓ_nc = −w_c q_nc

For a class index t the distribution is one-hot, q_nc = [c=t], and L_n = −w_t ℓ_nt: the −ln ŷ_t
of the notes. Label smoothing ε mixes in the uniform distribution:

    q_nc = (1 − ε)[c=t] + ε/C

The mean over samples is weighted, Σ L_n / Σ w_t; a sample whose index is ``ignore_index`` counts
in neither sum.

Shapes: ℓ, log-probabilities, (C), (N, C) or (N, C, d1, …); t the same without C; w (C), constant.

Source: lecture notes 000, 002 and 004; label smoothing: Szegedy et al. 2016.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.kit.function import Function, functional, in_opmath
from manual_backprop.loss.reduction import chosen_reduction, reduced, require_constant, unreduced


def nll(
    log_probs: Tensor,
    target: Tensor,
    weight: Tensor | None,
    reduction: str,
    ignore_index: int,
    ε: float,
) -> Tensor:
    """L of the log-probabilities ℓ."""
    one_hot = F.nll_loss(log_probs, target, weight, None, ignore_index, None, reduction)
    if ε == 0:
        return one_hot
    dim = class_dim(log_probs.shape)
    uniform = -(per_class(weight, log_probs.shape) * log_probs).mean(dim)
    uniform = uniform.masked_fill(target == ignore_index, 0)
    _, _, w_t = _targets_and_weights(target, weight, ignore_index, log_probs.shape[dim])
    m = w_t.sum().to(log_probs.dtype)
    return (1 - ε) * one_hot + ε * reduced(uniform, reduction, m)


def nll_gradient(
    grad_output: Tensor,
    shape: torch.Size,
    target: Tensor,
    weight: Tensor | None,
    reduction: str,
    ignore_index: int,
    ε: float,
) -> tuple[Tensor, Tensor]:
    """∂L/∂ℓ for an ℓ of this shape, and Σ_c ∂L/∂ℓ_c; half precision comes back as float32."""
    (g,) = in_opmath(grad_output)
    dim = class_dim(shape)
    t, valid, w_t = _targets_and_weights(target, weight, ignore_index, shape[dim])
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
        log_probs, target, weight, *ctx.options = inputs
        ctx.shape, ctx.dtype = log_probs.shape, log_probs.dtype
        ctx.save_for_backward(target, weight)

    @staticmethod
    def backward(ctx, grad_output):
        grad_input, _ = nll_gradient(grad_output, ctx.shape, *ctx.saved_tensors, *ctx.options)
        return grad_input.to(ctx.dtype), None, None, None, None, None


def class_dim(shape: torch.Size) -> int:
    """The dimension of the classes: the only one, or the one after the samples."""
    return 0 if len(shape) == 1 else 1


def per_class(weight: Tensor | None, shape: torch.Size) -> Tensor | int:
    """w, shaped to broadcast along the classes of a tensor of ``shape``; 1 without weights."""
    if weight is None:
        return 1
    return weight.reshape([-1 if d == class_dim(shape) else 1 for d in range(len(shape))])


def _targets_and_weights(
    target: Tensor, weight: Tensor | None, ignore_index: int, classes: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Class indices t, which of them count, and their weights w_t, 0 for those that do not.

    t is some class for an ignored sample. Without weights w_t is true or false, 1 or 0.
    """
    t = target.clamp(0, classes - 1).long()
    valid = target != ignore_index
    if weight is None:
        return t, valid, valid
    (w,) = in_opmath(weight)
    return t, valid, valid * w.index_select(0, t.flatten()).view(t.shape)


def check_classes(name: str, input: Tensor, weight: Tensor | None) -> None:
    """Raise ValueError unless ``input`` has classes and ``weight`` one number for each."""
    if input.dim() == 0:
        raise ValueError(f"{name}: expected input (C), (N, C) or (N, C, d1, …), got a 0-d tensor")
    classes = input.shape[class_dim(input.shape)]
    if weight is not None and weight.shape != (classes,):
        raise ValueError(
            f"{name}: expected one weight for each of {classes} classes, got {tuple(weight.shape)}"
        )
    require_constant(weight=weight)


def check_class_indices(name: str, input: Tensor, target: Tensor) -> None:
    """Raise ValueError unless ``target`` holds one index for each sample of ``input``."""
    dim = class_dim(input.shape)
    expected = input.shape[:dim] + input.shape[dim + 1 :]
    if target.shape != expected:
        raise ValueError(
            f"{name}: expected class indices of shape {tuple(expected)} for input "
            f"{tuple(input.shape)}, got {tuple(target.shape)}"
        )
    if target.dtype not in (torch.int64, torch.uint8):
        raise ValueError(f"{name}: expected class indices of type int64, got {target.dtype}")


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
    check_classes("nll_loss", input, weight)
    check_class_indices("nll_loss", input, target)
    return NLLFunction.apply(input, target, weight, reduction, ignore_index, 0.0)


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
