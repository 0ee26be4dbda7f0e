"""The kinds of inputs made from what a model is given.

Random numbers never hit a kink, a tie or a saturated activation, and a batch of 64 hides what a
batch of 1 shows. So beside what the caller gives, these are derived from it:

    given        as the caller gave them
    rounded      to multiples of a power of two near their size: exact zeros, ties, equal numbers
    saturating   a random half of the numbers pushed out to ±30 (±10 in float16)
    odd batch    about two thirds of the batch, an odd number
    one sample   the first one

Only what a gradient is taken to is rounded and pushed out; all tensors as long as the batch are
cut. A model that cannot take one of these kinds (probabilities of 30, batch norm on one sample) is
not asked to: the reference refuses it, and the report says so.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from compare.trial.given import Given
from compare.trial.strides import copy_with_layout

ROUNDED = "rounded"
SATURATING = "saturating"
ODD_BATCH = "odd batch"
ONE_SAMPLE = "one sample"

_FAR_OUT = 30.0  # σ(30) and tanh(30) are 1 in float64, too; e³⁰ still fits in all but float16
_FAR_OUT_IN_FLOAT16 = 10.0


def kinds(given: Given, seed: int = 0) -> Iterator[Given]:
    """``given`` itself and what is derived from it, as far as that differs."""
    yield given
    if given.differentiated:
        yield given.map(_where_differentiated(_rounded), ROUNDED)
        generator = torch.Generator().manual_seed(seed)
        yield given.map(_where_differentiated(lambda x: _saturating(x, generator)), SATURATING)
    batch = next((x.shape[0] for x in given.tensors if x.dim()), 0)
    odd = (2 * batch // 3) | 1
    if 1 < odd < batch:
        yield given.map(_cut(batch, odd), ODD_BATCH)
    if batch > 1:
        yield given.map(_cut(batch, 1), ONE_SAMPLE)


def _where_differentiated(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: change(x.detach()) if x.requires_grad else x.detach()


def _rounded(x: Tensor) -> Tensor:
    size = float(x.double().square().mean().sqrt()) if x.numel() else 0.0
    if not math.isfinite(size) or size == 0:
        return copy_with_layout(x)
    step = 2.0 ** math.floor(math.log2(size))
    return (x / step).round() * step


def _saturating(x: Tensor, generator: torch.Generator) -> Tensor:
    far_out = _FAR_OUT_IN_FLOAT16 if x.dtype == torch.float16 else _FAR_OUT
    pushed = torch.rand(x.shape, generator=generator).to(x.device) < 0.5
    return torch.where(pushed, torch.where(x < 0, -far_out, far_out).to(x.dtype), x)


def _cut(batch: int, size: int) -> Callable[[Tensor], Tensor]:
    return lambda x: x.detach()[:size] if x.dim() and x.shape[0] == batch else x.detach()
