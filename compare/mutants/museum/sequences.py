"""Attention, recurrence, positions."""

import math

import torch
from torch import Tensor

from compare.catalogue.host import batch, between
from compare.diagnosis.mistake import Mistake
from compare.mutants.museum.exhibit import Exhibit, Operation, alone, spread

_Q, _K_, _V = (batch(2, 7, width, seed=seed) for width, seed in ((4, 5), (4, 6), (3, 7)))


def _causal(scores: Tensor) -> Tensor:
    return scores.tril()


def _linear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return _causal(q @ k.mT) @ v / math.sqrt(q.shape[-1])


def _linear_attention_shipped(g: Tensor, q: Tensor, k: Tensor, v: Tensor, y: Tensor) -> tuple:
    scale = 1 / math.sqrt(q.shape[-1])
    ds = _causal(g @ v.mT) * scale
    return ds @ k, ds.mT @ q, _causal(q @ k.mT).mT @ g


def _linear_attention_mended(g: Tensor, q: Tensor, k: Tensor, v: Tensor, y: Tensor) -> tuple:
    scale = 1 / math.sqrt(q.shape[-1])
    ds = _causal(g @ v.mT) * scale
    return ds @ k, ds.mT @ q, _causal(q @ k.mT).mT @ g * scale


def _normalized_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Linear attention over its own sum of weights, plus one; q and k are positive."""
    return _causal(q @ k.mT) @ v / (1 + (q * k.cumsum(1)).sum(-1, keepdim=True))


def _severed(g: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor) -> tuple:
    z = 1 + (q * k.cumsum(1)).sum(-1, keepdim=True)
    dnum = g / z
    dz = -(g * o).sum(-1, keepdim=True) / z
    ds = _causal(dnum @ v.mT)
    dq = ds @ k + dz * k.cumsum(1)
    dk = ds.mT @ q
    return dq, dk, _causal(q @ k.mT).mT @ dnum


def _not_severed(g: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor) -> tuple:
    z = 1 + (q * k.cumsum(1)).sum(-1, keepdim=True)
    dnum = g / z
    dz = -(g * o).sum(-1, keepdim=True) / z
    ds = _causal(dnum @ v.mT)
    dq = ds @ k + dz * k.cumsum(1)
    dk = ds.mT @ q + (dz * q).flip(1).cumsum(1).flip(1)
    return dq, dk, _causal(q @ k.mT).mT @ dnum


def _state(k: Tensor, v: Tensor, decay: Tensor) -> Tensor:
    """Σ exp(G_T − G_t) k_t v_tᵀ with G the sums of the decays."""
    summed = decay.cumsum(1)
    return (k * (summed[:, -1:] - summed).exp()[..., None]).mT @ v


def _decay_gradient(g: Tensor, k: Tensor, v: Tensor, decay: Tensor) -> Tensor:
    summed = decay.cumsum(1)
    each = (summed[:, -1:] - summed).exp() * (k @ g * v).sum(-1)
    return each.cumsum(1) - each


def _state_shipped(g: Tensor, k: Tensor, v: Tensor, decay: Tensor, h: Tensor) -> tuple:
    summed = decay.cumsum(1)
    weight = (summed[:, -1:] - summed).exp()[..., None]
    return weight * (v @ g.mT), k @ g, _decay_gradient(g, k, v, decay)


def _state_mended(g: Tensor, k: Tensor, v: Tensor, decay: Tensor, h: Tensor) -> tuple:
    summed = decay.cumsum(1)
    weight = (summed[:, -1:] - summed).exp()[..., None]
    return weight * (v @ g.mT), k @ g * weight, _decay_gradient(g, k, v, decay)


def _decayed(h: Tensor, decay: Tensor) -> Tensor:
    return decay.exp()[:, :, None, None] * h


def _decayed_shipped(g: Tensor, h: Tensor, decay: Tensor, y: Tensor) -> tuple:
    d_decay = torch.zeros_like(decay)
    d_decay = d_decay + (y * g).sum()
    return decay.exp()[:, :, None, None] * g, d_decay


def _decayed_mended(g: Tensor, h: Tensor, decay: Tensor, y: Tensor) -> tuple:
    d_decay = torch.zeros_like(decay)
    d_decay = d_decay + (y * g).sum((2, 3))
    return decay.exp()[:, :, None, None] * g, d_decay


def _turned(x: Tensor) -> Tensor:
    """Each pair (a, b) as (−b, a)."""
    return torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)


def _recurrence(x: Tensor, u: Tensor, masks: Tensor) -> Tensor:
    """Where a step's mask is 1 the state stays as it was."""
    h = torch.zeros_like(x[:, 0])
    states = []
    for t, mask in enumerate(masks):
        h = mask * h + (1 - mask) * (x[:, t] + h @ u).tanh()
        states.append(h)
    return torch.stack(states, 1)


def _zoneout_shipped(g: Tensor, x: Tensor, u: Tensor, masks: Tensor) -> tuple:
    states = _recurrence(x, u, masks)
    dx, du, dh = torch.zeros_like(x), torch.zeros_like(u), torch.zeros_like(x[:, 0])
    for t in reversed(range(len(masks))):
        mask = masks[0]
        before = states[:, t - 1] if t else torch.zeros_like(dh)
        a = (x[:, t] + before @ u).tanh()
        dh = dh + g[:, t]
        delta = (1 - mask) * dh * (1 - a * a)
        dx[:, t] = delta
        du = du + before.T @ delta
        dh = mask * dh + delta @ u.T
    return dx, du


def _zoneout_mended(g: Tensor, x: Tensor, u: Tensor, masks: Tensor) -> tuple:
    states = _recurrence(x, u, masks)
    dx, du, dh = torch.zeros_like(x), torch.zeros_like(u), torch.zeros_like(x[:, 0])
    for t in reversed(range(len(masks))):
        mask = masks[t]
        before = states[:, t - 1] if t else torch.zeros_like(dh)
        a = (x[:, t] + before @ u).tanh()
        dh = dh + g[:, t]
        delta = (1 - mask) * dh * (1 - a * a)
        dx[:, t] = delta
        du = du + before.T @ delta
        dh = mask * dh + delta @ u.T
    return dx, du


def _both_ways(x: Tensor, w: Tensor, v: Tensor) -> Tensor:
    """One step of each direction, side by side."""
    return torch.cat([(x @ w.T).tanh(), (x @ v.T).tanh()], 1)


def _both_ways_shipped(g: Tensor, x: Tensor, w: Tensor, v: Tensor) -> tuple:
    half = len(w)
    dy = g.clone()
    left = dy[:, :half] * (1 - (x @ w.T).tanh() ** 2)
    dx = dy.copy_(left @ w)
    right = dy[:, half:] * (1 - (x @ v.T).tanh() ** 2)
    return dx + right @ v, left.T @ x, right.T @ x


def _both_ways_mended(g: Tensor, x: Tensor, w: Tensor, v: Tensor) -> tuple:
    half = len(w)
    dy = g.clone()
    left = dy[:, :half] * (1 - (x @ w.T).tanh() ** 2)
    dx = left @ w
    right = dy[:, half:] * (1 - (x @ v.T).tanh() ** 2)
    return dx + right @ v, left.T @ x, right.T @ x


_MASKS = (torch.arange(28).reshape(7, 4) * 5 % 3 == 0).float()
_COS, _SIN = spread(6).cos(), spread(6)
_DRAWN = torch.tensor([3, 0, 3, 1, 5, 0])


def _last_write(g: Tensor, x: Tensor, drawn: Tensor) -> Tensor:
    dx = torch.zeros_like(x)
    for i, j in enumerate(drawn):
        dx[:, j] = g[:, i]
    return dx


def _every_write(g: Tensor, x: Tensor, drawn: Tensor) -> Tensor:
    dx = torch.zeros_like(x)
    for i, j in enumerate(drawn):
        dx[:, j] += g[:, i]
    return dx


EXHIBITS = [
    Exhibit(
        "fla-org/flash-linear-attention",
        "#875",
        "normalized attention: path through the keys cut",
        alone(Operation(_normalized_attention), _Q.abs() + 0.1, _K_.abs() + 0.1, _V),
        _severed,
        _not_severed,
        wrong=("input 1",),
        mistakes=frozenset({Mistake.NO_CROSS_TERM}),
    ),
    Exhibit(
        "fla-org/flash-linear-attention",
        "#47",
        "linear attention: value gradient without the scale",
        alone(Operation(_linear_attention), _Q, _K_, _V),
        _linear_attention_shipped,
        _linear_attention_mended,
        wrong=("input 2",),
        mistakes=frozenset({Mistake.FACTOR, Mistake.MISSING_FACTOR}),
    ),
    Exhibit(
        "fla-org/flash-linear-attention",
        "#6",
        "gated attention: value gradient without the decay",
        alone(Operation(_state), _K_, _V, -batch(2, 7).abs() / 4),
        _state_shipped,
        _state_mended,
        wrong=("input 1",),
        mistakes=frozenset({Mistake.MISSING_FACTOR}),
    ),
    Exhibit(
        "fla-org/flash-linear-attention",
        "31293264",
        "gated attention: decay summed over all heads",
        alone(Operation(_decayed), batch(2, 3, 4, 5), -batch(2, 3).abs()),
        _decayed_shipped,
        _decayed_mended,
        wrong=("input 1",),
        mistakes=frozenset({Mistake.WRONG_AXIS}),
    ),
    Exhibit(
        "PaddlePaddle/Paddle",
        "#74716",
        "rotary embedding: rotated before the sine",
        between(Operation(lambda x, c, s: x * c + _turned(x) * s, buffers=[_COS, _SIN])),
        lambda g, x, c, s: g * c - _turned(g) * s,
        lambda g, x, c, s: g * c - _turned(g * s),
    ),
    Exhibit(
        "pytorch/pytorch",
        "#1528",
        "indexing: only the last of duplicates",
        between(Operation(lambda x, drawn: x[:, drawn], buffers=[_DRAWN])),
        _last_write,
        _every_write,
        mistakes=frozenset({Mistake.IN_A_PART}),
    ),
    Exhibit(
        "apache/mxnet",
        "#18203",
        "two directions: g overwritten by the first",
        between(Operation(_both_ways, [batch(3, 6, seed=1), batch(3, 6, seed=2)])),
        _both_ways_shipped,
        _both_ways_mended,
        wrong=("input", "w1"),
    ),
    Exhibit(
        "lmnt-com/haste",
        "#43",
        "zoneout: first step's mask for every step",
        alone(Operation(_recurrence, [batch(4, 4, seed=1) / 2], [_MASKS]), batch(3, 7, 4)),
        _zoneout_shipped,
        _zoneout_mended,
        wrong=("input", "w"),
    ),
]
