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
from manual_backprop.sequence.dot_product_attention import (
    ScaledDotProductAttentionFunction,
    attention_with_weights,
)


class AttentionModule(nn.Module):
    """As a module."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v)


def weights(q: Tensor, k: Tensor) -> Tensor:
    """P."""
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)


def _of_scores(g: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    p, of_p = weights(q, k), g @ v.mT
    return p * (of_p - (p * of_p).sum(-1, keepdim=True)) / math.sqrt(q.shape[-1])


def _by_the_output(g: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor) -> tuple[Tensor, ...]:
    p = weights(q, k)
    delta = p * (g @ v.mT - (g * o).sum(-1, keepdim=True)) / math.sqrt(q.shape[-1])
    return delta @ k, delta.mT @ q, p.mT @ g


def _by_its_jacobian(g: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor) -> tuple[Tensor, ...]:
    p = weights(q, k)
    jacobian = torch.diag_embed(p) - p[..., :, None] * p[..., None, :]
    delta = torch.einsum("nld,nsd,nlst->nlt", g, v, jacobian) / math.sqrt(q.shape[-1])
    return delta @ k, torch.einsum("nls,nle->nse", delta, q), p.mT @ g


def qkv(batch: tuple[int, ...] = (2, 3), kv: tuple[int, ...] | None = None) -> tuple[Tensor, ...]:
    """Four queries of three features, and five keys with values of two."""
    kv = batch if kv is None else kv
    return normal(*batch, 4, 3), normal(*kv, 5, 3, seed=1), normal(*kv, 5, 2, seed=2)


def drawn() -> tuple[Tensor, ...]:
    """Anew, seven queries and nine keys."""
    return torch.randn(3, 2, 7, 6), torch.randn(3, 2, 9, 6), torch.randn(3, 2, 9, 5)


SEEN = torch.tensor([[1, 0, 1, 1, 0], [0, 0, 0, 0, 1], [1] * 5, [0, 1, 1, 0, 0]]).bool()
SEES_NOTHING = SEEN & torch.tensor([[True], [False], [True], [False]])
HIDDEN = torch.zeros(4, 5, dtype=torch.float64).masked_fill(~SEES_NOTHING, -torch.inf)
LOUD = tuple(t * 100 for t in qkv())


def _with_weights(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, dropout_p: float = 0.0
) -> tuple[Tensor, Tensor]:
    """In float32 and rounded once, where PyTorch's own rounds the scores and the weights."""
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else q.dtype
    full = torch.float64 if q.dtype == torch.float64 else torch.float32
    with torch.autocast("cpu", enabled=False):
        q, k, v = (t.to(dtype).to(full) for t in (q, k, v))
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        if mask is not None and mask.dtype == torch.bool:
            scores = scores.masked_fill(~mask, -torch.inf)
        elif mask is not None:
            scores = scores + mask.to(dtype)
        w = F.dropout(scores.softmax(-1), dropout_p)
        return (w @ v).to(dtype), w.to(dtype)


def _rotary(x: Tensor, positions: Tensor | None = None, base: float = 10_000.0) -> Tensor:
    """Pairs as complex numbers, times e^{iθ}."""
    T, D = x.shape[-2:]
    positions = torch.arange(T) if positions is None else positions
    θ = positions[..., None] * base ** (-torch.arange(0, D, 2, dtype=torch.float64) / D)
    full = x if x.dtype == torch.float64 else x.float()
    turn = torch.polar(torch.ones_like(θ), θ).to(full.dtype.to_complex())
    z = torch.view_as_complex(full.unflatten(-1, (D // 2, 2)).contiguous())
    return torch.view_as_real(z * turn).flatten(-2).to(x.dtype)


class _Rotary(nn.Module):
    def __init__(self, base: float = 10_000.0) -> None:
        super().__init__()
        self.base = base

    def forward(self, x: Tensor, positions: Tensor | None = None) -> Tensor:
        return _rotary(x, positions, self.base)


def _turned_on(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return _rotary(g)


def _back(g: Tensor) -> Tensor:
    """By turning on the reversed pairs."""
    return (
        _rotary(g.unflatten(-1, (-1, 2)).flip(-1).flatten(-2))
        .unflatten(-1, (-1, 2))
        .flip(-1)
        .flatten(-2)
    )


def _by_matrices(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    D = g.shape[-1]
    matrices = _rotary(torch.eye(D, dtype=g.dtype)[:, None].expand(D, g.shape[-2], D))
    return torch.einsum("dte,nte->ntd", matrices, g)


_WEIGHTS = (4, 2, normal(12, 4, seed=4), normal(12, seed=5), None, None, False, 0.0)
_OUT = (normal(4, 4, seed=6), normal(4, seed=7))
_MULTIHEAD = (normal(4, 2, 4), normal(3, 2, 4, seed=1), normal(3, 2, 4, seed=2), *_WEIGHTS, *_OUT)
_SINGLE = (normal(4, 4), normal(3, 4, seed=1), normal(3, 4, seed=2), *_WEIGHTS, *_OUT)

ENTRIES = [
    Entry(
        None,
        "scaled_dot_product_attention",
        calls=[
            call(*qkv()),
            call(*qkv(()), scale=0.7),
            call(*qkv((3,), (2, 3))),
            call(*qkv(), SEEN),
            call(*qkv(), normal(4, 5, seed=3)),
            call(*qkv(), normal(2, 3, 4, 5, seed=3)),
            call(*qkv(), normal(3, 1, 5, seed=3), constants=(3,)),
            call(*qkv(), is_causal=True),
            call(*qkv(), dropout_p=0.4),
            call(*qkv((2, 4), (2, 2)), enable_gqa=True),
            call(*qkv((2, 4), (2, 2)), normal(4, 4, 5, seed=3), enable_gqa=True),
        ],
        special=[
            call(*qkv(), SEES_NOTHING),
            call(*qkv(), HIDDEN),
            call(*qkv(), HIDDEN, constants=(3,)),
            call(*LOUD),
            call(*LOUD, is_causal=True, scale=-1.0),
            call(*qkv(), dropout_p=1.0),
            call(*(t * torch.nan for t in qkv())),
            call(empty(2, 0, 3), empty(2, 5, 3), empty(2, 5, 2)),
            call(normal(2, 4, 3), empty(2, 0, 3), empty(2, 0, 2)),
        ],
        inputs=drawn,
        derivation=ScaledDotProductAttentionFunction,
        host=Host(
            lambda: [AttentionModule(), nn.Linear(6, CLASSES)],
            0,
            tuple(batch(3, N, 6, seed=s) for s in (5, 6, 7)),
        ),
        wrong={
            "scale forgotten": Bug(
                Mistake.FACTOR,
                lambda g, q, k, v, o: _of_scores(g, q, k, v) * math.sqrt(6) @ k,
                gradient="input 0",
            ),
            "no cross term": Bug(
                {Mistake.NO_CROSS_TERM, Mistake.CONSTANT},
                lambda g, q, k, v, o: weights(q, k) * (g @ v.mT) / math.sqrt(6) @ k,
                gradient="input 0",
            ),
            "value with the wrong sign": Bug(
                Mistake.SIGN, lambda g, q, k, v, o: -weights(q, k).mT @ g, gradient="input 2"
            ),
            "value by P instead of Pᵀ": Bug(
                {Mistake.TRANSPOSED, Mistake.ANOTHER_FACTOR},
                lambda g, q, k, v, o: weights(q, k) @ g,
                gradient="input 2",
            ),
            "value detached": Bug(
                Mistake.DETACHED, lambda g, q, k, v, o: v * 0, gradient="input 2"
            ),
        },
        right={"by g ⊙ o": _by_the_output, "by the Jacobian": _by_its_jacobian},
    ),
    Entry(
        None,
        attention_with_weights,
        calls=[
            call(*qkv()),
            call(*qkv(), SEEN),
            call(*qkv(), normal(4, 5, seed=3)),
            call(*qkv(()), dropout_p=0.4),
        ],
        special=[call(*LOUD)],
        inputs=drawn,
        twin_function=_with_weights,
        derivation=ScaledDotProductAttentionFunction,
    ),
    Entry(
        "MultiheadAttention",
        "multi_head_attention_forward",
        calls=[
            call(*_MULTIHEAD, True, None, False, normal(4, 3, seed=8)),
            call(*_SINGLE, True, None, False, normal(2, 4, 3, seed=8)),
        ],
        modules=[
            {"embed_dim": 6, "num_heads": 2},
            {"embed_dim": 6, "num_heads": 3, "bias": False, "kdim": 6, "dropout": 0.4},
            {"embed_dim": 6, "num_heads": 1, "add_bias_kv": True, "add_zero_attn": True},
            {"embed_dim": 6, "num_heads": 2, "batch_first": True},
        ],
        inputs=lambda: (torch.randn(7, 3, 6), torch.randn(7, 3, 6), torch.randn(7, 3, 6)),
        derivation=ScaledDotProductAttentionFunction,
    ),
    Entry(
        "RotaryEmbedding",
        "rotary_embedding",
        calls=[
            call(normal(2, 3, 4)),
            call(normal(3, 6), base=100.0),
            call(normal(2, 2, 3, 4), torch.tensor([5, 0, 1000])),
            call(normal(2, 3, 4), torch.tensor([[0, 1, 2], [7, 8, 9]])),
        ],
        special=[
            call(normal(3, 0)),
            call(empty(0, 4)),
            call(normal(2, 4), torch.tensor([0, 10**8])),
            call(normal(2, 4) * torch.nan),
        ],
        modules=[{}, {"base": 100.0}],
        inputs=lambda: (torch.randn(3, 7, 6),),
        twin_module=_Rotary,
        twin_function=_rotary,
        host=Host(lambda: [nn.Linear(11, 6), _Rotary(), nn.Linear(6, CLASSES)], 1, batch(3, N, 11)),
        wrong={
            "rotated forward instead of back": Bug(Mistake.TRANSPOSED, _turned_on),
            "not rotated": Bug(Mistake.NO_DERIVATIVE, lambda g, x, y: g.clone()),
            "halved": Bug(Mistake.FACTOR, lambda g, x, y: _back(g) / 2),
        },
        right={"by matrices": _by_matrices},
    ),
]
