"""Pooling."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.entry import Entry, call
from compare.catalogue.host import CLASSES, Host, batch
from compare.catalogue.specimen import Bug
from compare.catalogue.values import empty, normal
from compare.diagnosis.mistake import Mistake
from manual_backprop.pooling.adaptive_avg_pool import AdaptiveAvgPoolFunction
from manual_backprop.pooling.average import AverageFunction
from manual_backprop.pooling.maximum import MaximumFunction

#: Positions of an image in the hosts.
_ROOM = {1: (12,), 2: (4, 6), 3: (4, 6, 2)}


def _host(layer: nn.Module, dims: int) -> Host:
    """A convolution, the layer, and a Linear."""
    conv = getattr(nn, f"Conv{dims}d")

    def row() -> list[nn.Module]:
        outputs = layer(torch.zeros(1, 3, *_ROOM[dims])).numel()
        return [conv(2, 3, 3, padding=1), layer, nn.Flatten(), nn.Linear(outputs, CLASSES)]

    return Host(row, 1, batch(5, 2, *_ROOM[dims]))


def _drawn(dims: int) -> Callable[[], tuple[Tensor]]:
    return lambda: (torch.randn(3, 2, *(7, 6, 5)[:dims]),)


def _image(dims: int) -> Tensor:
    return normal(2, 1, *(6, 5, 4)[:dims])


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


def _avg_pool(dims: int) -> Entry:
    x = _image(dims)
    strides, paddings = (2, 1, 2)[:dims], (1, 0, 1)[:dims]
    override: dict[str, Any] = {"divisor_override": 3} if dims > 1 else {}
    pool = getattr(nn, f"AvgPool{dims}d")
    apart, overlapping = _windows(2, 2, 0), _windows(3, 2, 1)
    overlaps = _host(pool(3, 2, 1, count_include_pad=False), dims)
    return Entry(
        f"AvgPool{dims}d",
        f"avg_pool{dims}d",
        calls=[
            call(x, 2),
            call(x[0], (3, 2, 2)[:dims], strides, paddings),
            call(x, 3, 2, 1, ceil_mode=True),
            call(x, 3, 2, 1, count_include_pad=False),
            call(x, 2, 3, 1, ceil_mode=True, count_include_pad=False),
            *([call(x, 3, 1, 1, True, **override)] if override else []),
        ],
        special=[call(torch.where(x > 1.5, torch.inf, x), 3, 2), call(empty(0, *x.shape[1:]), 2)],
        modules=[
            {"kernel_size": 2},
            {"kernel_size": 3, "stride": strides, "padding": paddings, "ceil_mode": True},
            {"kernel_size": 3, "padding": 1, "count_include_pad": False, **override},
        ],
        inputs=_drawn(dims),
        derivation=AverageFunction,
        host=_host(pool(2), dims),
        wrong={
            "sum for mean": Bug(Mistake.FACTOR, _averaged(_all_of_it, apart)),
            "divided twice": Bug(Mistake.FACTOR, _averaged(_divided_twice, apart)),
            "overlapping windows written over": Bug(
                Mistake.IN_A_PART,
                _averaged(_last_window_wins, overlapping),
                overlaps,
                diagnosed=dims == 1,
            ),
            "padding counted": Bug(
                Mistake.IN_A_PART,
                _averaged(_same_everywhere, overlapping),
                overlaps,
                diagnosed=dims == 1,
            ),
        },
        right={"by matrices": _averaged(_mean, apart)},
    )


def _adaptive_avg_pool(dims: int) -> Entry:
    x = _image(dims)
    pool = getattr(nn, f"AdaptiveAvgPool{dims}d")
    even = (4, 3, 1)[:dims]  # of the hosts' sizes
    uneven = _host(pool((5, 4, 1)[:dims]), dims)
    return Entry(
        f"AdaptiveAvgPool{dims}d",
        f"adaptive_avg_pool{dims}d",
        calls=[
            call(x, 1),
            call(x[0], (4, 3, 3)[:dims]),
            call(x, (7, 3, 5)[:dims]),  # more parts than positions
            *([call(x, (None, 2, 3)[:dims])] if dims > 1 else []),
        ],
        special=[
            call(torch.where(x > 1.5, torch.inf, x), 4),
            call(empty(0, *x.shape[1:]), 2),
        ],
        modules=[{"output_size": even}, {"output_size": 3}],
        inputs=_drawn(dims),
        derivation=AdaptiveAvgPoolFunction,
        host=_host(pool(even), dims),
        wrong={
            "sum for mean": Bug(Mistake.FACTOR, _averaged(_all_of_it, _parts)),
            "divided twice": Bug(Mistake.FACTOR, _averaged(_divided_twice, _parts)),
            "all parts of the same size": Bug(
                Mistake.IN_A_PART, _averaged(_same_everywhere, _parts), uneven
            ),
            "overlapping parts written over": Bug(
                Mistake.IN_A_PART, _averaged(_last_window_wins, _parts), uneven
            ),
        },
        right={"by matrices": _averaged(_mean, _parts)},
    )


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
    pool: Callable[..., Any], overlapping: Callable[..., Any], overlaps: Host
) -> dict[str, Bug]:
    return {
        "overlapping windows written over": Bug(
            Mistake.IN_A_PART, _where(_written_over, overlapping), overlaps, diagnosed=False
        ),
        "positions counted from 1": Bug(Mistake.PERMUTED, _where(_one_to_the_right, pool)),
        "positions of the first sample": Bug(Mistake.PERMUTED, _where(_as_the_first_sample, pool)),
        "positions of the smallest": Bug(
            Mistake.PERMUTED, lambda g, x, y: _where(_added, lambda x: pool(-x))(g, x, y)
        ),
    }


def _last_of_several(g: Tensor, x: Tensor, a: Tensor) -> Tensor:
    n, c, h, w = x.shape
    windows = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(3, 4).flatten(4)
    last = 3 - windows.flip(4).argmax(4, keepdim=True)
    spread = torch.zeros_like(windows).scatter(4, last, g[..., None])
    return spread.unflatten(4, (2, 2)).transpose(3, 4).reshape(x.shape)


def _max_pool(dims: int) -> Entry:
    x = _image(dims)
    strides, paddings = (2, 1, 2)[:dims], (1, 0, 1)[:dims]
    pool, function = getattr(nn, f"MaxPool{dims}d"), getattr(F, f"max_pool{dims}d")
    apart = partial(function, kernel_size=2, return_indices=True)
    wide = (3, 3, 2)[:dims]
    overlapping = partial(function, kernel_size=wide, stride=1, return_indices=True)
    last = {"the last of several largest": _last_of_several} if dims == 2 else {}
    return Entry(
        f"MaxPool{dims}d",
        f"max_pool{dims}d",
        calls=[
            call(x, 2),
            call(x[0], (3, 2, 2)[:dims], strides, paddings),
            call(x, 3, 1, 1, ceil_mode=True, return_indices=True),
            call(x, 2, 2, dilation=2, ceil_mode=True),
        ],
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
        inputs=_drawn(dims),
        derivation=MaximumFunction,
        host=_host(pool(2), dims),
        wrong=_wrong(apart, overlapping, _host(pool(wide, 1), dims)),
        right={"by one-hot positions": _where(_by_one_hot, apart), **last},
    )


def _adaptive_max_pool(dims: int) -> Entry:
    x = _image(dims)
    pool = getattr(nn, f"AdaptiveMaxPool{dims}d")
    function = getattr(F, f"adaptive_max_pool{dims}d")
    even, many = (4, 3, 1)[:dims], (11, 5, 2)[:dims]
    parts = partial(function, output_size=even, return_indices=True)
    overlapping = partial(function, output_size=many, return_indices=True)
    return Entry(
        f"AdaptiveMaxPool{dims}d",
        f"adaptive_max_pool{dims}d",
        calls=[
            call(x, 1),
            call(x[0], (4, 3, 3)[:dims]),
            call(x, (7, 3, 5)[:dims], return_indices=True),  # more parts than positions
            *([call(x, (None, 2, 3)[:dims])] if dims > 1 else []),
        ],
        special=[
            call(x.round(), 4, return_indices=True),  # ties
            call(torch.where(x > 1.5, torch.nan, x), 4, return_indices=True),
            call(torch.where(x > -1, -torch.inf, x), 4, return_indices=True),
            call(empty(0, *x.shape[1:]), 2),
        ],
        modules=[{"output_size": even}, {"output_size": 3, "return_indices": True}],
        inputs=_drawn(dims),
        derivation=MaximumFunction,
        host=_host(pool(even), dims),
        wrong=_wrong(parts, overlapping, _host(pool(many), dims)),
        right={"by one-hot positions": _where(_by_one_hot, parts)},
    )


ENTRIES = [
    *(_max_pool(dims) for dims in (1, 2, 3)),
    *(_avg_pool(dims) for dims in (1, 2, 3)),
    *(_adaptive_max_pool(dims) for dims in (1, 2, 3)),
    *(_adaptive_avg_pool(dims) for dims in (1, 2, 3)),
]
