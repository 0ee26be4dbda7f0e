"""Activations with exponentials in them."""

import torch
from torch import Tensor
from torch.nn import functional as F

from compare.catalogue.elementwise import elementwise
from compare.catalogue.specimen import Bug
from compare.diagnosis.mistake import Mistake

_SELU_α, _SELU_λ = 1.6732632423543772, 1.0507009873554805


def _mish_by_e(g: Tensor, z: Tensor, a: Tensor) -> Tensor:
    """Misra's own form: e^{3z} does not fit where z is large."""
    e = z.exp()
    ω = 4 * (z + 1) + 4 * e**2 + e**3 + e * (4 * z + 6)
    return g * e * ω / (2 * e + e**2 + 2) ** 2


def _mish_by_cosh(g: Tensor, z: Tensor, a: Tensor) -> Tensor:
    s = F.softplus(z)
    return g * (s.tanh() + z * z.sigmoid() / s.cosh() ** 2)


ENTRIES = [
    elementwise(
        "SELU",
        "selu",
        options=[{}, {"inplace": True}],
        modules=[{}, {"inplace": True}],
        wrong={
            "ELU's gradient": Bug(
                Mistake.FACTOR,
                lambda g, z, a: torch.where(z > 0, g, g * _SELU_α * z.exp()),
            ),
            "λ forgotten where negative": Bug(
                Mistake.IN_A_PART,
                lambda g, z, a: torch.where(z > 0, _SELU_λ * g, g * _SELU_α * z.exp()),
            ),
            "α forgotten": Bug(
                Mistake.IN_A_PART,
                lambda g, z, a: _SELU_λ * torch.where(z > 0, g, g * z.exp()),
            ),
        },
        right={
            "from its output": lambda g, z, a: (
                g * torch.where(z > 0, _SELU_λ, a + _SELU_λ * _SELU_α)
            )
        },
    ),
    elementwise(
        "CELU",
        "celu",
        # PyTorch's backward takes α in float32, which ¾ is exactly.
        options=[{}, {"alpha": 0.75, "inplace": True}],
        modules=[{"alpha": 0.5}, {}, {"alpha": 0.5, "inplace": True}],
        wrong={
            "ELU's gradient": Bug(
                Mistake.IN_A_PART, lambda g, z, a: torch.where(z > 0, g, 0.5 * g * z.exp())
            ),
            "α forgotten": Bug(
                Mistake.IN_A_PART, lambda g, z, a: torch.where(z > 0, g, g * z.exp())
            ),
            "extra factor 1/α": Bug(
                Mistake.IN_A_PART, lambda g, z, a: torch.where(z > 0, g, g * (2 * z).exp() / 0.5)
            ),
        },
        right={"from its output": lambda g, z, a: g * torch.where(z > 0, 1, 2 * a + 1)},
    ),
    elementwise(
        "Mish",
        "mish",
        options=[{}, {"inplace": True}],
        modules=[{}, {"inplace": True}],
        wrong={
            "second term forgotten": Bug(
                {Mistake.NO_DERIVATIVE, Mistake.CONSTANT}, lambda g, z, a: g * F.softplus(z).tanh()
            ),
            "e^z instead of tanh(softplus(z))": Bug(Mistake.OVERFLOW, _mish_by_e),
            "derivative at a instead of z": Bug(
                Mistake.AT_OUTPUT,
                lambda g, z, a: (
                    g * (F.softplus(a).tanh() + a * a.sigmoid() * (1 - F.softplus(a).tanh() ** 2))
                ),
            ),
        },
        right={"by cosh": _mish_by_cosh},
    ),
    elementwise(
        "LogSigmoid",
        "logsigmoid",
        wrong={
            "σ(z)": Bug(Mistake.NO_DERIVATIVE, lambda g, z, a: g * z.sigmoid()),
            "sigmoid's gradient": Bug(
                Mistake.NO_DERIVATIVE,
                lambda g, z, a: g * z.sigmoid() * (1 - z.sigmoid()),
            ),
            "wrong sign": Bug(Mistake.SIGN, lambda g, z, a: g * (z.sigmoid() - 1)),
        },
        right={"from its output": lambda g, z, a: -g * torch.expm1(a)},
    ),
    elementwise(
        "Tanhshrink",
        "tanhshrink",
        wrong={
            "tanh's gradient": Bug(Mistake.NO_DERIVATIVE, lambda g, z, a: g * (1 - z.tanh() ** 2)),
            "square forgotten": Bug(Mistake.NO_DERIVATIVE, lambda g, z, a: g * z.tanh()),
            "tanh without its derivative": Bug(Mistake.DETACHED, lambda g, z, a: g * 0),
        },
        right={"from its output": lambda g, z, a: g * (z - a) ** 2},
    ),
]
