"""Pooling by means."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

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
from manual_backprop.pooling.adaptive_avg_pool import AdaptiveAvgPoolFunction
from manual_backprop.pooling.average import AverageFunction

# The mean of windows or parts as a matrix in each dimension: of which window which element is.

_Holds = Callable[[int, int], Tensor]  # sizes S and T → (T, S), truth values


def _parts(S: int, T: int) -> Tensor:
    t, i = torch.arange(T)[:, None], torch.arange(S)
    return (t * S // T <= i) & (i < -(-(t + 1) * S // T))


def _windows(k: int, s: int, p: int) -> _Holds:
    def holds(S: int, T: int) -> Tensor:
        first, i = s * torch.arange(T)[:, None] - p, torch.arange(S)
        return (first <= i) & (i < first + k)

    return holds


def _spread(g: Tensor, x: Tensor, holds: _Holds, share: Callable[[Tensor], Tensor]) -> Tensor:
    """∂L/∂x; ``share`` gives every element's share of its window."""
    for S, T in zip(x.shape[2:], g.shape[2:], strict=True):
        # The dimension goes to the end: after all of them they are in their order again.
        g = torch.tensordot(g, share(holds(S, T).to(g.dtype)), ([2], [0]))
    return g


def _all_of_it(m: Tensor) -> Tensor:
    return m


def _mean(m: Tensor) -> Tensor:
    return m / m.sum(1, keepdim=True)


def _same_everywhere(m: Tensor) -> Tensor:
    return m / m.sum(1).max()


def _divided_twice(m: Tensor) -> Tensor:
    return _mean(m) / m.sum(1, keepdim=True)


def _last_window_wins(m: Tensor) -> Tensor:
    later = m.flip(0).cumsum(0).flip(0) > 1
    return _mean(m) * ~later


def _averaged(share: Callable[[Tensor], Tensor], holds: _Holds) -> Callable[..., Tensor]:
    return lambda g, x, y: _spread(g, x, holds, share)


def _averaged_over_the_batch(holds: _Holds) -> Bug:
    formula = _averaged(_mean, holds)
    return Bug(Mistake.MEAN_FOR_SUM, lambda g, x, y: formula(g / len(g), x, y))


def _avg_pool(dims: int) -> Entry:
    x = small_images(dims)
    strides, paddings = (2, 1, 2)[:dims], (1, 0, 1)[:dims]
    override: dict[str, Any] = {"divisor_override": 3} if dims > 1 else {}
    pool = getattr(nn, f"AvgPool{dims}d")
    apart, overlapping = _windows(2, 2, 0), _windows(3, 2, 1)
    overlaps = between_images(pool(3, 2, 1, count_include_pad=False), dims)
    in_two_dimensions = {
        "overlapping windows overwrite each other": Bug(
            Mistake.OVERWRITTEN, _averaged(_last_window_wins, overlapping), overlaps
        ),
        "padding counted": Bug(Mistake.FACTOR, _averaged(_same_everywhere, overlapping), overlaps),
    }
    return Entry(
        f"AvgPool{dims}d",
        f"avg_pool{dims}d",
        calls=of_images(
            dims,
            call(x[0], (3, 2, 2)[:dims], strides, paddings),
            call(x, 3, 2, 1, ceil_mode=True, **override),
            call(x, 2),
            call(x, 3, 2, 1, ceil_mode=True),
            call(x, 3, 2, 1, count_include_pad=False),
            call(x, 2, 3, 1, ceil_mode=True, count_include_pad=False),
        ),
        special=[call(torch.where(x > 1.5, torch.inf, x), 3, 2), call(empty(0, *x.shape[1:]), 2)],
        modules=[
            {"kernel_size": 2},
            {"kernel_size": 3, "stride": strides, "padding": paddings, "ceil_mode": True},
            {"kernel_size": 3, "padding": 1, "count_include_pad": False, **override},
        ],
        inputs=drawn_images(dims),
        derivation=AverageFunction,
        host=between_images(pool(2), dims),
        wrong={
            "sum instead of mean": Bug(
                {Mistake.FACTOR, Mistake.TWICE}, _averaged(_all_of_it, apart)
            ),
            "divided twice": Bug(Mistake.FACTOR, _averaged(_divided_twice, apart)),
            "averaged over the batch": _averaged_over_the_batch(apart),
            **(in_two_dimensions if dims == 2 else {}),
        },
        right={"by matrices": _averaged(_mean, apart)},
    )


def _adaptive_avg_pool(dims: int) -> Entry:
    x = small_images(dims)
    pool = getattr(nn, f"AdaptiveAvgPool{dims}d")
    even = EVEN_PARTS[dims]
    uneven = between_images(pool((5, 4, 1)[:dims]), dims)
    in_two_dimensions = {
        "all parts of the same size": Bug(
            Mistake.IN_A_PART, _averaged(_same_everywhere, _parts), uneven, diagnosed=False
        ),
        "overlapping parts overwrite each other": Bug(
            Mistake.OVERWRITTEN, _averaged(_last_window_wins, _parts), uneven
        ),
    }
    return Entry(
        f"AdaptiveAvgPool{dims}d",
        f"adaptive_avg_pool{dims}d",
        calls=of_images(
            dims,
            call(x[0], (4, 3, 3)[:dims]),
            call(x, (6, 3, 4)[:dims]),  # more parts than positions
            call(x, 1),
            call(x, (None, 2, 3)[:dims]),
        ),
        special=[
            call(torch.where(x > 1.5, torch.inf, x), 4),
            call(empty(0, *x.shape[1:]), 2),
        ],
        modules=[{"output_size": even}, {"output_size": 3}],
        inputs=drawn_images(dims),
        derivation=AdaptiveAvgPoolFunction,
        host=between_images(pool(even), dims),
        wrong={
            "sum instead of mean": Bug(
                {Mistake.FACTOR, Mistake.TWICE}, _averaged(_all_of_it, _parts)
            ),
            "divided twice": Bug(Mistake.FACTOR, _averaged(_divided_twice, _parts)),
            "averaged over the batch": _averaged_over_the_batch(_parts),
            **(in_two_dimensions if dims == 2 else {}),
        },
        right={"by matrices": _averaged(_mean, _parts)},
    )


ENTRIES = [
    *(_avg_pool(dims) for dims in (1, 2, 3)),
    *(_adaptive_avg_pool(dims) for dims in (1, 2, 3)),
]
