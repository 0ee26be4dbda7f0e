"""What is planted in layers that manual_backprop does not have yet."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.host import CLASSES, Host, batch, between
from compare.catalogue.specimen import Bug, planted
from compare.diagnosis.mistake import Mistake


def _scale(x: Tensor, dim: int) -> Tensor:
    """1/σ."""
    return (x.var(dim, correction=0, keepdim=True) + 1e-5).rsqrt()


def _layer_norm_with_weights() -> nn.LayerNorm:
    module = nn.LayerNorm(6)
    with torch.no_grad():
        module.weight.copy_(batch(6))
    return module


def _three_terms(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    centred = x - x.mean(1, True)
    variance = (centred * centred).mean(1, True) + 1e-5
    of_hat = g * w
    of_variance = (of_hat * centred).sum(1, True) * -0.5 * variance.pow(-1.5)
    of_mean = -of_hat.sum(1, True) / variance.sqrt()
    n = x.shape[1]
    grad_x = of_hat / variance.sqrt() + of_variance * 2 * centred / n + of_mean / n
    return grad_x, (g * centred / variance.sqrt()).sum(0), g.sum(0)


_WORDS = torch.tensor([[1, 2, 3, 1], [4, 5, 2, 6], [7, 8, 9, 10]])
_EMBEDDING = Host(lambda: [nn.Embedding(11, 6), nn.Linear(6, CLASSES)], 0, _WORDS, seed=3)


def _kept_as_it_is(g: Tensor, x: Tensor, a: Tensor, training: bool) -> Tensor:
    return g * (F.dropout(torch.ones_like(x), 0.3, training) > 0)


SPECIMENS = [
    *planted(
        "LayerNorm",
        between(nn.LayerNorm(6, elementwise_affine=False)),
        wrong={
            "mean and variance as constants": Bug(
                Mistake.NO_CROSS_TERM, lambda g, x, x_hat: g * _scale(x, 1)
            ),
            "the mean's term forgotten": Bug(
                Mistake.NO_CROSS_TERM,
                lambda g, x, x_hat: (g - x_hat * (g * x_hat).mean(1, True)) * _scale(x, 1),
            ),
            "the variance's term forgotten": Bug(
                Mistake.NO_CROSS_TERM, lambda g, x, x_hat: (g - g.mean(1, True)) * _scale(x, 1)
            ),
        },
    ),
    *planted(
        "LayerNorm",
        between(_layer_norm_with_weights()),
        right={"the textbook's three terms": _three_terms},
    ),
    *planted(
        "BatchNorm",
        between(nn.BatchNorm1d(6, affine=False, track_running_stats=False)),
        wrong={
            "mean and variance as constants": Bug(
                Mistake.NO_CROSS_TERM, lambda g, x, x_hat: g * _scale(x, 0)
            )
        },
    ),
    *planted(
        "Dropout",
        between(nn.Dropout(0.3)),
        wrong={
            "what is kept is not scaled": Bug(Mistake.FACTOR, _kept_as_it_is),
            "mask forgotten": Bug(
                {Mistake.IN_A_PART, Mistake.NO_DERIVATIVE}, lambda g, x, a: g / 0.7
            ),
        },
    ),
    *planted(
        "Embedding",
        _EMBEDDING,
        wrong={
            "a word that comes twice counts once": Bug(
                Mistake.PART_OF_BATCH,
                lambda g, words, w: (w * 0).index_copy(0, words.flatten(), g.flatten(0, -2)),
                gradient="weight",
                diagnosed=False,
            )
        },
        right={
            "by adding at the indices": lambda g, words, w: (
                None,
                (w * 0).index_add(0, words.flatten(), g.flatten(0, -2)),
            )
        },
    ),
]
