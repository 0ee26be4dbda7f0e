"""Layers that normalize."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from compare.catalogue import instances
from compare.catalogue.entry import Entry, call
from compare.catalogue.host import Host, batch, between
from compare.catalogue.specimen import Bug
from compare.catalogue.values import normal, probabilities
from compare.diagnosis.mistake import Mistake
from manual_backprop.normalization.batch_norm import BatchNormFunction


def _with_weights(module: nn.Module) -> nn.Module:
    """Weights that are not 1 and biases that are not 0, as after some training."""
    with torch.no_grad():
        module.weight.copy_(batch(6))  # type: ignore[operator]
        if hasattr(module, "bias"):
            module.bias.copy_(batch(6, seed=6))  # type: ignore[operator]
    return module


def _rstd(x: Tensor, dim: int) -> Tensor:
    """1/σ."""
    return (x.var(dim, correction=0, keepdim=True) + 1e-5).rsqrt()


def _forgotten(dim: int, host: Host) -> dict[str, Bug]:
    """What people forget of ∂L/∂x, in a host where y = x̂."""
    return {
        "mean and variance treated as constants": Bug(
            Mistake.NO_CROSS_TERM, lambda g, x, x̂: g * _rstd(x, dim), host
        ),
        "the mean's term forgotten": Bug(
            {Mistake.NO_CROSS_TERM, Mistake.CONSTANT},
            lambda g, x, x̂: (g - x̂ * (g * x̂).mean(dim, True)) * _rstd(x, dim),
            host,
        ),
        "the variance's term forgotten": Bug(
            {Mistake.NO_CROSS_TERM, Mistake.CONSTANT},
            lambda g, x, x̂: (g - g.mean(dim, True)) * _rstd(x, dim),
            host,
        ),
    }


def _by_the_chain_rule(g: Tensor, x: Tensor, w: Tensor, b: Tensor, dim: int) -> tuple[Tensor, ...]:
    """As in the paper: ∂L/∂x̂, ∂L/∂v and ∂L/∂μ, and ∂L/∂x from the three."""
    centred, m = x - x.mean(dim, True), x.shape[dim]
    variance = (centred * centred).mean(dim, True) + 1e-5
    of_hat = g * w
    of_variance = (of_hat * centred).sum(dim, True) * -0.5 * variance.pow(-1.5)
    of_mean = -of_hat.sum(dim, True) / variance.sqrt()
    grad_x = of_hat / variance.sqrt() + of_variance * 2 * centred / m + of_mean / m
    return grad_x, (g * centred / variance.sqrt()).sum(0), g.sum(0)


def _of_batches(
    g: Tensor, x: Tensor, w: Tensor, b: Tensor, mean: Tensor, v: Tensor, _: Tensor, training: bool
) -> tuple[Tensor, ...]:
    if training:
        return _by_the_chain_rule(g, x, w, b, 0)
    scale = (v + 1e-5).rsqrt()
    return g * w * scale, (g * (x - mean) * scale).sum(0), g.sum(0)


# γ, β of three channels, running mean and variance.
_W, _B = normal(3, seed=1), normal(3, seed=2)
_RUNNING = normal(3, seed=3), probabilities(3, seed=4)
_OFFSET = 8 + normal(6, 3)


def _batch_norm(dimensions: int, shapes: list[tuple[int, ...]], **others: Any) -> Entry:
    inputs = (33, 13) if dimensions == 1 else (5, 13, *(3, 4, 2)[:dimensions])
    options: list[dict[str, Any]] = [
        {},
        {"momentum": None, "eps": 1e-3},
        {"affine": False},
        {"track_running_stats": False},
    ]
    return Entry(
        f"BatchNorm{dimensions}d",
        "batch_norm",
        calls=[
            c
            for shape in shapes
            for c in (
                call(normal(*shape), None, None, _W, _B, training=True),
                call(
                    normal(*shape), *_RUNNING, _W, _B, constants=(1, 2), training=True, momentum=0.3
                ),
                call(normal(*shape), *_RUNNING, _W, _B, constants=(1, 2), eps=1e-2),
                call(normal(*shape), *_RUNNING, constants=(1, 2), training=True),
                call(normal(*shape), *_RUNNING, constants=(1, 2)),
            )
        ],
        modules=[{"num_features": 13, **o} for o in options],
        inputs=lambda: (torch.randn(inputs),),
        derivation=BatchNormFunction,
        **others,
    )


_BATCH_NORM = between(_with_weights(nn.BatchNorm1d(6)))
_BATCH_NORM_ALONE = between(nn.BatchNorm1d(6, affine=False, track_running_stats=False))

_EPSILONS: list[dict[str, Any]] = [{}, {"eps": 1e-2}]
# Of x, and of its last dimensions.
_FEATURES = [((5, 3), (3,)), ((3,), (3,)), ((2, 4, 3), (3,)), ((2, 4, 3), (4, 3))]
_RMS_ALONE = between(nn.RMSNorm(6, eps=1e-5, elementwise_affine=False))


def _of_square(x: Tensor) -> Tensor:
    """1/√(mean square)."""
    return ((x * x).mean(1, True) + 1e-5).rsqrt()


def _group_by_group(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    parts = [
        _by_the_chain_rule(*of_group, dim=1)
        for of_group in zip(g.split(3, 1), x.split(3, 1), w.split(3), b.split(3), strict=True)
    ]
    grad_x, grad_w, grad_b = zip(*parts, strict=True)
    return torch.cat(grad_x, 1), torch.cat(grad_w), torch.cat(grad_b)


ENTRIES = [
    _batch_norm(
        1,
        [(6, 3), (4, 3, 5)],
        special=[
            call(torch.ones(4, 3, dtype=torch.float64), None, None, _W, _B, training=True),
            call(_OFFSET, None, None, training=True),
        ],
        host=_BATCH_NORM,
        wrong={
            **_forgotten(0, _BATCH_NORM_ALONE),
            "sums over the channels": Bug(
                Mistake.WRONG_AXIS,
                lambda g, x, x̂: (g - g.mean(1, True) - x̂ * (g * x̂).mean(1, True)) * _rstd(x, 0),
                _BATCH_NORM_ALONE,
                diagnosed=False,
            ),
            "weight by x instead of x̂": Bug(
                Mistake.ANOTHER_FACTOR,
                lambda g, x, w, *_: (g * x).sum(0),
                gradient="weight",
            ),
            "bias averaged over the batch": Bug(
                Mistake.MEAN_FOR_SUM, lambda g, *_: g.mean(0), gradient="bias"
            ),
        },
        right={"by the chain rule": _of_batches},
    ),
    _batch_norm(2, [(2, 3, 4, 5)]),
    _batch_norm(3, [(2, 3, 2, 2, 2)]),
    Entry(
        "LayerNorm",
        "layer_norm",
        calls=[
            call(normal(*shape), features, *parameters)
            for shape, features in _FEATURES
            for parameters in (
                (),
                (normal(*features, seed=1), normal(*features, seed=2)),
            )
        ]
        + [call(normal(5, 3), (3,), _W, eps=1e-2)],
        special=[
            call(torch.ones(4, 3, dtype=torch.float64), (3,), _W, _B),
            call(8 + normal(6, 3), (3,)),
            call(normal(0, 3), (3,), _W, _B),
            call(normal(4, 1), (1,)),
        ],
        modules=[
            {"normalized_shape": 13},
            {"normalized_shape": (33, 13), "eps": 1e-3},
            {"normalized_shape": 13, "elementwise_affine": False},
            {"normalized_shape": 13, "bias": False},
        ],
        host=between(_with_weights(nn.LayerNorm(6))),
        wrong={
            **_forgotten(1, between(nn.LayerNorm(6, elementwise_affine=False))),
            "weight gradient without x̂": Bug(
                Mistake.MISSING_FACTOR, lambda g, *_: g.sum(0), gradient="weight"
            ),
        },
        right={"by the chain rule": partial(_by_the_chain_rule, dim=1)},
    ),
    Entry(
        "RMSNorm",
        "rms_norm",
        calls=[
            call(normal(*shape), features, *parameters, **o)
            for shape, features in _FEATURES
            for parameters in ((), (normal(*features, seed=1),))
            for o in _EPSILONS
        ],
        special=[
            call(torch.zeros(4, 3, dtype=torch.float64), (3,), _W),
            call(normal(0, 3), (3,), _W),
        ],
        modules=[
            {"normalized_shape": 13},
            {"normalized_shape": (33, 13), "eps": 1e-3},
            {"normalized_shape": 13, "elementwise_affine": False},
        ],
        host=between(_with_weights(nn.RMSNorm(6, eps=1e-5))),
        wrong={
            "mean square treated as a constant": Bug(
                Mistake.NO_CROSS_TERM,
                lambda g, x, a: g * _of_square(x),
                _RMS_ALONE,
            ),
            "mean forgotten": Bug(
                {Mistake.NO_CROSS_TERM, Mistake.FACTOR},
                lambda g, x, a: _of_square(x) * (g - a * (g * a).sum(1, True)),
                _RMS_ALONE,
            ),
            "mean subtracted": Bug(
                Mistake.NO_CROSS_TERM,
                lambda g, x, a: _of_square(x) * (g - g.mean(1, True) - a * (g * a).mean(1, True)),
                _RMS_ALONE,
            ),
        },
        right={
            "by the Jacobian": lambda g, x, w: (
                (g * w * _of_square(x))
                - x * _of_square(x) ** 3 * (g * w * x).mean(1, keepdim=True),
                (g * x * _of_square(x)).sum(0),
            )
        },
    ),
    Entry(
        "GroupNorm",
        "group_norm",
        calls=[
            call(normal(*shape), groups, *parameters, **o)
            for shape, groups in [((5, 6), 2), ((2, 6, 3), 6), ((2, 6, 3, 2), 1), ((1, 6, 2), 3)]
            for parameters in ((), (normal(6, seed=1), normal(6, seed=2)))
            for o in _EPSILONS
        ],
        special=[call(torch.ones(2, 4, 3, dtype=torch.float64), 2)],
        modules=[
            {"num_groups": 2, "num_channels": 6},
            {"num_groups": 3, "num_channels": 6, "eps": 1e-3},
            {"num_groups": 6, "num_channels": 6, "affine": False},
        ],
        inputs=lambda: (torch.randn(5, 6, 3, 4),),
        host=between(_with_weights(nn.GroupNorm(2, 6))),
        wrong={
            **_forgotten(1, between(nn.GroupNorm(1, 6, affine=False))),
            "bias averaged over the batch": Bug(
                Mistake.MEAN_FOR_SUM, lambda g, *_: g.mean(0), gradient="bias"
            ),
        },
        right={"group by group": _group_by_group},
    ),
    *instances.ENTRIES,
]
