"""The kinds of inputs made from what a model is given.

Random numbers never hit a kink, a tie or a saturated activation, a batch of 64 hides what a batch
of 1 shows, and a kernel that is right for 64 columns can be wrong for 131. So beside what the
caller gives, these are derived from it:

    given                    as the caller gave them
    rounded                  multiples of a power of two near their size: exact zeros, ties
    beside kinks             those and zeros, each moved by 10⁻² to 10⁻⁶, up or down; and so much
                             beside the kinks that the layer was found to have
    saturating               a random half of the numbers pushed out to ±30 (±10 in float16)
    far out                  out to where eˣ overflows (±100 in float32): are they finite
    zero weights drawn       parameters that are zero all over, as other numbers: what lies before
                             them gets no gradient
    odd batch                about two thirds of the batch, an odd number
    one sample               the first one
    131 samples              more than kernels take at once, the numbers drawn from those given
    size 12 as 25            every dimension of one size longer, the numbers drawn from those given
    size 12 as 131           the same, beyond the blocks that kernels work in
    size 12 as 9             the same, shorter
    other indices            whole numbers as large as a parameter has rows
    inputs without gradient  as in training, where the data need none
    weights without gradient  as in fine-tuning; of a layer by itself
    evaluation mode          or training mode, whichever the model is not in

Only what a gradient is taken to is rounded and moved. A model that cannot take one of these
(probabilities of 30, batch norm on one sample) is not asked to: its forward refuses it, and the
report says so. Where it is the reference that refuses other sizes or indices, that goes unsaid:
nobody expects that every model takes them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Generator, Tensor, nn

from compare.trial.case import is_zero
from compare.trial.given import Given, map_tensors
from compare.trial.recorder import Model
from compare.trial.strides import copy_with_layout

ROUNDED = "rounded"
BESIDE_KINKS = "next to kinks"
SATURATING = "saturating"
FAR_OUT = "far out"
AWAKE = "zero weights drawn"
ODD_BATCH = "odd batch"
ONE_SAMPLE = "one sample"
MANY_SAMPLES = "131 samples"
OTHER_INDICES = "other indices"
WITHOUT_GRADIENT = "inputs without gradient"
FROZEN = "weights without gradient"
EVALUATION, TRAINING = "evaluation mode", "training mode"

_SATURATED = 30.0  # σ(30) and tanh(30) are 1 in float64, too; e³⁰ still fits in all but float16
_SATURATED_IN_FLOAT16 = 10.0
_BEYOND_EXP = 1.13  # times the logarithm of the largest number: 100 in float32, 802 in float64

# How many roundings a number beside a kink is away from it, at least.
_ROUNDINGS = 16.0

# Prime, and beyond the blocks of 64 and 128 that kernels work in.
_LONG = 131
# Elements of an input made as long: more take seconds, and twice the size must do.
_MOST = 2**18
# Dimensions of different sizes that are made longer and shorter.
_SIZES = 3


def kinds(
    given: Given, reference: Model, seed: int = 0, places: Sequence[Tensor | None] = ()
) -> Iterator[Given]:
    """``given`` itself and what is derived from it, as far as that differs.

    Args:
        given: What the caller gave.
        reference: Tells which indices there are, and whether it has modes and parameters.
        seed: Of the numbers drawn.
        places: Where the reference has its kinks, if that is known; see ``kink_places``.
    """
    yield given
    if given.differentiated:
        generator = torch.Generator().manual_seed(seed)
        yield given.map(_where_differentiated(_rounded), ROUNDED)
        yield given.map(
            _where_differentiated(lambda x: _beside(_rounded(x), generator)), BESIDE_KINKS
        )
        yield from _beside_places(given, places, generator)
        generator = torch.Generator().manual_seed(seed)
        yield given.map(_where_differentiated(lambda x: _saturating(x, generator)), SATURATING)
        # In half precision the roundings of what is right overflow there, too.
        if all(torch.finfo(x.dtype).bits > 16 for x in given.tensors):
            generator = torch.Generator().manual_seed(seed)
            pushed = _where_differentiated(lambda x: _beyond_exp(x, generator))
            yield replace(given.map(pushed, FAR_OUT), optional=True)
    batch = next((x.shape[0] for x in given.tensors if x.dim()), 0)
    odd = (2 * batch // 3) | 1
    if 1 < odd < batch:
        yield given.map(_cut(batch, odd), ODD_BATCH)
    if batch > 1:
        yield given.map(_cut(batch, 1), ONE_SAMPLE)
    yield from _of_many_samples(given, batch, seed)
    yield from _of_other_sizes(given, seed)
    if isinstance(reference, nn.Module):
        yield from _other_indices(given, reference, seed)
        if given.differentiated and any(p.requires_grad for p in reference.parameters()):
            without = given.map(lambda x: x.detach())
            without = without.with_tensors([x.detach() for x in without.tensors])
            yield replace(without, kind=WITHOUT_GRADIENT, setting=True)
        if any(is_zero(p) for p in reference.parameters()):
            yield replace(given, kind=AWAKE, setting=True, awake=True)
        kind = EVALUATION if reference.training else TRAINING
        yield replace(given, training=not reference.training, kind=kind, setting=True)


def frozen(given: Given, reference: Model) -> Iterator[Given]:
    """``given`` for a layer whose parameters need no gradient, if it has any and its input does.

    Of a layer by itself: in a whole model what lies before a layer without a gradient gets none.
    """
    trained = isinstance(reference, nn.Module) and any(
        p.requires_grad for p in reference.parameters()
    )
    if trained and given.differentiated:
        yield replace(given, kind=FROZEN, setting=True, frozen=True)


def _where_differentiated(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: change(x.detach()) if x.requires_grad else x.detach()


def _rounded(x: Tensor) -> Tensor:
    size = float(x.double().square().mean().sqrt()) if x.numel() else 0.0
    if not math.isfinite(size) or size == 0:
        return copy_with_layout(x)
    step = 2.0 ** math.floor(math.log2(size))
    return (x / step).round() * step


def _beside(x: Tensor, generator: Generator) -> Tensor:
    x = x * (torch.rand(x.shape, generator=generator) < 0.5).to(x.device)
    return x + _steps(x, generator)


def _steps(x: Tensor, generator: Generator) -> Tensor:
    """10⁻² to 10⁻⁶, up or down."""
    powers = torch.rand(x.shape, generator=generator) * -4 - 2
    signs = torch.randint(2, x.shape, generator=generator) * 2 - 1
    return (signs * 10.0**powers).to(x.device, x.dtype)


def _beside_places(
    given: Given, places: Sequence[Tensor | None], generator: Generator
) -> Iterator[Given]:
    """One tensor after the other beside these places; all others as they are, where they hold."""
    for i, place in enumerate(places):
        if place is not None:
            values = given.tensors
            steps = _steps(place, generator)
            # So far that it is no rounding that decides on which side of the kink it is.
            least = _ROUNDINGS * torch.finfo(values[i].dtype).eps * place.abs().clamp(min=1.0)
            moved = place + steps.sign() * torch.maximum(steps.abs(), least)
            values[i] = torch.where(place.isnan(), values[i].detach(), moved.to(values[i].dtype))
            yield replace(given.with_values(values), kind=BESIDE_KINKS)


def _of_many_samples(given: Given, batch: int, seed: int) -> Iterator[Given]:
    most = max((x.numel() for x in given.tensors), default=0)
    if 1 < batch < _LONG and most * _LONG // batch <= _MOST:
        generator = torch.Generator().manual_seed(seed)

        def more(x: Tensor) -> Tensor:
            x = x.detach()
            fits = x.dim() and x.shape[0] == batch
            return _longer(x, 0, _LONG, generator) if fits else x

        yield replace(given.map(more, MANY_SAMPLES), optional=True, long=True)


def _saturating(x: Tensor, generator: Generator) -> Tensor:
    saturated = _SATURATED_IN_FLOAT16 if x.dtype == torch.float16 else _SATURATED
    return _pushed(x, saturated, generator)


def _beyond_exp(x: Tensor, generator: Generator) -> Tensor:
    far_out = round(_BEYOND_EXP * math.log(torch.finfo(x.dtype).max))
    return _pushed(x.clamp(-far_out, far_out), far_out, generator)


def _pushed(x: Tensor, to: float, generator: Generator) -> Tensor:
    pushed = torch.rand(x.shape, generator=generator).to(x.device) < 0.5
    return torch.where(pushed, torch.where(x < 0, -to, to).to(x.dtype), x)


def _cut(batch: int, size: int) -> Callable[[Tensor], Tensor]:
    return lambda x: x.detach()[:size] if x.dim() and x.shape[0] == batch else x.detach()


def _of_other_sizes(given: Given, seed: int) -> Iterator[Given]:
    """Each size of a dimension, but for the batch's, longer and shorter everywhere at once."""
    batch = next((x.shape[0] for x in given.tensors if x.dim()), 0)
    there = dict.fromkeys(n for x in given.tensors for n in x.shape if n not in (0, 1, batch))
    for size in list(there)[:_SIZES]:
        most = max(x.numel() for x in given.tensors)
        double = 2 * size + 1
        sizes = [2 * size // 3 | 1, double]
        if double < _LONG and most * _LONG // size <= _MOST:
            sizes.append(_LONG)
        for other in sizes:
            if other != size:
                generator = torch.Generator().manual_seed(seed)
                resized = given.map(_resized(size, other, generator), f"size {size} as {other}")
                yield replace(resized, optional=True, long=other == _LONG)


def _resized(size: int, other: int, generator: Generator) -> Callable[[Tensor], Tensor]:
    def resized(x: Tensor) -> Tensor:
        x = x.detach()
        for dim in (d for d in range(x.dim()) if x.shape[d] == size):
            x = _longer(x, dim, other, generator)
        return x

    return resized


def _longer(x: Tensor, dim: int, size: int, generator: Generator) -> Tensor:
    """The numbers again and again, each a little smaller: what is there twice would tie.

    The last ones stay as large as they are: so what is largest lies where indices are largest.
    """
    there = x.shape[dim]
    x = x.index_select(dim, (torch.arange(size) % there).to(x.device))
    if not x.is_floating_point():
        return x
    less = 1 - 0.1 * torch.rand(x.shape, generator=generator)
    if size > there:
        less.narrow(dim, size - there, there).fill_(1.0)
    return x * less.to(x.device, x.dtype)


def _other_indices(given: Given, reference: nn.Module, seed: int) -> Iterator[Given]:
    """Whole numbers up to the number of rows of each parameter that has as many as were used.

    The first and the last are among them, and some are there several times.
    """
    used: list[int] = []

    def look(x: Tensor) -> Tensor:
        if x.dtype == torch.int64 and x.numel():
            used.append(int(x.max()))
        return x

    map_tensors(look, (given.args, given.kwargs))
    rows = {p.shape[0] for p in reference.parameters() if p.dim() > 1} if used else set()
    for n in sorted((n for n in rows if n > max(used)), reverse=True):
        generator = torch.Generator().manual_seed(seed)

        def drawn(x: Tensor, n: int = n, generator: Generator = generator) -> Tensor:
            if x.dtype != torch.int64:
                return x.detach()
            indices = torch.randint(n, x.shape, generator=generator)
            few = torch.tensor([0, n - 1, int(torch.randint(n, (), generator=generator))])
            again = torch.rand(x.shape, generator=generator) < 0.5
            chosen = few[torch.randint(3, x.shape, generator=generator)]
            return torch.where(again, chosen, indices).to(x.device)

        yield replace(given.map(drawn, OTHER_INDICES), optional=True)
