"""Layers that go through what they are given in blocks, and keep nothing of the size of all."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.attention import (
    HIDDEN,
    LOUD,
    SEEN,
    SEES_NOTHING,
    AttentionModule,
    drawn,
    qkv,
    weights,
)
from compare.catalogue.entry import Entry, call
from compare.catalogue.host import CLASSES, Host, N, batch
from compare.catalogue.specimen import Bug
from compare.catalogue.values import classes, empty, normal
from compare.diagnosis.mistake import Mistake
from manual_backprop.loss.linear_cross_entropy import LinearCrossEntropyFunction
from manual_backprop.sequence.attention_in_blocks import AttentionInBlocksFunction


def lower(t: Tensor) -> torch.dtype:
    """The type that a product has, under autocast or not."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else t.dtype


def full(t: Tensor) -> Tensor:
    """In the type that is computed in, where some kernels of PyTorch round on the way."""
    return t if t.dtype in (torch.float64, torch.bool) else t.float()


# Attention in blocks.


def _whole(
    q: Tensor, k: Tensor, v: Tensor, *mask: Tensor, block_size: int = 0, **options: bool
) -> Tensor:
    dtype = lower(q)
    with torch.autocast("cpu", enabled=False):
        q, k, v = (full(t.to(dtype)) for t in (q, k, v))
        M = next((t if t.dtype == torch.bool else full(t.to(dtype)) for t in mask), None)
        return F.scaled_dot_product_attention(q, k, v, M, **options).to(dtype)


def _normalized_by_block(g: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor) -> Tensor:
    """P by the sum of its own block of keys, not of all."""
    P = torch.cat([weights(q, k_j) for k_j in k.split(4, -2)], -1)
    return P.mT @ g


def _coupled_by_block(g: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor) -> Tensor:
    """D of its own block of keys, not of all."""
    of_S = []
    for P, of_P in zip(weights(q, k).split(4, -1), (g @ v.mT).split(4, -1), strict=True):
        of_S.append(P * (of_P - (P * of_P).sum(-1, keepdim=True)))
    return torch.cat(of_S, -1) / math.sqrt(q.shape[-1]) @ k


def _last_block_alone(g: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor) -> Tensor:
    """Written over by each block of queries, where they add up."""
    return weights(q, k)[..., 4:, :].mT @ g[..., 4:, :]


def _key_by_key(g: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor) -> tuple[Tensor, ...]:
    scale = 1 / math.sqrt(q.shape[-1])
    λ, D = (q @ k.mT * scale).logsumexp(-1), (g * o).sum(-1)
    grad_q, grad_k, grad_v = (torch.zeros_like(t) for t in (q, k, v))
    for s in range(k.shape[-2]):
        key, value = k[..., s, None, :], v[..., s, None, :]
        P = ((q * key).sum(-1) * scale - λ).exp()
        of_S = (P * ((g * value).sum(-1) - D) * scale).unsqueeze(-1)
        grad_q += of_S * key
        grad_k[..., s, :] = (of_S * q).sum(-2)
        grad_v[..., s, :] = (P.unsqueeze(-1) * g).sum(-2)
    return grad_q, grad_k, grad_v


# Linear with cross entropy.


def _linear_cross_entropy(
    x: Tensor,
    weight: Tensor,
    target: Tensor,
    bias: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int = -100,
    chunk_size: int = 0,
) -> Tensor:
    dtype = lower(x)
    with torch.autocast("cpu", enabled=False):
        b = None if bias is None else full(bias.to(dtype))
        z = F.linear(full(x.to(dtype)), full(weight.to(dtype)), b)
    z, t = z.view(-1, len(weight)), target.view(-1)
    return F.cross_entropy(z, t, ignore_index=ignore_index, reduction=reduction)


class _Classifier(nn.Linear):
    """Its loss on labels of its own."""

    def forward(self, x: Tensor) -> Tensor:
        return F.cross_entropy(super().forward(x), _labels(x))


def _labels(x: Tensor) -> Tensor:
    return torch.arange(len(x)) * 3 % CLASSES


def _less_one_hot(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """ŷ − y."""
    return F.linear(x, w, b).softmax(1) - F.one_hot(_labels(x), CLASSES).to(x.dtype)


def _target_by_target(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    """Of ŷ by products, of y by rows of W."""
    g, t, ŷ = g / len(x), _labels(x), F.linear(x, w, b).softmax(1)
    grad_w = (ŷ.T @ x).index_add(0, t, -x)
    return g * (ŷ @ w - w[t]), g * grad_w, g * (ŷ.sum(0) - torch.bincount(t, minlength=CLASSES))


_W, _B = normal(9, 2, seed=1), normal(9, seed=2)
_T = classes(8, of=9)

ENTRIES = [
    Entry(
        None,
        "attention_in_blocks",
        calls=[
            call(*qkv((2,)), block_size=3),
            call(*qkv((2,), ()), is_causal=True, block_size=2),
            call(*qkv(()), SEEN, block_size=3),
            call(*qkv(()), normal(1, 5, seed=3), block_size=3),
            call(*qkv((2,), (1,)), enable_gqa=True, block_size=3),
        ],
        special=[
            call(*qkv(), SEES_NOTHING, block_size=2),
            call(*qkv(), HIDDEN, block_size=2),
            call(*qkv(), block_size=1),
            call(*LOUD, block_size=2),
            call(*LOUD, is_causal=True, scale=-1.0, block_size=2),
            call(*(t * torch.nan for t in qkv()), block_size=2),
            call(empty(2, 0, 3), empty(2, 5, 3), empty(2, 5, 2)),
            call(normal(2, 4, 3), empty(2, 0, 3), empty(2, 0, 2)),
        ],
        inputs=drawn,
        twin_function=_whole,
        derivation=AttentionInBlocksFunction,
        host=Host(
            lambda: [AttentionModule(), nn.Linear(6, CLASSES)],
            0,
            tuple(batch(3, N, 6, seed=s) for s in (5, 6, 7)),
        ),
        wrong={
            "P normalized in each block": Bug(
                Mistake.FACTOR, _normalized_by_block, gradient="input 2", diagnosed=False
            ),
            "D computed in each block": Bug(
                Mistake.NO_CROSS_TERM, _coupled_by_block, gradient="input 0", diagnosed=False
            ),
            "value gradient from the last queries only": Bug(
                Mistake.PART_OF_BATCH, _last_block_alone, gradient="input 2", diagnosed=False
            ),
        },
        right={"key by key": _key_by_key},
    ),
    Entry(
        None,
        "linear_cross_entropy",
        calls=[
            call(normal(8, 2), _W, _T, chunk_size=3),
            call(normal(8, 2), _W, _T, _B, reduction="sum", chunk_size=8),
            call(normal(2, 4, 2), _W, _T.view(2, 4), _B, ignore_index=int(_T[0]), chunk_size=3),
        ],
        special=[
            call(normal(2), _W, _T[0], _B),
            call(normal(3, 2), _W, torch.full((3,), -100), _B, chunk_size=2),
            call(1e4 * normal(3, 2), _W, _T[:3], chunk_size=2),
            call(normal(3, 2) * torch.nan, _W, _T[:3]),
            call(empty(0, 2), _W, _T[:0]),
        ],
        inputs=lambda: (torch.randn(33, 13), torch.randn(40, 13), torch.randint(40, (33,))),
        twin_function=_linear_cross_entropy,
        derivation=LinearCrossEntropyFunction,
        host=Host(lambda: [nn.Linear(11, 7), nn.Tanh(), _Classifier(7, CLASSES)], 2, batch(N, 11)),
        wrong={
            "incoming gradient ignored": Bug(
                Mistake.IGNORES_INCOMING,
                lambda g, x, w, b: _less_one_hot(x, w, b).T @ x / len(x),
                gradient="weight",
            ),
            "mean forgotten": Bug(
                Mistake.SUM_FOR_MEAN,
                lambda g, x, w, b: g * _less_one_hot(x, w, b) @ w,
                gradient="input",
            ),
            "last chunk only": Bug(
                Mistake.PART_OF_BATCH,
                lambda g, x, w, b: g * _less_one_hot(x, w, b)[6:].T @ x[6:] / len(x),
                gradient="weight",
                diagnosed=False,
            ),
        },
        right={"target by target": _target_by_target},
    ),
]
