"""Convolution and max pooling, in one dimension."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from compare.exercises.exercise import (
    AXIS,
    FACTOR,
    INCOMING,
    MEAN,
    PART,
    RAISED,
    SIGN,
    TURNED,
    UNSUMMED,
    ZERO,
    Draw,
    Exercise,
    Scope,
    Source,
)
from manual_backprop.convolution.convolution import bias_gradient, input_gradient, weight_gradient
from manual_backprop.pooling.maximum import MaximumFunction


def convolved(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """Y_not = Σ_ck W_ock x_nc(t+k) + b_o."""
    return F.conv1d(x, W, b)


def largest(x: Tensor) -> Tensor:
    """Of every window of two neighbours."""
    return F.max_pool1d(x, 2, stride=1)


def _convolution(d: Draw) -> Scope:
    x, W = d("mis"), d("oic")[..., :2]
    y = F.conv1d(x, W)
    delta = d("mos")[..., : y.shape[-1]]
    return {"x": x, "W": W, "b": d("o"), "delta": delta}


_CONVOLUTION = {
    "x": [[[1, 2, 3]]],
    "W": [[[1, 10]]],
    "b": [0],
    "delta": [[[1, 2]]],
}
_SHAPES = """y_not = Σ_ck W_ock x_nc(t+k) + b_o: a convolution in one dimension, without padding
x (m, i, s), W (o, i, k), b (o); delta (m, o, t) = ∂L/∂y, the incoming gradient"""
_OF_CONVOLUTION: dict[str, Any] = {
    "draw": _convolution,
    "example": _CONVOLUTION,
    "forward": convolved,
    "incoming": "delta",
    "parameters": ("W", "b"),
}

EXERCISES = [
    Exercise(
        "convolution_bias",
        "grad_bias",
        "Convolution: ∂L/∂b",
        "∂L/∂b",
        _SHAPES,
        Source(
            bias_gradient,
            "return",
            names={"[0, *range(2, delta.dim())]": "(0, 2)"},
        ),
        worked="1 + 2 = [3]",
        equation="b_o is added at every sample and every place.",
        term="Which dimensions of δ does b not have?",
        of=("b",),
        wrong={
            "delta.sum(0)": UNSUMMED | {"wrong shape"},
            "delta.mean((0, 2))": {
                "constant factor",
                "averaged instead of summed",
                "sum instead of mean",
            },
            "delta.sum((1, 2))": AXIS | {"wrong shape"},
            "delta.sum()": {"wrong axis", "wrong shape", "another argument"},
            "-delta.sum((0, 2))": SIGN,
            "delta[0].sum(1)": PART,
            "delta.sum(2).mean(0)": MEAN,
        },
        right=("delta.transpose(0, 1).flatten(1).sum(1)", "torch.einsum('mot->o', delta)"),
        **_OF_CONVOLUTION,
    ),
    Exercise(
        "convolution_input",
        "grad_input",
        "Convolution: ∂L/∂x",
        "∂L/∂x",
        _SHAPES,
        Source(
            input_gradient,
            "return torch.convolution",
            alone=("delta", "W"),
            names={
                "weight": "W",
                "stride": "[1]",
                "padding": "[0]",
                "dilation": "[1]",
                "beyond": "[0]",
                "groups": "1",
            },
        ),
        worked="1 · (1, 10) at places 0 and 1, 2 · (1, 10) at places 1 and 2 = [[[1, 12, 20]]]",
        equation="x_i is in y_t for every t with t + k = i: there it has the factor W_k.",
        term="It is the transposed convolution of δ with W.",
        of=("x",),
        wrong={
            "-torch.conv_transpose1d(delta, W)": SIGN,
            "torch.conv_transpose1d(delta, W.flip(2))": {"permutation", "wrong weight", "unknown"},
            "torch.conv1d(delta, W.transpose(0, 1))": RAISED | {"wrong shape"},
            "torch.conv_transpose1d(delta, W) / len(delta)": MEAN,
            "2 * torch.conv_transpose1d(delta, W)": FACTOR,
            "torch.conv_transpose1d(torch.ones_like(delta), W)": INCOMING,
            "torch.conv1d(delta, W.transpose(0, 1), padding=1)": {
                "wrong weight",
                "unknown",
                "permutation",
            },
        },
        right=(
            "torch.conv_transpose1d(delta, W)",
            "torch.conv1d(torch.nn.functional.pad(delta, (W.shape[2] - 1,) * 2), "
            "W.flip(2).transpose(0, 1))",
        ),
        **_OF_CONVOLUTION,
    ),
    Exercise(
        "convolution_weight",
        "grad_weight",
        "Convolution: ∂L/∂W",
        "∂L/∂W",
        _SHAPES,
        Source(
            weight_gradient,
            "grad_weight =",
            alone=("delta", "x"),
            names={
                "x": "x.transpose(0, 1)",
                "delta": "delta.transpose(0, 1)",
                "grad_weight = grad_weight.narrow(dim, 0, k)": "",
            },
            inline={"convolved": lambda x, W, *_: torch.conv1d(x, W).transpose(0, 1)},
        ),
        worked="k = 0: 1 · 1 + 2 · 2, k = 1: 1 · 2 + 2 · 3 = [[[5, 8]]]",
        equation="W_k meets δ_t at every place t, and with it x_(t+k).",
        term="It is a convolution again: x with δ; the samples are summed over, as channels were.",
        of=("W",),
        wrong={
            "-torch.conv1d(x.transpose(0, 1), delta.transpose(0, 1)).transpose(0, 1)": SIGN,
            "torch.conv1d(x.transpose(0, 1), delta.transpose(0, 1))": TURNED
            | {"wrong shape", "missing step"},
            "torch.conv1d(x.transpose(0, 1), delta.transpose(0, 1)).transpose(0, 1) / len(x)": MEAN,
            "torch.conv1d(x.transpose(0, 1), delta.transpose(0, 1)).transpose(0, 1).flip(2)": {
                "permutation"
            },
            "torch.conv1d(x[:1].transpose(0, 1), delta[:1].transpose(0, 1)).transpose(0, 1)": PART,
            "2 * torch.conv1d(x.transpose(0, 1), delta.transpose(0, 1)).transpose(0, 1)": FACTOR,
            "torch.conv1d(x, delta)": RAISED | {"wrong shape"},
        },
        right=(
            "torch.einsum('mot,mikt->oik', delta, x.unfold(2, delta.shape[2], 1))",
            "torch.stack([delta[n] @ x.unfold(2, delta.shape[2], 1)[n, :, k].T for n in "
            "range(len(x)) for k in range(x.shape[2] - delta.shape[2] + 1)])"
            ".unflatten(0, (len(x), -1)).sum(0).permute(1, 2, 0)",
        ),
        **_OF_CONVOLUTION,
    ),
    Exercise(
        "max_pooling",
        "max_pool_gradient",
        "Max pooling",
        "∂L/∂x",
        """y_t = max(x_t, x_(t+1)): the larger of each pair of neighbours; the windows overlap
x (m, s), delta (m, t) = ∂L/∂y; m (m, t) the place in its row of each window's largest""",
        Source(
            MaximumFunction.backward,
            "torch.zeros_like(x) = torch.zeros_like(x).scatter_add",
            alone=("delta", "x", "m"),
            names={
                "m.flatten(-ctx.dims)": "m",
                "delta.flatten(-ctx.dims)": "delta",
                "grad_input": "torch.zeros_like(x)",
            },
        ),
        lambda d: {
            "x": d.different("ms"),
            "delta": d.not_zero("ms")[:, 1:],
        },
        {"x": [[1, 5, 2]], "delta": [[3, 4]]},
        "5 is the largest of both windows: 3 + 4 go to it = [[0, 7, 0]]",
        "The largest gets all of it, the others nothing.",
        "An element may be the largest of several windows: add, do not overwrite.",
        forward=largest,
        of=("x",),
        incoming="delta",
        also=lambda s: {"m": F.max_pool1d(s["x"], 2, stride=1, return_indices=True)[1]},
        wrong={
            "torch.zeros_like(x).scatter(-1, m, delta)": {
                "overwritten",
                "partly wrong",
                "another function",
            },
            "torch.zeros_like(x).scatter_add(-1, m, -delta)": SIGN,
            "torch.zeros_like(x).scatter_add(-1, m, delta / len(x))": MEAN,
            "torch.zeros_like(x).scatter_add(-1, m, delta / 2)": FACTOR,
            "torch.zeros_like(x).scatter_add(-1, m, torch.ones_like(delta))": INCOMING
            | {"another tensor"},
            "torch.zeros_like(x).scatter_add(-1, (m + 1) % x.shape[1], delta)": {
                "permutation",
                "unknown",
            },
            "torch.zeros_like(x)": ZERO | {"missing step"},
        },
        right=(
            "(torch.nn.functional.one_hot(m, x.shape[1]) * delta[..., None]).sum(1)",
            "grad = torch.zeros_like(x)\nfor n in range(len(x)):\n"
            "    for t in range(m.shape[1]):\n        grad[n, m[n, t]] += delta[n, t]\nreturn grad",
        ),
    ),
]
