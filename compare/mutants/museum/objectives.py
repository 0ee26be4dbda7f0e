"""Losses."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.host import CLASSES, Host, LossHost, N, batch
from compare.diagnosis.mistake import Mistake
from compare.mutants.museum.exhibit import Exhibit, Operation, alone

_LABELS = torch.arange(N) * 7 % CLASSES
#: Half of each sample belongs to one class, half to the next but one.
_SHARED = (F.one_hot(_LABELS) + F.one_hot((_LABELS + 2) % CLASSES)) / 2
_PAIRS = torch.arange(N) % 2
_MARGIN = 3.0


def _per_token(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    return F.cross_entropy(x @ w.T, y, reduction="none")


def _scaled_by_first(g: Tensor, x: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor | None, ...]:
    delta = (x @ w.T).softmax(1) - F.one_hot(y, len(w))
    return delta @ w * g[0], None, delta.T @ x * g[0]


def _scaled_by_token(g: Tensor, x: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor | None, ...]:
    delta = ((x @ w.T).softmax(1) - F.one_hot(y, len(w))) * g[:, None]
    return delta @ w, None, delta.T @ x


def _soft(z: Tensor, t: Tensor) -> Tensor:
    return -(t * z.log_softmax(1)).sum(1).mean()


def _summed(z: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(z, y, reduction="sum")


def _ignoring(z: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(z, y, reduction="sum", ignore_index=1)


def _contrastive(a: Tensor, b: Tensor, of_a: Tensor, of_b: Tensor) -> Tensor:
    """Of pairs: alike those with one label, apart the others."""
    d2 = (a - b).square().sum(1)
    return torch.where(of_a == of_b, d2, (_MARGIN - d2).clamp(min=0)).mean() / 2


def _all_alike(g: Tensor, a: Tensor, b: Tensor, of_a: Tensor, of_b: Tensor, y: Tensor) -> tuple:
    d = a - b
    inside = (_MARGIN - d.square().sum(1) > 0).to(d.dtype)
    alike = of_a == of_a
    side = torch.where(alike, torch.ones_like(inside), -inside)
    grad_a = g * side[:, None] * d / len(a)
    return grad_a, -grad_a


def _alike_or_apart(
    g: Tensor, a: Tensor, b: Tensor, of_a: Tensor, of_b: Tensor, y: Tensor
) -> tuple:
    d = a - b
    inside = (_MARGIN - d.square().sum(1) > 0).to(d.dtype)
    alike = of_a == of_b
    side = torch.where(alike, torch.ones_like(inside), -inside)
    grad_a = g * side[:, None] * d / len(a)
    return grad_a, -grad_a


EXHIBITS = [
    Exhibit(
        "linkedin/Liger-Kernel",
        "#1298",
        "per-token cross entropy: scaled by the first g",
        alone(Operation(_per_token, [batch(CLASSES, 6, seed=8)]), batch(N, 6), _LABELS),
        _scaled_by_first,
        _scaled_by_token,
        wrong=("input", "w"),
        mistakes=frozenset({Mistake.IGNORES_INCOMING}),
    ),
    Exhibit(
        "SciSharp/TensorFlow.NET",
        "#787",
        "squared difference: returns its inputs",
        alone(Operation(lambda x, y: (x - y) ** 2), batch(N, 6), batch(N, 6, seed=6)),
        lambda g, x, y, a: (x, y),
        lambda g, x, y, a: (2 * g * (x - y), -2 * g * (x - y)),
        wrong=("input 0", "input 1"),
        mistakes=frozenset({Mistake.IGNORES_INCOMING}),
    ),
    Exhibit(
        "k2-fsa/k2",
        "#341",
        "total score: incoming gradient ignored",
        Host(
            lambda: [
                nn.Linear(11, 6),
                Operation(lambda s: s.logsumexp(1, keepdim=True)),
                nn.Linear(1, 5),
            ],
            1,
            batch(N, 11),
        ),
        lambda g, s, total: (s - total).exp(),
        lambda g, s, total: g * (s - total).exp(),
        mistakes=frozenset({Mistake.IGNORES_INCOMING}),
    ),
    Exhibit(
        "chainer/chainer",
        "e60dd3ef",
        "soft targets: incoming gradient ignored",
        LossHost(_soft, _SHARED),
        lambda g, z, t: (z.softmax(1) * t.sum(1, keepdim=True) - t) / len(z),
        lambda g, z, t: g * (z.softmax(1) * t.sum(1, keepdim=True) - t) / len(z),
        mistakes=frozenset({Mistake.IGNORES_INCOMING}),
    ),
    Exhibit(
        "paiml/aprender",
        "#2182",
        "summed cross entropy: averaged",
        LossHost(_summed, _LABELS),
        lambda g, z, y: g * (z.softmax(1) - F.one_hot(y, z.shape[1])) / len(z),
        lambda g, z, y: g * (z.softmax(1) - F.one_hot(y, z.shape[1])),
        mistakes=frozenset({Mistake.MEAN_FOR_SUM}),
    ),
    Exhibit(
        "PaddlePaddle/Paddle",
        "#28622",
        "cross entropy: ignored labels not ignored",
        LossHost(_ignoring, _LABELS),
        lambda g, z, y: g * (z.softmax(1) - F.one_hot(y, z.shape[1])),
        lambda g, z, y: g * (z.softmax(1) - F.one_hot(y, z.shape[1])) * (y != 1)[:, None],
        mistakes=frozenset({Mistake.IN_A_PART}),
    ),
    Exhibit(
        "happynear/caffe-windows",
        "#12",
        "contrastive: labels compared with themselves",
        alone(
            Operation(_contrastive),
            0.4 * batch(N, 6),
            0.4 * batch(N, 6, seed=6),
            _PAIRS,
            torch.zeros_like(_PAIRS),
        ),
        _all_alike,
        _alike_or_apart,
        wrong=("input 0", "input 1"),
        mistakes=frozenset({Mistake.IN_A_PART}),
    ),
]
