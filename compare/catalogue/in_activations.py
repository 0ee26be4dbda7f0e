"""Bugs in activations, softmax, normalisation and dropout."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.specimen import Specimen, batch, function, layer, network, pointwise
from compare.diagnosis.mistake import Mistake
from compare.trial.question import Question

N, WIDTH = 9, 6


def _after_linear(base: nn.Module, backward: Callable[..., Any]) -> Callable[[], Question]:
    """Linear, the activation, Linear; the bug in the middle."""

    def build() -> Question:
        torch.manual_seed(1)
        around = nn.Linear(11, WIDTH), base, nn.Linear(WIDTH, 5)
        return network(*around, place=1, by_hand=pointwise(base, backward), inputs=batch(N, 11))

    return build


_NO = Mistake.NO_DERIVATIVE

# name → the module, its wrong backward (g, z, a) → ∂L/∂z, what it is
_BUGS: dict[str, tuple[nn.Module, Callable[..., Any], set[Mistake]]] = {
    "ReLU: no derivative": (nn.ReLU(), lambda g, z, a: g, {_NO}),
    "ReLU: mask inverted": (nn.ReLU(), lambda g, z, a: g * (z <= 0), {Mistake.IN_A_PART}),
    "ReLU: mask of the gradient": (
        nn.ReLU(),
        lambda g, z, a: g * (g > 0),
        {Mistake.IN_A_PART},
    ),
    "LeakyReLU: slope forgotten": (
        nn.LeakyReLU(0.1),
        lambda g, z, a: g * (z > 0),
        {Mistake.IN_A_PART},
    ),
    "LeakyReLU: another slope": (
        nn.LeakyReLU(0.1),
        lambda g, z, a: torch.where(z > 0, g, 0.01 * g),
        {Mistake.IN_A_PART},
    ),
    "ELU: no derivative where negative": (
        nn.ELU(),
        lambda g, z, a: g.clone(),
        {_NO, Mistake.IN_A_PART},
    ),
    "Sigmoid: 1 − a forgotten": (nn.Sigmoid(), lambda g, z, a: g * a, {_NO}),
    "Sigmoid: z for a": (nn.Sigmoid(), lambda g, z, a: g * z * (1 - z), {Mistake.AT_OUTPUT}),
    "Sigmoid: derivative at a": (
        nn.Sigmoid(),
        lambda g, z, a: g * a.sigmoid() * (1 - a.sigmoid()),
        {Mistake.AT_OUTPUT},
    ),
    "Sigmoid: wrong sign": (nn.Sigmoid(), lambda g, z, a: g * a * (a - 1), {Mistake.SIGN}),
    "Tanh: z for a": (nn.Tanh(), lambda g, z, a: g * (1 - z * z), {Mistake.AT_OUTPUT}),
    "Tanh: square forgotten": (nn.Tanh(), lambda g, z, a: g * (1 - a), {_NO}),
    "Softplus: no derivative": (nn.Softplus(), lambda g, z, a: g.clone(), {_NO}),
    "SiLU: second term forgotten": (nn.SiLU(), lambda g, z, a: g * z.sigmoid(), {_NO}),
    "GELU: second term forgotten": (
        nn.GELU(),
        lambda g, z, a: g * torch.special.ndtr(z),
        {_NO},
    ),
    "Softmax: no cross term": (
        nn.Softmax(1),
        lambda g, z, a: g * a * (1 - a),
        {Mistake.NO_CROSS_TERM},
    ),
    "Softmax: g · a": (nn.Softmax(1), lambda g, z, a: g * a, {Mistake.NO_CROSS_TERM}),
    "Softmax: sum along the batch": (
        nn.Softmax(1),
        lambda g, z, a: a * (g - (g * a).sum(0, keepdim=True)),
        {Mistake.WRONG_AXIS},
    ),
    "Softmax: zero": (nn.Softmax(1), lambda g, z, a: g * 0, {Mistake.DETACHED}),
    "LogSoftmax: sum forgotten": (
        nn.LogSoftmax(1),
        lambda g, z, a: g.clone(),
        {Mistake.NO_CROSS_TERM, _NO},
    ),
    "Identity: halved": (nn.Identity(), lambda g, z, a: g / 2, {Mistake.FACTOR}),
}


def specimens() -> Iterator[Specimen]:
    """All of them."""
    for name, (base, backward, mistakes) in _BUGS.items():
        place = (("1", "input"),)
        yield Specimen(name, _after_linear(base, backward), place, frozenset(mistakes))
    yield Specimen(
        "LayerNorm: mean and variance as constants",
        _layer_norm(lambda g, x_hat, scale: g * scale),
        (("1", "input"),),
        frozenset({Mistake.NO_CROSS_TERM}),
    )
    yield Specimen(
        "LayerNorm: the mean's term forgotten",
        _layer_norm(lambda g, x_hat, scale: (g - x_hat * (g * x_hat).mean(1, True)) * scale),
        (("1", "input"),),
        frozenset({Mistake.NO_CROSS_TERM}),
    )
    yield Specimen(
        "LayerNorm: the variance's term forgotten",
        _layer_norm(lambda g, x_hat, scale: (g - g.mean(1, True)) * scale),
        (("1", "input"),),
        frozenset({Mistake.NO_CROSS_TERM}),
    )
    yield Specimen(
        "BatchNorm: mean and variance as constants",
        _batch_norm,
        (("1", "input"),),
        frozenset({Mistake.NO_CROSS_TERM}),
    )
    yield Specimen(
        "Dropout: what is kept is not scaled",
        _dropout(lambda g, kept, p: g * kept),
        (("1", "input"),),
        frozenset({Mistake.FACTOR}),
    )
    yield Specimen(
        "Dropout: mask forgotten",
        _dropout(lambda g, kept, p: g / (1 - p)),
        (("1", "input"),),
        frozenset({Mistake.IN_A_PART, _NO}),
    )


def _layer_norm(backward: Callable[..., Tensor]) -> Callable[[], Question]:
    """Without scale and shift; ``backward(g, x̂, 1/σ)``."""

    def of_x(g: Tensor, x: Tensor) -> Tensor:
        scale = (x.var(1, correction=0, keepdim=True) + 1e-5).rsqrt()
        return backward(g, (x - x.mean(1, keepdim=True)) * scale, scale)

    def build() -> Question:
        torch.manual_seed(1)
        base = nn.LayerNorm(WIDTH, elementwise_affine=False)
        apply = function(lambda x: F.layer_norm(x, (WIDTH,)), of_x)
        return network(
            nn.Linear(11, WIDTH),
            base,
            nn.Linear(WIDTH, 5),
            place=1,
            by_hand=layer(base, lambda self, x: apply(x)),
            inputs=batch(N, 11),
        )

    return build


def _batch_norm() -> Question:
    torch.manual_seed(1)
    base = nn.BatchNorm1d(WIDTH, affine=False, track_running_stats=False)
    apply = function(
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda g, x: g * (x.var(0, correction=0) + 1e-5).rsqrt(),
    )
    return network(
        nn.Linear(11, WIDTH),
        base,
        nn.Linear(WIDTH, 5),
        place=1,
        by_hand=layer(base, lambda self, x: apply(x)),
        inputs=batch(N, 11),
    )


def _dropout(backward: Callable[..., Tensor]) -> Callable[[], Question]:
    p = 0.3

    def build() -> Question:
        torch.manual_seed(1)
        base = nn.Dropout(p)

        def call(self: nn.Module, x: Tensor) -> Tensor:
            if not self.training:
                return x
            kept = (F.dropout(torch.ones_like(x), p) > 0).to(x.dtype)
            apply = function(
                lambda x, kept: x * kept / (1 - p),
                lambda g, x, kept: (backward(g, kept, p), None),
            )
            return apply(x, kept)

        return network(
            nn.Linear(11, WIDTH),
            base,
            nn.Linear(WIDTH, 5),
            place=1,
            by_hand=layer(base, call),
            inputs=batch(N, 11),
        )

    return build
