"""Attention."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.entry import Entry, call
from compare.catalogue.host import CLASSES, Host, N, batch
from compare.catalogue.specimen import Bug
from compare.catalogue.values import empty, normal
from compare.diagnosis.mistake import Mistake
from manual_backprop.sequence.dot_product_attention import ScaledDotProductAttentionFunction


class _Attention(nn.Module):
    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v)


def _p(q: Tensor, k: Tensor) -> Tensor:
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)


def _of_scores(g: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    p, of_p = _p(q, k), g @ v.mT
    return p * (of_p - (p * of_p).sum(-1, keepdim=True)) / math.sqrt(q.shape[-1])


def _by_the_output(g: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor) -> tuple[Tensor, ...]:
    p = _p(q, k)
    delta = p * (g @ v.mT - (g * o).sum(-1, keepdim=True)) / math.sqrt(q.shape[-1])
    return delta @ k, delta.mT @ q, p.mT @ g


def _by_its_jacobian(g: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor) -> tuple[Tensor, ...]:
    p = _p(q, k)
    jacobian = torch.diag_embed(p) - p[..., :, None] * p[..., None, :]
    delta = torch.einsum("nld,nsd,nlst->nlt", g, v, jacobian) / math.sqrt(q.shape[-1])
    return delta @ k, torch.einsum("nls,nle->nse", delta, q), p.mT @ g


def _qkv(batch: tuple[int, ...] = (2, 3), kv: tuple[int, ...] | None = None) -> tuple[Tensor, ...]:
    """Four queries of three features, and five keys with values of two."""
    kv = batch if kv is None else kv
    return normal(*batch, 4, 3), normal(*kv, 5, 3, seed=1), normal(*kv, 5, 2, seed=2)


def _drawn() -> tuple[Tensor, ...]:
    return torch.randn(3, 2, 7, 6), torch.randn(3, 2, 9, 6), torch.randn(3, 2, 9, 5)


_SEEN = torch.tensor([[1, 0, 1, 1, 0], [0, 0, 0, 0, 1], [1] * 5, [0, 1, 1, 0, 0]]).bool()
_SEES_NOTHING = _SEEN & torch.tensor([[True], [False], [True], [False]])
_HIDDEN = torch.zeros(4, 5, dtype=torch.float64).masked_fill(~_SEES_NOTHING, -torch.inf)
_LOUD = tuple(t * 100 for t in _qkv())

ENTRIES = [
    Entry(
        None,
        "scaled_dot_product_attention",
        calls=[
            call(*_qkv()),
            call(*_qkv(()), scale=0.7),
            call(*_qkv((3,), (2, 3))),
            call(*_qkv(), _SEEN),
            call(*_qkv(), normal(4, 5, seed=3)),
            call(*_qkv(), normal(2, 3, 4, 5, seed=3)),
            call(*_qkv(), normal(3, 1, 5, seed=3), constants=(3,)),
            call(*_qkv(), is_causal=True),
            call(*_qkv(), dropout_p=0.4),
            call(*_qkv((2, 4), (2, 2)), enable_gqa=True),
            call(*_qkv((2, 4), (2, 2)), normal(4, 4, 5, seed=3), enable_gqa=True),
        ],
        special=[
            call(*_qkv(), _SEES_NOTHING),
            call(*_qkv(), _HIDDEN),
            call(*_qkv(), _HIDDEN, constants=(3,)),
            call(*_LOUD),
            call(*_LOUD, is_causal=True, scale=-1.0),
            call(*_qkv(), dropout_p=1.0),
            call(*(t * torch.nan for t in _qkv())),
            call(empty(2, 0, 3), empty(2, 5, 3), empty(2, 5, 2)),
            call(normal(2, 4, 3), empty(2, 0, 3), empty(2, 0, 2)),
        ],
        inputs=_drawn,
        derivation=ScaledDotProductAttentionFunction,
        host=Host(
            lambda: [_Attention(), nn.Linear(6, CLASSES)],
            0,
            tuple(batch(3, N, 6, seed=s) for s in (5, 6, 7)),
        ),
        wrong={
            "query without the scale": Bug(
                Mistake.FACTOR,
                lambda g, q, k, v, o: _of_scores(g, q, k, v) * math.sqrt(6) @ k,
                gradient="input 0",
            ),
            "scaled by 1/E": Bug(
                Mistake.FACTOR,
                lambda g, q, k, v, o: (_of_scores(g, q, k, v) / math.sqrt(6)).mT @ q,
                gradient="input 1",
            ),
            "no cross term": Bug(
                Mistake.NO_CROSS_TERM,
                lambda g, q, k, v, o: _p(q, k) * (g @ v.mT) / math.sqrt(6) @ k,
                gradient="input 0",
            ),
            "key by the scores, not transposed": Bug(
                Mistake.TRANSPOSED,
                lambda g, q, k, v, o: _of_scores(g, q, k, v) @ q,
                gradient="input 1",
            ),
            "value by P, not transposed": Bug(
                Mistake.TRANSPOSED, lambda g, q, k, v, o: _p(q, k) @ g, gradient="input 2"
            ),
        },
        right={"by g ⊙ o": _by_the_output, "by the Jacobian": _by_its_jacobian},
    ),
]
