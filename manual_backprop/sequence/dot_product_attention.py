"""Scaled dot-product attention: a mean of the values, weighted by how the keys suit the query.

    S = q kᵀ·scale + M              S_ls = scale Σ_e q_le k_se + M_ls
    P = softmax(S)                  P_ls = e^{S_ls} / Σ_t e^{S_lt}
    o = P v                         o_le = Σ_s P_ls v_se

    g = ∂L/∂o                       the gradient that arrives from above
    ∂L/∂v = Pᵀ g                    ∂L/∂P = g vᵀ
    ∂L/∂S = P ⊙ (∂L/∂P − Σ_s P ⊙ ∂L/∂P)                      along s, as for Softmax
    ∂L/∂q = ∂L/∂S k·scale           ∂L/∂k = (∂L/∂S)ᵀ q·scale           ∂L/∂M = ∂L/∂S

l counts queries, s and t keys and values, e features. Shapes: q (…, L, E), k (…, S, E),
v (…, S, V), o and g (…, L, V); M, S and P (…, L, S). M is 0 and −∞ for a boolean mask. A query that
may look at no key has P = 0 in place of 0/0.

With dropout the weights are w = D ⊙ P, D being 0 or 1/(1 − p): o = w v, ∂L/∂w = g vᵀ and
∂L/∂P = D ⊙ ∂L/∂w. Without it w is P.

S and P are the only large matrices. Neither is kept: the backward computes P again, from q and k.

Source: Vaswani et al. 2017.
"""

import math
from typing import Any

import torch
from torch import Tensor

from manual_backprop.kit.blocks import in_blocks
from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath, rounded
from manual_backprop.kit.public import public
from manual_backprop.sequence.attention_arguments import check_attention, drawn, grouped


class ScaledDotProductAttentionFunction(Function):
    """o = softmax(q kᵀ·scale + M) v.

    Backward: ∂L/∂v = Pᵀg,  ∂L/∂S = P ⊙ (gvᵀ − Σ P ⊙ gvᵀ),  ∂L/∂q = ∂L/∂S k·scale,
    ∂L/∂k = (∂L/∂S)ᵀq·scale
    """

    @staticmethod
    def forward(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None,
        keep: Tensor | None,
        dropout_p: float,
        is_causal: bool,
        scale: float,
        need_weights: bool,
    ) -> Any:
        def answers(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor | None]:
            P = probabilities(q, k, attn_mask, is_causal, scale, need_weights)
            w = dropped(P, keep, dropout_p)
            return w @ v, w if need_weights else None

        alone = attn_mask is None and keep is None
        o, w = by_samples(answers, *in_opmath(query, key, value), alone=alone)
        o = rounded(o, query.dtype)
        return o if w is None else (o, rounded(w, query.dtype))

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.dropout_p, ctx.is_causal, ctx.scale, ctx.need_weights = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx, grad_output, *grad_weights):
        query, key, value, attn_mask, keep = ctx.saved_tensors
        g, q, k, v = in_opmath(grad_output, query, key, value)
        of_query, of_key, of_value, of_mask, *_ = ctx.needs_input_grad

        def gradients(q: Tensor, k: Tensor, v: Tensor, g: Tensor) -> tuple[Tensor | None, ...]:
            grad_query = grad_key = grad_value = grad_mask = None
            P = probabilities(q, k, attn_mask, ctx.is_causal, ctx.scale, ctx.need_weights)
            if of_value:
                grad_value = dropped(P, keep, ctx.dropout_p).mT @ g  # Pᵀ g
            if of_query or of_key or of_mask:
                grad_w = (g @ v.mT).sum_to_size(P.shape)  # ∂L/∂w = g vᵀ
                for of_weights in grad_weights:  # w is an output, too
                    grad_w = grad_w + of_weights
                grad_P = dropped(grad_w, keep, ctx.dropout_p)  # D ⊙ ∂L/∂w
                grad_S = P * (grad_P - (P * grad_P).sum(-1, keepdim=True))
            if of_query:
                grad_query = grad_S @ (k * ctx.scale)  # ∂L/∂S k·scale
            if of_key:
                grad_key = grad_S.mT @ (q * ctx.scale)  # (∂L/∂S)ᵀ q·scale
            if of_mask:
                grad_mask = grad_S  # ∂L/∂M = ∂L/∂S
            return grad_query, grad_key, grad_value, grad_mask

        alone = attn_mask is None and keep is None and not ctx.need_weights
        found = by_samples(gradients, q, k, v, g, alone=alone)
        of = (query, key, value, attn_mask)
        found = [None if d is None else summed(d, t) for d, t in zip(found, of, strict=True)]
        return *found, None, None, None, None, None


def by_samples(function: Any, q: Tensor, k: Tensor, *others: Tensor, alone: bool) -> Any:
    """``function`` of all samples, in blocks where each stands ``alone`` and none is broadcast."""
    tensors = (q, k, *others)
    if alone and q.dim() > 2 and len({t.shape[:-2] for t in tensors}) == 1:
        scores = q.shape[1:-1].numel() * k.shape[-2]  # elements of S in a sample
        return in_blocks(function, *tensors, width=scores)
    return function(*tensors)


def probabilities(
    q: Tensor, k: Tensor, mask: Tensor | None, is_causal: bool, scale: float, need_weights: bool
) -> Tensor:
    """P = softmax(q kᵀ·scale + M); for a query that sees nothing 0, or NaN as a weight."""
    S = (q * scale) @ k.mT
    if is_causal:  # each query sees key 0 at least
        future = torch.ones(S.shape[-2:], dtype=torch.bool, device=S.device).triu(1)
        return S.masked_fill_(future, -torch.inf).softmax(-1)
    if mask is None:
        return S.softmax(-1)
    S = S.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else S + mask
    sees_nothing = S.isneginf().all(-1, keepdim=True)
    undefined = torch.nan if need_weights else 0
    return S.masked_fill(sees_nothing, 0).softmax(-1).masked_fill(sees_nothing, undefined)


def dropped(P: Tensor, keep: Tensor | None, dropout_p: float) -> Tensor:
    """D ⊙ P."""
    return P if keep is None else P * keep * (1 / (1 - dropout_p) if dropout_p < 1 else 0)


def summed(gradient: Tensor, of: Tensor) -> Tensor:
    """The gradient of what was broadcast, in its own shape and type."""
    return gradient.sum_to_size(of.shape).to(of.dtype)


@public(cpu="lower", cuda="lower")
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """o = softmax(q kᵀ·scale + M) v, as ``torch.nn.functional.scaled_dot_product_attention``.

    Args:
        query: q, shape (…, L, E).
        key: k, shape (…, S, E); the leading dimensions broadcast.
        value: v, shape (…, S, V).
        attn_mask: M to add, or booleans, true where a query may look at a key; any shape that
            broadcasts to (…, L, S).
        dropout_p: the probability with which an element of P is dropped.
        is_causal: whether query l sees the keys 0 to l only; instead of a mask.
        scale: 1/√E if ``None``.
        enable_gqa: let key and value have fewer heads (dimension −3) than the query, each for as
            many heads of the query in a row.

    Returns:
        o, shape (…, L, V).

    Raises:
        ValueError: if the shapes do not fit, or for both a mask and ``is_causal``.
    """
    check_attention(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    if enable_gqa:
        query, key, value, attn_mask = grouped(query, key, value, attn_mask)
    keep = drawn(query, key, attn_mask, dropout_p) if dropout_p > 0 else None
    o = ScaledDotProductAttentionFunction.apply(
        query, key, value, attn_mask, keep, dropout_p, is_causal, scale, False
    )
    return o.flatten(-4, -3) if enable_gqa else o


@public(cpu="lower", cuda="lower")
def attention_with_weights(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """o and the weights w, shape (…, L, S); the rest as for ``scaled_dot_product_attention``.

    A query that may look at no key gets NaN, as in ``torch.nn.MultiheadAttention``.
    """
    check_attention(query, key, value, attn_mask, dropout_p, False, False)
    keep = drawn(query, key, attn_mask, dropout_p) if dropout_p > 0 else None
    scale = 1 / math.sqrt(query.shape[-1])
    return ScaledDotProductAttentionFunction.apply(
        query, key, value, attn_mask, keep, dropout_p, False, scale, True
    )
