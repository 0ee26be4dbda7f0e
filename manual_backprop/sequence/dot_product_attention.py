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

Dropout multiplies P by D, which is 0 or 1/(1 − p): o = (D ⊙ P) v and ∂L/∂P = D ⊙ g vᵀ.

S and P are the only large matrices. Neither is kept: the backward computes P again, from q and k.

Source: Vaswani et al. 2017.
"""

import math

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


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
    ) -> Tensor:
        q, k, v = in_opmath(query, key, value)
        P = probabilities(q, k, attn_mask, is_causal, scale)
        return (dropped(P, keep, dropout_p) @ v).to(query.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.dropout_p, ctx.is_causal, ctx.scale = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx, grad_output):
        query, key, value, attn_mask, keep = ctx.saved_tensors
        g, q, k, v = in_opmath(grad_output, query, key, value)
        of_query, of_key, of_value, of_mask, *_ = ctx.needs_input_grad
        grad_query = grad_key = grad_value = grad_mask = None
        P = probabilities(q, k, attn_mask, ctx.is_causal, ctx.scale)
        if of_value:
            grad_value = summed(dropped(P, keep, ctx.dropout_p).mT @ g, value)  # Pᵀ g
        if of_query or of_key or of_mask:
            grad_P = dropped((g @ v.mT).sum_to_size(P.shape), keep, ctx.dropout_p)  # D ⊙ g vᵀ
            grad_S = P * (grad_P - (P * grad_P).sum(-1, keepdim=True))
        if of_query:
            grad_query = summed(grad_S @ (k * ctx.scale), query)  # ∂L/∂S k·scale
        if of_key:
            grad_key = summed(grad_S.mT @ (q * ctx.scale), key)  # (∂L/∂S)ᵀ q·scale
        if of_mask:
            grad_mask = summed(grad_S, attn_mask)  # ∂L/∂M = ∂L/∂S
        return grad_query, grad_key, grad_value, grad_mask, None, None, None, None


def probabilities(
    q: Tensor, k: Tensor, mask: Tensor | None, is_causal: bool, scale: float
) -> Tensor:
    """P = softmax(q kᵀ·scale + M), 0 for a query that sees nothing."""
    S = (q * scale) @ k.mT
    if is_causal:
        mask = torch.ones(S.shape[-2:], dtype=torch.bool, device=S.device).tril()
    if mask is None:
        return S.softmax(-1)
    S = S.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else S + mask
    sees_nothing = S.isneginf().all(-1, keepdim=True)
    return S.masked_fill(sees_nothing, 0).softmax(-1).masked_fill(sees_nothing, 0)


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
    _check(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    if enable_gqa:  # each head of the keys gets a dimension for the heads of the query it serves
        heads, groups = query.shape[-3], key.shape[-3]
        if attn_mask is not None and attn_mask.dim() > 2:
            attn_mask = attn_mask.expand(*attn_mask.shape[:-3], heads, *attn_mask.shape[-2:])
            attn_mask = attn_mask.unflatten(-3, (groups, -1))
        query = query.unflatten(-3, (groups, -1))
        key, value = key.unsqueeze(-3), value.unsqueeze(-3)
    keep = _drawn(query, key, attn_mask, dropout_p) if dropout_p > 0 else None
    o = ScaledDotProductAttentionFunction.apply(
        query, key, value, attn_mask, keep, dropout_p, is_causal, scale
    )
    return o.flatten(-4, -3) if enable_gqa else o


def _drawn(query: Tensor, key: Tensor, mask: Tensor | None, dropout_p: float) -> Tensor:
    """True where an element of P is kept; the random numbers are those that PyTorch draws."""
    like_P = query.detach()[..., :1] + key.detach()[..., :1].mT
    if mask is not None:
        like_P = like_P + mask.detach()
    return torch.nn.functional.dropout(torch.ones_like(like_P), dropout_p) != 0


def _check(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    dropout_p: float,
    is_causal: bool,
    enable_gqa: bool,
) -> None:
    name = "scaled_dot_product_attention"
    ends = query.shape[-1:], key.shape[-2:-1]
    if min(query.dim(), key.dim(), value.dim()) < 2 or (
        ends != (key.shape[-1:], value.shape[-2:-1])
    ):
        raise ValueError(
            f"{name}: expected query (…, L, E), key (…, S, E) and value (…, S, V), got "
            f"{tuple(query.shape)}, {tuple(key.shape)} and {tuple(value.shape)}"
        )
    if enable_gqa:
        heads = [t.shape[-3] if t.dim() > 2 else 0 for t in (query, key, value)]
        if 0 in heads or heads[0] % heads[1] or heads[2] not in (1, heads[1]):
            raise ValueError(
                f"{name}: enable_gqa=True expects the heads of key and value, dimension -3, to "
                f"divide those of the query, got {heads[0]}, {heads[1]} and {heads[2]}"
            )
    if not 0 <= dropout_p <= 1:
        raise ValueError(f"{name}: expected a dropout_p from 0 to 1, got {dropout_p}")
    if attn_mask is None:
        return
    if is_causal:
        raise ValueError(f"{name}: expected attn_mask or is_causal=True, got both")
    if attn_mask.dtype != torch.bool and not attn_mask.is_floating_point():
        raise ValueError(
            f"{name}: expected attn_mask to be boolean or floating point, got {attn_mask.dtype}"
        )
