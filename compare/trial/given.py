"""What a model is given, and the kinds of inputs made from it.

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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from compare.trial.randomness import RandomState
from compare.trial.strides import copy_with_layout

GIVEN = "given"
ROUNDED = "rounded"
SATURATING = "saturating"
ODD_BATCH = "odd batch"
ONE_SAMPLE = "one sample"

_FAR_OUT = 30.0  # σ(30) and tanh(30) are 1 in float64, too; e³⁰ still fits in all but float16
_FAR_OUT_IN_FLOAT16 = 10.0


@dataclass(frozen=True)
class Given:
    """The arguments of one call, and the random numbers that it finds."""

    args: Sequence[Any]
    kwargs: dict[str, Any]
    targets: Any  # the loss's second argument
    random_state: RandomState
    kind: str = GIVEN

    @property
    def tensors(self) -> list[Tensor]:
        """The floating-point tensors among the arguments, in order."""
        return list(tensors_in((self.args, self.kwargs)))

    @property
    def differentiated(self) -> list[Tensor]:
        """Those that a gradient is taken to."""
        return [x for x in self.tensors if x.requires_grad]

    def map(self, change: Callable[[Tensor], Tensor], kind: str | None = None) -> "Given":
        """Every tensor changed, targets included; what requires a gradient still does."""

        def changed(x: Tensor) -> Tensor:
            return change(x).requires_grad_(x.requires_grad)

        args, kwargs, targets = map_tensors(changed, (self.args, self.kwargs, self.targets))
        return replace(self, args=args, kwargs=kwargs, targets=targets, kind=kind or self.kind)

    def with_values(self, values: Sequence[Tensor]) -> "Given":
        """The floating-point tensors among the arguments replaced, in order.

        A gradient is taken to the same ones as before.
        """
        marks = [x.requires_grad for x in self.tensors]
        return self.with_tensors(
            [x.detach().requires_grad_(mark) for x, mark in zip(values, marks, strict=True)]
        )

    def with_tensors(self, tensors: Sequence[Tensor]) -> "Given":
        """The same as they are, with their own ``requires_grad``."""
        remaining = iter(tensors)
        args, kwargs = map_tensors(
            lambda x: next(remaining) if x.is_floating_point() else x, (self.args, self.kwargs)
        )
        return replace(self, args=args, kwargs=kwargs)


def given(args: Sequence[Any], targets: Any, state: RandomState) -> Given:
    """What the caller gave; a gradient is taken to all tensors unless some require one already."""
    some = any(x.requires_grad for x in tensors_in(args))

    def marked(x: Tensor) -> Tensor:
        return x.detach().requires_grad_(x.requires_grad if some else x.is_floating_point())

    return Given([map_tensors(marked, x) for x in args], {}, targets, state)


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


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every floating-point tensor in nested tuples, lists and dicts, in order."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from tensors_in(part)


def map_tensors(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """``value`` with every tensor in nested tuples, lists and dicts changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: map_tensors(change, part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        parts = [map_tensors(change, part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
