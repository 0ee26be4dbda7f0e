"""Activations made of straight lines."""

from functools import partial

import torch
from torch import Tensor, nn

from compare.catalogue.elementwise import elementwise
from compare.catalogue.entry import Entry, call
from compare.catalogue.host import between
from compare.catalogue.specimen import Bug
from compare.catalogue.values import empty, normal
from compare.diagnosis.mistake import Mistake
from manual_backprop.activation.hard import HardtanhFunction

_IN_A_PART = Mistake.IN_A_PART
_NO_DERIVATIVE = Mistake.NO_DERIVATIVE


def _inside(z: Tensor, lo: float, hi: float) -> Tensor:
    return (z > lo) & (z < hi)


def _prelu_weight(g: Tensor, z: Tensor, w: Tensor) -> Tensor:
    return (g * z.clamp(max=0)).sum().reshape(1)


_SLOPE, _SLOPES = torch.tensor([0.25]).double(), normal(3, seed=1)
_PRELU = between(nn.PReLU(), 3)
_of_slope = partial(Bug, gradient="weight", host=_PRELU)

ENTRIES = [
    elementwise(
        "Threshold",
        "threshold",
        options=[{"threshold": 0.2, "value": 5.0}, {"threshold": 1, "value": -2, "inplace": True}],
        modules=[
            {"threshold": 0.2, "value": 5.0},
            {"threshold": 0.2, "value": 5.0, "inplace": True},
        ],
        kinks=(0.2, 0.19, 0.21),
        wrong={
            "at 0": Bug({_IN_A_PART, Mistake.ANOTHER_DERIVATIVE}, lambda g, z, a: g * (z > 0)),
            "mask of the output": Bug(_NO_DERIVATIVE, lambda g, z, a: g * (a > 0.2)),
            "passes what is below θ": Bug(_IN_A_PART, lambda g, z, a: g * (z <= 0.2)),
        },
        right={"subgradient 1 at θ": lambda g, z, a: torch.where(z < 0.2, 0, g)},
    ),
    elementwise(
        "Hardtanh",
        "hardtanh",
        options=[{}, {"min_val": -0.5, "max_val": 0.7, "inplace": True}],
        modules=[
            {"min_val": -0.5, "max_val": 0.7},
            {},
            {"min_val": -2.0, "max_val": 2.0, "inplace": True},
        ],
        kinks=(-0.5, 0.7),
        wrong={
            "no derivative": Bug(_NO_DERIVATIVE, lambda g, z, a: g.clone()),
            "one side only": Bug(_IN_A_PART, lambda g, z, a: g * (z < 0.7)),
            "wrong limit": Bug(_IN_A_PART, lambda g, z, a: g * _inside(z, -0.5, 1)),
            "tanh's gradient": Bug(_NO_DERIVATIVE, lambda g, z, a: g * (1 - z.tanh() ** 2)),
        },
        right={
            "mask of the output": lambda g, z, a: g * _inside(a, -0.5, 0.7),
            "subgradient 1 at the kinks": lambda g, z, a: g * ((z >= -0.5) & (z <= 0.7)),
        },
    ),
    elementwise(
        "ReLU6",
        "relu6",
        options=[{}, {"inplace": True}],
        modules=[{}, {"inplace": True}],
        kinks=(0, 6, 5.9, 6.1),
        derivation=HardtanhFunction,
        host=between(nn.ReLU6(), 12),
        wrong={
            "ReLU's gradient": Bug(
                {_IN_A_PART, Mistake.ANOTHER_DERIVATIVE}, lambda g, z, a: g * (z > 0)
            ),
            "no derivative": Bug(_NO_DERIVATIVE, lambda g, z, a: g.clone()),
            "mask inverted": Bug(_IN_A_PART, lambda g, z, a: g * (z <= 0)),
        },
        right={"mask of the output": lambda g, z, a: g * _inside(a, 0, 6)},
    ),
    elementwise(
        "Hardsigmoid",
        "hardsigmoid",
        options=[{}, {"inplace": True}],
        modules=[{}, {"inplace": True}],
        kinks=(-3, 3),
        host=between(nn.Hardsigmoid(), 6),
        wrong={
            "factor 1/6 forgotten": Bug(Mistake.FACTOR, lambda g, z, a: g * _inside(z, -3, 3)),
            "not clipped at ±3": Bug({_IN_A_PART, Mistake.AT_OUTPUT}, lambda g, z, a: g / 6),
            "sigmoid's gradient": Bug(
                _NO_DERIVATIVE, lambda g, z, a: g * z.sigmoid() * (1 - z.sigmoid())
            ),
        },
        right={"mask of the output": lambda g, z, a: g * _inside(a, 0, 1) / 6},
    ),
    elementwise(
        "Hardswish",
        "hardswish",
        options=[{}, {"inplace": True}],
        modules=[{}, {"inplace": True}],
        kinks=(-3, 3, -1.5),
        host=between(nn.Hardswish(), 6),
        wrong={
            "second term forgotten": Bug(
                {_IN_A_PART, Mistake.CONSTANT}, lambda g, z, a: g * ((z + 3) / 6).clamp(0, 1)
            ),
            "zero above 3": Bug(_IN_A_PART, lambda g, z, a: g * (z / 3 + 0.5) * _inside(z, -3, 3)),
            "no derivative": Bug(_NO_DERIVATIVE, lambda g, z, a: g.clone()),
        },
        right={
            "product rule": lambda g, z, a: (
                g * (((z + 3) / 6).clamp(0, 1) + z * _inside(z, -3, 3) / 6)
            )
        },
    ),
    elementwise(
        "Softshrink",
        "softshrink",
        options=[{}, {"lambd": 0.2}],
        modules=[{"lambd": 0.2}, {}],
        kinks=(-0.5, 0.5, 0.2, -0.2),
        wrong={
            "no derivative": Bug(_NO_DERIVATIVE, lambda g, z, a: g.clone()),
            "one side only": Bug(_IN_A_PART, lambda g, z, a: g * (z > 0.2)),
            "extra factor sign(z)": Bug(_IN_A_PART, lambda g, z, a: g * z.sign() * (z.abs() > 0.2)),
        },
        right={"mask of the output": lambda g, z, a: g * (a != 0)},
    ),
    elementwise(
        "Hardshrink",
        "hardshrink",
        options=[{}, {"lambd": 0.2}],
        modules=[{"lambd": 0.2}, {}],
        kinks=(-0.5, 0.5, 0.2, -0.2),
        wrong={
            "no derivative": Bug(_NO_DERIVATIVE, lambda g, z, a: g.clone()),
            "one side only": Bug(_IN_A_PART, lambda g, z, a: g * (z > 0.2)),
            "wrong λ": Bug(_IN_A_PART, lambda g, z, a: g * (z.abs() > 0.5)),
        },
        right={"mask of the output": lambda g, z, a: g * (a != 0)},
    ),
    Entry(
        "PReLU",
        "prelu",
        calls=[
            *(call(normal(*s), _SLOPE) for s in [(4, 3), (5,), (2, 3, 4)]),
            *(call(normal(*s), _SLOPES) for s in [(4, 3), (2, 3, 4), (2, 3, 2, 2)]),
            call(normal(4, 3), torch.tensor(0.25, dtype=torch.float64)),
            call(normal(), _SLOPE),
        ],
        special=[
            *(call(normal(6, 3).round(), w) for w in (_SLOPE, _SLOPES)),
            *(call(empty(*s), _SLOPE) for s in [(0,), (0, 3), (3, 0)]),
            call(empty(0, 3), _SLOPES),
            call(torch.tensor([torch.nan, torch.inf, -torch.inf, 0]).double(), _SLOPE),
        ],
        modules=[{}, {"num_parameters": 13}, {"init": 0.1}],
        host=_PRELU,
        wrong={
            "slope gradient from positive z": _of_slope(
                _IN_A_PART,
                lambda g, z, w: (g * z.clamp(min=0)).sum().reshape(1),
            ),
            "slope gradient with the wrong sign": _of_slope(
                Mistake.SIGN, lambda g, z, w: -_prelu_weight(g, z, w)
            ),
            "slope gradient averaged": _of_slope(
                Mistake.MEAN_FOR_SUM, lambda g, z, w: _prelu_weight(g, z, w) / z.numel()
            ),
            "slope forgotten": Bug({_IN_A_PART, Mistake.WRONG_WEIGHT}, lambda g, z, w: g * (z > 0)),
            "no derivative": Bug(_NO_DERIVATIVE, lambda g, z, w: g.clone()),
        },
        right={
            "by min and max": lambda g, z, w: (
                g * (z > 0) + w * g * (z <= 0),
                _prelu_weight(g, z, w),
            )
        },
    ),
]
