"""Linear and cross entropy in one, a chunk of samples at a time: the logits never exist at once.

    z = x Wᵀ + b        ŷ = softmax(z)      L = −Σ_n c_n ln ŷ_{n t_n}

    δ = ∂L/∂z           δ_n = c_n (ŷ_n − y_n)                       as for CrossEntropy
    ∂L/∂x = δ W         ∂L/∂W = δᵀ x        ∂L/∂b = Σ_n δ_n         as for Linear

y is one-hot for t. c_n is 1/m for the mean over the m samples that count and 1 for the sum, and 0
for a sample that is ignored.

With many classes z is far larger than all else, and autograd keeps it, ln ŷ and two gradients of
that size. But nothing stands above the loss that could change δ, other than a factor: each chunk of
samples gives its part of all three sums while its ŷ is at hand, in the forward. The backward
multiplies them by the one number that arrives. These are three products, as many as in autograd.

What the forward formed is no function of x and W that could be differentiated again, so a backward
that is itself differentiated (``create_graph``, ``torch.func``) computes the chunks anew.

n counts samples, i features, o classes. Shapes: x (n, i), W (o, i), b (o), t and c (n); z, ŷ, y
and δ (n, o), of which there is a chunk at a time.

Source: Hsu et al. 2024 (Liger kernel); Wijmans et al. 2024, "Cut your losses in large-vocabulary
language models".
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.affine.linear import check_linear, samples_in_rows
from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class LinearCrossEntropyFunction(Function):
    """L, and behind it, for the backward alone, those of ∂L/∂x, ∂L/∂W and ∂L/∂b that are wanted.

    Backward: δ = (ŷ − y)/m,  ∂L/∂x = δW,  ∂L/∂W = δᵀx,  ∂L/∂b = Σ δ
    """

    @staticmethod
    def forward(input, weight, bias, target, c, wanted, size):
        L, *gradients = in_chunks(input, weight, bias, target, c, wanted, size)
        return L, *(g for g in gradients if g is not None)

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.wanted, ctx.size = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *output[1:])

    @staticmethod
    def backward(ctx, grad_output, *_):
        input, weight, bias, target, c, *formed = ctx.saved_tensors
        needed = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled() or needed != ctx.wanted:  # as functions of x, W and b
            _, *gradients = in_chunks(input, weight, bias, target, c, needed, ctx.size)
        else:
            in_order = iter(formed)
            gradients = [next(in_order) if wanted else None for wanted in ctx.wanted]
        g = 0 if grad_output is None else grad_output
        found = [
            None if gradient is None else (g * gradient).to(of.dtype)
            for gradient, of in zip(gradients, (input, weight, bias), strict=True)
        ]
        return *found, None, None, None, None


def in_chunks(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    target: Tensor,
    c: Tensor,
    wanted: tuple[bool, bool, bool],
    size: int,
) -> tuple[Any, ...]:
    """L and those of ∂L/∂x, ∂L/∂W and ∂L/∂b that are wanted, in the type that is computed in."""
    W, b = in_opmath(weight, bias)
    L, grad_x, grad_W, grad_b = c.new_zeros(()), [], torch.zeros_like(W), W.new_zeros(len(W))
    for rows, t, c_n in zip(input.split(size), target.split(size), c.split(size), strict=True):
        (x,), t, c_n = in_opmath(rows), t.unsqueeze(1), c_n.unsqueeze(1)
        log_ŷ = F.linear(x, W, b).log_softmax(1)
        L = L - (c_n * log_ŷ.gather(1, t)).sum()  # L = −Σ c_n ln ŷ_t
        if any(wanted):
            δ = c_n * log_ŷ.exp().scatter_add(1, t, -torch.ones_like(c_n))  # c_n (ŷ − y)
        if wanted[0]:
            grad_x.append(δ @ W)  # ∂L/∂x = δ W
        if wanted[1]:
            grad_W = torch.addmm(grad_W, δ.mT, x)  # ∂L/∂W = δᵀ x
        if wanted[2]:
            grad_b = grad_b + δ.sum(0)  # ∂L/∂b = Σ_n δ_n
    found = torch.cat(grad_x) if wanted[0] else None, grad_W, grad_b
    return L, *(g if w else None for g, w in zip(found, wanted, strict=True))


@public(cpu="lower", cuda="lower")
def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    linear_bias: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int = -100,
    chunk_size: int = 256,
) -> Tensor:
    """Cross entropy of softmax(x Wᵀ + b), as ``cross_entropy(linear(x, W, b), t)`` in less memory.

    Args:
        input: x, shape (…, in), or (in) for a single sample.
        linear_weight: W, a row for each class, shape (classes, in).
        target: t, class indices in [0, classes), shape (…).
        linear_bias: b, shape (classes).
        reduction: ``"mean"`` over the samples that count, or ``"sum"``.
        ignore_index: the index whose samples count neither in the loss nor in its mean.
        chunk_size: samples whose logits exist at a time.

    Returns:
        L, a number; in float32 where the input is of half precision.

    Raises:
        RuntimeError: (by PyTorch) if an index is outside [0, classes) and not ``ignore_index``.
        ValueError: if the shapes do not fit, for a ``chunk_size`` below 1 or for another reduction:
            with a loss for each sample its gradients cannot be formed before theirs are known.
    """
    name = "linear_cross_entropy"
    if reduction not in ("mean", "sum"):
        raise ValueError(
            f"{name}: expected reduction 'mean' or 'sum', got {reduction!r}; "
            "cross_entropy(linear(…)) has a loss for each sample"
        )
    if chunk_size < 1:
        raise ValueError(f"{name}: expected a chunk_size above 0, got {chunk_size}")
    if linear_weight.dim() != 2:
        raise ValueError(f"{name}: expected weight (classes, in), got {tuple(linear_weight.shape)}")
    check_linear(name, input, linear_weight, linear_bias)
    if target.shape != input.shape[:-1] or target.dtype != torch.int64:
        raise ValueError(
            f"{name}: expected class indices, int64, of shape {tuple(input.shape[:-1])} for input "
            f"{tuple(input.shape)}, got {target.dtype} {tuple(target.shape)}"
        )
    x, t = samples_in_rows(input), target.flatten()
    counts = t != ignore_index
    m = counts.sum()
    (like,) = in_opmath(input.detach().new_zeros(()))
    c = torch.where(counts, 1 / m.to(like.dtype) if reduction == "mean" else like + 1, like)
    wanted = tuple(
        of is not None and of.requires_grad and torch.is_grad_enabled()
        for of in (x, linear_weight, linear_bias)
    )
    t = torch.where(counts, t, 0)
    L, *_ = LinearCrossEntropyFunction.apply(
        x, linear_weight, linear_bias, t, c, wanted, chunk_size
    )
    return L.masked_fill(m == 0, torch.nan) if reduction == "mean" else L
