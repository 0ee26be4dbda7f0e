"""Activations in which one half of the input is a gate for the other."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.entry import Entry, call
from compare.catalogue.host import CLASSES, Host, N, batch
from compare.catalogue.specimen import Bug
from compare.catalogue.values import SHAPE, empty, normal
from compare.diagnosis.mistake import Mistake


def _swiglu(gate: Tensor, value: Tensor) -> Tensor:
    return F.silu(gate) * value


def _geglu(gate: Tensor, value: Tensor) -> Tensor:
    return F.gelu(gate) * value


class _SwiGLU(nn.GLU):
    def forward(self, input: Tensor) -> Tensor:
        return _swiglu(*input.chunk(2, self.dim))


class _GEGLU(nn.GLU):
    def forward(self, input: Tensor) -> Tensor:
        return _geglu(*input.chunk(2, self.dim))


def _host(module: nn.Module) -> Host:
    return Host(lambda: [nn.Linear(11, 6), module, nn.Linear(3, CLASSES)], 1, batch(N, 11))


def _gate_first(g: Tensor, z: Tensor, a: Tensor) -> Tensor:
    u, v = z.chunk(2, 1)
    return torch.cat([g * v * u.sigmoid() * (1 - u.sigmoid()), g * u.sigmoid()], 1)


def _halves(z: Tensor, of_first: Any, of_second: Any) -> Tensor:
    first, second = z.chunk(2, 1)
    return torch.cat([of_first(first, second), of_second(first, second)], 1)


def _silu_slope(u: Tensor) -> Tensor:
    return u.sigmoid() * (1 + u * (1 - u.sigmoid()))


def _gelu_slope(u: Tensor) -> Tensor:
    return torch.special.ndtr(u) + u * (-u * u / 2).exp() * 0.3989422804014327


def _two_inputs(function: str) -> dict[str, Any]:
    shapes: list[tuple[int, ...]] = [(4, 3), (5,), (), (2, 3, 2)]
    extremes = torch.tensor([torch.nan, -1e4, -20, 0, 20, 1e4], dtype=torch.float64)
    return {
        "function": function,
        "calls": [call(normal(*s), normal(*s, seed=1)) for s in shapes],
        "special": [
            call(extremes, normal(6)),
            call(normal(6), extremes),
            call(normal(4, 3).round(), normal(4, 3, seed=1).round()),
            call(empty(0, 3), empty(0, 3)),
        ],
        "modules": [{}, {"dim": 0}],
        "inputs": lambda: (torch.randn(SHAPE[0] + 1, SHAPE[1] + 1),),
    }


ENTRIES = [
    Entry(
        "GLU",
        "glu",
        calls=[
            *(call(normal(*s)) for s in [(4, 6), (4,), (2, 3, 4)]),
            call(normal(4, 3), dim=0),
            call(normal(2, 4, 3), dim=-2),
        ],
        special=[
            call(torch.tensor([torch.nan, 1, 2, 3, -1e4, 1e4, 0, -0.0]).double()),
            call(normal(4, 6).round()),
            *(call(empty(*s)) for s in [(0,), (0, 4), (3, 0)]),
        ],
        modules=[{}, {"dim": 0}],
        inputs=lambda: (torch.randn(SHAPE[0] + 1, SHAPE[1] + 1),),
        host=_host(nn.GLU(1)),
        wrong={
            "halves swapped": Bug(
                {Mistake.PERMUTED, Mistake.IN_A_PART},
                lambda g, z, a: _gate_first(g, z, a),
            ),
            "gradients of the halves swapped": Bug(
                Mistake.PERMUTED,
                lambda g, z, a: _halves(
                    z,
                    lambda v, u: g * v * u.sigmoid() * (1 - u.sigmoid()),
                    lambda v, u: g * u.sigmoid(),
                ),
            ),
            "gate gradient with the wrong sign": Bug(
                Mistake.SIGN,
                lambda g, z, a: _halves(
                    z,
                    lambda v, u: g * u.sigmoid(),
                    lambda v, u: g * v * u.sigmoid() * (u.sigmoid() - 1),
                ),
            ),
            "wrong sign": Bug(
                Mistake.SIGN,
                lambda g, z, a: (
                    -_halves(
                        z,
                        lambda v, u: g * u.sigmoid(),
                        lambda v, u: g * v * u.sigmoid() * (1 - u.sigmoid()),
                    )
                ),
            ),
        },
        right={
            "from its output": lambda g, z, a: _halves(
                z, lambda v, u: g * u.sigmoid(), lambda v, u: g * a * (-u).sigmoid()
            )
        },
    ),
    Entry(
        "SwiGLU",
        **_two_inputs("swiglu"),
        twin_module=_SwiGLU,
        twin_function=_swiglu,
        host=_host(_SwiGLU(1)),
        wrong={
            "derivative of the gate forgotten": Bug(
                Mistake.NO_DERIVATIVE,
                lambda g, z, a: _halves(z, lambda u, v: g * v, lambda u, v: g * F.silu(u)),
            ),
            "halves added": Bug(
                Mistake.TWICE,
                lambda g, z, a: (
                    2 * _halves(z, lambda u, v: g * v * _silu_slope(u), lambda u, v: g * F.silu(u))
                ),
            ),
            "no gradient": Bug(Mistake.DETACHED, lambda g, z, a: z * 0),
            "gradients of the halves swapped": Bug(
                Mistake.PERMUTED,
                lambda g, z, a: _halves(
                    z, lambda u, v: g * F.silu(u), lambda u, v: g * v * _silu_slope(u)
                ),
            ),
        },
        right={
            "a + σ(1 − a)": lambda g, z, a: _halves(
                z,
                lambda u, v: g * v * (F.silu(u) + u.sigmoid() * (1 - F.silu(u))),
                lambda u, v: g * u * u.sigmoid(),
            )
        },
    ),
    Entry(
        "GEGLU",
        **_two_inputs("geglu"),
        twin_module=_GEGLU,
        twin_function=_geglu,
        host=_host(_GEGLU(1)),
        wrong={
            "SwiGLU's gradient": Bug(
                Mistake.NO_DERIVATIVE,
                lambda g, z, a: _halves(
                    z, lambda u, v: g * v * _silu_slope(u), lambda u, v: g * F.silu(u)
                ),
                diagnosed=False,
            ),
            "gradients of the halves swapped": Bug(
                Mistake.PERMUTED,
                lambda g, z, a: _halves(
                    z, lambda u, v: g * F.gelu(u), lambda u, v: g * v * _gelu_slope(u)
                ),
            ),
            "wrong sign": Bug(
                Mistake.SIGN,
                lambda g, z, a: (
                    -_halves(z, lambda u, v: g * v * _gelu_slope(u), lambda u, v: g * F.gelu(u))
                ),
            ),
        },
        right={
            "by erf": lambda g, z, a: _halves(
                z,
                lambda u, v: (
                    g
                    * v
                    * (
                        0.5 * (1 + torch.erf(u / 2**0.5))
                        + u * (-u * u / 2).exp() * 0.3989422804014327
                    )
                ),
                lambda u, v: g * u * 0.5 * (1 + torch.erf(u / 2**0.5)),
            )
        },
    ),
]
