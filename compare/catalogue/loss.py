"""Losses."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.entry import Entry, call
from compare.catalogue.host import CLASSES, LossHost, N, batch
from compare.catalogue.specimen import Bug
from compare.catalogue.values import SHAPE, classes, normal, probabilities
from compare.diagnosis.mistake import Mistake
from torch_models.networks.loss_function import SquaredErrorLoss

_REDUCTIONS = ("none", "mean", "sum")
_SOFT = batch(N, CLASSES, seed=7).sigmoid()
_LABELS = torch.arange(N) * 3 % CLASSES


def _one_hot(y: Tensor, z: Tensor) -> Tensor:
    return F.one_hot(y, z.shape[1]).to(z.dtype)


def _overflowing_softmax(z: Tensor) -> Tensor:
    """Right until e^{4z} does not fit: 4 stands for logits that come large."""
    e = (4 * z).exp()
    return torch.where(e.isfinite(), z.softmax(1), torch.nan)


def _cross_entropy_fused(g: Tensor, z: Tensor, y: Tensor) -> Tensor:
    e = (z - z.amax(1, True)).exp()
    delta = e / e.sum(1, True)
    delta[range(len(y)), y] -= 1
    return delta * (g / len(y))


def _squared_error(a: Tensor, y: Tensor, reduction: str = "sum") -> Tensor:
    if reduction == "mean":
        return F.mse_loss(a, y, reduction="sum") / (2 * len(a))
    return F.mse_loss(a, y, reduction=reduction) / 2


_A, _Y = normal(4, 3), normal(4, 3, seed=1)
_P, _Q = probabilities(4, 3), probabilities(4, 3, seed=1)
_CERTAIN = torch.tensor([0, 1, 0, 1], dtype=torch.float64)
_OF_SAMPLES: dict[str, Any] = {"weight": torch.tensor([[0.5], [2], [1], [0]], dtype=torch.float64)}
_OF_ANSWERS: dict[str, Any] = {"pos_weight": torch.tensor([1, 3, 0.5], dtype=torch.float64)}
_OF_CLASSES: dict[str, Any] = {"weight": torch.tensor([0.5, 2, 1, 0.25], dtype=torch.float64)}
_IGNORING = {**_OF_CLASSES, "ignore_index": 1}
# Input and indices: a batch, a sample, a batch of positions, of a plane.
_INDEXED = [
    (normal(*shape), classes(*indices, of=4, seed=3))
    for shape, indices in [
        ((6, 4), (6,)),
        ((4,), ()),
        ((3, 4, 2), (3, 2)),
        ((2, 4, 2, 3), (2, 2, 3)),
    ]
]
_LOGITS = torch.tensor([[1e4, -1e4, 0], [1, 1, 1], [-1e4, -1e4, -1e4]], dtype=torch.float64)
_WEIGHT = torch.arange(1.0, SHAPE[1] + 1)  # of the module's classes


def _two_normal() -> tuple[Tensor, Tensor]:
    return torch.randn(SHAPE), torch.randn(SHAPE)


def _logits_and_labels() -> tuple[Tensor, Tensor]:
    return torch.randn(SHAPE), torch.randint(SHAPE[1], SHAPE[:1])


ENTRIES = [
    Entry(
        "MSELoss",
        "mse_loss",
        calls=[
            *(call(_A, _Y, reduction=r) for r in _REDUCTIONS),
            *(call(_A, _Y, None, None, r, probabilities(4, 3, seed=2)) for r in _REDUCTIONS),
        ],
        modules=[{}, {"reduction": "sum"}],
        inputs=_two_normal,
        host=LossHost(F.mse_loss, _SOFT),
        wrong={
            "sum instead of mean": Bug(Mistake.SUM_FOR_MEAN, lambda g, z, y: g * 2 * (z - y)),
            "factor 2 forgotten": Bug(Mistake.FACTOR, lambda g, z, y: g * (z - y) / z.numel()),
            "mean over the samples only": Bug(
                Mistake.FACTOR, lambda g, z, y: g * 2 * (z - y) / len(z)
            ),
            "target forgotten": Bug(Mistake.NO_TARGET, lambda g, z, y: g * 2 * z / z.numel()),
            "y − a": Bug(Mistake.SIGN, lambda g, z, y: g * 2 * (y - z) / z.numel()),
            "incoming gradient ignored": Bug(
                Mistake.IGNORES_INCOMING, lambda g, z, y: 2 * (z - y) / z.numel()
            ),
        },
    ),
    Entry(
        "SquaredErrorLoss",
        "squared_error_loss",
        calls=[call(_A, _Y, reduction=r) for r in _REDUCTIONS],
        modules=[{"reduction": "sum"}, {"reduction": "mean"}],
        inputs=_two_normal,
        twin_module=SquaredErrorLoss,
        twin_function=_squared_error,
    ),
    Entry(
        "BCELoss",
        "binary_cross_entropy",
        calls=[
            *(call(_P, _Q, reduction=r, **w) for r in _REDUCTIONS for w in ({}, _OF_SAMPLES)),
            call(probabilities(4), _CERTAIN, constants=(1,)),
        ],
        special=[call(_CERTAIN.flip(0), _CERTAIN, constants=(1,))],
        modules=[{}, {"weight": _WEIGHT}],
        inputs=lambda: (torch.rand(SHAPE), torch.rand(SHAPE)),
        host=LossHost(F.binary_cross_entropy, _SOFT, last=(nn.Sigmoid(),)),
        wrong={
            "denominator forgotten": Bug(
                Mistake.NO_DERIVATIVE, lambda g, a, y: g * (a - y) / a.numel()
            ),
            "sum instead of mean": Bug(
                Mistake.SUM_FOR_MEAN, lambda g, a, y: g * (a - y) / (a * (1 - a))
            ),
        },
    ),
    Entry(
        "BCEWithLogitsLoss",
        "binary_cross_entropy_with_logits",
        calls=[
            *(
                call(_A, _Q, reduction=r, **w, **_OF_ANSWERS)
                for r in _REDUCTIONS
                for w in ({}, _OF_SAMPLES)
            ),
            call(normal(4), _CERTAIN, constants=(1,)),
        ],
        special=[call(_CERTAIN * 2e4 - 1e4, _CERTAIN, constants=(1,))],
        modules=[{}, {"pos_weight": _WEIGHT}],
        inputs=lambda: (torch.randn(SHAPE), torch.rand(SHAPE)),
        host=LossHost(F.binary_cross_entropy_with_logits, _SOFT),
        wrong={
            "mean over the samples only": Bug(
                Mistake.FACTOR, lambda g, z, y: g * (z.sigmoid() - y) / len(z)
            )
        },
    ),
    Entry(
        "NLLLoss",
        "nll_loss",
        calls=[
            call(ℓ, t, reduction=r, **o)
            for r in _REDUCTIONS
            for ℓ, t in _INDEXED
            for o in ({}, _IGNORING)
        ],
        modules=[{}, {"weight": _WEIGHT, "ignore_index": 2}],
        inputs=_logits_and_labels,
        host=LossHost(F.nll_loss, _LABELS, last=(nn.LogSoftmax(1),)),
        wrong={
            "sum instead of mean": Bug(Mistake.SUM_FOR_MEAN, lambda g, z, y: -g * _one_hot(y, z)),
            "class counted from 1": Bug(
                Mistake.PERMUTED, lambda g, z, y: -g * _one_hot(y, z).roll(1, 1) / len(z)
            ),
        },
    ),
    Entry(
        "CrossEntropyLoss",
        "cross_entropy",
        calls=[
            *(
                call(z, t, reduction=r, **o)
                for r in _REDUCTIONS
                for z, t in _INDEXED
                for o in ({}, {"label_smoothing": 0.2}, {**_IGNORING, "label_smoothing": 0.2})
            ),
            *(
                call(
                    z,
                    normal(*z.shape, seed=1).sigmoid(),
                    reduction=r,
                    **_OF_CLASSES,
                    label_smoothing=0.2,
                )
                for r in _REDUCTIONS
                for z, _ in _INDEXED
            ),
            call(normal(3, 3), classes(3, of=3)),
            call(normal(3, 3), probabilities(3, 3, seed=1)),
        ],
        special=[call(_LOGITS, classes(3, of=3))],
        modules=[{}, {"weight": _WEIGHT, "label_smoothing": 0.1}, {"reduction": "sum"}],
        inputs=_logits_and_labels,
        host=LossHost(F.cross_entropy, _LABELS),
        wrong={
            "mean forgotten": Bug(
                Mistake.SUM_FOR_MEAN, lambda g, z, y: g * (z.softmax(1) - _one_hot(y, z))
            ),
            "target forgotten": Bug(Mistake.NO_TARGET, lambda g, z, y: g * z.softmax(1) / len(z)),
            "mean over the elements": Bug(
                Mistake.FACTOR, lambda g, z, y: g * (z.softmax(1) - _one_hot(y, z)) / z.numel()
            ),
            "y − a": Bug(
                Mistake.SIGN, lambda g, z, y: g * (_one_hot(y, z) - z.softmax(1)) / len(z)
            ),
            "incoming gradient ignored": Bug(
                Mistake.IGNORES_INCOMING, lambda g, z, y: (z.softmax(1) - _one_hot(y, z)) / len(z)
            ),
            "exp without subtracting the maximum": Bug(
                Mistake.OVERFLOW,
                lambda g, z, y: g * (_overflowing_softmax(z) - _one_hot(y, z)) / len(z),
            ),
        },
        right={"fused": _cross_entropy_fused},
    ),
]
