"""Derivatives as they are written down, of a function's argument x or of its value a."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

OF_ARGUMENT: dict[str, Callable[[Tensor], Tensor]] = {
    "2x": lambda x: 2 * x,
    "x": lambda x: x,
    "the sign of x": torch.sign,
    "1 where x is positive": lambda x: (x > 0).to(x.dtype),
    "e^x": torch.exp,
    "1/x": torch.reciprocal,
    "σ(x)": torch.sigmoid,
    "σ(x)(1 − σ(x))": lambda x: x.sigmoid() * (-x).sigmoid(),
    "tanh x": torch.tanh,
    "1 − tanh² x": lambda x: 1 - x.tanh() ** 2,
    "that of SiLU": lambda x: x.sigmoid() * (1 + x * (-x).sigmoid()),
    "that of GELU": lambda x: torch.special.ndtr(x) + x * (-x * x / 2).exp() / math.tau**0.5,
    "cos x": torch.cos,
    "sin x": torch.sin,
}
OF_VALUE: dict[str, Callable[[Tensor], Tensor]] = {
    "a": lambda a: a,
    "1 − a": lambda a: 1 - a,
    "a(1 − a)": lambda a: a * (1 - a),
    "1 − a²": lambda a: 1 - a * a,
    "1 + a²": lambda a: 1 + a * a,
    "a²": lambda a: a * a,
    "2a": lambda a: 2 * a,
    "1/a": torch.reciprocal,
}
