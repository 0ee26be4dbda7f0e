"""Pooling by maxima."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.entry import Entry, call
from compare.catalogue.images import (
    EVEN_PARTS,
    between_images,
    drawn_images,
    of_images,
    small_images,
)
from compare.catalogue.specimen import Bug
from compare.catalogue.values import empty
from compare.diagnosis.mistake import Mistake
from manual_backprop.pooling.maximum import MaximumFunction

# The largest of a window, by its position m in the channel.


def _where(place: Callable[..., Tensor], pool: Callable[..., Any]) -> Callable[..., Tensor]:
    """δ to where ``place(zeros, m, δ)`` puts it, all three as rows."""

    def formula(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
        _, m = pool(x)
        return place(torch.zeros_like(x).flatten(2), m.flatten(2), g.flatten(2)).reshape(x.shape)

    return formula


def _added(zeros: Tensor, m: Tensor, g: Tensor) -> Tensor:
    return zeros.scatter_add(2, m, g)


def _written_over(zeros: Tensor, m: Tensor, g: Tensor) -> Tensor:
    return zeros.scatter(2, m, g)


def _one_to_the_right(zeros: Tensor, m: Tensor, g: Tensor) -> Tensor:
    return zeros.scatter_add(2, (m + 1) % zeros.shape[2], g)


def _as_the_first_sample(zeros: Tensor, m: Tensor, g: Tensor) -> Tensor:
    return zeros.scatter_add(2, m[:1].expand_as(m), g)


def _by_one_hot(zeros: Tensor, m: Tensor, g: Tensor) -> Tensor:
    return (F.one_hot(m, zeros.shape[2]) * g[..., None]).sum(2)


def _wrong(
    pool: Callable[..., Any], overlapping: Callable[..., Any], overlaps: nn.Module, dims: int
) -> dict[str, Bug]:
    host = between_images(overlaps, dims)
    in_two_dimensions = {
        "overlapping windows overwrite each other": Bug(
            Mistake.OVERWRITTEN, _where(_written_over, overlapping), host
        )
    }
    return {
        "positions counted from 1": Bug(Mistake.PERMUTED, _where(_one_to_the_right, pool)),
        "averaged over the batch": Bug(
            Mistake.MEAN_FOR_SUM, lambda g, x, y: _where(_added, pool)(g / len(g), x, y)
        ),
        "wrong sign": Bug(Mistake.SIGN, lambda g, x, y: _where(_added, pool)(-g, x, y)),
        **(in_two_dimensions if dims == 2 else {}),
    }


def _last_of_several(g: Tensor, x: Tensor, a: Tensor) -> Tensor:
    n, c, h, w = x.shape
    windows = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(3, 4).flatten(4)
    last = 3 - windows.flip(4).argmax(4, keepdim=True)
    spread = torch.zeros_like(windows).scatter(4, last, g[..., None])
    return spread.unflatten(4, (2, 2)).transpose(3, 4).reshape(x.shape)


def _max_pool(dims: int) -> Entry:
    x = small_images(dims)
    strides, paddings = (2, 1, 2)[:dims], (1, 0, 1)[:dims]
    pool, function = getattr(nn, f"MaxPool{dims}d"), getattr(F, f"max_pool{dims}d")
    apart = partial(function, kernel_size=2, return_indices=True)
    overlapping = partial(function, kernel_size=3, stride=1, return_indices=True)
    last = {"the last of several largest": _last_of_several} if dims == 2 else {}
    return Entry(
        f"MaxPool{dims}d",
        f"max_pool{dims}d",
        calls=of_images(
            dims,
            call(x[0], (3, 2, 2)[:dims], strides, paddings),
            call(x, 3, 1, 1, ceil_mode=True, return_indices=True),
            call(x, 2),
            call(x, 2, 2, dilation=2, ceil_mode=True),
        ),
        special=[
            call(x.round(), 3, 1, 1, return_indices=True),  # ties
            call(torch.zeros_like(x), 2, return_indices=True),
            call(torch.where(x > 1.5, torch.nan, x), 3, 2, return_indices=True),
            call(torch.where(x > -1, -torch.inf, x), 2, 1, return_indices=True),
            call(empty(0, *x.shape[1:]), 2),
        ],
        modules=[
            {"kernel_size": 2},
            {"kernel_size": 3, "stride": strides, "padding": paddings, "ceil_mode": True},
            {"kernel_size": 2, "dilation": 2, "return_indices": True},
        ],
        inputs=drawn_images(dims),
        derivation=MaximumFunction,
        host=between_images(pool(2), dims),
        wrong={
            **_wrong(apart, overlapping, pool(3, 1), dims),
            "positions of the first sample": Bug(
                Mistake.PERMUTED, _where(_as_the_first_sample, apart)
            ),
            "positions of the smallest": Bug(
                Mistake.PERMUTED, lambda g, x, y: _where(_added, lambda x: apart(-x))(g, x, y)
            ),
        },
        right={"by one-hot positions": _where(_by_one_hot, apart), **last},
    )


def _adaptive_max_pool(dims: int) -> Entry:
    x = small_images(dims)
    pool = getattr(nn, f"AdaptiveMaxPool{dims}d")
    function = getattr(F, f"adaptive_max_pool{dims}d")
    even, many = EVEN_PARTS[dims], (11, 5, 2)[:dims]
    parts = partial(function, output_size=even, return_indices=True)
    overlapping = partial(function, output_size=many, return_indices=True)
    return Entry(
        f"AdaptiveMaxPool{dims}d",
        f"adaptive_max_pool{dims}d",
        calls=of_images(
            dims,
            call(x[0], (4, 3, 3)[:dims]),
            call(x, (6, 3, 4)[:dims], return_indices=True),  # more parts than positions
            call(x, 1),
            call(x, (None, 2, 3)[:dims]),
        ),
        special=[
            call(x.round(), 4, return_indices=True),  # ties
            call(torch.where(x > 1.5, torch.nan, x), 4, return_indices=True),
            call(torch.where(x > -1, -torch.inf, x), 4, return_indices=True),
            call(empty(0, *x.shape[1:]), 2),
        ],
        modules=[{"output_size": even}, {"output_size": 3, "return_indices": True}],
        inputs=drawn_images(dims),
        derivation=MaximumFunction,
        host=between_images(pool(even), dims),
        wrong=_wrong(parts, overlapping, pool(many), dims),
        right={"by one-hot positions": _where(_by_one_hot, parts)},
    )


ENTRIES = [
    *(_max_pool(dims) for dims in (1, 2, 3)),
    *(_adaptive_max_pool(dims) for dims in (1, 2, 3)),
]
