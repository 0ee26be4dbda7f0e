"""Bugs in a Linear: weight, bias and input gradient, in networks of one to six layers."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from compare.catalogue.specimen import Specimen, batch, layer, linear, network
from compare.diagnosis.mistake import Mistake
from compare.trial.question import Question

N = 9  # samples; 11 and 7 features, 5 outputs: no two sizes are the same


def _right(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return g @ w, g.T @ x, g.sum(0)


def _wrong(i: int, of: Callable[..., Any]) -> Callable[..., Any]:
    """The right gradients but for the i-th: ``of(g, x, w, b)``."""

    def backward(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Any, ...]:
        gradients: list[Any] = list(_right(g, x, w, b))
        gradients[i] = of(g, x, w, b)
        return tuple(gradients)

    return backward


INPUT, WEIGHT, BIAS = range(3)
_NAMES = ("input", "weight", "bias")


def _deep(backward: Callable[..., Any], depth: int, square: bool) -> Callable[[], Question]:
    """``depth`` Linears with Tanh between them, the bug in the middle one."""

    def build() -> Question:
        torch.manual_seed(depth)
        widths = [11, *([7] * depth), 5] if not square else [N] * (depth + 1)
        steps: list[nn.Module] = []
        for i in range(depth):
            steps += [nn.Linear(widths[i], widths[i + 1]), nn.Tanh()]
        steps = steps[:-1]
        place = 2 * (depth // 2)
        base = steps[place]
        assert isinstance(base, nn.Linear)
        x = batch(N, widths[0])
        return network(*steps, place=place, by_hand=linear(base, backward), inputs=x)

    return build


def _stale() -> Callable[..., Any]:
    """Hands out the last backward's weight gradient."""
    kept: list[Tensor] = []

    def weight(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        kept.append(g.T @ x)
        return kept[-2] if len(kept) > 1 else kept[-1]

    return _wrong(WEIGHT, weight)


def _accumulating() -> Callable[..., Any]:
    """Adds the last backward's weight gradient."""
    kept: list[Tensor] = []

    def weight(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        kept.append(g.T @ x)
        return kept[-1] + (kept[-2] if len(kept) > 1 else 0)

    return _wrong(WEIGHT, weight)


# name → which gradient, the backward, what it is, depth, whether the layers are square
_BUGS: dict[str, tuple[int, Callable[..., Any], set[Mistake], int, bool]] = {
    "weight transposed, square": (
        WEIGHT,
        lambda g, x, w, b: x.T @ g,
        {Mistake.TRANSPOSED},
        3,
        True,
    ),
    "weight transposed": (WEIGHT, lambda g, x, w, b: x.T @ g, {Mistake.TRANSPOSED}, 3, False),
    "weight averaged over the batch": (
        WEIGHT,
        lambda g, x, w, b: g.T @ x / len(x),
        {Mistake.MEAN_FOR_SUM},
        1,
        False,
    ),
    "weight with the wrong sign": (WEIGHT, lambda g, x, w, b: -g.T @ x, {Mistake.SIGN}, 4, False),
    "weight from the first half of the batch": (
        WEIGHT,
        lambda g, x, w, b: g[: len(g) // 2].T @ x[: len(x) // 2],
        {Mistake.PART_OF_BATCH},
        2,
        False,
    ),
    "weight without the last sample": (
        WEIGHT,
        lambda g, x, w, b: g[:-1].T @ x[:-1],
        {Mistake.PART_OF_BATCH},
        5,
        False,
    ),
    "weight is zero": (
        WEIGHT,
        lambda g, x, w, b: torch.zeros_like(w),
        {Mistake.DETACHED},
        2,
        False,
    ),
    "weight is None": (WEIGHT, lambda g, x, w, b: None, {Mistake.DETACHED}, 2, False),
    "weight in bfloat16": (
        WEIGHT,
        lambda g, x, w, b: (g.bfloat16().T @ x.bfloat16()).to(w.dtype),
        {Mistake.LOWER_PRECISION},
        3,
        False,
    ),
    "weight in float16": (
        WEIGHT,
        lambda g, x, w, b: (g.T @ x).half().to(w.dtype),
        {Mistake.LOWER_PRECISION, Mistake.OVERFLOW, Mistake.DETACHED},
        3,
        False,
    ),
    "weight rows reversed": (
        WEIGHT,
        lambda g, x, w, b: (g.T @ x).flip(0),
        {Mistake.PERMUTED},
        2,
        False,
    ),
    "weight columns shuffled": (
        WEIGHT,
        lambda g, x, w, b: (g.T @ x)[
            :, torch.randperm(x.shape[1], generator=torch.Generator().manual_seed(1))
        ],
        {Mistake.PERMUTED},
        2,
        False,
    ),
    "weight reshaped for transposed": (
        WEIGHT,
        lambda g, x, w, b: (x.T @ g).reshape(w.shape),
        {Mistake.TRANSPOSED, Mistake.PERMUTED},
        3,
        False,
    ),
    "weight with weight decay": (
        WEIGHT,
        lambda g, x, w, b: g.T @ x + 0.01 * w,
        {Mistake.ADDED},
        2,
        False,
    ),
    "weight clipped": (
        WEIGHT,
        lambda g, x, w, b: (g.T @ x).clamp(-0.5, 0.5),
        {Mistake.CLIPPED},
        1,
        False,
    ),
    "weight 1 % too large": (
        WEIGHT,
        lambda g, x, w, b: g.T @ x * 1.01,
        {Mistake.FACTOR},
        6,
        False,
    ),
    "weight 0.01 % too large": (
        WEIGHT,
        lambda g, x, w, b: g.T @ x * 1.0001,
        {Mistake.FACTOR},
        6,
        False,
    ),
    "weight of the last backward": (WEIGHT, _stale(), {Mistake.STALE}, 2, False),
    "weight accumulates": (WEIGHT, _accumulating(), {Mistake.TWICE}, 2, False),
    "bias averaged over the batch": (
        BIAS,
        lambda g, x, w, b: g.mean(0),
        {Mistake.MEAN_FOR_SUM},
        3,
        False,
    ),
    "bias of the first sample": (BIAS, lambda g, x, w, b: g[0], {Mistake.PART_OF_BATCH}, 3, False),
    "bias not summed over the batch": (BIAS, lambda g, x, w, b: g, {Mistake.NOT_SUMMED}, 3, False),
    "bias summed over the wrong axis": (
        BIAS,
        lambda g, x, w, b: g.sum(1),
        {Mistake.WRONG_AXIS},
        2,
        True,
    ),
    "bias halved": (BIAS, lambda g, x, w, b: g.sum(0) / 2, {Mistake.FACTOR}, 4, False),
    "input by W for its transpose": (
        INPUT,
        lambda g, x, w, b: g @ w.T,
        {Mistake.WRONG_WEIGHT},
        3,
        True,
    ),
    "input doubled": (INPUT, lambda g, x, w, b: 2 * (g @ w), {Mistake.TWICE}, 4, False),
    "input with the wrong sign": (INPUT, lambda g, x, w, b: -(g @ w), {Mistake.SIGN}, 6, False),
    "input by the updated weight": (
        INPUT,
        lambda g, x, w, b: g @ (w - 0.1 * g.T @ x),
        {Mistake.WRONG_WEIGHT},
        3,
        False,
    ),
    "input detached": (INPUT, lambda g, x, w, b: torch.zeros_like(x), {Mistake.DETACHED}, 3, False),
    "input averaged over the outputs": (
        INPUT,
        lambda g, x, w, b: g @ w / w.shape[0],
        {Mistake.FACTOR},
        3,
        False,
    ),
    "input without the last sample": (
        INPUT,
        lambda g, x, w, b: torch.cat([(g @ w)[:-1], torch.zeros_like(x[-1:])]),
        {Mistake.PART_OF_BATCH},
        2,
        False,
    ),
}


def specimens() -> Iterator[Specimen]:
    """All of them, and one with two bugs at once."""
    for name, (i, of, mistakes, depth, square) in _BUGS.items():
        backward = of if name in ("weight of the last backward", "weight accumulates") else None
        place = str(2 * (depth // 2))
        yield Specimen(
            f"Linear: {name}",
            _deep(backward or _wrong(i, of), depth, square),
            ((place, _NAMES[i]),),
            frozenset(mistakes),
        )
    yield Specimen(
        "Linear: two bugs in two layers",
        _two,
        (("0", "bias"), ("4", "weight")),
        frozenset({Mistake.SIGN}),
    )
    yield Specimen(
        "Linear: bias left out of the forward",
        _without_bias,
        (("2", "output"),),
        frozenset({Mistake.FORWARD}),
    )


def _two() -> Question:
    models = _deep(_wrong(BIAS, lambda g, x, w, b: -g.sum(0)), 3, False)()
    first, third = models.reference[0], models.reference[4]
    models.manual[0] = linear(first, _wrong(BIAS, lambda g, x, w, b: -g.sum(0)))
    models.manual[2] = models.reference[2]
    models.manual[4] = linear(third, _wrong(WEIGHT, lambda g, x, w, b: -g.T @ x))
    return models


def _without_bias() -> Question:
    models = _deep(_right, 3, False)()
    base = models.reference[2]
    models.manual[2] = layer(base, lambda self, x: nn.functional.linear(x, self.weight))
    return models
