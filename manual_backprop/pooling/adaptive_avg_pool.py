"""Adaptive average pooling: the means of as many parts as are asked for.

    y_t = Σ_{i ∈ part t} x_i / m_t             part t: ⌊tS/T⌋ ≤ i < ⌈(t+1)S/T⌉, m_t its size

    ∂L/∂x_i = Σ_{t: i ∈ part t} δ_t / m_t      δ = ∂L/∂y

S is the size of x and T that of y. Part t holds i if and only if tS/T < i + 1 and i < (t+1)S/T.
Solved for t that is iT/S − 1 < t < (i+1)T/S, or

    ⌊iT/S⌋ ≤ t < ⌈(i+1)T/S⌉

The t whose parts hold i are themselves part i of S, in y. So the transpose of adaptive average
pooling is adaptive average pooling from T back to S, but for the divisors. In several dimensions
this is so of each, and m_t is a product of sizes.

Shapes: x (…, i), y and δ (…, t).

Source: the parts are PyTorch's; pooling to a given size: He, Zhang, Ren, Sun 2014.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public

#: One size for all dimensions or one for each; None is the input's own.
AdaptiveSizes = int | Sequence[int | None] | None

_POOL: dict[int, Any] = {
    1: F.adaptive_avg_pool1d,
    2: F.adaptive_avg_pool2d,
    3: F.adaptive_avg_pool3d,
}


class AdaptiveAvgPoolFunction(Function):
    """y_t = Σ_{i ∈ part t} x_i / m_t.

    Backward: ∂L/∂x_i = Σ_{t: i∈part t} δ_t/m_t
    """

    @staticmethod
    def forward(input: Tensor, output_size: Any, dims: int) -> Tensor:
        return _POOL[dims](input, output_size)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, _, ctx.dims = inputs
        ctx.shape = input.shape

    @staticmethod
    def backward(ctx, grad_output):
        (delta,) = in_opmath(grad_output)
        if delta.numel() == 0:
            return delta.new_zeros(ctx.shape).to(grad_output.dtype), None, None
        S, T = ctx.shape[-ctx.dims :], delta.shape[-ctx.dims :]
        if set(T) == {1}:  # one part, which holds all
            return (delta / S.numel()).to(grad_output.dtype).expand(ctx.shape), None, None
        mean = _POOL[ctx.dims](delta / part_sizes(S, T, delta), S)  # Σ δ_t/m_t over part i of S …
        grad_input = mean * part_sizes(T, S, delta)  # … and not its mean
        return grad_input.to(grad_output.dtype), None, None


def part_sizes(S: Sequence[int], T: Sequence[int], like: Tensor) -> Tensor:
    """The sizes of the parts of S that T make, shape T, in the type of ``like``."""
    sizes = like.new_ones(())
    for all_of_it, parts in zip(S, T, strict=True):
        t = torch.arange(parts, device=like.device)
        first, end = t * all_of_it // parts, -(-(t + 1) * all_of_it // parts)
        sizes = sizes.unsqueeze(-1) * (end - first)
    return sizes


@public()
def adaptive_avg_pool1d(input: Tensor, output_size: AdaptiveSizes) -> Tensor:
    """The mean of every part, as ``torch.nn.functional.adaptive_avg_pool1d``; see 2d."""
    return AdaptiveAvgPoolFunction.apply(input, output_size, 1)


@public()
def adaptive_avg_pool2d(input: Tensor, output_size: AdaptiveSizes) -> Tensor:
    """The mean of every part, as ``torch.nn.functional.adaptive_avg_pool2d``.

    Args:
        input: x, shape (n, C, h, w) or (C, h, w).
        output_size: T, into how many parts each dimension is divided; ``None`` for as many as it
            has positions. A number is that of every dimension.

    Returns:
        y, shape (n, C, T, T) or (C, T, T).

    Raises:
        RuntimeError: (by PyTorch) for sizes that do not fit.
    """
    return AdaptiveAvgPoolFunction.apply(input, output_size, 2)


@public(cpu="float32")
def adaptive_avg_pool3d(input: Tensor, output_size: AdaptiveSizes) -> Tensor:
    """The mean of every part, as ``torch.nn.functional.adaptive_avg_pool3d``; see 2d."""
    return AdaptiveAvgPoolFunction.apply(input, output_size, 3)


class AdaptiveAvgPool1d(torch.nn.AdaptiveAvgPool1d):
    """``torch.nn.AdaptiveAvgPool1d`` with the backward of ``functional.adaptive_avg_pool1d``."""

    def forward(self, input: Tensor) -> Tensor:
        return adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(torch.nn.AdaptiveAvgPool2d):
    """``torch.nn.AdaptiveAvgPool2d`` with the backward of ``functional.adaptive_avg_pool2d``."""

    def forward(self, input: Tensor) -> Tensor:
        return adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(torch.nn.AdaptiveAvgPool3d):
    """``torch.nn.AdaptiveAvgPool3d`` with the backward of ``functional.adaptive_avg_pool3d``."""

    def forward(self, input: Tensor) -> Tensor:
        return adaptive_avg_pool3d(input, self.output_size)
