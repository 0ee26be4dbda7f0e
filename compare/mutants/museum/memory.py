"""Strides that are not looked at, buffers that are not cleared, writing in place."""

import math

import torch
from torch import Tensor, nn

from compare.catalogue.host import Host, N, batch, between
from compare.catalogue.unseen import as_if_contiguous
from compare.diagnosis.mistake import Mistake
from compare.mutants.museum.exhibit import Exhibit, Operation, alone, spread

_Q, _K, _V = (batch(2, 7, 4, seed=seed) for seed in (5, 6, 7))


def _attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v


def _attention_mended(g: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor) -> tuple:
    p = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)
    delta = p * (g @ v.mT - (g * out).sum(-1, keepdim=True)) / math.sqrt(q.shape[-1])
    return delta @ k, delta.mT @ q, p.mT @ g


def _attention_shipped(g: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor) -> tuple:
    return _attention_mended(as_if_contiguous(g), q, k, v, out)


class _Kept:
    """A buffer of the gradient's size that stays from one backward to the next."""

    def __init__(self, at_first: float) -> None:
        self.at_first = at_first  # what happens to be in it
        self.kept: dict[tuple[torch.Size, torch.dtype], Tensor] = {}

    def like(self, x: Tensor) -> Tensor:
        key = x.shape, x.dtype
        return self.kept.setdefault(key, torch.full_like(x, self.at_first))


class _AddsOnto(_Kept):
    def __call__(self, g: Tensor, x: Tensor, taken: Tensor) -> Tensor:
        return self.like(x).index_add_(1, taken, g).clone()


class _WritesSome(_Kept):
    def __call__(self, g: Tensor, x: Tensor, chosen: Tensor) -> Tensor:
        buffer = self.like(x)
        buffer[:, chosen] = g
        return buffer.clone()


def _rms_norm(x: Tensor) -> Tensor:
    return x * (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt()


def _rms_norm_shipped(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    rrms = (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt()
    weight = -(x * g).mean(-1, keepdim=True) * rrms**2
    dx = g if g.is_contiguous() else g.clone()
    dx.data.copy_(x)
    dx.data.mul_(weight)
    dx.data.add_(g)
    dx.data.mul_(rrms)
    return dx


def _rms_norm_mended(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    rrms = (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt()
    weight = -(x * g).mean(-1, keepdim=True) * rrms**2
    return (x * weight + g) * rrms


_TAKEN = torch.tensor([4, 0, 2, 5, 1, 3])
_CHOSEN = torch.tensor([True, False, True, True, False, True])


def _into(operation: nn.Module, features: int) -> Host:
    return Host(lambda: [nn.Linear(11, 6), operation, nn.Linear(features, 5)], 1, batch(N, 11))


EXHIBITS = [
    Exhibit(
        "Dao-AILab/flash-attention",
        "#355",
        "attention: strides of g ignored",
        alone(Operation(_attention), _Q, _K, _V),
        _attention_shipped,
        _attention_mended,
        wrong=("input 0", "input 1", "input 2"),
        mistakes=frozenset({Mistake.READ_AS_CONTIGUOUS}),
    ),
    Exhibit(
        "torch/nn",
        "#345",
        "mean: strides of g ignored",
        alone(Operation(lambda x: x.mean(-1)), batch(5, 4, 3)),
        lambda g, x, y: as_if_contiguous(g)[..., None].expand(x.shape) / x.shape[-1],
        lambda g, x, y: g[..., None].expand(x.shape) / x.shape[-1],
        mistakes=frozenset({Mistake.READ_AS_CONTIGUOUS}),
    ),
    Exhibit(
        "pytorch/pytorch",
        "#194719",
        "kernel below cat: strides of g ignored",
        between(Operation(lambda x, w: x * w, [spread(6)])),
        lambda g, x, w: (as_if_contiguous(g) * w, (as_if_contiguous(g) * x).sum(0)),
        lambda g, x, w: (g * w, (g * x).sum(0)),
        wrong=("input", "w"),
        mistakes=frozenset({Mistake.READ_AS_CONTIGUOUS}),
    ),
    Exhibit(
        "apache/mxnet",
        "#20166",
        "take: added to what was there",
        between(Operation(lambda x, taken: x[:, taken], buffers=[_TAKEN])),
        _AddsOnto(0.0),
        lambda g, x, taken: torch.zeros_like(x).index_add_(1, taken, g),
        mistakes=frozenset({Mistake.TWICE, Mistake.STALE, Mistake.WRITTEN_OVER}),
    ),
    Exhibit(
        "apache/mxnet",
        "#15175",
        "boolean mask: the rest not initialized",
        _into(Operation(lambda x, chosen: x[:, chosen], buffers=[_CHOSEN]), 4),
        _WritesSome(0.25),
        lambda g, x, chosen: torch.zeros_like(x).index_add_(1, chosen.nonzero()[:, 0], g),
        mistakes=frozenset({Mistake.ADDED, Mistake.STALE}),
    ),
    Exhibit(
        "ggml-org/ggml",
        "#1491",
        "RMS norm: overwrites g before reading it",
        between(Operation(_rms_norm)),
        _rms_norm_shipped,
        _rms_norm_mended,
        wrong=("input", "the incoming gradient"),
        mistakes=frozenset({Mistake.WRITTEN_OVER}),
    ),
]
