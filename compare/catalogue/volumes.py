"""What is planted in three dimensions, where two do not show it.

A backward brought over from images forgets the depth, or takes the height for it: kernels turned
over in two dimensions, positions counted within their plane, a stride or a padding of another
dimension. No two sizes of the volumes are the same, and they are tiny: each run is one of hundreds.

Letters: n batch, c and o channels, (d, h, w) depth, height and width.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.convolutional import of_weight
from compare.catalogue.host import CLASSES, Host, batch
from compare.catalogue.specimen import Bug, Specimen, planted
from compare.diagnosis.mistake import Mistake

_ROOM = (2, 4, 3)  # d, h, w


def _host(layer: Callable[[], nn.Module], room: tuple[int, ...] = _ROOM) -> Host:
    """The layer for volumes of one channel, and a Linear."""

    def row() -> list[nn.Module]:
        made = layer()
        return [made, nn.Flatten(), nn.Linear(made(torch.zeros(2, 1, *room))[0].numel(), CLASSES)]

    return Host(row, 0, batch(5, 1, *room), seed=3)


def _of_bias(g: Tensor) -> Tensor:
    return g.sum((0, 2, 3, 4))


# Convolution, with a weight of 3 × 3 × 3 and padding 1.


def _turned(w: Tensor, *dims: int) -> Tensor:
    """The kernel that ∂L/∂x is a convolution of δ with, if these are all dimensions."""
    return w.flip(*dims).transpose(0, 1)


def _by_convolution(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    """∂L/∂x as a convolution with the kernel turned over, ∂L/∂W as one of x with δ."""
    grad_x = F.conv3d(g, _turned(w, 2, 3, 4), padding=1)
    grad_w = F.conv3d(x.transpose(0, 1), g.transpose(0, 1), padding=1).transpose(0, 1)
    return grad_x, grad_w, _of_bias(g)


def _wrapped_in_depth(x: Tensor) -> Tensor:
    """With zeros all around but before the first plane and behind the last."""
    return torch.cat([x[:, :, -1:], x, x[:, :, :1]], 2)


_CONVOLUTION = planted(
    "Conv3d",
    _host(lambda: nn.Conv3d(1, 2, 3, padding=1)),
    wrong={
        "weight, depth and height exchanged": Bug(
            Mistake.TRANSPOSED,
            lambda g, x, w, b: of_weight(g, x, w).transpose(2, 3),
            gradient="weight",
        ),
        "kernel not turned over in depth": Bug(
            Mistake.WRONG_WEIGHT, lambda g, x, w, b: F.conv3d(g, _turned(w, 3, 4), padding=1)
        ),
        "no bound in depth": Bug(
            Mistake.IN_A_PART,
            lambda g, x, w, b: F.conv3d(
                _wrapped_in_depth(g), _turned(w, 2, 3, 4), padding=(0, 1, 1)
            ),
            diagnosed=False,
        ),
        "bias of the first plane alone": Bug(
            Mistake.NOT_SUMMED,
            lambda g, x, w, b: _of_bias(g[:, :, :1]),
            gradient="bias",
            diagnosed=False,
        ),
    },
    right={"by convolutions": _by_convolution},
)

# Transposed convolution, with a weight of 2 × 1 × 1 and a stride of 2 in depth: ∂L/∂x is a
# convolution of δ.


def _of_strided(g: Tensor, x: Tensor, w: Tensor, stride: tuple[int, ...]) -> Tensor:
    """With another stride the sizes change places, and who reshapes does not see it."""
    return F.conv3d(g, w, stride=stride).reshape(x.shape)


_TRANSPOSED = planted(
    "ConvTranspose3d",
    _host(lambda: nn.ConvTranspose3d(1, 2, (2, 1, 1), (2, 1, 1), bias=False), (2, 3, 2)),
    wrong={
        "stride of the height": Bug(
            Mistake.PERMUTED, lambda g, x, w: _of_strided(g, x, w, (1, 2, 1)), diagnosed=False
        ),
    },
    right={
        "by a convolution": lambda g, x, w: (
            _of_strided(g, x, w, (2, 1, 1)),
            torch.stack([torch.einsum("no...,nc...->co", g[:, :, a::2], x) for a in range(2)], -1)[
                ..., None, None
            ],
        )
    },
)

# Pooling.


def _largest(plane: bool) -> Callable[..., Tensor]:
    """Positions in the volume, or in their plane as in an image."""

    def formula(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
        _, m = F.max_pool3d(x, 2, return_indices=True)
        if plane:
            m = m % x[0, 0, 0].numel()
        zeros = torch.zeros_like(x).flatten(2)
        return zeros.scatter_add(2, m.flatten(2), g.flatten(2)).reshape(x.shape)

    return formula


def _mean_over(dim: int) -> Callable[..., Tensor]:
    """The mean of two along this dimension."""
    return lambda g, x, y: g.repeat_interleave(2, dim).reshape(x.shape) / 2


_POOLING = [
    *planted(
        "MaxPool3d",
        _host(lambda: nn.MaxPool3d(2)),
        wrong={"positions in their plane": Bug(Mistake.PERMUTED, _largest(plane=True))},
    ),
    *planted(
        "AvgPool3d",
        _host(lambda: nn.AvgPool3d((1, 2, 1))),
        wrong={"over the depth for the height": Bug(Mistake.PERMUTED, _mean_over(2))},
        right={"by repeating": _mean_over(3)},
    ),
]

# Batch norm, without weights: y = x̂.


def _normalized(*dims: int) -> Callable[..., Tensor]:
    """∂L/∂x with means over these; all but the channels is right."""

    def formula(g: Tensor, x: Tensor, x̂: Tensor) -> Tensor:
        σ = (x.var((0, 2, 3, 4), correction=0, keepdim=True) + 1e-5).sqrt()
        return (g - g.mean(dims, True) - x̂ * (g * x̂).mean(dims, True)) / σ

    return formula


_NORMALIZATION = planted(
    "BatchNorm3d",
    _host(lambda: nn.BatchNorm3d(1, affine=False, track_running_stats=False)),
    wrong={
        "mean of each plane": Bug(Mistake.WRONG_AXIS, _normalized(0, 3, 4), diagnosed=False),
        "mean of each sample": Bug(Mistake.WRONG_AXIS, _normalized(2, 3, 4), diagnosed=False),
    },
    right={"by projection": _normalized(0, 2, 3, 4)},
)

# Padding, as PyTorch writes it: the last dimension first.


def _cut(*before: int) -> Callable[..., Tensor]:
    """δ without the padding, so much of it before (d, h, w)."""

    def formula(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
        d, h, w = (slice(a, a + size) for a, size in zip(before, x.shape[2:], strict=True))
        return g[:, :, d, h, w]

    return formula


_PADDING = planted(
    "ConstantPad3d",
    _host(lambda: nn.ConstantPad3d((2, 0, 0, 2, 1, 1), 0.5)),
    wrong={"depth and width exchanged": Bug(Mistake.PERMUTED, _cut(2, 0, 1), diagnosed=False)},
    right={"by cutting": _cut(1, 0, 2)},
)

SPECIMENS: list[Specimen] = [
    *_CONVOLUTION,
    *_TRANSPOSED,
    *_POOLING,
    *_NORMALIZATION,
    *_PADDING,
]
