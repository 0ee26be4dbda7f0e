"""What is planted otherwise than as one formula in one layer."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.affine import chain
from compare.catalogue.host import CLASSES, Host, LossHost, N, batch
from compare.catalogue.rewritten import function, layer, rewritten
from compare.catalogue.specimen import Specimen
from compare.diagnosis.mistake import Mistake
from compare.trial.question import Question


def _two_bugs() -> Question:
    question = chain(3).unchanged()
    first, third = question.reference[0], question.reference[4]
    question.manual[0] = rewritten(first, lambda g, x, w, b: -g.sum(0), "bias")
    question.manual[4] = rewritten(third, lambda g, x, w, b: -g.T @ x, "weight")
    return question


def _without_bias() -> Question:
    question = chain(3).unchanged()
    second = question.reference[2]
    question.manual[2] = layer(second, lambda self, x: F.linear(x, self.weight))
    return question


def _linear_and_relu() -> Question:
    def backward(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        delta = g * (F.linear(x, w, b) > 0)
        return delta @ w, delta.T @ x, delta.sum(0)

    fused = function(lambda x, w, b: F.linear(x, w, b).relu(), backward)
    question = Host(
        lambda: [nn.Linear(11, 7), nn.ReLU(), nn.Linear(7, CLASSES)], 0, batch(N, 11)
    ).unchanged()
    first, _, last = question.reference
    by_hand = layer(first, lambda self, x: fused(x, self.weight, self.bias))
    return replace(question, manual=nn.Sequential(by_hand, last))


class _Residual(nn.Module):
    def __init__(self, skip: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inner, self.skip = nn.Linear(7, 7), skip

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.inner(x).tanh()


def _halved_skip() -> Question:
    question = Host(
        lambda: [nn.Linear(11, 7), _Residual(torch.clone), nn.Linear(7, CLASSES)], 1, batch(N, 11)
    ).unchanged()
    question.manual[1] = _Residual(function(torch.clone, lambda g, x: g / 2))
    return question


def _by_halves() -> Question:
    loss = function(
        lambda a, y: (a * a).mean() - 2 * (a * y).mean() + (y * y).mean(),
        lambda g, a, y: ((a - y) * g / (a.numel() / 2), None),
    )
    host = LossHost(F.mse_loss, batch(N, CLASSES, seed=7).sigmoid())
    question = host.plant(lambda g, a, y: None)
    return replace(question, loss=(loss, F.mse_loss))


SPECIMENS = [
    Specimen(
        "Linear: two bugs in two layers",
        _two_bugs,
        (("0", "bias"), ("4", "weight")),
        frozenset({Mistake.SIGN}),
    ),
    Specimen(
        "Linear: bias left out of the forward",
        _without_bias,
        (("2", "output"),),
        frozenset({Mistake.FORWARD}),
    ),
    Specimen(
        "Residual: skip connection halved",
        _halved_skip,
        (("1", "input"),),
        frozenset({Mistake.ADDED, Mistake.FACTOR}),
    ),
    Specimen("Linear and ReLU fused", _linear_and_relu),
    Specimen("MSE: by halves", _by_halves),
]
