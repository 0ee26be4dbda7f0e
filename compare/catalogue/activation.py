"""Activations, elementwise or along one dimension."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from compare.catalogue.elementwise import elementwise
from compare.catalogue.entry import Entry, call
from compare.catalogue.host import between
from compare.catalogue.specimen import Bug
from compare.catalogue.values import normal
from compare.diagnosis.mistake import Mistake

_NO_DERIVATIVE = Mistake.NO_DERIVATIVE


def _gelu_by_erf(g: Tensor, z: Tensor, a: Tensor) -> Tensor:
    Φ = 0.5 * (1 + torch.erf(z / math.sqrt(2)))
    return g * (Φ + z * (-z * z / 2).exp() / math.sqrt(2 * math.pi))


def _softmax_by_its_jacobian(g: Tensor, z: Tensor, a: Tensor) -> Tensor:
    jacobian = torch.diag_embed(a) - a[:, :, None] * a[:, None]
    return torch.einsum("nk,nkj->nj", g, jacobian)


def _softmax_recomputed(g: Tensor, z: Tensor, a: Tensor) -> Tensor:
    e = (z - z.amax(1, True)).exp()
    return e / e.sum(1, True) * (g - (g * e).sum(1, True) / e.sum(1, True))


_LOGITS = torch.tensor([[1e4, -1e4, 0], [1, 1, 1], [-1e4, -1e4, -1e4]], dtype=torch.float64)
_SOFTMAX: dict[str, Any] = {
    "calls": [
        *(
            call(normal(*s), dim=d)
            for s, d in [((4, 3), 1), ((4, 3), 0), ((2, 3, 4), -2), ((5,), 0)]
        ),
        call(normal(3, 3), dim=1),
        call(normal(3, 3), dim=1, dtype=torch.float64),
    ],
    "special": [
        call(_LOGITS, dim=1),
        *(call(normal(*s), dim=d) for s in [(0, 3), (3, 0)] for d in (0, 1)),
        *(call(normal(*s), dim=1, dtype=torch.float64) for s in [(0, 3), (3, 0)]),
    ],
    "modules": [{"dim": 1}, {"dim": 0}],
}

ENTRIES = [
    elementwise(
        "Sigmoid",
        "sigmoid",
        wrong={
            "factor 1 − a forgotten": Bug(_NO_DERIVATIVE, lambda g, z, a: g * a),
            "z instead of a": Bug(Mistake.AT_OUTPUT, lambda g, z, a: g * z * (1 - z)),
            "derivative at a instead of z": Bug(
                Mistake.AT_OUTPUT, lambda g, z, a: g * a.sigmoid() * (1 - a.sigmoid())
            ),
            "wrong sign": Bug(Mistake.SIGN, lambda g, z, a: g * a * (a - 1)),
        },
        right={
            "σ(z) σ(−z)": lambda g, z, a: g * z.sigmoid() * (-z).sigmoid(),
            "by e^−z": lambda g, z, a: g * (-z.abs()).exp() / (1 + (-z.abs()).exp()) ** 2,
        },
    ),
    elementwise(
        "Tanh",
        "tanh",
        wrong={
            "z instead of a": Bug(Mistake.AT_OUTPUT, lambda g, z, a: g * (1 - z * z)),
            "square forgotten": Bug(_NO_DERIVATIVE, lambda g, z, a: g * (1 - a)),
        },
        right={
            "1 / cosh²": lambda g, z, a: g / z.cosh() ** 2,
            "(1 − a)(1 + a)": lambda g, z, a: g * (1 - a) * (1 + a),
        },
    ),
    elementwise(
        "Softsign",
        "softsign",
        wrong={
            "no derivative": Bug(Mistake.NO_DERIVATIVE, lambda g, z, a: g.clone()),
            "derivative at a instead of z": Bug(
                Mistake.AT_OUTPUT, lambda g, z, a: g / (1 + a.abs()) ** 2
            ),
            "extra factor sign(z)": Bug(
                {Mistake.IN_A_PART, Mistake.MISSING_FACTOR},
                lambda g, z, a: g * z.sign() / (1 + z.abs()) ** 2,
            ),
        },
        right={"from its output": lambda g, z, a: g * (1 - a.abs()) ** 2},
    ),
    elementwise(
        "ReLU",
        "relu",
        options=[{}, {"inplace": True}],
        modules=[{}, {"inplace": True}],
        wrong={
            "no derivative": Bug(_NO_DERIVATIVE, lambda g, z, a: g),
            "mask inverted": Bug(Mistake.IN_A_PART, lambda g, z, a: g * (z <= 0)),
            "mask from the gradient's sign": Bug(Mistake.IN_A_PART, lambda g, z, a: g * (g > 0)),
        },
        right={
            "times a mask": lambda g, z, a: g * (z > 0),
            "mask of the output": lambda g, z, a: torch.where(a > 0, g, 0),
            "subgradient 1 at 0": lambda g, z, a: torch.where(z < 0, 0, g),
            "subgradient ½ at 0": lambda g, z, a: g * torch.heaviside(z, z.new_tensor(0.5)),
        },
    ),
    elementwise(
        "LeakyReLU",
        "leaky_relu",
        options=[{}, {"negative_slope": 0.3, "inplace": True}],
        modules=[{"negative_slope": 0.1}, {}, {"negative_slope": 0.2, "inplace": True}],
        wrong={
            "slope forgotten": Bug(Mistake.IN_A_PART, lambda g, z, a: g * (z > 0)),
            "wrong slope": Bug(Mistake.IN_A_PART, lambda g, z, a: torch.where(z > 0, g, 0.01 * g)),
        },
        right={"by its slope": lambda g, z, a: 0.1 * g + 0.9 * g * (z > 0)},
    ),
    elementwise(
        "ELU",
        "elu",
        options=[{}, {"alpha": 0.7, "inplace": True}],
        modules=[{}, {"alpha": 0.5}, {"alpha": 0.5, "inplace": True}],
        wrong={
            "no derivative where negative": Bug(
                {_NO_DERIVATIVE, Mistake.IN_A_PART}, lambda g, z, a: g.clone()
            )
        },
        right={"from its output": lambda g, z, a: g * torch.where(z > 0, 1, a + 1)},
    ),
    elementwise(
        "Softplus",
        "softplus",
        options=[{}, {"beta": 2.5, "threshold": 3}],
        modules=[{}, {"beta": 2.0, "threshold": 3.0}],
        wrong={"no derivative": Bug(_NO_DERIVATIVE, lambda g, z, a: g.clone())},
        right={"1 − e^−a": lambda g, z, a: g * -torch.expm1(-a)},
    ),
    elementwise(
        "SiLU",
        "silu",
        options=[{}, {"inplace": True}],
        modules=[{}, {"inplace": True}],
        wrong={"second term forgotten": Bug(_NO_DERIVATIVE, lambda g, z, a: g * z.sigmoid())},
        right={"a + σ(1 − a)": lambda g, z, a: g * (a + z.sigmoid() * (1 - a))},
    ),
    elementwise(
        "GELU",
        "gelu",
        options=[{}, {"approximate": "tanh"}],
        modules=[{}, {"approximate": "tanh"}],
        wrong={
            "second term forgotten": Bug(_NO_DERIVATIVE, lambda g, z, a: g * torch.special.ndtr(z))
        },
        right={"by erf": _gelu_by_erf},
    ),
    Entry(
        "Softmax",
        "softmax",
        **_SOFTMAX,
        host=between(nn.Softmax(1)),
        wrong={
            "no cross term": Bug(Mistake.NO_CROSS_TERM, lambda g, z, a: g * a * (1 - a)),
            "g · a": Bug(Mistake.NO_CROSS_TERM, lambda g, z, a: g * a),
            "sum along the batch": Bug(
                Mistake.WRONG_AXIS, lambda g, z, a: a * (g - (g * a).sum(0, keepdim=True))
            ),
            "zero": Bug(Mistake.DETACHED, lambda g, z, a: g * 0),
        },
        right={"by its Jacobian": _softmax_by_its_jacobian, "recomputed": _softmax_recomputed},
    ),
    Entry(
        "LogSoftmax",
        "log_softmax",
        **_SOFTMAX,
        host=between(nn.LogSoftmax(1)),
        wrong={
            "sum forgotten": Bug({Mistake.NO_CROSS_TERM, _NO_DERIVATIVE}, lambda g, z, a: g.clone())
        },
        right={
            "recomputed": lambda g, z, a: g - z.softmax(1) * (g @ g.new_ones(g.shape[1], 1)),
        },
    ),
    Entry(
        "Softmin",
        "softmin",
        **_SOFTMAX,
        host=between(nn.Softmin(1)),
        wrong={
            "softmax's gradient": Bug(
                Mistake.SIGN, lambda g, z, a: a * (g - (g * a).sum(1, keepdim=True))
            ),
            "no cross term": Bug(Mistake.NO_CROSS_TERM, lambda g, z, a: g * a * (a - 1)),
            "sum along the batch": Bug(
                Mistake.WRONG_AXIS,
                lambda g, z, a: a * ((g * a).sum(0, keepdim=True) - g),
            ),
        },
        right={"by its Jacobian": lambda g, z, a: -_softmax_by_its_jacobian(g, z, a)},
    ),
]
