"""What is planted in layers that manual_backprop does not have yet."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input, conv2d_weight

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


def _by_unfolding(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    patches, delta = F.unfold(x, 3, padding=1), g.flatten(2)
    grad_w = torch.einsum("nop,nkp->ok", delta, patches).reshape(w.shape)
    grad_x = F.fold(w.flatten(1).T @ delta, x.shape[2:], 3, padding=1)
    return grad_x, grad_w, delta.sum((0, 2))


def _last_of_several(g: Tensor, x: Tensor, a: Tensor) -> Tensor:
    n, c, h, w = x.shape
    windows = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(3, 4).flatten(4)
    last = 3 - windows.flip(4).argmax(4, keepdim=True)
    spread = torch.zeros_like(windows).scatter(4, last, g[..., None])
    return spread.unflatten(4, (2, 2)).transpose(3, 4).reshape(x.shape)


def _conv(n_in: int, n_out: int) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, 3, padding=1)


_IMAGES = batch(6, 2, 5, 7)
_CONV = Host(
    lambda: [_conv(2, 4), nn.Tanh(), _conv(4, 3), nn.Flatten(), nn.Linear(105, CLASSES)],
    2,
    _IMAGES,
    seed=3,
)
_FIRST_CONV = Host(
    lambda: [_conv(2, 4), nn.Tanh(), nn.Flatten(), nn.Linear(140, CLASSES)], 0, _IMAGES
)
_MAX_POOL = Host(
    lambda: [_conv(2, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, CLASSES)],
    1,
    batch(5, 2, 4, 6),
)
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
        wrong={
            "weight without x̂": Bug(
                Mistake.MISSING_FACTOR, lambda g, x, w, b: g.sum(0), gradient="weight"
            )
        },
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
        "Conv2d",
        _CONV,
        wrong={
            "weight averaged over the batch": Bug(
                Mistake.MEAN_FOR_SUM,
                lambda g, x, w, b: conv2d_weight(x, list(w.shape), g, padding=1) / len(x),
                gradient="weight",
            ),
            "kernel turned round": Bug(
                Mistake.WRONG_WEIGHT,
                lambda g, x, w, b: conv2d_input(list(x.shape), w.flip(2, 3), g, padding=1),
            ),
            "bias not summed over the positions": Bug(
                Mistake.NOT_SUMMED, lambda g, x, w, b: g.sum(0), gradient="bias"
            ),
        },
    ),
    *planted("Conv2d", _FIRST_CONV, right={"by unfolding": _by_unfolding}),
    *planted("MaxPool2d", _MAX_POOL, right={"the last of several largest": _last_of_several}),
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
