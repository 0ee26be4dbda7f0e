"""Losses of numbers and of distributions."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.entry import Entry, call
from compare.catalogue.host import CLASSES, LossHost, N, batch
from compare.catalogue.specimen import Bug
from compare.catalogue.values import SHAPE, empty, normal, probabilities
from compare.diagnosis.mistake import Mistake

_REDUCTIONS = ("none", "mean", "sum")
_A, _Y, _W = 2 * normal(4, 3), normal(4, 3, seed=1), probabilities(4, 3, seed=2)
_COUNTS = torch.tensor([[0, 1, 2], [3, 0, 5], [1, 1, 7], [2, 4, 0]], dtype=torch.float64)
_ZERO = torch.tensor([0, 0.3, 0.7, 1], dtype=torch.float64)
_TARGETS = 3 * batch(N, CLASSES, seed=7)
_DISTRIBUTIONS = batch(N, CLASSES, seed=7).softmax(1)
_EXTREMES = torch.tensor([torch.nan, torch.inf, -torch.inf, 1e4, -1e4, 0], dtype=torch.float64)


def _pairs() -> tuple[Tensor, Tensor]:
    return 2 * torch.randn(SHAPE), torch.randn(SHAPE)


def _of_errors(function: str, others: list[Any]) -> dict[str, Any]:
    """What losses of a − y are tried on."""
    return {
        "function": function,
        "calls": [*(call(_A, _Y, reduction=r) for r in _REDUCTIONS), *others],
        "special": [
            call((2 * _A).round(), (2 * _Y).round()),
            call(_EXTREMES, torch.zeros(6).double()),
            call(_A, _A.clone()),
            call(empty(0, 3), empty(0, 3), reduction="sum"),
        ],
        "inputs": _pairs,
    }


def _kl_div(x: Tensor, y: Tensor) -> Tensor:
    return F.kl_div(x, y, reduction="batchmean")


def _with_variance(a: Tensor, y: Tensor) -> Tensor:
    return F.gaussian_nll_loss(a, y, 0.25)


def _of_variance(z: Tensor, y: Tensor) -> Tensor:
    return F.gaussian_nll_loss(torch.zeros_like(y), y, z.exp())


ENTRIES = [
    Entry(
        "L1Loss",
        **_of_errors("l1_loss", [call(_A, _Y, None, None, r, _W) for r in _REDUCTIONS]),
        modules=[{}, {"reduction": "sum"}],
        host=LossHost(F.l1_loss, _TARGETS),
        wrong={
            "squared error's gradient": Bug(
                Mistake.ANOTHER_DERIVATIVE,
                lambda g, z, y: g * 2 * (z - y) / z.numel(),
            ),
            "y − a": Bug(Mistake.SIGN, lambda g, z, y: g * (y - z).sign() / z.numel()),
            "mean over the samples only": Bug(
                Mistake.FACTOR, lambda g, z, y: g * (z - y).sign() / len(z)
            ),
            "sum instead of mean": Bug(Mistake.SUM_FOR_MEAN, lambda g, z, y: g * (z - y).sign()),
        },
        right={
            "d / |d|": lambda g, z, y: g * torch.nan_to_num((z - y) / (z - y).abs()) / z.numel(),
            "subgradient 1 at 0": lambda g, z, y: torch.where(z >= y, g, -g) / z.numel(),
        },
    ),
    Entry(
        "SmoothL1Loss",
        **_of_errors("smooth_l1_loss", [call(_A, _Y, beta=b) for b in (0.3, 0)]),
        modules=[{}, {"beta": 0.5, "reduction": "sum"}],
        host=LossHost(F.smooth_l1_loss, _TARGETS),
        wrong={
            "not clipped": Bug(
                {Mistake.IN_A_PART, Mistake.ANOTHER_DERIVATIVE},
                lambda g, z, y: g * (z - y) / z.numel(),
            ),
            "sum instead of mean": Bug(
                Mistake.SUM_FOR_MEAN, lambda g, z, y: g * (z - y).clamp(-1, 1)
            ),
            "extra factor 2": Bug(
                Mistake.TWICE, lambda g, z, y: g * 2 * (z - y).clamp(-1, 1) / z.numel()
            ),
            "incoming gradient ignored": Bug(
                Mistake.IGNORES_INCOMING, lambda g, z, y: (z - y).clamp(-1, 1) / z.numel()
            ),
        },
        right={
            "by torch.where": lambda g, z, y: (
                g * torch.where((z - y).abs() < 1, z - y, (z - y).sign()) / z.numel()
            )
        },
    ),
    Entry(
        "HuberLoss",
        **_of_errors("huber_loss", [call(_A, _Y, r, 0.5, _W) for r in _REDUCTIONS]),
        modules=[{}, {"delta": 0.5, "reduction": "sum"}],
        host=LossHost(lambda z, y: F.huber_loss(z, y, delta=0.5), _TARGETS),
        wrong={
            "smooth L1's gradient": Bug(
                Mistake.TWICE, lambda g, z, y: g * (2 * (z - y)).clamp(-1, 1) / z.numel()
            ),
            "y − a": Bug(Mistake.SIGN, lambda g, z, y: g * (y - z).clamp(-0.5, 0.5) / z.numel()),
            "δ forgotten": Bug(
                Mistake.MISSING_FACTOR,
                lambda g, z, y: (
                    g * torch.where((z - y).abs() < 0.5, z - y, (z - y).sign()) / z.numel()
                ),
            ),
            "mean over the samples only": Bug(
                Mistake.FACTOR, lambda g, z, y: g * (z - y).clamp(-0.5, 0.5) / len(z)
            ),
        },
        right={
            "by min and max": lambda g, z, y: g * (z - y).clamp(max=0.5).clamp(-0.5) / z.numel()
        },
    ),
    Entry(
        "KLDivLoss",
        "kl_div",
        calls=[
            *(
                call(normal(4, 3), t, reduction=r, log_target=logs)
                for r in ("none", "sum", "batchmean")
                for logs, t in ((False, _W), (True, _W.log()))
            ),
            call(normal(4, 3), probabilities(3), reduction="sum"),
            call(normal(), probabilities(), reduction="batchmean"),
        ],
        special=[
            call(normal(4), _ZERO, constants=(1,), reduction="sum"),
            call(empty(0, 3), empty(0, 3), reduction="sum"),
        ],
        modules=[{"reduction": "batchmean"}, {"reduction": "sum", "log_target": True}],
        inputs=lambda: (torch.randn(SHAPE).log_softmax(1), torch.randn(SHAPE).softmax(1)),
        host=LossHost(_kl_div, _DISTRIBUTIONS, last=(nn.LogSoftmax(1),)),
        wrong={
            "mean over the elements": Bug(Mistake.FACTOR, lambda g, x, y: -g * y / x.numel()),
            "wrong sign": Bug(Mistake.SIGN, lambda g, x, y: g * y / len(x)),
            "mean forgotten": Bug(Mistake.SUM_FOR_MEAN, lambda g, x, y: -g * y),
            "q − y": Bug(Mistake.ADDED, lambda g, x, y: g * (x.exp() - y) / len(x)),
        },
        right={"target last": lambda g, x, y: (-g / len(x)).expand(y.shape) * y},
    ),
    Entry(
        "PoissonNLLLoss",
        "poisson_nll_loss",
        calls=[
            *(call(_A, _Y.abs(), reduction=r) for r in _REDUCTIONS),
            *(call(_A.abs(), _Y.abs(), False, reduction=r) for r in _REDUCTIONS),
            *(call(_A.abs(), 3 * _W, log_input=i, full=True) for i in (True, False)),
            call(_A, _COUNTS, constants=(1,), full=True),
            call(_A, probabilities(3)),
        ],
        special=[
            call(_COUNTS, _COUNTS.flip(0), False, constants=(1,)),
            call(_EXTREMES, torch.zeros(6).double(), constants=(1,)),
            call(empty(0, 3), empty(0, 3), reduction="sum"),
        ],
        modules=[{}, {"log_input": False, "full": True}],
        inputs=lambda: (torch.rand(SHAPE), torch.randint(1, 8, SHAPE).float()),
        host=LossHost(F.poisson_nll_loss, _TARGETS.abs().round()),
        wrong={
            "target forgotten": Bug(Mistake.NO_TARGET, lambda g, z, y: g * z.exp() / z.numel()),
            "exp forgotten": Bug(
                Mistake.ANOTHER_DERIVATIVE, lambda g, z, y: g * (z - y) / z.numel()
            ),
            "sum instead of mean": Bug(Mistake.SUM_FOR_MEAN, lambda g, z, y: g * (z.exp() - y)),
            "y − e^z": Bug(Mistake.SIGN, lambda g, z, y: g * (y - z.exp()) / z.numel()),
        },
        right={"by expm1": lambda g, z, y: (z.expm1() + (1 - y)) * (g / z.numel())},
    ),
    Entry(
        "GaussianNLLLoss",
        "gaussian_nll_loss",
        calls=[
            *(call(_A, _Y, _W, reduction=r) for r in _REDUCTIONS),
            call(_A, _Y, _W, full=True),
            call(_A, _Y, _W[:, 0]),
            call(_A, _Y, _W[:, :1]),
            call(_A, _Y[:1], _W, True, 0.01),
        ],
        special=[
            call(_A, _Y, torch.zeros(4, 3).double()),
            call(_A, _Y, _W, eps=0.5),
            call(_A, _Y, 0.5),
            call(empty(0, 3), empty(0, 3), empty(0, 3), reduction="sum"),
        ],
        modules=[{}, {"full": True, "eps": 0.5, "reduction": "sum"}],
        inputs=lambda: (torch.randn(SHAPE), torch.randn(SHAPE), torch.rand(SHAPE) + 0.1),
        host=LossHost(_with_variance, _TARGETS),
        wrong={
            "variance forgotten": Bug(Mistake.FACTOR, lambda g, a, y: g * (a - y) / a.numel()),
            "y − a": Bug(Mistake.SIGN, lambda g, a, y: g * (y - a) / (0.25 * a.numel())),
            "sum instead of mean": Bug(Mistake.SUM_FOR_MEAN, lambda g, a, y: g * (a - y) / 0.25),
            "variance gradient, square forgotten": Bug(
                {Mistake.NO_DERIVATIVE, Mistake.ANOTHER_FACTOR},
                lambda g, z, y: g * (0.5 - 0.5 * y * y) / z.numel(),
                LossHost(_of_variance, _TARGETS),
            ),
        },
        right={"by the precision": lambda g, a, y: (4 * a - 4 * y) * (g / a.numel())},
    ),
]
