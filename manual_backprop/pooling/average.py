"""Average pooling: the mean of every window.

    y_t = Σ_{i ∈ window t} x_i / m_t           window t: st − p ≤ i < st − p + K; x is 0 outside

    ∂L/∂x_i = Σ_{t: i ∈ window t} δ_t / m_t    δ = ∂L/∂y

The windows that hold i begin between i − K + 1 and i. Let z have δ_t where window t begins, and 0
elsewhere: then ∂L/∂x_i is the sum of the K values of z up to i. So the transpose of average
pooling is average pooling itself, of z and with stride 1; the divisors aside.

m_t is K, unless the padding does not count (``count_include_pad=False``), the window reaches
beyond the padding (``ceil_mode``), or ``divisor_override`` is given. In several dimensions t, i, s
and p have a coordinate each, and K and m_t are products of the sizes.

Shapes: x (…, S), y and δ (…, T), with one to three dimensions each for S and T.

Source: LeCun, Bottou, Bengio, Haffner 1998 (subsampling).
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath

_POOL: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


class AverageFunction(Function):
    """y_t = Σ_{i ∈ window t} x_i / m_t.

    Backward: ∂L/∂x_i = Σ_{t: i∈window t} δ_t/m_t
    """

    @staticmethod
    def forward(
        input: Tensor,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        ceil_mode: bool,
        count_include_pad: bool,
        divisor: int | None,
    ) -> Tensor:
        override = (divisor,) if len(kernel) > 1 else ()  # avg_pool1d has none
        pool = _POOL[len(kernel)]
        return pool(input, kernel, stride, padding, ceil_mode, count_include_pad, *override)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, *ctx.windows = inputs
        ctx.shape = input.shape

    @staticmethod
    def backward(ctx, grad_output):
        (delta,) = in_opmath(grad_output)
        kernel, stride, padding, ceil_mode, count_include_pad, divisor = ctx.windows
        sizes = ctx.shape[-len(kernel) :]
        if divisor is not None:
            delta = delta * (math.prod(kernel) / divisor)
        elif ceil_mode or not count_include_pad:
            delta = delta * _shares(delta, sizes, kernel, stride, padding, count_include_pad)
        z = _where_windows_begin(delta, sizes, kernel, stride, padding)
        grad_input = _POOL[len(kernel)](z, kernel, 1)  # Σ δ_t K/m_t over K values, divided by K
        return grad_input.to(grad_output.dtype), None, None, None, None, None, None


def _where_windows_begin(
    delta: Tensor,
    sizes: torch.Size,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
) -> Tensor:
    """z_{st−p} = δ_t and 0 elsewhere, from place 1 − K to S − 1."""
    channels, counts = delta.shape[: -len(kernel)], delta.shape[-len(kernel) :]
    apart = delta.reshape(*channels, *(n for T in counts for n in (T, 1)))
    apart = F.pad(apart, [n for s in reversed(stride) for n in (0, s - 1, 0, 0)])
    apart = apart.reshape(*channels, *(s * T for s, T in zip(stride, counts, strict=True)))
    ends = [
        (K - 1 - p, S + p - s * T)  # a negative one is cut off
        for K, s, p, S, T in zip(kernel, stride, padding, sizes, counts, strict=True)
    ]
    return F.pad(apart, [n for both in reversed(ends) for n in both])


def _shares(
    delta: Tensor,
    sizes: torch.Size,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    count_include_pad: bool,
) -> Tensor:
    """K/m_t, shape T."""
    shares = delta.new_ones(())
    counts = delta.shape[-len(kernel) :]
    for K, s, p, S, T in zip(kernel, stride, padding, sizes, counts, strict=True):
        first = torch.arange(T, device=delta.device) * s - p
        end = (first + K).clamp(max=S + p)
        if not count_include_pad:
            first, end = first.clamp(min=0), end.clamp(max=S)
        shares = shares.unsqueeze(-1) * (K / (end - first).to(delta.dtype))
    return shares
