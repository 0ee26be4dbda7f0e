"""Affine maps."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.elementwise import elementwise
from compare.catalogue.entry import Entry, call
from compare.catalogue.host import Host, N, batch
from compare.catalogue.specimen import Bug
from compare.catalogue.values import SHAPE, empty, normal
from compare.diagnosis.mistake import Mistake
from manual_backprop.activation.identity import identity
from manual_backprop.activation.table import ACTIVATIONS


def chain(depth: int, square: bool = False) -> Host:
    """``depth`` Linears with Tanh between them; the bug goes into the middle one."""
    first, width = (N, N) if square else (11, 7)

    def row() -> Sequence[nn.Module]:
        linears = [nn.Linear(width if i else first, width) for i in range(depth)]
        return [module for each in linears for module in (each, nn.Tanh())][:-1]

    return Host(row, 2 * (depth // 2), batch(N, first), seed=depth)


class _Remembering:
    """The weight's gradient with, or instead of, the one of the backward before."""

    def __init__(self, *, adds: bool) -> None:
        self.adds = adds
        self.before: Tensor | None = None

    def __call__(self, g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        before, self.before = self.before, g.T @ x
        if before is None:
            return self.before
        return self.before + before if self.adds else before


def _last_zero(t: Tensor) -> Tensor:
    return torch.cat([t[:-1], t[-1:] * 0])


def _shuffled(t: Tensor) -> Tensor:
    return t[:, torch.randperm(t.shape[1], generator=torch.Generator().manual_seed(1))]


_weight, _bias = partial(Bug, gradient="weight"), partial(Bug, gradient="bias")
_WRONG = {
    "weight transposed": _weight(Mistake.TRANSPOSED, lambda g, x, w, b: x.T @ g),
    "weight transposed, square": _weight(
        Mistake.TRANSPOSED, lambda g, x, w, b: x.T @ g, chain(3, square=True)
    ),
    "weight averaged over the batch": _weight(
        Mistake.MEAN_FOR_SUM, lambda g, x, w, b: g.T @ x / len(x), chain(1)
    ),
    "weight with the wrong sign": _weight(Mistake.SIGN, lambda g, x, w, b: -g.T @ x, chain(4)),
    "weight from the first half of the batch": _weight(
        Mistake.PART_OF_BATCH, lambda g, x, w, b: g[: len(g) // 2].T @ x[: len(x) // 2], chain(2)
    ),
    "weight without the last sample": _weight(
        Mistake.PART_OF_BATCH, lambda g, x, w, b: g[:-1].T @ x[:-1], chain(5)
    ),
    "weight is zero": _weight(Mistake.DETACHED, lambda g, x, w, b: w * 0, chain(2)),
    "weight is None": _weight(Mistake.DETACHED, lambda g, x, w, b: None, chain(2)),
    "weight in bfloat16": _weight(
        Mistake.LOWER_PRECISION, lambda g, x, w, b: (g.bfloat16().T @ x.bfloat16()).to(w.dtype)
    ),
    "weight in float16": _weight(
        {Mistake.LOWER_PRECISION, Mistake.OVERFLOW, Mistake.DETACHED},
        lambda g, x, w, b: (g.T @ x).half().to(w.dtype),
    ),
    "weight rows reversed": _weight(
        Mistake.PERMUTED, lambda g, x, w, b: (g.T @ x).flip(0), chain(2)
    ),
    "weight columns shuffled": _weight(
        Mistake.PERMUTED, lambda g, x, w, b: _shuffled(g.T @ x), chain(2)
    ),
    "weight reshaped instead of transposed": _weight(
        {Mistake.TRANSPOSED, Mistake.PERMUTED}, lambda g, x, w, b: (x.T @ g).reshape(w.shape)
    ),
    "weight with weight decay": _weight(
        Mistake.ADDED, lambda g, x, w, b: g.T @ x + 0.01 * w, chain(2)
    ),
    "weight clipped": _weight(
        Mistake.CLIPPED, lambda g, x, w, b: (g.T @ x).clamp(-0.5, 0.5), chain(1)
    ),
    "weight 1 % too large": _weight(Mistake.FACTOR, lambda g, x, w, b: g.T @ x * 1.01, chain(6)),
    "weight 0.01 % too large": _weight(
        Mistake.FACTOR, lambda g, x, w, b: g.T @ x * 1.0001, chain(6)
    ),
    "weight from the previous backward": _weight(Mistake.STALE, _Remembering(adds=False), chain(2)),
    "weight accumulates": _weight(Mistake.TWICE, _Remembering(adds=True), chain(2)),
    "bias averaged over the batch": _bias(Mistake.MEAN_FOR_SUM, lambda g, x, w, b: g.mean(0)),
    "bias from the first sample only": _bias(Mistake.PART_OF_BATCH, lambda g, x, w, b: g[0]),
    "bias summed over the wrong axis": _bias(
        Mistake.WRONG_AXIS, lambda g, x, w, b: g.sum(1), chain(2, square=True)
    ),
    "bias halved": _bias(Mistake.FACTOR, lambda g, x, w, b: g.sum(0) / 2, chain(4)),
    "input by Wᵀ instead of W": Bug(
        Mistake.WRONG_WEIGHT, lambda g, x, w, b: g @ w.T, chain(3, square=True)
    ),
    "input doubled": Bug(Mistake.TWICE, lambda g, x, w, b: 2 * (g @ w), chain(4)),
    "input with the wrong sign": Bug(Mistake.SIGN, lambda g, x, w, b: -(g @ w), chain(6)),
    "input by the updated weight": Bug(
        Mistake.WRONG_WEIGHT, lambda g, x, w, b: g @ (w - 0.1 * g.T @ x)
    ),
    "input detached": Bug(Mistake.DETACHED, lambda g, x, w, b: x * 0),
    "input averaged over the outputs": Bug(Mistake.FACTOR, lambda g, x, w, b: g @ w / len(w)),
    "input without the last sample": Bug(
        Mistake.PART_OF_BATCH, lambda g, x, w, b: _last_zero(g @ w), chain(2)
    ),
}


def _from_the_last_one(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    grad_w, grad_b = w * 0, b * 0
    for delta, row in zip(g.flip(0), x.flip(0), strict=True):
        grad_w, grad_b = grad_w + torch.outer(delta, row), grad_b + delta
    return g @ w, grad_w, grad_b


def _in_chunks(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    chunks = list(zip(g.split(4), x.split(4), strict=True))
    return g @ w, sum(d.T @ rows for d, rows in chunks), sum(d.sum(0) for d, _ in chunks)


def _in_float64(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    g, x, w = g.double(), x.double(), w.double()
    return (g @ w).to(b.dtype), (g.T @ x).to(b.dtype), g.sum(0).to(b.dtype)


def _into_a_buffer(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    grad_w = torch.empty_like(w)
    torch.mm(g.T, x, out=grad_w)
    return g @ w, grad_w, torch.addmv(b * 0, g.T, g.new_ones(len(g)))


_RIGHT = {
    "einsum": lambda g, x, w, b: (
        torch.einsum("no,oi->ni", g, w),
        torch.einsum("no,ni->oi", g, x),
        torch.einsum("no->o", g),
    ),
    "sample by sample, last one first": _from_the_last_one,
    "in chunks": _in_chunks,
    "in float64": _in_float64,
    "outer products": lambda g, x, w, b: (
        (g[:, None] @ w)[:, 0],
        (g[:, :, None] * x[:, None]).sum(0),
        g.sum(0),
    ),
    "bias summed by autograd itself": lambda g, x, w, b: (g @ w, g.T @ x, g),
    "transposed in memory": lambda g, x, w, b: (
        (w.T @ g.T).T,
        (x.T @ g).T,
        (g.T @ g.new_ones(len(g), 1))[:, 0],
    ),
    "into a buffer": _into_a_buffer,
}


def _activated_linear(
    z: Tensor, W: Tensor, b: Tensor | None = None, activation: str = "gelu"
) -> Tensor:
    return F.linear(ACTIVATIONS[activation].function(z), W, b)


class _ActivatedLinear(nn.Linear):
    def __init__(self, *args: Any, activation: str = "gelu", **options: Any) -> None:
        super().__init__(*args, **options)
        self.activation = activation

    def forward(self, input: Tensor) -> Tensor:
        return _activated_linear(input, self.weight, self.bias, self.activation)


_W, _B = normal(4, 3, seed=1), normal(4, seed=2)
_BATCHES: list[tuple[int, ...]] = [(5,), (), (2, 3), (2, 1, 3), (1,)]
_WITHOUT_NUMBERS = [
    (normal(*shape), normal(4, shape[-1])) for shape in [(0, 3), (2, 0, 3), (2, 0), (0, 0)]
]
_W3, _X = normal(4, 2, 3, seed=1), batch(N, 4)
_PAIR = {"in1_features": SHAPE[1], "in2_features": 5, "out_features": 7}
_BILINEAR = Host(lambda: [nn.Bilinear(4, 3, 6), nn.Linear(6, 5)], 0, (_X, batch(N, 3, seed=6)))
_WIDTHS = {"in_features": SHAPE[1], "out_features": 7}

ENTRIES = [
    Entry(
        "Linear",
        "linear",
        calls=[
            *(call(normal(*batch, 3), _W) for batch in _BATCHES),
            *(call(normal(*batch, 3), _W, _B) for batch in _BATCHES),
            call(normal(5, 3), normal(3, seed=1)),
        ],
        special=[
            *(call(x, W) for x, W in _WITHOUT_NUMBERS),
            *(call(x, W, _B) for x, W in _WITHOUT_NUMBERS),
        ],
        modules=[_WIDTHS, {**_WIDTHS, "bias": False}],
        host=chain(3),
        wrong=_WRONG,
        right=_RIGHT,
    ),
    elementwise(
        "Identity",
        identity,
        twin_function=nn.Identity(),
        wrong={"halved": Bug(Mistake.FACTOR, lambda g, z, a: g / 2)},
    ),
    Entry(
        "ActivatedLinear",
        "activated_linear",
        calls=[
            *(call(normal(5, 3), _W, _B, activation=name) for name in ACTIVATIONS),
            # The shapes have nothing to do with σ.
            call(normal(2, 1, 3), _W, activation="gelu"),
            call(normal(3), _W, _B, activation="gelu"),
        ],
        special=[call(x, W, activation=name) for x, W in _WITHOUT_NUMBERS for name in ACTIVATIONS],
        modules=[_WIDTHS, {**_WIDTHS, "activation": "tanh"}],
        twin_module=_ActivatedLinear,
        twin_function=_activated_linear,
    ),
    Entry(
        "Bilinear",
        "bilinear",
        calls=[
            *(call(normal(*s, 2), normal(*s, 3, seed=3), _W3) for s in [(5,), (), (2, 2)]),
            *(call(normal(*s, 2), normal(*s, 3, seed=3), _W3, _B) for s in [(5,), (), (2, 2)]),
        ],
        special=[call(empty(0, 2), empty(0, 3), _W3, _B)],
        modules=[_PAIR, {**_PAIR, "bias": False}],
        inputs=lambda: (torch.randn(SHAPE), torch.randn(SHAPE[0], 5)),
        host=_BILINEAR,
        wrong={
            "weight transposed": Bug(
                Mistake.TRANSPOSED,
                lambda g, x, y, w, b: torch.einsum("no,ni,nj->oji", g, x, y),
                Host(lambda: [nn.Bilinear(4, 4, 6), nn.Linear(6, 5)], 0, (_X, _X.flip(0))),
                gradient="weight",
            ),
            "first from the first": Bug(
                {Mistake.WRONG_WEIGHT, Mistake.OF_ANOTHER},
                lambda g, x, y, w, b: torch.einsum("no,ni,oij->nj", g, x, w),
                Host(lambda: [nn.Bilinear(4, 4, 6), nn.Linear(6, 5)], 0, (_X, _X.flip(0))),
                gradient="input 0",
            ),
            "weight averaged over the batch": Bug(
                Mistake.MEAN_FOR_SUM,
                lambda g, x, y, w, b: torch.einsum("no,ni,nj->oij", g, x, y) / len(x),
                gradient="weight",
            ),
            "bias not summed": Bug(
                Mistake.PART_OF_BATCH, lambda g, x, y, w, b: g[0], gradient="bias"
            ),
        },
        right={
            "by matrix products": lambda g, x, y, w, b: (
                ((g @ w.flatten(1)).unflatten(1, w.shape[1:]) @ y[:, :, None])[:, :, 0],
                (x[:, None] @ (g @ w.flatten(1)).unflatten(1, w.shape[1:]))[:, 0],
                (g.T @ (x[:, :, None] * y[:, None]).flatten(1)).reshape(w.shape),
                g.sum(0),
            )
        },
    ),
]
