"""Lengths and angles of vectors."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.entry import Entry, call
from compare.catalogue.host import Host, N, batch, between
from compare.catalogue.specimen import Bug
from compare.catalogue.values import SHAPE, empty, normal
from compare.diagnosis.mistake import Mistake
from manual_backprop.distance.normalize import NormalizeFunction


class _Normalize(nn.Module):
    def forward(self, input: Tensor) -> Tensor:
        return F.normalize(input)


def _lengths(x: Tensor, least: float = 1e-12) -> Tensor:
    return x.norm(dim=1, keepdim=True).clamp(min=least)


def _cosine(g: Tensor, x: Tensor, y: Tensor, c: Tensor, cross: bool = True) -> Tensor:
    """∂L/∂x."""
    m, k = _lengths(x, 1e-8), _lengths(y, 1e-8)
    u, v = x / m, y / k
    return g[:, None] * (v - c[:, None] * u if cross else v) / m


_COSINE = Host(lambda: [nn.CosineSimilarity()], 0, (batch(N, 6), batch(N, 6, seed=6)))

ENTRIES = [
    Entry(
        None,
        "normalize",
        calls=[
            *(call(normal(4, 3), p) for p in (2.0, 1, 3, 1.5, math.inf)),
            *(call(normal(2, 3, 4), dim=d) for d in (0, -1)),
            call(normal(5), 2.0, 0),
            call(normal(4, 3), eps=2.0),
        ],
        special=[
            *(call(normal(6, 3).round(), p) for p in (2.0, 1, 3, math.inf)),
            call(torch.zeros(2, 3).double()),
            call(torch.tensor([[1.0, -1, 1]]).double(), math.inf),
            call(empty(0, 3)),
            call(torch.tensor([[torch.nan, 1], [0, 1e-20]]).double()),
        ],
        derivation=NormalizeFunction,
        host=between(_Normalize()),
        wrong={
            "norm treated as a constant": Bug(
                Mistake.NO_CROSS_TERM, lambda g, x, y: g / _lengths(x)
            ),
            "norm gradient with the wrong sign": Bug(
                {Mistake.NO_CROSS_TERM, Mistake.SIGN},
                lambda g, x, y: (g + y * (g * y).sum(1, keepdim=True)) / _lengths(x),
            ),
            "norm forgotten": Bug(
                Mistake.MISSING_FACTOR,
                lambda g, x, y: g - y * (g * y).sum(1, keepdim=True),
            ),
        },
        right={
            "by the quotient rule": lambda g, x, y: (
                (g * _lengths(x) - x * (g * x).sum(1, keepdim=True) / _lengths(x))
                / _lengths(x) ** 2
            )
        },
    ),
    Entry(
        "CosineSimilarity",
        "cosine_similarity",
        calls=[
            call(normal(4, 3), normal(4, 3, seed=1)),
            call(normal(4, 3), normal(1, 3, seed=1)),
            call(normal(4, 3), normal(3, seed=1)),
            call(normal(2, 3, 4), normal(2, 3, 4, seed=1), 0),
            call(normal(2, 3, 4), normal(2, 3, 4, seed=1), -1, 0.1),
            call(normal(5), normal(5, seed=1), dim=0),
        ],
        special=[
            call(normal(6, 3).round(), normal(6, 3, seed=1).round()),
            call(torch.zeros(2, 3).double(), normal(2, 3)),
            call(1e-3 * normal(4, 3), normal(4, 3, seed=1), 1, 0.1),
            call(empty(0, 3), empty(0, 3)),
        ],
        modules=[{}, {"dim": 0, "eps": 0.1}],
        inputs=lambda: (torch.randn(SHAPE), torch.randn(SHAPE)),
        host=_COSINE,
        wrong={
            "norm treated as a constant": Bug(
                {Mistake.NO_CROSS_TERM, Mistake.CONSTANT},
                lambda g, x, y, c: _cosine(g, x, y, c, cross=False),
                gradient="input 0",
            ),
            "wrong sign": Bug(
                Mistake.SIGN, lambda g, x, y, c: -_cosine(g, x, y, c), gradient="input 0"
            ),
            "no gradient for the second": Bug(
                Mistake.DETACHED, lambda g, x, y, c: y * 0, gradient="input 1"
            ),
        },
        right={"by unit vectors": lambda g, x, y, c: (_cosine(g, x, y, c), _cosine(g, y, x, c))},
    ),
]
