"""Instance normalization, of one, two and three dimensions."""

from typing import Any

import torch
from torch import Tensor, nn

from compare.catalogue.entry import Entry, call
from compare.catalogue.host import CLASSES, Host, batch
from compare.catalogue.specimen import Bug
from compare.catalogue.values import normal, probabilities
from compare.diagnosis.mistake import Mistake
from manual_backprop.normalization.instance_norm import InstanceNormFunction

_W, _B = normal(3, seed=1), normal(3, seed=2)
_RUNNING = normal(3, seed=3), probabilities(3, seed=4)
_HOST = Host(
    lambda: [
        nn.Conv1d(2, 3, 1),
        nn.InstanceNorm1d(3, affine=True),
        nn.Flatten(),
        nn.Linear(12, CLASSES),
    ],
    1,
    batch(6, 2, 4),
)  # with weights of 1 and biases of 0: y = x̂


def _rstd(x: Tensor) -> Tensor:
    return (x.var(2, correction=0, keepdim=True) + 1e-5).rsqrt()


def _hat(x: Tensor) -> Tensor:
    return (x - x.mean(2, True)) * _rstd(x)


def _by_projection(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    """What is left of g without its parts along 1 and x̂; ε makes the second a little less."""
    centred, x̂ = g - g.mean(2, True), _hat(x)
    grad_x = w[:, None] * _rstd(x) * (centred - x̂ * (centred * x̂).mean(2, True))
    return grad_x, (g * x̂).sum((0, 2)), g.sum((0, 2))


def _instance_norm(dimensions: int, shape: tuple[int, ...], **others: Any) -> Entry:
    x = normal(*shape)
    return Entry(
        f"InstanceNorm{dimensions}d",
        "instance_norm",
        calls=[
            call(x),
            call(x, None, None, _W, _B, eps=1e-2),
            call(x, *_RUNNING, _W, _B, constants=(1, 2), momentum=0.3),
            call(x, *_RUNNING, _W, _B, constants=(1, 2), use_input_stats=False),
            call(x, *_RUNNING, constants=(1, 2), use_input_stats=False),
        ],
        modules=[
            {"num_features": 6, "affine": True},
            {"num_features": 6},
            {"num_features": 6, "track_running_stats": True, "momentum": 0.3},
        ],
        inputs=lambda: (torch.randn(5, 6, *(3, 4, 2)[:dimensions]),),
        derivation=InstanceNormFunction,
        **others,
    )


ENTRIES = [
    _instance_norm(
        1,
        (4, 3, 5),
        special=[call(torch.ones(2, 3, 4, dtype=torch.float64))],
        host=_HOST,
        wrong={
            "mean and variance treated as constants": Bug(
                Mistake.NO_CROSS_TERM, lambda g, x, w, b: g * _rstd(x)
            ),
            "the mean's term forgotten": Bug(
                {Mistake.NO_CROSS_TERM, Mistake.CONSTANT},
                lambda g, x, w, b: (g - _hat(x) * (g * _hat(x)).mean(2, True)) * _rstd(x),
            ),
            "the variance's term forgotten": Bug(
                {Mistake.NO_CROSS_TERM, Mistake.CONSTANT},
                lambda g, x, w, b: (g - g.mean(2, True)) * _rstd(x),
            ),
        },
        right={"by projection": _by_projection},
    ),
    _instance_norm(2, (2, 3, 4, 5)),
    _instance_norm(3, (2, 3, 2, 2, 2)),
]
