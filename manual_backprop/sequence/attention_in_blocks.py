"""Attention in blocks: softmax(q kᵀ·scale + M) v without a matrix of all queries by all keys.

    S = q kᵀ·scale + M              o_l = Σ_s e^{S_ls} v_s / Σ_s e^{S_ls}

A block of queries goes through the keys, block after block. Of what it has seen it knows m, the
largest score, and with it Z = Σ_s e^{S_ls − m} and u = Σ_s e^{S_ls − m} v_s. The next block adds

    m′ = max(m, max_s S_ls)         Z′ = e^{m − m′} Z + Σ_s e^{S_ls − m′}
                                    u′ = e^{m − m′} u + Σ_s e^{S_ls − m′} v_s

and after the last one o = u/Z and λ = m + ln Z, the logarithm of the sum of all e^{S_ls}. With λ
any block of the softmax P can be had again from its own scores alone:

    P_ls = e^{S_ls − λ_l}

    g = ∂L/∂o                       the gradient that arrives from above
    ∂L/∂v = Pᵀ g                    ∂L/∂P = g vᵀ
    ∂L/∂S = P ⊙ (∂L/∂P − D)         D_l = Σ_s P_ls ∂L/∂P_ls = Σ_e g_le Σ_s P_ls v_se = Σ_e g_le o_le
    ∂L/∂q = ∂L/∂S k·scale           ∂L/∂k = (∂L/∂S)ᵀ q·scale           ∂L/∂M = ∂L/∂S

D is the sum that couples all keys; written with o it needs no block but the one at hand. So q, k,
v, o and λ are kept, and nothing of the size L × S. λ is an output as well, hidden from the user: if
these lines are differentiated again, its gradient, ∂L/∂S_ls += P_ls ∂L/∂λ_l, is part of the answer.

l counts queries, s keys and values, e features. Shapes: q (…, L, E), k (…, S, E), v (…, S, V), o
and g (…, L, V), λ, D, m and Z (…, L, 1); M (…, L, S). A query that may look at no key has o = 0.

Source: Dao, Fu, Ermon, Rudra, Ré 2022 (FlashAttention); the running softmax: Milakov, Gimelshein
2018.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.sequence import attention_backend
from manual_backprop.sequence.attention_arguments import check_attention, grouped
from manual_backprop.sequence.dot_product_attention import scaled_dot_product_attention


class AttentionInBlocksFunction(Function):
    """o = softmax(q kᵀ·scale + M) v, and λ = ln Σ e^S, both in the type that is computed in.

    Backward: ∂L/∂v = Pᵀg,  ∂L/∂S = P ⊙ (gvᵀ − Σ g ⊙ o) with P = e^{S − λ},
    ∂L/∂q = ∂L/∂S k·scale, ∂L/∂k = (∂L/∂S)ᵀq·scale
    """

    @staticmethod
    def forward(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        is_causal: bool,
        scale: float,
        size: int,
    ) -> tuple[Tensor, Tensor]:
        o, λ = [], []
        for rows in blocks(query, size):
            q = part(query, rows) * scale
            m = torch.full_like(q[..., :1], -torch.inf)
            Z = u = torch.zeros_like(m)
            for columns in blocks(key, size, rows if is_causal else None):
                k, v = part(key, columns), part(value, columns)
                S = seen(q @ k.mT, mask, is_causal, rows, columns)
                before, m = m, torch.maximum(m, S.amax(-1, keepdim=True))
                e, shrink = (S - finite(m)).exp(), (before - finite(m)).exp()
                Z = shrink * Z + e.sum(-1, keepdim=True)  # Z′ = e^{m − m′} Z + Σ e^{S − m′}
                u = shrink * u + e @ v  # u′ = e^{m − m′} u + Σ e^{S − m′} v
            o.append(u / torch.where(Z == 0, 1, Z))  # o = u/Z
            λ.append(m + Z.log())  # λ = m + ln Z
        return torch.cat(o, -2), torch.cat(λ, -2)

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.is_causal, ctx.scale, ctx.size = inputs
        ctx.save_for_backward(*tensors, *output)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad_o, grad_λ):
        query, key, value, mask, o, λ = ctx.saved_tensors
        of_query, of_key, of_value, of_mask, *_ = ctx.needs_input_grad
        grad_o = torch.zeros_like(o) if grad_o is None else grad_o
        every_column = list(blocks(key, ctx.size))
        grad_query: list[Tensor] = []
        grad_key = [torch.zeros_like(part(key, columns)) for columns in every_column]
        grad_value = [torch.zeros_like(part(value, columns)) for columns in every_column]
        grad_mask: list[Tensor] = []
        for rows in blocks(query, ctx.size):
            q, g = part(query, rows) * ctx.scale, part(grad_o, rows)
            λ_l, D = part(λ, rows), (g * part(o, rows)).sum(-1, keepdim=True)  # D = Σ g ⊙ o
            if grad_λ is not None:  # only in a second derivative
                D = D - part(grad_λ, rows)
            grad_q, grad_M = torch.zeros_like(q), []
            for j, columns in enumerate(blocks(key, ctx.size, rows if ctx.is_causal else None)):
                k, v = part(key, columns), part(value, columns)
                S = seen(q @ k.mT, mask, ctx.is_causal, rows, columns)
                P = (S - finite(λ_l)).exp()  # P = e^{S − λ}
                grad_S = P * (g @ v.mT - D)  # ∂L/∂S = P ⊙ (g vᵀ − D)
                if of_value:
                    grad_value[j] = grad_value[j] + (P.mT @ g).sum_to_size(v.shape)  # Pᵀ g
                if of_query:
                    grad_q = grad_q + (grad_S @ k).sum_to_size(q.shape)  # ∂L/∂S k·scale
                if of_key:
                    of_k = grad_S.mT @ q  # (∂L/∂S)ᵀ q·scale
                    grad_key[j] = grad_key[j] + of_k.sum_to_size(k.shape)
                if of_mask:
                    grad_M.append(grad_S.sum_to_size(*mask.shape[:-2], *S.shape[-2:]))  # ∂L/∂S
            grad_query.append((grad_q * ctx.scale).to(query.dtype))
            grad_mask += [torch.cat(grad_M, -1)] if of_mask else []
        return (
            torch.cat(grad_query, -2) if of_query else None,
            torch.cat(grad_key, -2).to(key.dtype) if of_key else None,
            torch.cat(grad_value, -2).to(value.dtype) if of_value else None,
            torch.cat(grad_mask, -2) if of_mask else None,
            None,
            None,
            None,
        )


def blocks(of: Tensor, size: int, seen_by: slice | None = None) -> Iterator[slice]:
    """The places of a sequence (…, T, E), ``size`` at a time; up to the last of ``seen_by``."""
    T = of.shape[-2] if seen_by is None else min(of.shape[-2], seen_by.stop)
    return (slice(start, min(start + size, of.shape[-2])) for start in range(0, T, size))


def part(of: Tensor, places: slice) -> Tensor:
    """These places of a sequence (…, T, E), in the type that is computed in."""
    return in_opmath(of[..., places, :])[0]


def seen(S: Tensor, mask: Tensor | None, is_causal: bool, rows: slice, columns: slice) -> Tensor:
    """S + M in a block, M being −∞ where a query does not see a key."""
    if is_causal and columns.stop > rows.start:
        sees = torch.ones(S.shape[-2:], dtype=torch.bool, device=S.device)
        return S.masked_fill(~sees.tril(rows.start - columns.start), -torch.inf)
    if mask is None:
        return S
    M = mask[..., rows, columns]
    return S.masked_fill(~M, -torch.inf) if M.dtype == torch.bool else S + M


def finite(t: Tensor) -> Tensor:
    """0 for −∞, which stands where nothing was seen: −∞ less 0 is still −∞, and e^{−∞} = 0."""
    return t.masked_fill(t.isneginf(), 0)


class AttentionByKernelsFunction(AttentionInBlocksFunction):
    """The same lines by the kernels of attention_kernels.py.

    A gradient of the mask, and what is differentiated again, is computed by the lines above.
    """

    @staticmethod
    def forward(query, key, value, mask, is_causal, scale, size):
        return attention_backend.attend(query, key, value, mask, is_causal, scale)

    @staticmethod
    def backward(ctx, grad_o, grad_λ):
        if torch.is_grad_enabled() or ctx.needs_input_grad[3] or grad_o is None:
            return AttentionInBlocksFunction.backward(ctx, grad_o, grad_λ)
        query, key, value, mask, o, λ = ctx.saved_tensors
        D = (grad_o * o).sum(-1, keepdim=True)  # D = Σ g ⊙ o
        if grad_λ is not None:  # only in a second derivative
            D = D - grad_λ
        found = attention_backend.differentiate(
            query, key, value, mask, grad_o, λ, D, ctx.is_causal, ctx.scale
        )
        return *found, None, None, None, None


@public(cpu="lower", cuda="lower")
def attention_in_blocks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    block_size: int = 256,
    backend: str | None = None,
) -> Tensor:
    """o = softmax(q kᵀ·scale + M) v, as ``scaled_dot_product_attention`` in memory linear in L.

    There is no dropout. Differentiated twice, it keeps the blocks and with them what it saves.

    Args:
        query: q, shape (…, L, E).
        key: k, shape (…, S, E); the leading dimensions broadcast.
        value: v, shape (…, S, V).
        attn_mask: M to add, or booleans, true where a query may look at a key; any shape that
            broadcasts to (…, L, S).
        is_causal: whether query l sees the keys 0 to l only; instead of a mask. Blocks that no
            query of theirs sees are left out.
        scale: 1/√E if ``None``.
        enable_gqa: let key and value have fewer heads (dimension −3) than the query, each for as
            many heads of the query in a row.
        block_size: queries and keys in a block of PyTorch's operations.
        backend: ``"torch"`` for PyTorch's operations, ``"triton"`` for the kernels written in
            Triton, which choose their blocks themselves; if ``None``, the kernels on a GPU where
            Triton is installed and they can compute it: float32, float16 or bfloat16, at most 128
            features. Under ``torch.compile`` and ``torch.func``, and where it is differentiated
            again, PyTorch's operations compute it in any case.

    Returns:
        o, shape (…, L, V).

    Raises:
        ValueError: if the shapes do not fit, for both a mask and ``is_causal``, for a
            ``block_size`` below 1, or for a ``backend`` that cannot compute this.
    """
    name = "attention_in_blocks"
    check_attention(query, key, value, attn_mask, 0.0, is_causal, enable_gqa, name)
    if block_size < 1:
        raise ValueError(f"{name}: expected a block_size above 0, got {block_size}")
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    if enable_gqa:
        query, key, value, attn_mask = grouped(query, key, value, attn_mask)
    L, S = query.shape[-2], key.shape[-2]
    if L == 0 or S == 0:  # there is nothing to cut
        o = scaled_dot_product_attention(query, key, value, attn_mask, 0.0, is_causal, scale)
    else:
        if attn_mask is not None:
            attn_mask = in_opmath(attn_mask)[0].expand(*attn_mask.shape[:-2], L, S)
        by_kernels = attention_backend.by_kernels(backend, name, query, key, value)
        function = AttentionByKernelsFunction if by_kernels else AttentionInBlocksFunction
        tensors = query, key, value, attn_mask
        o, _ = function.apply(*tensors, is_causal, scale, block_size)
        o = o.to(query.dtype)
    return o.flatten(-4, -3) if enable_gqa else o
