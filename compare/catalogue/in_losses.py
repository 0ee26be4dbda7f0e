"""Bugs in losses, in convolutions, in an embedding, and in the code between layers."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input, conv2d_weight

from compare.catalogue.specimen import Specimen, batch, function, labels, layer, network
from compare.diagnosis.mistake import Mistake
from compare.trial.question import Question

N, CLASSES = 9, 5


def _loss(
    reference: Callable[..., Tensor],
    backward: Callable[..., Any],
    targets: Tensor,
    *last: nn.Module,
) -> Callable[[], Question]:
    """A network of three Linears and the loss; ``backward(g, z, y)`` → ∂L/∂z."""

    def build() -> Question:
        torch.manual_seed(2)
        steps = [nn.Linear(11, 7), nn.Tanh(), nn.Linear(7, CLASSES), *last]
        model = nn.Sequential(*steps)
        apply = function(reference, lambda g, z, y: (backward(g, z, y), None))
        return Question(model, model, [batch(N, 11)], (apply, reference), targets)

    return build


def _soft() -> Tensor:
    return batch(N, CLASSES, seed=7).sigmoid()


def _one_hot(y: Tensor, z: Tensor) -> Tensor:
    return F.one_hot(y, z.shape[1]).to(z.dtype)


_LABELS = labels(N, CLASSES)
_IGNORES = Mistake.IGNORES_INCOMING

# name → loss, its wrong backward, targets, what it is, last layer
_BUGS: dict[str, tuple[Any, Callable[..., Any], Tensor, set[Mistake], list[nn.Module]]] = {
    "MSE: sum for mean": (
        F.mse_loss,
        lambda g, z, y: g * 2 * (z - y),
        _soft(),
        {Mistake.SUM_FOR_MEAN},
        [],
    ),
    "MSE: 2 forgotten": (
        F.mse_loss,
        lambda g, z, y: g * (z - y) / z.numel(),
        _soft(),
        {Mistake.FACTOR},
        [],
    ),
    "MSE: mean over the samples only": (
        F.mse_loss,
        lambda g, z, y: g * 2 * (z - y) / len(z),
        _soft(),
        {Mistake.FACTOR},
        [],
    ),
    "MSE: target forgotten": (
        F.mse_loss,
        lambda g, z, y: g * 2 * z / z.numel(),
        _soft(),
        {Mistake.NO_TARGET},
        [],
    ),
    "MSE: y − a": (
        F.mse_loss,
        lambda g, z, y: g * 2 * (y - z) / z.numel(),
        _soft(),
        {Mistake.SIGN},
        [],
    ),
    "MSE: incoming gradient ignored": (
        F.mse_loss,
        lambda g, z, y: 2 * (z - y) / z.numel(),
        _soft(),
        {_IGNORES},
        [],
    ),
    "CrossEntropy: mean forgotten": (
        F.cross_entropy,
        lambda g, z, y: g * (z.softmax(1) - _one_hot(y, z)),
        _LABELS,
        {Mistake.SUM_FOR_MEAN},
        [],
    ),
    "CrossEntropy: target forgotten": (
        F.cross_entropy,
        lambda g, z, y: g * z.softmax(1) / len(z),
        _LABELS,
        {Mistake.NO_TARGET},
        [],
    ),
    "CrossEntropy: mean over the elements": (
        F.cross_entropy,
        lambda g, z, y: g * (z.softmax(1) - _one_hot(y, z)) / z.numel(),
        _LABELS,
        {Mistake.FACTOR},
        [],
    ),
    "CrossEntropy: y − a": (
        F.cross_entropy,
        lambda g, z, y: g * (_one_hot(y, z) - z.softmax(1)) / len(z),
        _LABELS,
        {Mistake.SIGN},
        [],
    ),
    "CrossEntropy: incoming gradient ignored": (
        F.cross_entropy,
        lambda g, z, y: (z.softmax(1) - _one_hot(y, z)) / len(z),
        _LABELS,
        {_IGNORES},
        [],
    ),
    "CrossEntropy: exp without its maximum": (
        F.cross_entropy,
        lambda g, z, y: g * (_overflowing_softmax(z) - _one_hot(y, z)) / len(z),
        _LABELS,
        {Mistake.OVERFLOW},
        [],
    ),
    "NLL: sum for mean": (
        F.nll_loss,
        lambda g, z, y: -g * _one_hot(y, z),
        _LABELS,
        {Mistake.SUM_FOR_MEAN},
        [nn.LogSoftmax(1)],
    ),
    "NLL: class counted from one": (
        F.nll_loss,
        lambda g, z, y: -g * _one_hot(y, z).roll(1, 1) / len(z),
        _LABELS,
        {Mistake.PERMUTED},
        [nn.LogSoftmax(1)],
    ),
    "BCE: denominator forgotten": (
        F.binary_cross_entropy,
        lambda g, a, y: g * (a - y) / a.numel(),
        _soft(),
        {Mistake.NO_DERIVATIVE},
        [nn.Sigmoid()],
    ),
    "BCE: sum for mean": (
        F.binary_cross_entropy,
        lambda g, a, y: g * (a - y) / (a * (1 - a)),
        _soft(),
        {Mistake.SUM_FOR_MEAN},
        [nn.Sigmoid()],
    ),
    "BCEWithLogits: mean over the samples only": (
        F.binary_cross_entropy_with_logits,
        lambda g, z, y: g * (z.sigmoid() - y) / len(z),
        _soft(),
        {Mistake.FACTOR},
        [],
    ),
}


def _overflowing_softmax(z: Tensor) -> Tensor:
    """Right until e^{4z} does not fit: 4 stands for logits that come large."""
    e = (4 * z).exp()
    return torch.where(e.isfinite(), z.softmax(1), torch.nan)


def specimens() -> Iterator[Specimen]:
    """All of them."""
    for name, (loss, backward, targets, mistakes, last) in _BUGS.items():
        build = _loss(loss, backward, targets, *last)
        yield Specimen(name, build, (("loss", "input"),), frozenset(mistakes))
    yield Specimen(
        "Conv2d: weight averaged over the batch",
        _conv(weight=lambda w, x: w / len(x)),
        (("2", "weight"),),
        frozenset({Mistake.MEAN_FOR_SUM}),
    )
    yield Specimen(
        "Conv2d: kernel turned round",
        _conv(kernel=lambda w: w.flip(2, 3)),
        (("2", "input"),),
        frozenset({Mistake.WRONG_WEIGHT}),
    )
    yield Specimen(
        "Conv2d: bias not summed over the positions",
        _conv(bias=lambda g: g.sum(0)),
        (("2", "bias"),),
        frozenset({Mistake.NOT_SUMMED}),
    )
    yield Specimen(
        "Embedding: a word that comes twice counts once",
        _embedding,
        (("0", "weight"),),
        frozenset({Mistake.PART_OF_BATCH}),
    )
    yield Specimen(
        "Residual: skip connection halved",
        _residual,
        (("1", "input"),),
        frozenset({Mistake.ADDED, Mistake.FACTOR}),
    )


def _conv(
    weight: Callable[..., Tensor] = lambda w, x: w,
    kernel: Callable[[Tensor], Tensor] = lambda w: w,
    bias: Callable[[Tensor], Tensor] = lambda g: g.sum((0, 2, 3)),
) -> Callable[[], Question]:
    def backward(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        grad_x = conv2d_input(list(x.shape), kernel(w), g, padding=1)
        grad_w = conv2d_weight(x, list(w.shape), g, padding=1)
        return grad_x, weight(grad_w, x), bias(g)

    def build() -> Question:
        torch.manual_seed(3)
        base = nn.Conv2d(4, 3, 3, padding=1)
        apply = function(lambda x, w, b: F.conv2d(x, w, b, padding=1), backward)
        return network(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.Tanh(),
            base,
            nn.Flatten(),
            nn.Linear(105, CLASSES),
            place=2,
            by_hand=layer(base, lambda self, x: apply(x, self.weight, self.bias)),
            inputs=batch(6, 2, 5, 7),
        )

    return build


def _embedding() -> Question:
    torch.manual_seed(3)
    base = nn.Embedding(11, 6)
    words = torch.tensor([[1, 2, 3, 1], [4, 5, 2, 6], [7, 8, 9, 10]])

    def backward(g: Tensor, words: Tensor, w: Tensor) -> tuple[None, Tensor]:
        flat = words.flatten()
        return None, torch.zeros_like(w).index_copy(0, flat, g.reshape(len(flat), -1))

    apply = function(F.embedding, backward)
    return network(
        base,
        nn.Linear(6, CLASSES),
        place=0,
        by_hand=layer(base, lambda self, x: apply(x, self.weight)),
        inputs=words,
    )


class _Residual(nn.Module):
    def __init__(self, skip: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inner, self.skip = nn.Linear(7, 7), skip

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.inner(x).tanh()


def _residual() -> Question:
    torch.manual_seed(3)
    halved = function(torch.clone, lambda g, x: g / 2)
    return network(
        nn.Linear(11, 7),
        _Residual(torch.clone),
        nn.Linear(7, CLASSES),
        place=1,
        by_hand=_Residual(halved),
        inputs=batch(N, 11),
    )
