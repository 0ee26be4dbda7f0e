"""Attention, and one step of an LSTM."""

import torch
from torch import Tensor

from compare.exercises.exercise import (
    AXIS,
    FACTOR,
    INCOMING,
    MISSING,
    RAISED,
    SIGN,
    TERM,
    TURNED,
    Draw,
    Exercise,
    Scope,
    Source,
)
from manual_backprop.sequence.dot_product_attention import ScaledDotProductAttentionFunction
from manual_backprop.sequence.lstm import LSTMFunction


def averaged(P: Tensor, v: Tensor) -> Tensor:
    """O = P v."""
    return P @ v


def weighted(S: Tensor, v: Tensor) -> Tensor:
    """O = softmax(S) v."""
    return torch.softmax(S, 1) @ v


def scores(q: Tensor, k: Tensor, scale: float) -> Tensor:
    """S = q kᵀ · scale."""
    return q @ k.T * scale


def memory_and_output(c: Tensor, o: Tensor, grad_c: Tensor, grad_h: Tensor) -> Tensor:
    """What reaches the loss from c, and from h = o ⊙ tanh c."""
    h = o * torch.tanh(c)
    return grad_c * c + grad_h * h


def memory(a_i: Tensor, a_f: Tensor, a_g: Tensor, c_before: Tensor) -> Tensor:
    """C = f ⊙ c₋₁ + i ⊙ g."""
    i, f, g = torch.sigmoid(a_i), torch.sigmoid(a_f), torch.tanh(a_g)
    return f * c_before + i * g


def _attention(d: Draw) -> Scope:
    return {"S": d("ms", 1), "v": d("si"), "g": d.not_zero("mi")}


EXERCISES = [
    Exercise(
        "attention_values",
        "grad_value",
        "Attention: ∂L/∂v",
        "∂L/∂v",
        """o = P v: each of m queries takes a mean of the s values, weighted by its row of P
P (m, s), v (s, i); g (m, i) = ∂L/∂o, the incoming gradient""",
        Source(
            ScaledDotProductAttentionFunction.backward,
            "grad_value = P",
            alone=("g", "P"),
            names={"dropped(P, keep, ctx.dropout_p)": "P"},
            inline={"summed": lambda gradient, of: gradient},
        ),
        lambda d: {"P": d.share("ms"), "v": d("si"), "g": d.not_zero("mi")},
        {"P": [[0.5, 0.5]], "v": [[0, 0], [0, 0]], "g": [[2, 4]]},
        "½ · (2, 4) to both = [[1, 2], [1, 2]]",
        "o_l = Σ_s P_ls v_s: v_s is in every o_l, with the factor P_ls.",
        "It is ∂L/∂W of a Linear again, with P in the place of δ or of x.",
        forward=averaged,
        of=("v",),
        incoming="g",
        wrong={
            "P @ g": RAISED | TURNED | {"wrong shape"},
            "-P.T @ g": SIGN,
            "P.T @ g / len(P)": {
                "averaged instead of summed",
                "constant factor",
                "extra factor",
            },
            "2 * P.T @ g": FACTOR,
            "g.T @ P": {"transposed", "wrong shape"},
            "torch.ones_like(P).T @ g": MISSING | {"another tensor"},
            "P.T @ torch.ones_like(g)": INCOMING,
        },
        right=("torch.einsum('ms,mi->si', P, g)", "(g.T @ P).T"),
    ),
    Exercise(
        "attention_scores",
        "grad_scores",
        "Attention: ∂L/∂S",
        "∂L/∂S",
        """o = P v, P = softmax(S) along each row
P (m, s); grad_P (m, s) = ∂L/∂P, already known as g vᵀ""",
        Source(ScaledDotProductAttentionFunction.backward, "grad_S =", alone=("grad_P", "P")),
        _attention,
        {"S": [[0, 0]], "v": [[1], [3]], "g": [[2]]},
        "P = (½, ½), ∂L/∂P = (2, 6), Σ = 4: ½ · (2 − 4) and ½ · (6 − 4) = [[-1, 1]]",
        "It is softmax again, row by row.",
        "The sum runs over the keys, and each row has its own.",
        forward=weighted,
        of=("S",),
        incoming="g",
        also=lambda s: {"P": torch.softmax(s["S"], 1), "grad_P": s["g"] @ s["v"].T},
        wrong={
            "P * grad_P": TERM,
            "P * (1 - P) * grad_P": TERM | {"missing step"},
            "grad_P - (P * grad_P).sum(-1, keepdim=True)": MISSING,
            "P * (grad_P - (P * grad_P).sum(0, keepdim=True))": AXIS,
            "P * ((P * grad_P).sum(-1, keepdim=True) - grad_P)": SIGN,
            "P * (grad_P - grad_P.sum(-1, keepdim=True))": MISSING,
            "P * (grad_P + (P * grad_P).sum(-1, keepdim=True))": SIGN | {"another operation"},
            "grad_P": TERM | MISSING | {"passed through"},
        },
        right=(
            "P * grad_P - P * torch.einsum('ms,ms->m', P, grad_P)[:, None]",
            "torch.einsum('ms,mst->mt', grad_P, torch.diag_embed(P) - P[:, :, None] * P[:, None])",
        ),
    ),
    Exercise(
        "attention_queries",
        "grad_query",
        "Attention: ∂L/∂q",
        "∂L/∂q",
        """S = q kᵀ · scale
grad_S (m, s) = ∂L/∂S, already known; k (s, i) the keys, q (m, i) the queries; scale a number""",
        Source(
            ScaledDotProductAttentionFunction.backward,
            "grad_query = grad_S",
            alone=("grad_S", "k", "scale"),
            names={"ctx.scale": "scale"},
            inline={"summed": lambda gradient, of: gradient},
        ),
        lambda d: {
            "q": d("mi"),
            "k": d("si"),
            "scale": 0.5 if d.whole else 0.7,
            "grad_S": d.not_zero("ms"),
        },
        {"q": [[0, 0]], "k": [[1, 2], [3, 4]], "scale": 0.5, "grad_S": [[2, 4]]},
        "½ · (2 · (1, 2) + 4 · (3, 4)) = [[7, 10]]",
        "S_ls = scale Σ_e q_le k_se: it is ∂L/∂x of a Linear, whose weight is k · scale.",
        "Do not forget the scale.",
        forward=scores,
        of=("q",),
        incoming="grad_S",
        wrong={
            "grad_S @ k": MISSING | {"constant factor"},
            "grad_S @ k / scale": FACTOR | {"another operation"},
            "-grad_S @ k * scale": SIGN,
            "grad_S.T @ k * scale": RAISED | TURNED | {"wrong shape"},
            "torch.ones_like(grad_S) @ k * scale": INCOMING,
            "grad_S @ k * scale / len(k)": FACTOR | {"extra factor", "constant factor"},
            "grad_S @ k * scale * scale": FACTOR | {"extra factor"},
        },
        right=("scale * torch.einsum('ms,si->mi', grad_S, k)", "(k.T @ grad_S.T).T * scale"),
    ),
    Exercise(
        "lstm_memory",
        "grad_memory",
        "One step of an LSTM: ∂L/∂c",
        "∂L/∂c",
        """h = o ⊙ tanh c: the memory c goes into the output h, and on to the next step
grad_h (m, h) = ∂L/∂h; grad_c (m, h) the gradient that reaches c from the next step; o and tanh_c (m, h)""",
        Source(
            LSTMFunction.backward,
            "dc =",
            alone=("grad_c", "grad_h", "o", "tanh_c"),
            names={
                "γ[t] + from_c": "grad_c",
                "dh": "grad_h",
                "slope_of_h[t]": "(o * (1 - tanh_c * tanh_c))",
            },
        ),
        lambda d: {
            "c": d("mh", 1),
            "o": d.share("mh"),
            "grad_c": d.not_zero("mh"),
            "grad_h": d.not_zero("mh"),
        },
        {"c": [[0.0]], "o": [[0.5]], "grad_c": [[3.0]], "grad_h": [[4.0]]},
        "tanh 0 = 0, so the slope is 1: 3 + 4 · ½ · 1 = [[5]]",
        "c reaches the loss by two paths; their gradients add.",
        "Through h: o times the slope of tanh.",
        forward=memory_and_output,
        of=("c",),
        also=lambda s: {"tanh_c": torch.tanh(s["c"])},
        wrong={
            "grad_c": {"missing term"},
            "grad_h * o * (1 - tanh_c * tanh_c)": {"missing term"},
            "grad_c + grad_h * (1 - tanh_c * tanh_c)": MISSING,
            "grad_c + grad_h * o": MISSING,
            "grad_c + grad_h * o * (1 - tanh_c)": MISSING,
            "grad_c - grad_h * o * (1 - tanh_c * tanh_c)": SIGN | {"another operation"},
            "grad_c + o * (1 - tanh_c * tanh_c)": MISSING,
            "grad_c + grad_h * tanh_c * (1 - o * o)": {"another tensor", "unknown"},
        },
        right=(
            "grad_h * o - grad_h * o * tanh_c ** 2 + grad_c",
            "torch.addcmul(grad_c, grad_h * o, (1 - tanh_c) * (1 + tanh_c))",
        ),
    ),
    Exercise(
        "lstm_gates",
        "gate_slopes",
        "One step of an LSTM: the slopes at its gates",
        "∂c/∂aⁱ, ∂c/∂aᶠ, ∂c/∂aᵍ",
        """c = f ⊙ c₋₁ + i ⊙ g, i = σ(aⁱ), f = σ(aᶠ), g = tanh(aᵍ), elementwise
i, f, g, c_before (m, h), c_before is c₋₁. Return the three slopes of c, each (m, h).""",
        Source(
            LSTMFunction.backward,
            "each =",
            alone=("i", "f", "g", "c_before"),
            part=slice(3),
        ),
        lambda d: {n: d("mh", 1) for n in ("a_i", "a_f", "a_g", "c_before")},
        {"a_i": [[0.0]], "a_f": [[0.0]], "a_g": [[0.0]], "c_before": [[8.0]]},
        "i = f = ½, g = 0: 0 · ¼, 8 · ¼, ½ · 1 = [[0]], [[2]], [[0.5]]",
        "c = f ⊙ c₋₁ + i ⊙ g: what each gate is multiplied by, times the slope of the gate.",
        "i and f are sigmoids, g is a tanh.",
        forward=memory,
        of=("a_i", "a_f", "a_g"),
        also=lambda s: {
            "i": torch.sigmoid(s["a_i"]),
            "f": torch.sigmoid(s["a_f"]),
            "g": torch.tanh(s["a_g"]),
        },
        wrong={
            "i * (1 - i), c_before * f * (1 - f), i * (1 - g * g)": MISSING,
            "g * i * (1 - i), f * (1 - f), i * (1 - g * g)": MISSING,
            "g * i * (1 - i), c_before * f * (1 - f), 1 - g * g": MISSING,
            "g * i, c_before * f * (1 - f), i * (1 - g * g)": MISSING,
            "g * i * (1 - i), c_before * f * (1 - f), i * g * (1 - g)": {
                "another function",
                "missing term",
            },
            "c_before * f * (1 - f), g * i * (1 - i), i * (1 - g * g)": {
                "results exchanged",
                "another tensor's gradient",
            },
            "g * i * (1 - i), c_before * f * (1 - f), i * (1 + g * g)": SIGN
            | {"another operation"},
            "-g * i * (1 - i), c_before * f * (1 - f), i * (1 - g * g)": SIGN,
        },
        right=(
            "g * (i - i ** 2), c_before * (f - f ** 2), i - i * g ** 2",
            "(1 - i) * i * g, (1 - f) * f * c_before, (1 - g) * (1 + g) * i",
        ),
    ),
]
