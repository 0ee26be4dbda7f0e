"""A Linear layer, for one sample and for m; and the recursion from layer to layer."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from compare.exercises.exercise import (
    AXIS,
    FACTOR,
    INCOMING,
    MEAN,
    MISSING,
    PART,
    RAISED,
    SIGN,
    TURNED,
    UNSUMMED,
    Draw,
    Exercise,
    Scope,
    Source,
)
from manual_backprop.activation.sigmoids import sigmoid_gradient
from manual_backprop.affine.linear import LinearFunction
from manual_backprop.network.recursion import Network

_NAMES = {"input": "x", "weight": "W", "bias": "b", "grad_output": "delta"}
_ROWS = {"samples_in_rows(delta)": "delta", "samples_in_rows(x)": "x"}
_EQUATION = "Lecture notes 002 and 003: z_o = Σ_i W_oi x_i + b_o. "
_EXAMPLE = {"x": [[1, 2], [3, 4]], "W": [[1, 0], [2, 1]], "b": [0, 0], "delta": [[1, 2], [0, 1]]}
_ONE = {"x": [[1, 2]], "W": [[1, 0], [2, 1]], "b": [0, 0], "delta": [[3, 5]]}


def _linear(of: str, one: bool, **others: Any) -> Exercise:
    """∂L/∂x, ∂L/∂W or ∂L/∂b, for one sample or for m."""
    samples = "one sample, as a single row" if one else "m samples, one per row"
    left = {"x": "∂L/∂x", "W": "∂L/∂W", "b": "∂L/∂b"}[of]
    blank = {"x": "grad_input = delta @", "W": "grad_weight =", "b": "grad_bias ="}[of]
    given = {"x": ("delta", "W"), "W": ("delta", "x"), "b": ("delta",)}[of]
    function = blank.partition(" ")[0]
    shapes = {"W": "W (o, i)", "x": "x (m, i)"}
    return Exercise(
        f"linear_{function.removeprefix('grad_')}{'_of_one' if one else ''}",
        function,
        f"{left} of a Linear, {'one sample' if one else 'm samples'}",
        left,
        f"""z = x Wᵀ + b, {samples}{"; m = 1" if one else ""}
delta (m, o)   ∂L/∂z, the incoming gradient
{"".join(f"{shapes[n]}, " for n in given[1:])}the answer has the shape of {of}""",
        Source(LinearFunction.backward, blank, alone=given, names={**_NAMES, **_rows()}),
        _drawn(one),
        _ONE if one else _EXAMPLE,
        equation=_EQUATION + others.pop("equation"),
        forward=LinearFunction.forward,
        of=(of,),
        incoming="delta",
        parameters=("W", "b"),
        **others,
    )


def _rows() -> dict[str, str]:
    return {"samples_in_rows(grad_output)": "delta", "samples_in_rows(input)": "x"}


def _drawn(one: bool) -> Callable[[Draw], Scope]:
    def draw(d: Draw) -> Scope:
        rows = slice(1) if one else slice(None)
        return {"x": d("mi")[rows], "W": d("oi"), "b": d("o"), "delta": d("mo")[rows]}

    return draw


def two_layers(z: Tensor, W_next: Tensor) -> Tensor:
    """Z of the next layer, from z of this one."""
    a = torch.sigmoid(z)
    return a @ W_next.T


EXERCISES = [
    _linear(
        "W",
        True,
        equation="How does z_o move when W_oi does?",
        term="Each W_oi meets one δ_o and one x_i: all pairs of them.",
        worked="3 · (1, 2) and 5 · (1, 2) = [[3, 6], [5, 10]]",
        wrong={
            "x.T @ delta": TURNED | {"wrong shape"},
            "-delta.T @ x": SIGN,
            "delta.T @ x / 2": FACTOR,
            "delta.T @ torch.ones_like(x)": MISSING | {"another tensor"},
            "torch.ones_like(delta).T @ x": INCOMING | MISSING | {"another tensor"},
            "delta @ x": RAISED | {"transposed", "wrong shape"},
            "delta * x": RAISED | {"another operation", "wrong shape"},
        },
        right=("torch.outer(delta[0], x[0])", "delta[0][:, None] * x[0]"),
    ),
    _linear(
        "b",
        True,
        equation="How does z_o move when b_o does?",
        term="b has one dimension, δ has two: what becomes of the row?",
        worked="one sample, one row: (3, 5) = [3, 5]",
        wrong={
            "delta": UNSUMMED | {"wrong shape"},
            "-delta[0]": SIGN,
            "delta.sum(1)": AXIS | {"wrong shape"},
            "2 * delta[0]": FACTOR,
            "torch.ones_like(delta[0])": INCOMING,
            "delta.sum()": {"wrong axis", "wrong shape", "another argument"},
        },
        right=("delta[0]", "delta.squeeze(0)", "delta.mean(0)"),
    ),
    _linear(
        "x",
        True,
        equation="x_i is in every z_o: how does each of them move when x_i does?",
        term="Each x_i goes to all outputs: a sum over o of δ_o times a weight.",
        worked="3 · (1, 0) + 5 · (2, 1) = [[13, 5]]",
        wrong={
            "delta @ W.T": RAISED | TURNED,
            "-delta @ W": SIGN,
            "delta * W": RAISED | {"wrong shape", "another operation", "not summed over the batch"},
            "W.sum(0, keepdim=True)": INCOMING,
            "delta @ W / len(W)": FACTOR | {"extra factor"},
            "(delta @ W)[0]": {"wrong shape", "missing index"},
            "delta @ W.abs()": {"another tensor", "partly wrong", "unknown", "wrong weight"},
        },
        right=("(W.T @ delta.T).T", "(delta.T * W).sum(0, keepdim=True)"),
    ),
    _linear(
        "W",
        False,
        equation="Every sample has its own z, and the loss sums over all of them.",
        term="Σ over the samples of δ_o x_i, for each pair: a matrix product does both.",
        worked="sample 1 gives 1 · (1, 2) and 2 · (1, 2), sample 2 gives 0 · (3, 4) and 1 · (3, 4): "
        "together = [[1, 2], [5, 8]]",
        wrong={
            "delta.T @ x / len(x)": MEAN,
            "x.T @ delta": TURNED | {"wrong shape"},
            "-delta.T @ x": SIGN,
            "delta[:1].T @ x[:1]": PART,
            "delta.T @ x / x.shape[1]": FACTOR | {"extra factor"},
            "delta[:, :, None] * x[:, None]": UNSUMMED | {"wrong shape"},
            "2 * delta.T @ x": FACTOR,
            "delta.T @ torch.ones_like(x)": MISSING | {"another tensor"},
            "delta @ x": RAISED,
            "None": {"missing result"},
        },
        right=(
            "torch.einsum('mo,mi->oi', delta, x)",
            "sum(torch.outer(d, row) for d, row in zip(delta, x))",
            "(x.T @ delta).T",
        ),
        entry="Linear",
        formula=("delta", "x", "", ""),
        gradient="weight",
    ),
    _linear(
        "b",
        False,
        equation="Every sample has its own z, and b is the same in all of them.",
        term="The loss sums over the samples, and so does its gradient.",
        worked="(1, 2) + (0, 1) = [1, 3]",
        wrong={
            "delta.mean(0)": MEAN,
            "delta": UNSUMMED | {"wrong shape"},
            "delta.sum(1)": AXIS | {"wrong shape"},
            "delta[0]": PART,
            "-delta.sum(0)": SIGN,
            "delta.sum()": {"wrong axis", "wrong shape", "another argument"},
            "delta.sum(0, keepdim=True)": {"wrong shape", "another argument"},
        },
        right=("torch.ones(len(delta), dtype=delta.dtype) @ delta", "sum(delta)"),
        entry="Linear",
        formula=("delta", "", "", ""),
        gradient="bias",
    ),
    _linear(
        "x",
        False,
        equation="Each sample's x goes into its own z alone.",
        term="For every sample the same as for one: a product with a matrix does them all.",
        worked="1 · (1, 0) + 2 · (2, 1) for the first, 1 · (2, 1) for the second = [[5, 2], [2, 1]]",
        wrong={
            "delta @ W.T": RAISED | TURNED,
            "-delta @ W": SIGN,
            "delta @ W / len(delta)": MEAN,
            "(W.T @ delta.T)": {"transposed", "wrong shape"},
            "(delta @ W).sum(0)": {"wrong shape", "missing step"},
            "2 * (delta @ W)": FACTOR,
            "delta @ W / len(W)": FACTOR | {"extra factor"},
            "torch.ones_like(delta) @ W": INCOMING,
        },
        right=("(W.T @ delta.T).T", "torch.einsum('mo,oi->mi', delta, W)"),
        entry="Linear",
        formula=("delta", "", "W", ""),
    ),
    Exercise(
        "hidden_delta",
        "hidden_delta",
        "The recursion: δ of a layer from δ of the next",
        "δˡ",
        """zˡ⁺¹ = aˡ Wˡ⁺¹ᵀ + bˡ⁺¹, aˡ = σ(zˡ), the sigmoid
delta_next (m, o)   δˡ⁺¹ = ∂L/∂zˡ⁺¹, already known; W_next (o, i) is Wˡ⁺¹
a (m, i)            aˡ; the answer is δˡ = ∂L/∂zˡ, (m, i)""",
        Source(
            Network.backpropagate,
            "delta_next @",
            alone=("delta_next", "W_next", "a"),
            names={"δ[0]": "delta_next", "W[l + 1]": "W_next", "a[l + 1]": "a", "z[l]": "z"},
            inline={
                "through_σ": lambda g, z, a: sigmoid_gradient(g, a),
                "sigmoid_gradient": sigmoid_gradient,
                "δ.insert": lambda place, delta: delta,
            },
        ),
        lambda d: {"z": d("mi"), "W_next": d("oi"), "delta_next": d("mo")},
        {"z": [[0.0, 0.0]], "W_next": [[1, 2], [3, 0]], "delta_next": [[4, 8]]},
        "4 · (1, 2) + 8 · (3, 0) = (28, 8), and a = 1/2 has the slope 1/4 = [[7, 2]]",
        "Lecture note 003: zˡ goes through aˡ into every zˡ⁺¹, Σ_k δˡ⁺¹_k ∂zˡ⁺¹_k/∂zˡ_j.",
        "First back through W, as ∂L/∂x of a Linear; then through σ, with its slope at this layer.",
        forward=two_layers,
        of=("z",),
        incoming="delta_next",
        parameters=("W_next",),
        also=lambda s: {"a": torch.sigmoid(s["z"])},
        wrong={
            "delta_next @ W_next": MISSING,
            "delta_next @ W_next * a": MISSING,
            "delta_next @ W_next.T * a * (1 - a)": RAISED | TURNED,
            "-(delta_next @ W_next) * a * (1 - a)": SIGN,
            "delta_next @ W_next * a * (1 + a)": SIGN | {"another operation"},
            "delta_next @ W_next * a * (1 - a) / len(a)": MEAN,
            "delta_next @ (W_next * a.mean(0) * (1 - a.mean(0)))": {"unknown", "partly wrong"},
            "a * (1 - a)": MISSING | INCOMING,
        },
        right=(
            "(W_next.T @ delta_next.T).T * (a - a ** 2)",
            "torch.einsum('mo,oi,mi->mi', delta_next, W_next, a * (1 - a))",
        ),
    ),
]
