"""Mean and standard deviation, and the gradients as PyTorch wants them."""

from typing import Any

import torch
from torch import Tensor

from manual_backprop.kit.precision import HALF_PRECISION


def mean_and_rstd(
    x: Tensor, dims: list[int], eps: float, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """μ and ρ = 1/√(v + ε) over these dimensions."""
    mean = x.mean(dims, keepdim=True)
    variance = (x - mean).square().mean(dims, keepdim=keepdim)
    return mean if keepdim else mean.squeeze(dims), torch.rsqrt(variance + eps)


def of_backward(
    saved: tuple[Tensor, Tensor],
    x: Tensor,
    dims: list[int],
    eps: float,
    keepdim: bool = False,
) -> tuple[Tensor, Tensor]:
    """μ and ρ for a backward: those saved, or new ones where these would not do.

    Saved they are constants, so a backward that is differentiated again needs new ones. PyTorch's
    kernels for the CPU round them to half precision where the input is of it.
    """
    if torch.is_grad_enabled() or saved[0].dtype in HALF_PRECISION:
        return mean_and_rstd(x, dims, eps, keepdim)
    return saved


def over_blocks(found: tuple[Tensor | None, ...], shape: torch.Size) -> list[Tensor | None]:
    """What ``in_blocks`` found: the gradient of the input in its shape, the others summed."""
    of_input, *others = found
    of_input = None if of_input is None else of_input.reshape(shape)
    return [of_input, *(None if of is None else of.sum(0) for of in others)]


def where_needed(
    ctx: Any, dtype: torch.dtype, weight: Tensor | None, *gradients: Tensor | None
) -> list[Tensor | None]:
    """Those of input, weight and bias that are needed, each in its own type."""
    types = (dtype, *[dtype if weight is None else weight.dtype] * 2)
    return [
        g.to(t) if g is not None and needed else None
        for g, t, needed in zip(gradients, types, ctx.needs_input_grad, strict=False)
    ]
