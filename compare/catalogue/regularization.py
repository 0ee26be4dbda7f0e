"""Layers that disturb training."""

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.elementwise import elementwise
from compare.catalogue.entry import Entry, call
from compare.catalogue.host import CLASSES, Host, batch
from compare.catalogue.specimen import Bug
from compare.catalogue.values import normal
from compare.diagnosis.mistake import Mistake
from manual_backprop.regularization.alpha_dropout import ALPHA
from manual_backprop.regularization.feature_dropout import FeatureDropoutFunction


def _kept(x: Tensor, training: bool) -> Tensor:
    """1 where nothing was left out, else 0."""
    return (F.dropout(torch.ones_like(x), 0.3, training) > 0).to(x.dtype)


def _kept_as_it_is(g: Tensor, x: Tensor, a: Tensor, training: bool) -> Tensor:
    return g * _kept(x, training)


def _mask_of_the_output(g: Tensor, x: Tensor, a: Tensor, training: bool) -> Tensor:
    """Wrong where x is 0 and was kept."""
    return torch.where(a == 0, 0, g / 0.7) if training else g.clone()


def _drawn_again(g: Tensor, x: Tensor, a: Tensor, training: bool) -> Tensor:
    if not training:
        return g.clone()
    F.dropout(x, 0.3)
    return g * _kept(x, training) / 0.7


_A = 1 / math.sqrt((ALPHA * ALPHA * 0.3 + 1) * 0.7)


def _kept_alpha(x: Tensor, training: bool) -> Tensor:
    """1 where alpha dropout with p = 0.3 left nothing out, else 0."""
    if not training:
        return torch.ones_like(x)
    return torch.empty_like(x).bernoulli_(0.7)


def _random(*shape: int) -> tuple[Tensor]:
    return (torch.randn(shape),)


def _channels(x: Tensor, training: bool) -> Tensor:
    return F.dropout1d(torch.ones_like(x), 0.3, training)


_OF_CHANNELS: dict[str, Any] = {
    "host": Host(
        lambda: [nn.Conv1d(2, 3, 1), nn.Dropout1d(0.3), nn.Flatten(), nn.Linear(12, CLASSES)],
        1,
        batch(6, 2, 4),
    ),
    "wrong": {
        "kept values not scaled": Bug(
            Mistake.FACTOR, lambda g, x, a, training: g * (_channels(x, training) > 0)
        ),
        "mask forgotten": Bug(
            {Mistake.IN_A_PART, Mistake.NO_DERIVATIVE, Mistake.FACTOR}, lambda g, x, a: g / 0.7
        ),
        "mask for each element": Bug(
            Mistake.IN_A_PART,
            lambda g, x, a, training: g * F.dropout(torch.ones_like(x), 0.3, training),
        ),
    },
    "right": {"dropout of ones": lambda g, x, a, training: g * _channels(x, training)},
}

ENTRIES = [
    elementwise(
        "Dropout",
        "dropout",
        options=[{}, {"p": 0.2}, {"p": 1.0}, {"p": 0.3, "inplace": True}],
        modules=[{"p": 0.3}, {"p": 0.3, "inplace": True}, {"p": 1.0}],
        wrong={
            "kept values not scaled": Bug(Mistake.FACTOR, _kept_as_it_is),
            "mask forgotten": Bug(
                {Mistake.IN_A_PART, Mistake.NO_DERIVATIVE}, lambda g, x, a: g / 0.7
            ),
            "new mask": Bug(Mistake.IN_A_PART, _drawn_again),
            "mask from the output": Bug(Mistake.IN_A_PART, _mask_of_the_output),
        },
        right={
            "dropout of ones": lambda g, x, a, training: (
                g * F.dropout(torch.ones_like(x), 0.3, training)
            )
        },
    ),
    elementwise(
        "AlphaDropout",
        "alpha_dropout",
        options=[
            {"training": True},
            {"p": 0.2, "training": True},
            {"training": True, "inplace": True},
        ],
        modules=[{"p": 0.3}, {"p": 0.3, "inplace": True}],
        wrong={
            "not scaled": Bug(
                Mistake.FACTOR, lambda g, x, a, training: g * _kept_alpha(x, training)
            ),
            "mask forgotten": Bug(
                {Mistake.IN_A_PART, Mistake.FACTOR, Mistake.NO_DERIVATIVE},
                lambda g, x, a, training: g * (_A if training else 1),
            ),
            "scaled like dropout": Bug(
                Mistake.FACTOR,
                lambda g, x, a, training: g * _kept_alpha(x, training) / (0.7 if training else 1),
            ),
        },
        right={
            "A times the mask": lambda g, x, a, training: (
                g * _kept_alpha(x, training) * (_A if training else 1)
            )
        },
    ),
    *(
        Entry(
            f"Dropout{dimensions}d",
            f"dropout{dimensions}d",
            calls=[
                call(normal(*shape), p)
                for p in (0.5, 0.2)
                for shape in ((3, 5, *size), *(() if dimensions == 2 else ((5, *size),)))
            ]
            + [call(normal(3, 5, *size), inplace=True)],
            special=[
                call(normal(3, 5, *size), p, training)
                for p, training in ((0.0, True), (1.0, True), (0.5, False))
            ],
            modules=[{"p": 0.3}, {"p": 0.3, "inplace": True}],
            inputs=partial(_random, 3, 5, *size),
            derivation=FeatureDropoutFunction,
            **(_OF_CHANNELS if dimensions == 1 else {}),
        )
        for dimensions in (1, 2, 3)
        for size in [(3, 2, 1)[:dimensions]]
    ),
]
