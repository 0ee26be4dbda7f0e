"""Rotary position embedding: each pair of features is turned by an angle that grows with position.

    y_{2i}   = x_{2i} cos θ − x_{2i+1} sin θ           θ_ti = t base^{−2i/D}, in radians
    y_{2i+1} = x_{2i} sin θ + x_{2i+1} cos θ           y = R(θ) x

    ∂L/∂x = R(θ)ᵀ g = R(−θ) g                          g = ∂L/∂y

A rotation's transpose turns back. So the backward is the forward with −θ, and keeps nothing but the
positions. The product of a query turned by θ_s and a key turned by θ_t depends on s − t alone.

t is a position, i = 0 … D/2 − 1 a pair of features. Shapes: x, y and g (…, T, D), positions (T) or
(…, T).

Source: Su et al. 2021 (RoFormer).
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath, rounded
from manual_backprop.kit.public import public


class RotaryEmbeddingFunction(Function):
    """y = R(θ) x.

    Backward: R(−θ)g
    """

    @staticmethod
    def forward(input: Tensor, positions: Tensor, base: float) -> Tensor:
        θ = angles(positions, input.shape[-1], base)
        return rotated(input, θ)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, positions, ctx.base = inputs
        ctx.features = input.shape[-1]
        ctx.save_for_backward(positions)

    @staticmethod
    def backward(ctx, grad_output):
        (positions,) = ctx.saved_tensors
        θ = angles(positions, ctx.features, ctx.base)
        return rotated(grad_output, -θ), None, None


def rotated(x: Tensor, θ: Tensor) -> Tensor:
    """R(θ) x."""
    (x_,) = in_opmath(x)
    cos, sin = θ.cos().to(x_.dtype), θ.sin().to(x_.dtype)
    even, odd = x_[..., 0::2], x_[..., 1::2]
    y = torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1)
    return rounded(y.flatten(-2), x.dtype)


def angles(positions: Tensor, features: int, base: float) -> Tensor:
    """θ, (…, T, D/2), in float64: in float32 a large position leaves few digits of its angle."""
    i = torch.arange(features // 2, dtype=torch.float64, device=positions.device)
    return positions.unsqueeze(-1) * base ** (-2 * i / features)


@public()
def rotary_embedding(
    input: Tensor, positions: Tensor | None = None, base: float = 10_000.0
) -> Tensor:
    """y = R(θ) x: queries or keys that know where they stand.

    Args:
        input: x, shape (…, T, D), D even.
        positions: whole numbers, shape (T), or (…, T) with dimensions that broadcast with those of
            x; 0 to T − 1 if ``None``.
        base: the wavelengths go from 2π to nearly 2π · base positions.

    Returns:
        y, shape (…, T, D).

    Raises:
        ValueError: if D is odd, or the positions are no whole numbers or do not fit.
    """
    if input.dim() < 2 or input.shape[-1] % 2:
        raise ValueError(
            f"rotary_embedding: expected input (…, T, D), D even, got {tuple(input.shape)}"
        )
    if positions is None:
        positions = torch.arange(input.shape[-2], device=input.device)
    if positions.is_floating_point() or positions.shape[-1:] != input.shape[-2:-1]:
        raise ValueError(
            f"rotary_embedding: expected integer positions (…, {input.shape[-2]}) for input "
            f"{tuple(input.shape)}, got {positions.dtype} {tuple(positions.shape)}"
        )
    return RotaryEmbeddingFunction.apply(input, positions, base)


class RotaryEmbedding(torch.nn.Module):
    """A module with the backward of ``functional.rotary_embedding``.

    Args:
        base: the wavelengths go from 2π to nearly 2π · base positions.
    """

    def __init__(self, base: float = 10_000.0) -> None:
        super().__init__()
        self.base = base

    def forward(self, input: Tensor, positions: Tensor | None = None) -> Tensor:
        return rotary_embedding(input, positions, self.base)

    def extra_repr(self) -> str:
        return f"base={self.base:g}"
