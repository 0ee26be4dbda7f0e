"""Convolutions and transposed convolutions."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.entry import Entry, call
from compare.catalogue.host import CLASSES, Host, batch
from compare.catalogue.images import ROOM, of_images
from compare.catalogue.specimen import Bug
from compare.catalogue.values import empty, normal
from compare.diagnosis.mistake import Mistake
from manual_backprop.convolution.convolution import ConvolutionFunction
from manual_backprop.convolution.transposed_convolution import TransposedConvolutionFunction

# By hand, for a weight of three positions in each dimension, stride 1 and padding 1.


def _taps(w: Tensor) -> Iterator[tuple[Any, ...]]:
    """Every position of the weight."""
    return product(*map(range, w.shape[2:]))


def _under(x: Tensor, tap: tuple[Any, ...]) -> Tensor:
    """What lies under this tap of the weight, place by place."""
    sizes = x.shape[2:]
    places: list[Any] = [slice(a, a + size) for a, size in zip(tap, sizes, strict=True)]
    return F.pad(x, [1, 1] * len(tap))[(..., *places)]


def _of_input(g: Tensor, x: Tensor, w: Tensor) -> Tensor:
    """Tap by tap: x lies under one where δ lies under the opposite one."""
    found = [
        torch.einsum("no...,oc->nc...", _under(g, tuple(2 - a for a in tap)), w[(..., *tap)])
        for tap in _taps(w)
    ]
    return torch.stack(found).sum(0)


def of_weight(g: Tensor, x: Tensor, w: Tensor) -> Tensor:
    """Tap by tap."""
    found = [torch.einsum("no...,nc...->oc", g, _under(x, tap)) for tap in _taps(w)]
    return torch.stack(found, -1).reshape(w.shape)


def _of_transposed_input(g: Tensor, x: Tensor, w: Tensor) -> Tensor:
    found = [torch.einsum("no...,co->nc...", _under(g, tap), w[(..., *tap)]) for tap in _taps(w)]
    return torch.stack(found).sum(0)


def _of_transposed_weight(g: Tensor, x: Tensor, w: Tensor) -> Tensor:
    return of_weight(x, g, w)


def _of_bias(g: Tensor) -> Tensor:
    return g.transpose(0, 1).flatten(1).sum(1)


def _turned(w: Tensor) -> Tensor:
    return w.flip(*range(2, w.dim()))


_Part = Callable[[Tensor, Tensor, Tensor], Tensor]


def _wrong(of_input: _Part, of_weight: _Part) -> dict[str, Bug]:
    """What people write, for ∂L/∂x and ∂L/∂W by these."""
    weight, bias = partial(Bug, gradient="weight"), partial(Bug, gradient="bias")
    return {
        "weight averaged over the batch": weight(
            Mistake.MEAN_FOR_SUM, lambda g, x, w, b: of_weight(g, x, w) / len(x)
        ),
        "weight from the first three samples": weight(
            Mistake.PART_OF_BATCH,
            lambda g, x, w, b: of_weight(g[: len(g) // 2], x[: len(x) // 2], w),
        ),
        "weight gradient flipped": weight(
            Mistake.PERMUTED, lambda g, x, w, b: _turned(of_weight(g, x, w))
        ),
        "kernel flipped": Bug(Mistake.WRONG_WEIGHT, lambda g, x, w, b: of_input(g, x, _turned(w))),
        "bias not summed over the positions": bias(Mistake.NOT_SUMMED, lambda g, x, w, b: g.sum(0)),
        "bias averaged over the positions": bias(
            {Mistake.FACTOR, Mistake.MEAN_FOR_SUM},
            lambda g, x, w, b: g.flatten(2).mean(2).sum(0),
        ),
    }


def _right(of_input: _Part, of_weight: _Part) -> dict[str, Any]:
    return {
        "tap by tap": lambda g, x, w, b: (of_input(g, x, w), of_weight(g, x, w), _of_bias(g)),
        "in float64": lambda g, x, w, b: tuple(
            gradient.to(b.dtype)
            for gradient in (
                of_input(g.double(), x.double(), w.double()),
                of_weight(g.double(), x.double(), w.double()),
                _of_bias(g.double()),
            )
        ),
    }


def _by_unfolding(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    patches, delta = F.unfold(x, 3, padding=1), g.flatten(2)
    grad_w = torch.einsum("nop,nkp->ok", delta, patches).reshape(w.shape)
    grad_x = F.fold(w.flatten(1).T @ delta, x.shape[2:], 3, padding=1)
    return grad_x, grad_w, delta.sum((0, 2))


def _host(layer: Callable[..., nn.Module], dims: int) -> Host:
    """Two of them, of which the second gets another backward, and a Linear."""
    room = ROOM[dims]

    def row() -> list[nn.Module]:
        last = nn.Linear(3 * torch.Size(room).numel(), CLASSES)
        layers = [layer(2, 4, 3, padding=1), nn.Tanh(), layer(4, 3, 3, padding=1)]
        return [*layers, nn.Flatten(), last]

    return Host(row, 2, batch(6, 2, *room), seed=3)


def _drawn(*shape: int) -> Callable[[], tuple[Tensor]]:
    return lambda: (torch.randn(shape),)


#: Of the calls, for so many dimensions.
_SIZES = {1: (6,), 2: (4, 3), 3: (3, 2, 2)}
_KERNEL = {1: (3,), 2: (3, 2), 3: (2, 1, 2)}


def _planted(dims: int, wrong: dict[str, Bug], right: dict[str, Any]) -> dict[str, Any]:
    """In one and two dimensions; for what only three show, see ``volumes``."""
    return {"wrong": wrong, "right": right} if dims < 3 else {}


def _conv(dims: int) -> Entry:
    W, b = normal(3, 2, *_KERNEL[dims], seed=1), normal(3, seed=2)
    grouped, cube = normal(2, 2, *_KERNEL[dims], seed=1), normal(2, 2, *[3] * dims, seed=1)
    x, sample = normal(2, 2, *_SIZES[dims]), normal(4, *_SIZES[dims])
    sizes = {"in_channels": 2, "out_channels": 4, "kernel_size": 3}
    strides, paddings = (2, 1, 2)[:dims], (2, 1, 0)[:dims]
    right = _right(_of_input, of_weight)
    if dims == 2:
        right["by unfolding"] = _by_unfolding
    return Entry(
        f"Conv{dims}d",
        f"conv{dims}d",
        calls=of_images(
            dims,
            call(x, W, stride=strides, padding=paddings),
            call(sample, grouped, b[1:], groups=2, padding="valid"),
            call(x, W, b),
            call(x, W, b, stride=2, padding=1),
            call(x, cube, padding="same", dilation=2),
        ),
        special=[
            call(empty(0, *x.shape[1:]), W, b),
            call(x.round(), W.round(), b, stride=3, padding=1),
            call(torch.where(x > 1.5, torch.inf, x), W, b, padding=1),
        ],
        modules=[
            sizes,
            {**sizes, "stride": strides, "padding": paddings, "groups": 2, "bias": False},
            {**sizes, "padding": "same", "dilation": 2, "padding_mode": "reflect"},
            *(
                {**sizes, "padding": paddings, "padding_mode": mode}
                for mode in ("reflect", "replicate", "circular")
            ),
        ],
        inputs=_drawn(3, 2, *(7, 6, 5)[:dims]),
        derivation=ConvolutionFunction,
        host=_host(getattr(nn, f"Conv{dims}d"), dims),
        **_planted(dims, _wrong(_of_input, of_weight), right),
    )


def _conv_transpose(dims: int) -> Entry:
    W, b = normal(2, 3, *_KERNEL[dims], seed=1), normal(3, seed=2)
    x, sample = normal(2, 2, *_SIZES[dims]), normal(4, *_SIZES[dims])
    grouped = normal(4, 1, *_KERNEL[dims], seed=1)
    sizes = {"in_channels": 2, "out_channels": 4, "kernel_size": 3}
    strides, paddings = (2, 1, 2)[:dims], (1, 0, 1)[:dims]
    return Entry(
        f"ConvTranspose{dims}d",
        f"conv_transpose{dims}d",
        calls=of_images(
            dims,
            call(x, W, b, stride=2, padding=1, output_padding=1),
            call(sample, grouped, b[1:], groups=2),
            call(x, W, b),
            call(x, W, stride=strides, padding=paddings),
        ),
        special=[
            call(empty(0, *x.shape[1:]), W, b),
            call(x.round(), W.round(), b, stride=3, padding=1),
            call(x, W, b, dilation=3, output_padding=2),  # more than a stride
            call(torch.where(x > 1, torch.inf, x), W, b, padding=paddings),
        ],
        modules=[
            sizes,
            {**sizes, "stride": 2, "padding": 1, "output_padding": 1, "groups": 2, "bias": False},
            {**sizes, "dilation": 2, "stride": strides},
        ],
        inputs=_drawn(3, 2, *(5, 4, 3)[:dims]),
        derivation=TransposedConvolutionFunction,
        host=_host(getattr(nn, f"ConvTranspose{dims}d"), dims),
        **_planted(
            dims,
            _wrong(_of_transposed_input, _of_transposed_weight),
            _right(_of_transposed_input, _of_transposed_weight),
        ),
    )


ENTRIES = [
    *(_conv(dims) for dims in (1, 2, 3)),
    *(_conv_transpose(dims) for dims in (1, 2, 3)),
]
