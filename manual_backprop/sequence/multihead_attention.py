"""Multi-head attention: attention of several heads, each on a part of the features of its own.

    q = x_q W_qᵀ + b_q       k = x_k W_kᵀ + b_k       v = x_v W_vᵀ + b_v
    o = [o¹, …, oʰ]          oⁱ = attention(qⁱ, kⁱ, vⁱ), i = 1 … h the heads
    y = o W_oᵀ + b_o

Each part has its backward in a file of its own: ``linear`` and ``scaled_dot_product_attention``.
What is left is to cut the features into heads and to put them together again, which moves gradients
and changes none:

    ∂L/∂o = ∂L/∂y W_o            ∂L/∂qⁱ, kⁱ, vⁱ from ∂L/∂oⁱ by attention
    ∂L/∂x_q = ∂L/∂q W_q          and likewise for x_k and x_v

Shapes: x (L, N, E), qⁱ and oⁱ (N, h, L, E/h), W_q, W_k, W_v and W_o (E, E), the first three stacked
in one. L counts queries, S keys, N samples, E features.

Source: Vaswani et al. 2017.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from manual_backprop.affine.linear import linear
from manual_backprop.kit.public import public
from manual_backprop.sequence.dot_product_attention import (
    attention_with_weights,
    scaled_dot_product_attention,
)


@public(cpu="lower", cuda="lower")
def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """y and the weights, as ``torch.nn.functional.multi_head_attention_forward``.

    Args:
        query: x_q, shape (L, N, E), or (L, E) for a single sample.
        key, value: x_k and x_v, shape (S, N, E_k) and (S, N, E_v), or without N.
        embed_dim_to_check: E.
        num_heads: h.
        in_proj_weight: W_q, W_k and W_v on top of each other, shape (3E, E).
        in_proj_bias: b_q, b_k and b_v, shape (3E).
        bias_k, bias_v: one more key and value, (E); both or none.
        add_zero_attn: whether to add a key and a value of zeros.
        dropout_p, training: the probability of dropping a weight, in training.
        out_proj_weight, out_proj_bias: W_o (E, E) and b_o (E).
        key_padding_mask: (N, S), or (S): true for keys to leave out, or numbers to add.
        need_weights: whether to return the weights.
        attn_mask: (L, S) or (N h, L, S): true for keys to leave out, or numbers to add.
        use_separate_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight: W_q (E, E),
            W_k (E, E_k) and W_v (E, E_v) one by one.
        static_k, static_v: refused.
        average_attn_weights: whether to return the mean of the heads' weights.
        is_causal: that ``attn_mask`` is the causal one.

    Returns:
        y, shape as the query's, and the weights (N, L, S), (N, h, L, S), or without N; or None.

    Raises:
        ValueError: if the shapes do not fit, or for a static key or value.
        RuntimeError: for ``is_causal`` without a mask.
    """
    if static_k is not None or static_v is not None:
        raise ValueError("multi_head_attention_forward: expected static_k=None and static_v=None")
    _check(query, key, value, embed_dim_to_check, num_heads)
    batched = query.dim() == 3
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    L, N, E = query.shape
    if is_causal and attn_mask is None:
        raise RuntimeError("multi_head_attention_forward: is_causal=True needs attn_mask as well")
    is_causal = is_causal and key_padding_mask is None and not need_weights
    mask = None if is_causal else _visible(attn_mask, key_padding_mask, (N, num_heads, L, len(key)))

    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    q, k, v = _projected(query, key, value, separate or in_proj_weight, in_proj_bias)
    if bias_k is not None and bias_v is not None:
        k, v = _and_one_more(k, bias_k), _and_one_more(v, bias_v)
    if add_zero_attn:
        k, v = _and_one_more(k, k.new_zeros(E)), _and_one_more(v, v.new_zeros(E))
    if mask is not None:
        mask = pad(mask, (0, len(k) - len(key)), value=mask.dtype == torch.bool)

    # (L, N, E) → (N, h, L, E/h)
    q, k, v = (t.unflatten(-1, (num_heads, -1)).permute(1, 2, 0, 3) for t in (q, k, v))
    p = dropout_p if training else 0.0
    weights = None
    if need_weights:
        o, weights = attention_with_weights(q, k, v, mask, p)
        weights = weights.mean(1) if average_attn_weights else weights
    else:
        o = scaled_dot_product_attention(q, k, v, mask, p, is_causal)
    y = linear(o.permute(2, 0, 1, 3).flatten(2), out_proj_weight, out_proj_bias)
    if not batched:
        y, weights = y.squeeze(1), None if weights is None else weights.squeeze(0)
    return y, weights


def _projected(query: Tensor, key: Tensor, value: Tensor, weight: Any, bias: Any) -> Any:
    """q, k and v, by one weight or three."""
    if isinstance(weight, Tensor) and query is key and key is value:
        return linear(query, weight, bias).chunk(3, -1)  # one product instead of three
    weights = weight.chunk(3) if isinstance(weight, Tensor) else weight
    biases = (None, None, None) if bias is None else bias.chunk(3)
    return map(linear, (query, key, value), weights, biases)


def _and_one_more(t: Tensor, last: Tensor) -> Tensor:
    """(S, N, E) → (S + 1, N, E)."""
    return torch.cat([t, last.expand(1, *t.shape[1:])])


def _visible(
    attn_mask: Tensor | None, key_padding_mask: Tensor | None, shape: tuple[int, int, int, int]
) -> Tensor | None:
    """What scaled_dot_product_attention takes for both: true for what is seen, or numbers."""
    N, h, L, S = shape
    masks = []
    if attn_mask is not None:
        if attn_mask.shape not in ((L, S), (N * h, L, S)):
            raise ValueError(
                f"multi_head_attention_forward: expected attn_mask {(L, S)} or {(N * h, L, S)}, "
                f"got {tuple(attn_mask.shape)}"
            )
        masks.append(attn_mask if attn_mask.dim() == 2 else attn_mask.unflatten(0, (N, h)))
    if key_padding_mask is not None:
        if key_padding_mask.shape != (N, S):
            raise ValueError(
                f"multi_head_attention_forward: expected key_padding_mask {(N, S)}, "
                f"got {tuple(key_padding_mask.shape)}"
            )
        masks.append(key_padding_mask[:, None, None])
    if all(mask.dtype == torch.bool for mask in masks):
        return ~(masks[0] | masks[-1]) if masks else None
    terms = [
        torch.zeros_like(m, dtype=torch.get_default_dtype()).masked_fill(m, -torch.inf)
        if m.dtype == torch.bool
        else m
        for m in masks
    ]
    return terms[0] if len(terms) == 1 else terms[0] + terms[1]


def _check(query: Tensor, key: Tensor, value: Tensor, embed_dim: int, num_heads: int) -> None:
    name = "multi_head_attention_forward"
    if not query.dim() == key.dim() == value.dim() or query.dim() not in (2, 3):
        raise ValueError(
            f"{name}: expected query, key and value to be all 3D, or all 2D without a batch, got "
            f"{query.dim()}D, {key.dim()}D and {value.dim()}D"
        )
    if query.shape[-1] != embed_dim or embed_dim % num_heads:
        raise ValueError(
            f"{name}: expected query (…, {embed_dim}), a multiple of {num_heads} heads, got "
            f"{tuple(query.shape)}"
        )
    if key.shape[:-1] != value.shape[:-1] or key.shape[1:-1] != query.shape[1:-1]:
        raise ValueError(
            f"{name}: expected as many keys as values, and as many samples as in the query, got "
            f"query {tuple(query.shape)}, key {tuple(key.shape)} and value {tuple(value.shape)}"
        )


class MultiheadAttention(torch.nn.MultiheadAttention):
    """``torch.nn.MultiheadAttention`` with a hand-written backward.

    It is that of ``functional.multi_head_attention_forward``.
    """

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        swaps = self.batch_first and query.dim() == 3
        if swaps:
            same = query is key and key is value
            query, key, value = (t.transpose(0, 1) for t in (query, key, value))
            key, value = (query, query) if same else (key, value)
        y, weights = multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            self.training,
            key_padding_mask,
            need_weights,
            attn_mask,
            not self._qkv_same_embed_dim,
            self.q_proj_weight,
            self.k_proj_weight,
            self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return y.transpose(0, 1) if swaps else y, weights
