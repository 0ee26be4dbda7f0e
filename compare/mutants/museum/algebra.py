"""Products, factorizations, densities."""

import torch
from torch import Tensor, nn

from compare.catalogue.host import Host, N, batch
from compare.diagnosis.mistake import Mistake
from compare.mutants.museum.exhibit import Exhibit, Operation


def _last(operation: nn.Module) -> Host:
    """A Linear, and the operation for its six features."""
    return Host(lambda: [nn.Linear(11, 6), operation], 1, batch(N, 11))


def _of_the_others(x: Tensor) -> Tensor:
    """The product of a row without each of its elements."""
    return torch.stack([x.roll(-i, 1)[:, 1:].prod(1) for i in range(x.shape[1])], 1)


def _factor(x: Tensor) -> Tensor:
    """Cholesky's factor of 4 + (x₂ x₂ᵀ) of each sample, x₂ being 3 × 2."""
    x2 = x.reshape(-1, 3, 2)
    return torch.linalg.cholesky(x2 @ x2.mT + 4 * torch.eye(3, dtype=x.dtype))


def _cholesky_shipped(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    x2 = x.reshape(-1, 3, 2)
    a = y @ y.mT
    ga = a @ a.mT * g
    return ((ga + ga.mT) @ x2).reshape(x.shape)


def _cholesky_mended(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    x2 = x.reshape(-1, 3, 2)
    mask = torch.ones_like(y[0]).tril() - torch.eye(3, dtype=x.dtype) / 2
    s = torch.linalg.solve(y.mT, mask * (y.mT @ g))
    ga = torch.linalg.solve(y.mT, s.mT).mT
    return ((ga + ga.mT) @ x2).reshape(x.shape)


def _log_density(x: Tensor, covariance: Tensor) -> Tensor:
    """Of a normal distribution around 0, without its constant."""
    solved = torch.linalg.solve(covariance, x.T).T
    return -((x * solved).sum(1, keepdim=True) + covariance.logdet()) / 2


def _covariance_gradient(g: Tensor, x: Tensor, covariance: Tensor) -> Tensor:
    solved = torch.linalg.solve(covariance, x.T).T
    outer = solved[:, :, None] * solved[:, None, :]
    return (g[:, :, None] * (outer - torch.linalg.inv(covariance)) / 2).sum(0)


_NOISE = batch(6, 6, seed=3)
_COVARIANCE = (_NOISE @ _NOISE.T + (_NOISE @ _NOISE.T).T) / 12 + torch.eye(6)

EXHIBITS = [
    Exhibit(
        "pytorch/pytorch",
        "#995",
        "prod: incoming gradient ignored",
        _last(Operation(lambda x: x.prod(1, keepdim=True))),
        lambda g, x, y: y / x,
        lambda g, x, y: g * _of_the_others(x),
        mistakes=frozenset({Mistake.IGNORES_INCOMING}),
    ),
    Exhibit(
        "tinygrad/tinygrad",
        "#17404",
        "prod: y / x, NaN where x is 0",
        _last(Operation(lambda x: x.prod(1, keepdim=True))),
        lambda g, x, y: g * y / x,
        lambda g, x, y: g * _of_the_others(x),
        mistakes=frozenset({Mistake.IN_A_PART, Mistake.OVERFLOW}),
    ),
    Exhibit(
        "NervanaSystems/neon",
        "#169",
        "x xᵀ: path through xᵀ forgotten",
        _last(Operation(lambda x: x @ x.T)),
        lambda g, x, y: g @ x,
        lambda g, x, y: g @ x + g.T @ x,
        mistakes=frozenset({Mistake.NO_CROSS_TERM}),
    ),
    Exhibit(
        "HIPS/autograd",
        "#401",
        "normal density: wrong sign for the covariance",
        _last(Operation(_log_density, [_COVARIANCE])),
        lambda g, x, cov: (-g * torch.linalg.solve(cov, x.T).T, -_covariance_gradient(g, x, cov)),
        lambda g, x, cov: (-g * torch.linalg.solve(cov, x.T).T, _covariance_gradient(g, x, cov)),
        wrong=("w",),
        mistakes=frozenset({Mistake.SIGN}),
    ),
    Exhibit(
        "chainer/chainer",
        "29f7dfe2",
        "Cholesky: a aᵀ ⊙ g",
        _last(Operation(_factor)),
        _cholesky_shipped,
        _cholesky_mended,
    ),
]
