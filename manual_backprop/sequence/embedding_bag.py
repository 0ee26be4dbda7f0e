"""Embedding bag: of each bag of words the sum, the mean or the maximum of their rows.

    y_b = Σ_{n in b} s_n W_{t_n}               t_n the word n, s_n its share
    y_bd = max_{n in b} W_{t_n d}

The share is 1 or a weight of the word's own in a sum, 1/size of the bag in a mean. With g = ∂L/∂y
and b(n) the bag of word n:

    ∂L/∂W_v = Σ_{n: t_n = v} s_n g_{b(n)}      each word adds what reaches its bag to its row
    ∂L/∂s_n = g_{b(n)} · W_{t_n}
    ∂L/∂W_vd = Σ_{b: v is the maximum in d} g_bd

Of several largest rows the first has the gradient. An empty bag gives 0 and has none. The row
``padding_idx`` belongs to no bag, and ``scale_grad_by_freq`` divides as in ``embedding``.

Shapes: t, s (n) or (b, n/b); W (v, d); y and g (b, d).

Source: ``torch.nn.EmbeddingBag``.
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.sequence.embedding import check_table, learnt

MODES = ("sum", "mean", "max")


class EmbeddingBagFunction(Function):
    """y_b = Σ s_n W_t, or max W_t; also gives the sizes of the bags and the rows of the maxima.

    Backward: ∂L/∂W_v = Σ s_n g_b(n) over the n with t_n = v
    """

    @staticmethod
    def forward(
        words: Tensor,
        weight: Tensor,
        offsets: Tensor,
        bag: Tensor,
        shares: Tensor | None,
        mode: str,
        scale_grad_by_freq: bool,
        padding_idx: int | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        y, _, sizes, maxima = torch.embedding_bag(
            weight, words, offsets, False, MODES.index(mode), False, shares, False, padding_idx
        )
        return y, sizes, maxima

    @staticmethod
    def setup_context(ctx, inputs, output):
        words, weight, _, bag, shares, ctx.mode, ctx.by_freq, ctx.padding_idx = inputs
        _, sizes, maxima = output
        ctx.rows = weight.shape[0]
        ctx.mark_non_differentiable(sizes, maxima)
        of_mode = {"sum": shares, "mean": sizes, "max": maxima}[ctx.mode]
        # The rows themselves are needed for the gradient of their shares alone.
        ctx.save_for_backward(words, bag, of_mode, sizes, None if shares is None else weight)

    @staticmethod
    def backward(ctx, grad_output, *_):
        words, bag, of_mode, sizes, weight = ctx.saved_tensors
        (g,) = in_opmath(grad_output)
        grad_weight = g.new_zeros(ctx.rows, g.shape[1])
        grad_shares = None
        if ctx.mode == "max":
            g = torch.where(sizes.unsqueeze(1) > 0, g, 0)
            grad_weight = grad_weight.scatter_add(0, of_mode.long(), g)  # Σ_b g_bd at the maxima
        else:
            if ctx.mode == "mean":
                g = g / sizes.clamp(min=1).unsqueeze(1)
            g = learnt(g[bag], words, ctx.rows, ctx.padding_idx, False)  # g_b(n), row by row
            if ctx.needs_input_grad[4]:
                grad_shares = (g * weight[words]).sum(1).to(weight.dtype)  # ∂L/∂s = g · W_t
            if ctx.mode == "sum" and of_mode is not None:
                g = g * of_mode.unsqueeze(1)
            g = learnt(g, words, ctx.rows, None, ctx.by_freq)
            grad_weight = grad_weight.index_add(0, words, g)  # ∂L/∂W_v = Σ_{t_n = v} s_n g_b(n)
        needed = grad_weight.to(grad_output.dtype) if ctx.needs_input_grad[1] else None
        return None, needed, None, None, grad_shares, None, None, None


def bag_of_each(offsets: Tensor, words: int) -> Tensor:
    """b(n): how many bags have begun at word n, less one."""
    begun = offsets.new_zeros(words + 1).index_add(0, offsets, torch.ones_like(offsets))
    return begun.cumsum(0)[:words] - 1


@public()
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """y_b of each bag, as ``torch.nn.functional.embedding_bag``.

    Args:
        input: t, indices of rows: one bag a line (b, k), or all words in turn (n).
        weight: W, shape (v, d).
        offsets: where in an input (n) each bag begins; none with an input (b, k).
        max_norm, norm_type, sparse: refused, but for their defaults.
        scale_grad_by_freq: divide what a word adds by how often it comes; not for a maximum.
        mode: ``"sum"``, ``"mean"`` or ``"max"``.
        per_sample_weights: s, of the input's shape; for a sum alone.
        include_last_offset: the last offset is where the last bag ends.
        padding_idx: the row that belongs to no bag; from the end if negative.

    Returns:
        y, shape (b, d).

    Raises:
        IndexError, RuntimeError: (by PyTorch) if an index is no row, or offsets do not begin at 0.
        TypeError: if the indices are no integers.
        ValueError: for options that are refused or do not go together, or shapes that do not fit.
    """
    shares = per_sample_weights
    padding = check_table("embedding_bag", input, weight, padding_idx, max_norm, sparse)
    _check_bags(input, offsets, scale_grad_by_freq, mode, shares)
    if offsets is None:
        bags, k = input.shape
        offsets = torch.arange(bags, dtype=input.dtype, device=input.device) * k
        input, shares = input.flatten(), shares if shares is None else shares.flatten()
    elif include_last_offset:
        offsets = offsets[:-1]
    y, _, _ = EmbeddingBagFunction.apply(
        input,
        weight,
        offsets,
        bag_of_each(offsets, len(input)),
        shares,
        mode,
        scale_grad_by_freq,
        padding,
    )
    return y


def _check_bags(
    input: Tensor, offsets: Tensor | None, by_freq: bool, mode: str, shares: Tensor | None
) -> None:
    """One line for what does not go together."""
    if mode not in MODES:
        raise ValueError(f"embedding_bag: expected mode 'sum', 'mean' or 'max', got {mode!r}")
    if (input.dim(), 0 if offsets is None else offsets.dim()) not in ((2, 0), (1, 1)):
        shape = None if offsets is None else tuple(offsets.shape)
        raise ValueError(
            "embedding_bag: expected input (bags, words) without offsets or input (words) with "
            f"offsets (bags), got input {tuple(input.shape)} and offsets {shape}"
        )
    if shares is not None and (mode != "sum" or shares.shape != input.shape):
        raise ValueError(
            "embedding_bag: expected per_sample_weights of the input's shape, with mode 'sum'; got "
            f"{tuple(shares.shape)} for input {tuple(input.shape)}, with mode {mode!r}"
        )
    if by_freq and mode == "max":
        raise ValueError("embedding_bag: expected no scale_grad_by_freq with mode 'max'")


class EmbeddingBag(torch.nn.EmbeddingBag):
    """``torch.nn.EmbeddingBag`` with the backward of ``functional.embedding_bag``."""

    def forward(
        self,
        input: Tensor,
        offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
    ) -> Tensor:
        return embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )
