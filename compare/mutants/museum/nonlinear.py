"""Functions of single elements."""

import torch
from torch import Tensor, nn

from compare.catalogue.host import batch, between
from compare.diagnosis.mistake import Mistake
from compare.mutants.museum.exhibit import Exhibit, Operation, alone, spread

_K = 10.0
_LAMBDA, _ALPHA = 1.0507009873554805, 1.6732632423543772


def _selu(a: Tensor, g: Tensor, below: Tensor) -> Tensor:
    return g * torch.where(a > 0, _LAMBDA, below)


def _logistic(x: Tensor, g: Tensor) -> Tensor:
    """Through max(x, 0) + log(1 + exp(−|x|)), whose two kinks cancel."""
    return g * ((x > 0).to(x.dtype) - x.sign() * (-x.abs()).sigmoid())


def _silu(g: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
    return g * sigma * (1 + x * (1 - sigma))


_EXPONENTS = torch.arange(24).reshape(4, 6) % 7 - 3

EXHIBITS = [
    Exhibit(
        "apache/tvm",
        "#7340",
        "tanh: g − a² instead of g (1 − a²)",
        between(nn.Tanh()),
        lambda g, x, a: g * 1 - a * a,
        lambda g, x, a: g * (1 - a * a),
        mistakes=frozenset({Mistake.MISSING_FACTOR}),
    ),
    Exhibit(
        "NVlabs/tiny-cuda-nn",
        "#130",
        "softplus: sigmoid of the incoming gradient",
        between(nn.Softplus(beta=_K, threshold=1e9)),
        lambda g, x, a: g * (_K * g).sigmoid(),
        lambda g, x, a: g * (_K * x).sigmoid(),
    ),
    Exhibit(
        "jax-ml/jax",
        "#2107",
        "softplus: 0 at exactly 0",
        between(nn.Softplus()),
        lambda g, x, a: _logistic(x, g),
        lambda g, x, a: g * x.sigmoid(),
        mistakes=frozenset({Mistake.IN_A_PART}),
    ),
    Exhibit(
        "RubixML/ML",
        "#427",
        "SELU: λ (a + α) instead of a + λα below 0",
        between(nn.SELU()),
        lambda g, x, a: _selu(a, g, _LAMBDA * (a + _ALPHA)),
        lambda g, x, a: _selu(a, g, a + _LAMBDA * _ALPHA),
        mistakes=frozenset({Mistake.IN_A_PART}),
    ),
    Exhibit(
        "apache/mxnet",
        "#11827",
        "softsign: derivative at the output",
        between(nn.Softsign()),
        lambda g, x, a: g / (1 + a.abs()) ** 2,
        lambda g, x, a: g / (1 + x.abs()) ** 2,
        mistakes=frozenset({Mistake.AT_OUTPUT}),
    ),
    Exhibit(
        "apache/mxnet",
        "#3277",
        "PReLU: side decided by the output",
        between(Operation(lambda x, w: torch.where(x > 0, x, w * x), [spread(6)])),
        lambda g, x, w: (
            g * torch.where(torch.where(x > 0, x, w * x) > 0, 1, w),
            (g * x * (x <= 0)).sum(0),
        ),
        lambda g, x, w: (g * torch.where(x > 0, 1, w), (g * x * (x <= 0)).sum(0)),
        mistakes=frozenset({Mistake.IN_A_PART, Mistake.AT_OUTPUT}),
    ),
    Exhibit(
        "chainer/chainer",
        "#5898",
        "leaky ReLU with slope 0: everything passes",
        between(nn.LeakyReLU(0.0)),
        lambda g, x, a: torch.where(a >= 0, g, 0.0 * g),
        lambda g, x, a: torch.where(a > 0, g, 0.0 * g),
        mistakes=frozenset({Mistake.NO_DERIVATIVE, Mistake.IN_A_PART}),
    ),
    Exhibit(
        "huggingface/candle",
        "#211",
        "√: divided by the input, not the output",
        between(Operation(lambda x: (1 + x * x).sqrt())),
        lambda g, x, a: g / (1 + x * x) * 0.5 * 2 * x,
        lambda g, x, a: g / a * 0.5 * 2 * x,
        mistakes=frozenset({Mistake.MISSING_FACTOR}),
    ),
    Exhibit(
        "huggingface/candle",
        "#2083",
        "SiLU: sigmoid as a / x, NaN at 0",
        between(nn.SiLU()),
        lambda g, x, a: _silu(g, x, a / x),
        lambda g, x, a: _silu(g, x, 1 / ((-x).exp() + 1)),
        mistakes=frozenset({Mistake.IN_A_PART, Mistake.OVERFLOW}),
    ),
    Exhibit(
        "huggingface/candle",
        "#534",
        "maximum: wrong sign for the second argument",
        alone(Operation(torch.maximum), batch(9, 6), batch(9, 6, seed=6)),
        lambda g, x, y, a: (g * (a == x), -g * (a == y)),
        lambda g, x, y, a: (
            g * (a == x) / (1 + (a == y).to(g.dtype)),
            g * (a == y) / (1 + (a == x).to(g.dtype)),
        ),
        wrong=("input 1",),
        mistakes=frozenset({Mistake.SIGN}),
    ),
    Exhibit(
        "chalk-lab/Mooncake.jl",
        "#1195",
        "copysign: factor sign(x) missing",
        alone(Operation(torch.copysign), batch(9, 6), batch(9, 6, seed=6)),
        lambda g, x, y, a: (g * y.sign(), torch.zeros_like(y)),
        lambda g, x, y, a: (g * x.sign() * y.sign(), torch.zeros_like(y)),
        wrong=("input 0",),
        mistakes=frozenset({Mistake.MISSING_FACTOR, Mistake.IN_A_PART, Mistake.SIGN}),
    ),
    Exhibit(
        "pytorch/pytorch",
        "#187460",
        "ldexp: 2ᵉ in integers, 0 for negative e",
        alone(Operation(lambda x, e: x * torch.exp2(e.to(x.dtype))), batch(4, 6), _EXPONENTS),
        lambda g, x, e, a: (g * torch.pow(2, e), None),
        lambda g, x, e, a: (g * torch.pow(2.0, e), None),
        wrong=("input",),
        mistakes=frozenset({Mistake.IN_A_PART}),
    ),
]
