"""Batch and layer normalization: a mean and a variance that depend on every element."""

from typing import Any

import torch
from torch import Tensor

from compare.exercises.exercise import (
    AXIS,
    INCOMING,
    MEAN,
    MISSING,
    PART,
    SIGN,
    TERM,
    UNSUMMED,
    Draw,
    Exercise,
    Scope,
    Source,
)
from manual_backprop.normalization.batch_norm import BatchNormFunction
from manual_backprop.normalization.layer_norm import LayerNormFunction

_NAMES = {"x̂": "x_hat", "ρ": "rho", "ĝ": "(g * w)"}


def batch_norm(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Y = w x̂ + b, each of the i features over the m samples."""
    x_hat = (x - x.mean(0)) / torch.sqrt(x.var(0, correction=0) + 1)
    return w * x_hat + b


def layer_norm(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Y = w x̂ + b, each of the m samples over its i features."""
    x_hat = (x - x.mean(1, keepdim=True)) / torch.sqrt(x.var(1, correction=0, keepdim=True) + 1)
    return w * x_hat + b


def _drawn(d: Draw) -> Scope:
    return {"x": d("mi"), "w": d.not_zero("i"), "b": d("i"), "g": d.not_zero("mi")}


def _hat(dim: int) -> Any:
    def also(s: Scope) -> Scope:
        x = s["x"]
        rho = torch.rsqrt(x.var(dim, correction=0, keepdim=bool(dim)) + 1)
        return {"x_hat": (x - x.mean(dim, keepdim=True)) * rho, "rho": rho}

    return also


_BATCH: dict[str, Any] = {
    "draw": _drawn,
    "example": {"x": [[2], [2]], "w": [3], "b": [0], "g": [[4], [2]]},
    "forward": batch_norm,
    "incoming": "g",
    "parameters": ("w", "b"),
    "also": _hat(0),
}
_OF_BATCH = """x̂ = (x − μ) ρ, y = w x̂ + b: μ and v are mean and variance of each feature over the m samples
(divided by m), ρ = 1/√(v + ε) with ε = 1.  g (m, i) = ∂L/∂y; x_hat (m, i), rho (i), w (i)"""
_OF_LAYER = """x̂ = (x − μ) ρ, y = w x̂ + b: μ and v are mean and variance of each sample over its i features
(divided by i), ρ = 1/√(v + ε) with ε = 1.  g (m, i) = ∂L/∂y; x_hat (m, i), rho (m, 1), w (i)"""
_EQUATION = "x acts on L in three ways: through x̂ itself, through μ, and through v. "

EXERCISES = [
    Exercise(
        "batch_norm",
        "batch_norm_gradient",
        "Batch normalization: ∂L/∂x",
        "∂L/∂x",
        _OF_BATCH,
        Source(
            BatchNormFunction.backward,
            "grad_input =",
            alone=("g", "x_hat", "rho", "w"),
            names={
                **_NAMES,
                "grad_input = None": "",
                "through_v.sub_(g).add_(mean_g).mul_(-wρ)": "rho * w * (g - g.mean(0) - x_hat * "
                "(g * x_hat).mean(0))",
            },
        ),
        **_BATCH,
        worked="both x are 2, so x̂ = 0 and ρ = 1; g less its mean is (1, −1), times w = [[3], [-3]]",
        equation=_EQUATION + "Each way gives one term.",
        term="ρw (g − a mean − x̂ · another mean): one of them for μ, the other for v.",
        of=("x",),
        wrong={
            "rho * w * g": TERM,
            "rho * w * (g - g.mean(0))": TERM,
            "rho * w * (g - x_hat * (g * x_hat).mean(0))": TERM,
            "w * (g - g.mean(0) - x_hat * (g * x_hat).mean(0))": MISSING,
            "rho * (g - g.mean(0) - x_hat * (g * x_hat).mean(0))": MISSING | {"wrong weight"},
            "rho * w * (g - g.sum(0) - x_hat * (g * x_hat).sum(0))": {
                "sum instead of mean",
                "unknown",
            },
            "rho * w * (g - g.mean(0) + x_hat * (g * x_hat).mean(0))": SIGN | {"another operation"},
            "rho * w * (g - g.mean(1, keepdim=True) - x_hat * (g * x_hat).mean(1, keepdim=True))": AXIS
            | {"unknown"},
        },
        right=(
            "h = g * w\nreturn rho * (h - h.mean(0) - x_hat * (h * x_hat).mean(0))",
            "c = g - g.mean(0)\nreturn w * rho * (c - x_hat * (c * x_hat).sum(0) / len(g))",
        ),
    ),
    Exercise(
        "layer_norm_weight",
        "grad_weight",
        "Layer normalization: ∂L/∂w",
        "∂L/∂w",
        _OF_LAYER,
        Source(
            LayerNormFunction.backward,
            "grad_weight =",
            alone=("g", "x_hat"),
            names={
                **_NAMES,
                "grad_weight = None": "",
                "(g * x̂).sum(0)[None]": "(g * x_hat).sum(0)",
            },
        ),
        _drawn,
        {"x": [[2, 2]], "w": [1, 3], "b": [0, 0], "g": [[4, 2]]},
        "both x are 2, so x̂ is 0: 4 · 0 and 2 · 0 = [0, 0]",
        "y = w x̂ + b, and w is the same for all samples.",
        "What w is multiplied by, summed over the samples.",
        forward=layer_norm,
        of=("w",),
        incoming="g",
        parameters=("w", "b"),
        also=_hat(1),
        wrong={
            "g.sum(0)": MISSING,
            "(g * x_hat).mean(0)": MEAN,
            "g * x_hat": UNSUMMED | {"wrong shape"},
            "-(g * x_hat).sum(0)": SIGN,
            "x_hat.sum(0)": INCOMING | MISSING | {"detached"},
            "(g * x_hat)[0]": PART,
            "(g * x_hat).sum(1)": AXIS | {"wrong shape"},
        },
        right=("torch.einsum('mi,mi->i', g, x_hat)", "sum(g * x_hat)"),
    ),
    Exercise(
        "layer_norm",
        "layer_norm_gradient",
        "Layer normalization: ∂L/∂x",
        "∂L/∂x",
        _OF_LAYER,
        Source(
            LayerNormFunction.backward,
            "grad_input = (g * w",
            alone=("g", "x_hat", "rho", "w"),
            names={
                **_NAMES,
                "mean_ĝ": "(g * w).mean(1, keepdim=True)",
                "mean_ĝx̂": "(g * w * x_hat).mean(1, keepdim=True)",
            },
        ),
        _drawn,
        {"x": [[2, 2]], "w": [1, 3], "b": [0, 0], "g": [[4, 2]]},
        "both x are 2, so x̂ = 0 and ρ = 1; g w is (4, 6), less its mean 5 = [[-1, 1]]",
        _EQUATION + "Here each feature has a weight of its own.",
        "w stands inside the means: they are of g w, not of g.",
        forward=layer_norm,
        of=("x",),
        incoming="g",
        parameters=("w", "b"),
        also=_hat(1),
        wrong={
            "rho * w * g": TERM,
            "rho * (g * w - (g * w).mean(1, keepdim=True))": TERM,
            "rho * w * (g - g.mean(1, keepdim=True) - x_hat * (g * x_hat).mean(1, keepdim=True))": MISSING
            | {"wrong weight", "unknown"},
            "rho * (g - g.mean(1, keepdim=True) - x_hat * (g * x_hat).mean(1, keepdim=True))": MISSING
            | {"wrong weight"},
            "g * w - (g * w).mean(1, keepdim=True) - x_hat * (g * w * x_hat).mean(1, keepdim=True)": MISSING,
            "rho * (g * w - (g * w).mean(0) - x_hat * (g * w * x_hat).mean(0))": AXIS
            | {"unknown", "another argument"},
            "-rho * (g * w - (g * w).mean(1, keepdim=True) - x_hat * (g * w * x_hat).mean(1, keepdim=True))": SIGN,
            "rho * (g * w - (g * w).mean(1, keepdim=True) + x_hat * (g * w * x_hat).mean(1, keepdim=True))": SIGN
            | {"another operation"},
        },
        right=(
            "h = g * w\nc = h - h.mean(1, keepdim=True)\n"
            "return rho * (c - x_hat * (c * x_hat).mean(1, keepdim=True))",
            "h = w * g\nn = h.shape[1]\nreturn rho / n * (n * h - h.sum(1, keepdim=True) - x_hat * "
            "(h * x_hat).sum(1, keepdim=True))",
        ),
    ),
]
