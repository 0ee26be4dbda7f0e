"""Normalizations and softmax."""

import torch
from torch import Tensor, nn

from compare.catalogue.host import Host, batch, between
from compare.diagnosis.mistake import Mistake
from compare.mutants.museum.exhibit import Exhibit, Operation, alone, spread

_EPS = 1e-5
_BLOCK = 4


def _layer_norm(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return nn.functional.layer_norm(x, w.shape, w, b, _EPS)


def _normalized(x: Tensor) -> tuple[Tensor, Tensor]:
    """x̂ of each row, and 1/σ."""
    rstd = (x.var(-1, correction=0, keepdim=True) + _EPS).rsqrt()
    return (x - x.mean(-1, keepdim=True)) * rstd, rstd


def _batch_norm(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return nn.functional.batch_norm(x, None, None, w, b, training=True, eps=_EPS)


def _standardized(x: Tensor, eps: float = 1e-3) -> Tensor:
    centred = x - x.mean(1, keepdim=True)
    return centred / (centred.square().mean(1, keepdim=True).sqrt() + eps)


def _pre_norm(x: Tensor, w: Tensor) -> Tensor:
    """The normed residual and the residual."""
    return torch.stack([x * (x.square().mean(-1, keepdim=True) + _EPS).rsqrt() * w, x])


def _gated(x: Tensor, z: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return _layer_norm(x, w, b) * nn.functional.silu(z)


def _knet_shipped(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    ivar = 1 / (x.var(0, correction=0) + _EPS).sqrt()
    x_mu = x - x.mean(0)
    dyivar = g * ivar
    dw, db = (x_mu * dyivar).sum(0), g.sum(0)
    dσ2 = -(dyivar * x_mu * ivar**2).sum(0) / 2
    dμ = -dyivar.sum(0)
    return dyivar + dσ2 * 2 * x_mu / len(x) + dμ / len(x), dw, db


def _knet_mended(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    ivar = 1 / (x.var(0, correction=0) + _EPS).sqrt()
    x_mu = x - x.mean(0)
    dyivar = g * ivar
    dw, db = (x_mu * dyivar).sum(0), g.sum(0)
    dyivar = dyivar * w
    dσ2 = -(dyivar * x_mu * ivar**2).sum(0) / 2
    dμ = -dyivar.sum(0)
    return dyivar + dσ2 * 2 * x_mu / len(x) + dμ / len(x), dw, db


def _twice_subtracted(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    x_hat, rstd = _normalized(x)
    dy = g * w
    s1 = dy.mean(-1, keepdim=True)
    s2 = (dy * x_hat).mean(-1, keepdim=True)
    return rstd * (dy - s1 - s1 - x_hat * s2), (g * x_hat).sum(0), g.sum(0)


def _last_block(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    x_hat, rstd = _normalized(x)
    dy = g * w
    s1 = dy.mean(-1, keepdim=True)
    for block in (dy * x_hat).split(_BLOCK, -1):
        s2 = block.sum(-1, keepdim=True)
    return rstd * (dy - s1 - x_hat * s2 / x.shape[-1]), (g * x_hat).sum(0), g.sum(0)


def _by_blocks(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    x_hat, rstd = _normalized(x)
    dy = g * w
    s1 = dy.mean(-1, keepdim=True)
    s2 = torch.zeros_like(s1)
    for block in (dy * x_hat).split(_BLOCK, -1):
        s2 = s2 + block.sum(-1, keepdim=True)
    return rstd * (dy - s1 - x_hat * s2 / x.shape[-1]), (g * x_hat).sum(0), g.sum(0)


def _layer_norm_mended(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    x_hat, rstd = _normalized(x)
    dy = g * w
    s1 = dy.mean(-1, keepdim=True)
    s2 = (dy * x_hat).mean(-1, keepdim=True)
    return rstd * (dy - s1 - x_hat * s2), (g * x_hat).sum(0), g.sum(0)


def _exchanged(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    dx, dw, db = _layer_norm_mended(g, x, w, b)
    return dx, db, dw


def _through_norm(g: Tensor, x: Tensor, w: Tensor) -> Tensor:
    rstd = (x.square().mean(-1, keepdim=True) + _EPS).rsqrt()
    x_hat, dy = x * rstd, g * w
    return rstd * (dy - x_hat * (dy * x_hat).mean(-1, keepdim=True))


def _pre_norm_shipped(g: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    g_out, g_residual = g
    rstd = (x.square().mean(-1, keepdim=True) + _EPS).rsqrt()
    return _through_norm(g_out + g_residual, x, w), (g_out * x * rstd).sum(0)


def _pre_norm_mended(g: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    g_out, g_residual = g
    rstd = (x.square().mean(-1, keepdim=True) + _EPS).rsqrt()
    return _through_norm(g_out, x, w) + g_residual, (g_out * x * rstd).sum(0)


def _standardized_shipped(g: Tensor, x: Tensor, a: Tensor, eps: float = 1e-3) -> Tensor:
    x_mu = x - x.mean(1, keepdim=True)
    var = x_mu.square().mean(1, keepdim=True)
    std = var.sqrt() + eps
    g_inv_std = (g * x_mu).sum(1, keepdim=True)
    g_std = g_inv_std * (-1 / var)
    g_var = g_std * 0.5 / std
    g_mu = g / std + g_var / x.shape[1] * 2 * x_mu
    return g_mu - g_mu.mean(1, keepdim=True)


def _standardized_mended(g: Tensor, x: Tensor, a: Tensor, eps: float = 1e-3) -> Tensor:
    x_mu = x - x.mean(1, keepdim=True)
    var = x_mu.square().mean(1, keepdim=True)
    std = var.sqrt() + eps
    g_inv_std = (g * x_mu).sum(1, keepdim=True)
    g_std = g_inv_std * (-1 / std**2)
    g_var = g_std * 0.5 / var.sqrt()
    g_mu = g / std + g_var / x.shape[1] * 2 * x_mu
    return g_mu - g_mu.mean(1, keepdim=True)


def _gated_mended(
    g: Tensor, x: Tensor, z: Tensor, w: Tensor, b: Tensor
) -> tuple[Tensor | None, ...]:
    σ = z.sigmoid()
    dx, dw, db = _layer_norm_mended(g * z * σ, x, w, b)
    dz = g * _layer_norm(x, w, b) * σ * (1 + z * (1 - σ))
    return dx, dz, dw, db


def _gated_shipped(
    g: Tensor, x: Tensor, z: Tensor, w: Tensor, b: Tensor
) -> tuple[Tensor | None, ...]:
    σ = z.sigmoid()
    dx, dw, db = _layer_norm_mended(g * z * σ, x, w, b)
    dz = g * _layer_norm(x, w, b) * σ * (1 + z * (1 - σ))
    dx = dx.reshape(x.shape)
    dx = dz.reshape(x.shape)
    return dx, dz, dw, db


def _affine(function: object, features: int = 6) -> Operation:
    return Operation(function, [1 + spread(features) / 2, spread(features)])  # type: ignore[arg-type]


_WIDE = Host(
    lambda: [nn.Linear(11, 10), _affine(_layer_norm, 10), nn.Linear(10, 5)], 1, batch(9, 11)
)

EXHIBITS = [
    Exhibit(
        "denizyuret/Knet.jl",
        "#288",
        "batch norm: input gradient without the scale",
        between(_affine(_batch_norm)),
        _knet_shipped,
        _knet_mended,
        mistakes=frozenset({Mistake.MISSING_FACTOR, Mistake.WRONG_WEIGHT}),
    ),
    Exhibit(
        "tenstorrent/tt-metal",
        "#53215",
        "layer norm: mean subtracted twice",
        between(_affine(_layer_norm)),
        _twice_subtracted,
        _layer_norm_mended,
        mistakes=frozenset({Mistake.ADDED}),
    ),
    Exhibit(
        "tenstorrent/tt-metal",
        "#53204",
        "layer norm: mean of the last block only",
        _WIDE,
        _last_block,
        _by_blocks,
        mistakes=frozenset({Mistake.NO_CROSS_TERM}),
    ),
    Exhibit(
        "Oneflow-Inc/oneflow",
        "#6149",
        "layer norm: weight and bias swapped",
        between(_affine(_layer_norm)),
        _exchanged,
        _layer_norm_mended,
        wrong=("w0", "w1"),
    ),
    Exhibit(
        "Dao-AILab/quack",
        "#53",
        "pre-norm: residual sent through the norm",
        between(Operation(_pre_norm, [1 + spread(6) / 2])),
        _pre_norm_shipped,
        _pre_norm_mended,
    ),
    Exhibit(
        "chainer/chainer",
        "06fee732",
        "standardize: ε that the forward lacks",
        between(Operation(_standardized)),
        _standardized_shipped,
        _standardized_mended,
        mistakes=frozenset({Mistake.NO_CROSS_TERM}),  # or one with a wrong factor, as it is called
    ),
    Exhibit(
        "fla-org/flash-linear-attention",
        "#155",
        "gated layer norm: input gets the gate's gradient",
        alone(_affine(_gated), batch(9, 6), batch(9, 6, seed=6)),
        _gated_shipped,
        _gated_mended,
        wrong=("input 0",),
    ),
    Exhibit(
        "wkcn/mobula",
        "#3",
        "softmax: diagonal only",
        between(nn.Softmax(1)),
        lambda g, x, y: g * (y - y**2),
        lambda g, x, y: y * (g - (g * y).sum(1, keepdim=True)),
        mistakes=frozenset({Mistake.NO_CROSS_TERM}),
    ),
]
