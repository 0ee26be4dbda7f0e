"""What attention is called with: shapes, shared heads, and which weights dropout keeps."""

import torch
from torch import Tensor


def grouped(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Views in which each head of the keys has a dimension for the heads of the query it serves.

    (…, heads, L, E) → (…, groups, heads/groups, L, E), keys and values (…, groups, 1, S, E).
    """
    heads, groups = query.shape[-3], key.shape[-3]
    if mask is not None and mask.dim() > 2:
        mask = mask.expand(*mask.shape[:-3], heads, *mask.shape[-2:])
        mask = mask.unflatten(-3, (groups, -1))
    return query.unflatten(-3, (groups, -1)), key.unsqueeze(-3), value.unsqueeze(-3), mask


def drawn(query: Tensor, key: Tensor, mask: Tensor | None, dropout_p: float) -> Tensor:
    """True where an element of P is kept; the random numbers are those that PyTorch draws."""
    like_P = query.detach()[..., :1] + key.detach()[..., :1].mT
    if mask is not None:
        like_P = like_P + mask.detach()
    ones = torch.ones_like(like_P, memory_format=torch.contiguous_format)
    return torch.nn.functional.dropout(ones, dropout_p) != 0


def check_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    dropout_p: float,
    is_causal: bool,
    enable_gqa: bool,
    name: str = "scaled_dot_product_attention",
) -> None:
    """Raise ValueError unless the shapes and options are those of attention."""
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
