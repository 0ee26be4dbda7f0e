"""Layers that keep less than autograd does and compute again what their backward needs."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.entry import Entry, call
from compare.catalogue.host import CLASSES, Host, N, batch
from compare.catalogue.in_blocks import full
from compare.catalogue.specimen import Bug
from compare.catalogue.values import empty, normal
from compare.diagnosis.mistake import Mistake
from manual_backprop import Sigmoid, SiLU, Tanh
from manual_backprop.composition.reversible import reversible

# SwiGLU with its Linear.


def _swiglu_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    u, v = x.chunk(2, -1)
    return F.linear(F.silu(u) * v, weight, bias)


class GatedLinear(nn.Linear):
    """SwiGLU of the input's halves, and the Linear above it."""

    def forward(self, x: Tensor) -> Tensor:
        return _swiglu_linear(x, self.weight, self.bias)


def _by_halves(g: Tensor, z: Tensor, w: Tensor, b: Tensor) -> Tensor:
    u, v = z.chunk(2, 1)
    σ = u.sigmoid()
    return torch.cat([g @ w * v * σ * (1 + u * (1 - σ)), g @ w * u * σ], 1)


_UP = normal(2, 3, seed=2)

# Reversible layers.


def _couplings(x: Tensor, layers: list[nn.Module]) -> Tensor:
    a, b = full(x).chunk(2, -1)
    for f in layers:
        a, b = b, a + f(b.to(x.dtype))
    return torch.cat([a, b], -1).to(x.dtype)


class Couplings(nn.Module):
    """(a, b) ↦ (b, a + f(b)) for each layer f."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        return _couplings(x, list(self.layers))


def _mlp(d: int) -> nn.Module:
    return nn.Sequential(nn.Linear(d, 5), nn.Tanh(), nn.Linear(5, d))


def _of_tanh(g: Tensor, y: Tensor, at: str = "a'", added: bool = True) -> Tensor:
    """Backward of the coupling by tanh, and what people make of it."""
    (a, b), (α, β) = y.chunk(2, 1), g.chunk(2, 1)
    slope = 1 - (a if at == "a'" else b).tanh() ** 2
    return torch.cat([β, (α if added else 0) + slope * β], 1)


_COUPLED = Host(
    lambda: [nn.Linear(11, 6), Couplings([nn.Tanh()]), nn.Linear(6, CLASSES)], 1, batch(N, 11)
)

ENTRIES = [
    Entry(
        "SwiGLULinear",
        "swiglu_linear",
        calls=[
            call(normal(4, 6), _UP, normal(2, seed=3)),
            call(normal(2, 2, 6), _UP),
            call(normal(6), _UP, normal(2, seed=3)),
        ],
        special=[
            call(normal(4, 6).round(), _UP),
            call(1e4 * normal(4, 6), _UP),
            call(normal(4, 6) * torch.nan, _UP),
            call(empty(0, 6), _UP),
        ],
        modules=[
            {"in_features": 13, "out_features": 5},
            {"in_features": 13, "out_features": 5, "bias": False},
        ],
        inputs=lambda: (torch.randn(33, 26),),
        twin_module=GatedLinear,
        twin_function=_swiglu_linear,
        host=Host(lambda: [nn.Linear(11, 6), GatedLinear(3, CLASSES)], 1, batch(N, 11)),
        wrong={
            "weight by u ⊙ v instead of silu(u) ⊙ v": Bug(
                Mistake.NO_DERIVATIVE,
                lambda g, z, w, b: g.T @ (z[:, :3] * z[:, 3:]),
                gradient="weight",
                diagnosed=False,
            ),
            "bias averaged over the batch": Bug(
                Mistake.MEAN_FOR_SUM, lambda g, z, w, b: g.mean(0), gradient="bias"
            ),
            "gradients of the halves swapped": Bug(
                Mistake.PERMUTED, lambda g, z, w, b: _by_halves(g, z, w, b).roll(3, 1)
            ),
        },
        right={
            "with its own products": lambda g, z, w, b: (
                _by_halves(g, z, w, b),
                g.T @ (F.silu(z[:, :3]) * z[:, 3:]),
                g.sum(0),
            )
        },
    ),
    Entry(
        "Reversible",
        reversible,
        calls=[
            call(normal(3, 4), layers=(Tanh(), Sigmoid())),
            call(normal(2, 2, 4), layers=(SiLU(),) * 3),
        ],
        special=[
            call(normal(3, 4) * torch.nan, layers=(Tanh(),)),
            call(100 * normal(3, 4), layers=(Tanh(), Sigmoid())),
            call(empty(0, 4), layers=(Tanh(), Sigmoid())),
            call(normal(3, 4), layers=()),
        ],
        modules=[{"layers": [_mlp(3), nn.Linear(3, 3)]}, {"layers": [_mlp(3)]}],
        inputs=lambda: (torch.randn(9, 6),),
        twin_module=Couplings,
        twin_function=_couplings,
        host=_COUPLED,
        wrong={
            "f′ at b′ instead of b": Bug(
                Mistake.AT_OUTPUT, lambda g, x, y: _of_tanh(g, y, at="b'"), diagnosed=False
            ),
            "gradient through the other half forgotten": Bug(
                {Mistake.MISSING_FACTOR, Mistake.CONSTANT},
                lambda g, x, y: _of_tanh(g, y, added=False),
            ),
            "halves not swapped back": Bug(
                Mistake.PERMUTED, lambda g, x, y: _of_tanh(g, y).roll(3, 1)
            ),
        },
        right={"from its output": lambda g, x, y: _of_tanh(g, y)},
    ),
]
