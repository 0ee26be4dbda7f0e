"""Gaussians, cameras and their projections."""

import torch
from torch import Tensor

from compare.catalogue.host import N, batch
from compare.diagnosis.mistake import Mistake
from compare.mutants.museum.exhibit import Exhibit, Operation, alone

_GLOB = 1.7
_ROTATION = torch.linalg.qr(batch(3, 3, seed=9))[0]
#: Symmetric 2 × 2 as (a, b, c), positive definite.
_COVARIANCES = batch(N, 3, seed=4) * 0.3 + torch.tensor([2.0, 0.0, 1.5])
_CAMERA = torch.cat([batch(3, 3, seed=2) * 0.3, torch.tensor([[0.2], [-0.1], [4.0]])], 1)


def _matrix(packed: Tensor) -> Tensor:
    a, b, c = packed.unbind(-1)
    return torch.stack([torch.stack([a, b], -1), torch.stack([b, c], -1)], -2)


def _conic(packed: Tensor) -> Tensor:
    """The inverse, packed the same way."""
    a, b, c = packed.unbind(-1)
    return torch.stack([c, -b, a], -1) / (a * c - b * b)[..., None]


def _unpacked(v: Tensor) -> Tensor:
    return torch.stack([v[:, 0, 0], v[:, 1, 0] + v[:, 0, 1], v[:, 1, 1]], 1)


def _conic_shipped(g: Tensor, packed: Tensor, conic: Tensor) -> Tensor:
    x = _matrix(conic)
    v = torch.stack([g[:, 0], g[:, 1], g[:, 2]], 1)
    return _unpacked(-x @ _matrix(v) @ x)


def _conic_mended(g: Tensor, packed: Tensor, conic: Tensor) -> Tensor:
    x = _matrix(conic)
    v = torch.stack([g[:, 0], g[:, 1] / 2, g[:, 2]], 1)
    return _unpacked(-x @ _matrix(v) @ x)


def _covariance(scale: Tensor, rotation: Tensor) -> Tensor:
    m = rotation * (_GLOB * scale)[:, None, :]
    return m @ m.mT


def _scales_shipped(g: Tensor, scale: Tensor, rotation: Tensor) -> Tensor:
    v_m = (g + g.mT) @ (rotation * (_GLOB * scale)[:, None, :])
    return (rotation * v_m).sum(1)


def _scales_mended(g: Tensor, scale: Tensor, rotation: Tensor) -> Tensor:
    v_m = (g + g.mT) @ (rotation * (_GLOB * scale)[:, None, :])
    return (rotation * v_m).sum(1) * _GLOB


def _density(conic: Tensor, delta: Tensor) -> Tensor:
    (x, y, z), (dx, dy) = conic.unbind(1), delta.unbind(1)
    return (-0.5 * (x * dx * dx + z * dy * dy) - y * dx * dy).exp()


def _density_delta(v_sigma: Tensor, conic: Tensor, delta: Tensor) -> Tensor:
    return v_sigma[:, None] * (_matrix(conic) @ delta[:, :, None])[..., 0]


def _density_shipped(g: Tensor, conic: Tensor, delta: Tensor, vis: Tensor) -> tuple:
    v_sigma, (dx, dy) = -vis * g, delta.unbind(1)
    v_conic = [0.5 * v_sigma * dx * dx, 0.5 * v_sigma * dx * dy, 0.5 * v_sigma * dy * dy]
    return torch.stack(v_conic, 1), _density_delta(v_sigma, conic, delta)


def _density_mended(g: Tensor, conic: Tensor, delta: Tensor, vis: Tensor) -> tuple:
    v_sigma, (dx, dy) = -vis * g, delta.unbind(1)
    v_conic = [0.5 * v_sigma * dx * dx, v_sigma * dx * dy, 0.5 * v_sigma * dy * dy]
    return torch.stack(v_conic, 1), _density_delta(v_sigma, conic, delta)


def _projected(p: Tensor, camera: Tensor) -> Tensor:
    t = p @ camera[:, :3].T + camera[:, 3]
    return t[:, :2] / t[:, 2:]


def _projected_shipped(g: Tensor, p: Tensor, camera: Tensor) -> Tensor:
    t = p @ camera[:, :3].T + camera[:, 3]
    v_t = g / t[:, 2:]
    return v_t @ camera[:2, :3]


def _projected_mended(g: Tensor, p: Tensor, camera: Tensor) -> Tensor:
    t = p @ camera[:, :3].T + camera[:, 3]
    v_t = g / t[:, 2:]
    v_w = -(g * t[:, :2]).sum(1, keepdim=True) / t[:, 2:] ** 2
    return v_t @ camera[:2, :3] + v_w @ camera[2:, :3]


EXHIBITS = [
    Exhibit(
        "nerfstudio-project/gsplat",
        "#136",
        "inverse covariance: mixed term twice",
        alone(Operation(_conic), _COVARIANCES),
        _conic_shipped,
        _conic_mended,
    ),
    Exhibit(
        "nerfstudio-project/gsplat",
        "c45cbdc8",
        "covariance: global scale missing",
        alone(Operation(_covariance, buffers=[_ROTATION]), batch(N, 3).abs() + 0.2),
        _scales_shipped,
        _scales_mended,
        mistakes=frozenset({Mistake.FACTOR}),
    ),
    Exhibit(
        "nerfstudio-project/gsplat",
        "#139",
        "exponent: mixed term halved",
        alone(Operation(_density), _COVARIANCES, batch(N, 2)),
        _density_shipped,
        _density_mended,
        wrong=("input 0",),
        mistakes=frozenset({Mistake.FACTOR, Mistake.IN_A_PART}),
    ),
    Exhibit(
        "nerfstudio-project/gsplat",
        "94cbd12c",
        "projection: path through the depth forgotten",
        alone(Operation(_projected, buffers=[_CAMERA]), batch(N, 3)),
        _projected_shipped,
        _projected_mended,
        mistakes=frozenset({Mistake.NO_CROSS_TERM}),
    ),
    Exhibit(
        "openvdb/fvdb-core",
        "#435",
        "cameras: gradient of the first one only",
        alone(Operation(lambda x, q: (x * q).tanh(), [batch(6, seed=7)]), batch(N, 6)),
        lambda g, x, q: (
            g * (1 - (x * q).tanh() ** 2) * q,
            (g * (1 - (x * q).tanh() ** 2) * x)[0],
        ),
        lambda g, x, q: (
            g * (1 - (x * q).tanh() ** 2) * q,
            (g * (1 - (x * q).tanh() ** 2) * x).sum(0),
        ),
        wrong=("w",),
        mistakes=frozenset({Mistake.PART_OF_BATCH}),
    ),
]
