"""Padding with values of the input itself, which the modules' ``padding_mode`` asks for.

    y_j = x_{m(j)}                             −a ≤ j < S + b

    ∂L/∂x_i = Σ_{j: m(j) = i} ∂L/∂y_j          what was copied from x_i

    reflect      m(j) = (S−1) − | (S−1) − |j| |          the border itself is not repeated
    replicate    m(j) = min(max(j, 0), S−1)
    circular     m(j) = j mod S

One dimension of x of size S gets a values before and b behind; several dimensions are padded one
after the other. Shapes: x (…, S), y (…, a + S + b).
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath

_SOURCE = {
    "reflect": lambda j, S: (S - 1) - ((S - 1) - j.abs()).abs(),
    "replicate": lambda j, S: j.clamp(0, S - 1),
    "circular": lambda j, S: j % S,
}


class PaddingFunction(Function):
    """y_j = x_{m(j)}.

    Backward: ∂L/∂x_i = Σ_{j: m(j)=i} δ_j
    """

    @staticmethod
    def forward(input: Tensor, padding: tuple[int, ...], mode: str) -> Tensor:
        return torch.nn.functional.pad(input, padding, mode)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, ctx.padding, ctx.mode = inputs
        ctx.shape = input.shape

    @staticmethod
    def backward(ctx, grad_output):
        (g,) = in_opmath(grad_output)
        for dim, (a, b) in enumerate(_pairs(ctx.padding), start=1):  # counted from the last
            S = ctx.shape[-dim]
            m = _SOURCE[ctx.mode](torch.arange(-a, S + b, device=g.device), S)
            summed = [*g.shape[:-dim], S, *g.shape[len(g.shape) - dim + 1 :]]
            g = g.new_zeros(summed).index_add(-dim, m, g)  # ∂L/∂x_i = Σ_{j: m(j)=i} δ_j
        return g.to(grad_output.dtype), None, None


def _pairs(padding: tuple[int, ...]) -> list[tuple[int, int]]:
    """(a, b) of each dimension, the last one first, as PyTorch writes them."""
    return list(zip(padding[::2], padding[1::2], strict=True))


def pad(input: Tensor, padding: list[int], mode: str) -> Tensor:
    """``torch.nn.functional.pad`` with values of the input.

    Args:
        input: x.
        padding: a and b of the last dimension, then of the one before it, and so on.
        mode: ``"reflect"``, ``"replicate"`` or ``"circular"``.

    Raises:
        NotImplementedError: (by PyTorch) for an unknown mode, or other dimensions than images'.
        RuntimeError: (by PyTorch) for more padding than the input has values.
    """
    return PaddingFunction.apply(input, tuple(padding), mode)
