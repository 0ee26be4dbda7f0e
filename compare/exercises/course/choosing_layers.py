"""Layers that choose: dropout and embedding."""

import torch
from torch import Tensor

from compare.exercises.exercise import (
    FACTOR,
    INCOMING,
    MEAN,
    MISSING,
    SIGN,
    ZERO,
    Exercise,
    Source,
)
from manual_backprop.regularization.dropout import DropoutFunction
from manual_backprop.sequence.embedding import EmbeddingFunction


def dropped(x: Tensor, mask: Tensor, p: float) -> Tensor:
    """Y = m ⊙ x / (1 − p)."""
    return x * mask / (1 - p)


def looked_up(t: Tensor, W: Tensor) -> Tensor:
    """The row of each word."""
    return W[t]


EXERCISES = [
    Exercise(
        "dropout",
        "dropout_gradient",
        "Dropout",
        "∂L/∂x",
        """y = m ⊙ x / (1 − p): each element is dropped with probability p
g (m, i) = ∂L/∂y; mask (m, i), 1 where the element was kept; p""",
        Source(
            DropoutFunction.backward,
            "return",
            alone=("g", "mask", "p"),
            names={"grad_output": "g", "ctx.scale": "1 / (1 - p)"},
            part=0,
        ),
        lambda d: (
            {"x": d("mi"), "mask": d.of("mi", 0, 1), "p": 0.5, "g": d.not_zero("mi")}
            if d.whole
            else {"x": d("mi"), "mask": d.of("mi", 0, 1), "p": 0.2, "g": d.not_zero("mi")}
        ),
        {"x": [[1, 2, 3]], "mask": [[1, 0, 1]], "p": 0.5, "g": [[3, 5, -4]]},
        "3 / ½, nothing, −4 / ½ = [[6, 0, -8]]",
        "The mask is drawn in the forward and is a constant in the backward.",
        "What the forward multiplies x by, the backward multiplies g by.",
        forward=dropped,
        of=("x",),
        incoming="g",
        wrong={
            "g * mask": FACTOR | MISSING,
            "g / (1 - p)": MISSING | {"partly wrong"},
            "g * mask * (1 - p)": FACTOR | {"another operation", "another number"},
            "g * mask / p": FACTOR | {"missing term", "another operation", "another number"},
            "g * (1 - mask) / (1 - p)": {
                "partly wrong",
                "another tensor",
                "arguments exchanged",
            },
            "-g * mask / (1 - p)": SIGN,
            "mask / (1 - p)": INCOMING | MISSING,
            "g": MISSING,
        },
        right=("torch.where(mask == 1, g / (1 - p), 0.0)", "g * (mask / (1 - p))"),
    ),
    Exercise(
        "embedding",
        "embedding_gradient",
        "Embedding",
        "∂L/∂W",
        """y_n = W_{t_n}: each word is replaced by its row of the table W (v, i)
g (m, i) = ∂L/∂y; t (m) the words, integers, which may repeat; rows is v""",
        Source(
            EmbeddingFunction.backward,
            "grad_weight =",
            alone=("g", "t", "rows"),
            names={"ctx.rows": "rows"},
        ),
        lambda d: {
            "t": d.indices("m", "v"),
            "W": d("vi"),
            "rows": d.sizes["v"],
            "g": d.not_zero("mi"),
        },
        {"t": torch.tensor([1, 1]), "W": [[0, 0], [0, 0]], "rows": 2, "g": [[1, 2], [3, 4]]},
        "word 1 comes twice: (1, 2) + (3, 4) in its row, nothing in row 0 = [[0, 0], [4, 6]]",
        "Each word adds its gradient to its row; a row that was not looked up gets nothing.",
        "index_add does it, or a product with one-hot rows.",
        forward=looked_up,
        of=("W",),
        incoming="g",
        parameters=("W",),
        wrong={
            "g.new_zeros(rows, g.shape[1]).index_copy(0, t, g)": {
                "overwritten",
                "only part of the batch",
                "another function",
            },
            "g.new_zeros(rows, g.shape[1]).index_add(0, t, g) / len(t)": MEAN,
            "g.new_zeros(rows, g.shape[1]).index_add(0, t, -g)": SIGN,
            "g.new_zeros(rows, g.shape[1]).index_add(0, t, torch.ones_like(g))": INCOMING
            | {"another tensor"},
            "g.new_zeros(rows, g.shape[1])": ZERO | {"missing step"},
            "g": {"wrong shape", "missing step", "another tensor"},
            "g.new_zeros(rows, g.shape[1]).index_add(0, (t + 1) % rows, g)": {
                "permutation",
                "unknown",
            },
        },
        right=(
            "F.one_hot(t, rows).to(g.dtype).T @ g".replace("F.", "torch.nn.functional."),
            "grad = torch.zeros(rows, g.shape[1], dtype=g.dtype)\n"
            "for word, row in zip(t, g):\n    grad[word] += row\nreturn grad",
        ),
    ),
]
