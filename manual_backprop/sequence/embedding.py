"""Embedding: each word is replaced by its row of a table.

    y_n = W_{t_n}                              the row of word t_n

    ∂L/∂W_v = Σ_{n: t_n = v} ∂L/∂y_n           each word adds what reaches it to its row

It is y = e W for the one-hot rows e_nv = [t_n = v], so ∂L/∂W = eᵀ g: the sum above, without the
zeros. Two options change it, and make it the gradient of another function than the forward:

    padding_idx            the row of that word is never learnt:  ∂L/∂W_v = 0
    scale_grad_by_freq     a word counts once, however often it comes: g_n / count(t_n)

n counts words (all dimensions of the input flattened), v the rows, d the numbers of a row. Shapes:
t (…), W (v, d), y and g (…, d).

Source: Bengio et al. 2003.
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class EmbeddingFunction(Function):
    """y_n = W_t, t the word n.

    Backward: ∂L/∂W_v = Σ g_n over the n with t_n = v
    """

    @staticmethod
    def forward(
        input: Tensor, weight: Tensor, padding_idx: int | None, scale_grad_by_freq: bool
    ) -> Tensor:
        return torch.nn.functional.embedding(input, weight)

    @staticmethod
    def setup_context(ctx, inputs, output):
        words, weight, ctx.padding_idx, ctx.scale_grad_by_freq = inputs
        ctx.rows = weight.shape[0]
        ctx.save_for_backward(words)

    @staticmethod
    def backward(ctx, grad_output):
        (words,) = ctx.saved_tensors
        (g,) = in_opmath(grad_output)
        t, g = words.flatten(), g.reshape(words.numel(), g.shape[-1])
        g = learnt(g, t, ctx.rows, ctx.padding_idx, ctx.scale_grad_by_freq)
        # ∂L/∂W_v = Σ_{t_n = v} g_n
        grad_weight = g.new_zeros(ctx.rows, g.shape[1]).index_add(0, t, g)
        return None, grad_weight.to(grad_output.dtype), None, None


def learnt(g: Tensor, t: Tensor, rows: int, padding_idx: int | None, by_freq: bool) -> Tensor:
    """What each of the words t adds to its row: g, but for the two options."""
    if by_freq:
        count = g.new_zeros(rows).index_add(0, t, g.new_ones(t.shape))
        g = g / count[t].unsqueeze(-1)
    if padding_idx is not None:
        g = torch.where((t == padding_idx).unsqueeze(-1), 0, g)
    return g


def check_table(
    name: str,
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None,
    max_norm: float | None,
    sparse: bool,
) -> int | None:
    """The padding index, from 0 on; one line for what is refused or does not fit."""
    if max_norm is not None:
        raise ValueError(
            f"{name}: max_norm, which changes the weight in the forward, is not supported; "
            "expected None, "
            f"got {max_norm}"
        )
    if sparse:
        raise ValueError(f"{name}: sparse gradients are not supported; expected sparse=False")
    if weight.dim() != 2 or weight.is_complex():
        raise ValueError(
            f"{name}: expected a real weight (rows, features), "
            f"got {weight.dtype} {tuple(weight.shape)}"
        )
    if input.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"{name}: expected indices of type int64 or int32, got {input.dtype}")
    if padding_idx is None:
        return None
    if not -len(weight) <= padding_idx < len(weight):
        raise ValueError(
            f"{name}: expected padding_idx to be one of the {len(weight)} rows, got {padding_idx}"
        )
    return padding_idx % len(weight)


@public()
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """y_n = W_t, as ``torch.nn.functional.embedding``.

    Args:
        input: t, indices of rows, any shape (…).
        weight: W, shape (v, d).
        padding_idx: the row that has no gradient; from the end if negative.
        max_norm, norm_type, sparse: refused, but for their defaults.
        scale_grad_by_freq: divide what a word adds by how often it comes in the input.

    Returns:
        y, shape (…, d).

    Raises:
        IndexError: (by PyTorch) if an index is no row.
        TypeError: if the indices are no integers.
        ValueError: for options that are refused, or shapes that do not fit.
    """
    padding = check_table("embedding", input, weight, padding_idx, max_norm, sparse)
    return EmbeddingFunction.apply(input, weight, padding, scale_grad_by_freq)


class Embedding(torch.nn.Embedding):
    """``torch.nn.Embedding`` with the backward of ``functional.embedding``."""

    def forward(self, input: Tensor) -> Tensor:
        return embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )
