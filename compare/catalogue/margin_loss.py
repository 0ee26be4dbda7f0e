"""Losses that leave alone what is right by a margin."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from compare.catalogue.entry import Entry, call
from compare.catalogue.host import CLASSES, LossHost, N, batch
from compare.catalogue.specimen import Bug
from compare.catalogue.values import SHAPE, classes, empty, normal, probabilities
from compare.diagnosis.mistake import Mistake
from manual_backprop.loss.cosine_embedding import ε

_REDUCTIONS = ("none", "mean", "sum")
_A, _B = 2 * normal(4, 3), normal(4, 3, seed=1)
_SIGNS = torch.tensor([[1, -1, 1], [1, 1, -1], [-1, -1, 1], [-1, 1, 1]], dtype=torch.float64)
_TARGETS = batch(N, CLASSES, seed=7).sign()
_OTHERS = batch(N, CLASSES, seed=7)
_TRIPLES = torch.stack([batch(N, CLASSES, seed=7), batch(N, CLASSES, seed=8)], 1)
_WEIGHTS: list[dict[str, Any]] = [{}, {"weight": probabilities(4)}]
_LABELS = torch.arange(N) * 3 % CLASSES


def _signs(*shape: int) -> Tensor:
    return 2.0 * torch.randint(2, shape) - 1


def _ranking(z: Tensor, y: Tensor) -> Tensor:
    """y, the second scores, should be smaller."""
    return F.margin_ranking_loss(z, y, torch.ones_like(z), 0.5)


def _ranking_gradient(g: Tensor, z: Tensor, y: Tensor) -> Tensor:
    return -g * (z - y < 0.5) / z.numel()


def _hinge_gradient(g: Tensor, z: Tensor, y: Tensor) -> Tensor:
    return g * (1.0 * (y != -1) - 1.0 * (y != 1) * (z < 1)) / z.numel()


def _multi_margin_gradient(g: Tensor, z: Tensor, y: Tensor, at_t: bool = True) -> Tensor:
    t = F.one_hot(y, z.shape[1]).to(z.dtype)
    others = ((1 - z.gather(1, y[:, None]) + z > 0) * (1 - t)) * (g / z.numel())
    return others - t * others.sum(1, keepdim=True) if at_t else others


def _alike(z: Tensor, y: Tensor) -> Tensor:
    return F.cosine_embedding_loss(z, y, torch.ones(len(z), dtype=torch.long))


def _cosine_gradient(g: Tensor, z: Tensor, y: Tensor, cross: bool = True) -> Tensor:
    """Of those that are alike."""
    length, other = (((x * x).sum(1, keepdim=True) + ε).sqrt() for x in (z, y))
    u, v = z / length, y / other
    c = (u * v).sum(1, keepdim=True)
    return -g / len(z) * (v - c * u if cross else v) / length


def _triplet(z: Tensor, y: Tensor) -> Tensor:
    return F.triplet_margin_loss(z, y[:, 0], y[:, 1])


def _triplet_gradient(g: Tensor, z: Tensor, y: Tensor, power: int = 1) -> Tensor:
    u, v = z - y[:, 0] + 1e-6, z - y[:, 1] + 1e-6
    near, far = u.norm(dim=1, keepdim=True), v.norm(dim=1, keepdim=True)
    active = 1.0 * (1 + near - far >= 0)
    return active * (u / near**power - v / far**power) * (g / len(z))


ENTRIES = [
    Entry(
        "HingeEmbeddingLoss",
        "hinge_embedding_loss",
        calls=[
            *(call(_A, _SIGNS, reduction=r, constants=(1,)) for r in _REDUCTIONS),
            call(_A, _SIGNS[:1], 0.3, constants=(1,)),
            call(normal(5), torch.tensor([1, -1, 1, -1, 1])),
        ],
        special=[
            call(_A.round(), _SIGNS, constants=(1,)),
            call(torch.tensor([torch.nan, torch.inf, -torch.inf, 1]).double(), torch.tensor(-1)),
            call(normal(4), torch.tensor([0, 2, 1, -1])),
            call(empty(0, 3), torch.empty(0, 3, dtype=torch.long), reduction="sum"),
        ],
        modules=[{}, {"margin": 0.3, "reduction": "sum"}],
        inputs=lambda: (torch.randn(SHAPE), _signs(*SHAPE).long()),
        host=LossHost(F.hinge_embedding_loss, _TARGETS.long()),
        wrong={
            "wrong sign": Bug(Mistake.SIGN, lambda g, z, y: -_hinge_gradient(g, z, y)),
            "sum instead of mean": Bug(
                Mistake.SUM_FOR_MEAN, lambda g, z, y: _hinge_gradient(g, z, y) * z.numel()
            ),
            "margin forgotten": Bug(
                {Mistake.IN_A_PART, Mistake.NO_DERIVATIVE}, lambda g, z, y: g * y / z.numel()
            ),
            "mean over the samples only": Bug(
                Mistake.FACTOR, lambda g, z, y: _hinge_gradient(g, z, y) * z.shape[1]
            ),
        },
        right={
            "by torch.where": lambda g, z, y: (
                (torch.where(y == -1, 0, g) - torch.where((z < 1) & (y != 1), g, 0)) / z.numel()
            )
        },
    ),
    Entry(
        "MarginRankingLoss",
        "margin_ranking_loss",
        calls=[
            *(call(_A, _B, _SIGNS, 0.5, reduction=r) for r in _REDUCTIONS),
            call(_A, _B[:1], _SIGNS[:, :1], constants=(2,)),
            call(normal(5), normal(5, seed=1), normal(5, seed=2).sign(), constants=(2,)),
        ],
        special=[
            call(_A.round(), _B.round(), _SIGNS, 1),
            call(_A, _A.clone(), _SIGNS, constants=(2,)),
            call(empty(0, 3), empty(0, 3), empty(0, 3), reduction="sum"),
        ],
        modules=[{}, {"margin": 0.5, "reduction": "sum"}],
        inputs=lambda: (torch.randn(SHAPE), torch.randn(SHAPE), _signs(*SHAPE).long()),
        host=LossHost(_ranking, _OTHERS),
        wrong={
            "wrong sign": Bug(Mistake.SIGN, lambda g, z, y: -_ranking_gradient(g, z, y)),
            "sum instead of mean": Bug(
                Mistake.SUM_FOR_MEAN, lambda g, z, y: _ranking_gradient(g, z, y) * z.numel()
            ),
            "incoming gradient ignored": Bug(
                Mistake.IGNORES_INCOMING,
                lambda g, z, y: _ranking_gradient(torch.ones_like(g), z, y),
            ),
        },
        right={
            "subgradient −1 at the kink": lambda g, z, y: torch.where(
                z - y > 0.5, 0, -g / z.numel()
            )
        },
    ),
    Entry(
        "SoftMarginLoss",
        "soft_margin_loss",
        calls=[
            *(call(_A, _SIGNS, reduction=r, constants=(1,)) for r in _REDUCTIONS),
            call(normal(5), torch.tensor([1, -1, 1, -1, 1])),
            call(_A, _SIGNS[:1], constants=(1,)),
        ],
        special=[
            call(_A.round(), _SIGNS, constants=(1,)),
            call(torch.tensor([torch.nan, torch.inf, 1e4, 0]).double(), torch.ones(4).long()),
            call(empty(0, 3), empty(0, 3), reduction="sum", constants=(1,)),
        ],
        modules=[{}, {"reduction": "sum"}],
        inputs=lambda: (torch.randn(SHAPE), _signs(*SHAPE).long()),
        host=LossHost(F.soft_margin_loss, _TARGETS),
        wrong={
            "wrong sign": Bug(Mistake.SIGN, lambda g, z, y: g * y * (-y * z).sigmoid() / z.numel()),
            "sum instead of mean": Bug(
                Mistake.SUM_FOR_MEAN, lambda g, z, y: -g * y * (-y * z).sigmoid()
            ),
            "σ(yx) instead of σ(−yx)": Bug(
                {Mistake.IN_A_PART, Mistake.NO_DERIVATIVE},
                lambda g, z, y: -g * y * (y * z).sigmoid() / z.numel(),
            ),
            "incoming gradient ignored": Bug(
                Mistake.IGNORES_INCOMING, lambda g, z, y: -y * (-y * z).sigmoid() / z.numel()
            ),
        },
        right={"by e^yx": lambda g, z, y: -y / (1 + (y * z).exp()) * (g / z.numel())},
    ),
    Entry(
        "MultiMarginLoss",
        "multi_margin_loss",
        calls=[
            *(
                call(normal(6, 4), classes(6, of=4, seed=3), p, reduction=r, **w)
                for r in _REDUCTIONS
                for p in (1, 2)
                for w in _WEIGHTS
            ),
            call(normal(4), classes(of=4), 2, 0.3),
            call(normal(4), classes(1, of=4), reduction="none"),
        ],
        special=[
            *(call(normal(6, 4).round(), classes(6, of=4, seed=3), p) for p in (1, 2)),
            call(empty(0, 4), classes(0, of=4), reduction="none"),
        ],
        modules=[{}, {"p": 2, "margin": 0.5, "weight": torch.arange(1.0, SHAPE[1] + 1)}],
        inputs=lambda: (torch.randn(SHAPE), torch.randint(SHAPE[1], SHAPE[:1])),
        host=LossHost(F.multi_margin_loss, _LABELS),
        wrong={
            "true class's gradient forgotten": Bug(
                {Mistake.NO_CROSS_TERM, Mistake.IN_A_PART},
                lambda g, z, y: _multi_margin_gradient(g, z, y, at_t=False),
            ),
            "mean over the samples only": Bug(
                Mistake.FACTOR, lambda g, z, y: _multi_margin_gradient(g, z, y) * z.shape[1]
            ),
            "wrong sign": Bug(Mistake.SIGN, lambda g, z, y: -_multi_margin_gradient(g, z, y)),
            "sum instead of mean": Bug(
                Mistake.SUM_FOR_MEAN, lambda g, z, y: _multi_margin_gradient(g, z, y) * len(z)
            ),
        },
        right={"by one-hot masks": lambda g, z, y: _multi_margin_gradient(g, z, y)},
    ),
    Entry(
        "CosineEmbeddingLoss",
        "cosine_embedding_loss",
        calls=[
            *(
                call(_A, _B, torch.tensor([1, -1, 1, -1]), margin, reduction=r)
                for r in _REDUCTIONS
                for margin in (0, 0.3)
            ),
            call(_A, _B, _SIGNS[:, 1], constants=(2,)),
            call(_A, _B[:1], torch.tensor([1, -1, 1, -1])),
            call(_A, _B, torch.tensor([-1])),
            call(normal(3), normal(3, seed=1), torch.tensor(1)),
        ],
        special=[
            call(_A.round(), _B.round(), torch.tensor([1, -1, 1, 0])),
            call(_A, torch.zeros(4, 3).double(), torch.tensor([1, -1, 1, -1])),
            call(empty(0, 3), empty(0, 3), classes(0, of=2), reduction="sum"),
        ],
        modules=[{}, {"margin": 0.3, "reduction": "sum"}],
        inputs=lambda: (torch.randn(SHAPE), torch.randn(SHAPE), _signs(SHAPE[0]).long()),
        host=LossHost(_alike, _OTHERS),
        wrong={
            "norm treated as a constant": Bug(
                {Mistake.NO_CROSS_TERM, Mistake.CONSTANT},
                lambda g, z, y: _cosine_gradient(g, z, y, cross=False),
            ),
            "wrong sign": Bug(Mistake.SIGN, lambda g, z, y: -_cosine_gradient(g, z, y)),
            "sum instead of mean": Bug(
                Mistake.SUM_FOR_MEAN, lambda g, z, y: _cosine_gradient(g, z, y) * len(z)
            ),
            "mean over the elements": Bug(
                Mistake.FACTOR, lambda g, z, y: _cosine_gradient(g, z, y) / z.shape[1]
            ),
        },
        right={"by unit vectors": lambda g, z, y: _cosine_gradient(g, z, y)},
    ),
    Entry(
        "TripletMarginLoss",
        "triplet_margin_loss",
        calls=[
            *(
                call(_A, _B, normal(4, 3, seed=2), reduction=r, swap=swap)
                for r in _REDUCTIONS
                for swap in (False, True)
            ),
            *(call(_A, _B, normal(4, 3, seed=2), 2.0, p) for p in (1, 3, 1.5, float("inf"))),
            call(_A, _B[:1], normal(4, 3, seed=2), eps=0.1),
            call(normal(3), normal(3, seed=1), normal(3, seed=2)),
        ],
        special=[
            *(call(_A.round(), _B.round(), _B.round().flip(0), p=p, eps=0) for p in (1, 2, 3)),
            call(_A, _A.clone(), _A.clone(), eps=0),
            call(_A, _B, _B.clone(), swap=True),
            call(empty(0, 3), empty(0, 3), empty(0, 3), reduction="sum"),
        ],
        modules=[{}, {"margin": 2.0, "p": 1.0, "swap": True, "reduction": "sum"}],
        inputs=lambda: (torch.randn(SHAPE), torch.randn(SHAPE), torch.randn(SHAPE)),
        host=LossHost(_triplet, _TRIPLES),
        wrong={
            "norm squared": Bug(
                Mistake.NO_DERIVATIVE,
                lambda g, z, y: _triplet_gradient(g, z, y, power=0),
                diagnosed=False,
            ),
            "wrong sign": Bug(Mistake.SIGN, lambda g, z, y: -_triplet_gradient(g, z, y)),
            "sum instead of mean": Bug(
                Mistake.SUM_FOR_MEAN, lambda g, z, y: _triplet_gradient(g, z, y) * len(z)
            ),
            "incoming gradient ignored": Bug(
                Mistake.IGNORES_INCOMING,
                lambda g, z, y: _triplet_gradient(torch.ones_like(g), z, y),
            ),
        },
        right={"by unit vectors": lambda g, z, y: _triplet_gradient(g, z, y)},
    ),
]
