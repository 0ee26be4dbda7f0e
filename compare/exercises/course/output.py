"""The loss and δ at the output, for each pair of loss and activation."""

import torch
from torch import Tensor

from compare.exercises.exercise import (
    FACTOR,
    MEAN,
    MISSING,
    MUCH,
    SIGN,
    SUM,
    TARGET,
    Draw,
    Exercise,
    Scope,
    Source,
)
from manual_backprop.activation.sigmoids import sigmoid_gradient
from manual_backprop.loss.binary_cross_entropy_with_logits import bce_with_logits_gradient
from manual_backprop.loss.mse import mse_gradient
from manual_backprop.loss.squared_error import squared_error_gradient
from manual_backprop.network.losses import LOSSES


def squared_error(a: Tensor, y: Tensor) -> Tensor:
    """L = ½ (a − y)² of each element."""
    return 0.5 * (a - y) ** 2


def softmax_cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    """L = −Σ y ln ŷ, ŷ = softmax(z), of each sample."""
    y_hat = torch.softmax(z, dim=1)
    return -(y * torch.log(y_hat)).sum(1)


def sigmoid_bce(z: Tensor, y: Tensor) -> Tensor:
    """L = −y ln ŷ − (1 − y) ln(1 − ŷ), ŷ = σ(z), of each element."""
    y_hat = torch.sigmoid(z)
    return -y * torch.log(y_hat) - (1 - y) * torch.log(1 - y_hat)


def sigmoid_squared_error(z: Tensor, y: Tensor) -> Tensor:
    """L = ½ Σ (ŷ − y)², ŷ = σ(z), of each sample."""
    y_hat = torch.sigmoid(z)
    return 0.5 * ((y_hat - y) ** 2).sum(1)


def sigmoid_mse(z: Tensor, y: Tensor) -> Tensor:
    """L = (1/k) Σ (ŷ − y)², ŷ = σ(z), of each sample."""
    y_hat = torch.sigmoid(z)
    return ((y_hat - y) ** 2).mean(1)


_NAMES = {"ŷ": "y_hat", "a": "y_hat"}
_GIVEN = """y_hat (m, c)   the output of the network for m samples, {}
y (m, c)       the targets, {}"""


def _sigmoid(s: Scope) -> Scope:
    return {"y_hat": torch.sigmoid(s["z"])}


def _two(d: Draw) -> Scope:
    return {"z": d("mc"), "y": d.of("mc", 0, 1)}


EXERCISES = [
    Exercise(
        "squared_error",
        "squared_error_gradient",
        "The squared error",
        "∂L/∂a",
        """L = ½ Σ (a − y)²
a (m, i)   the output of the network, y (m, i) the targets
g          ∂L/∂L, the incoming gradient: a single number, usually 1""",
        Source(squared_error_gradient, "return"),
        lambda d: {"a": d("mi"), "y": d("mi"), "g": d.not_zero("")},
        {"a": [[1.0, 5.0]], "y": [[3.0, 2.0]], "g": 2.0},
        "2 · (1 − 3) and 2 · (5 − 2) = [[-4, 6]]",
        "L = ½ (a − y)²: differentiate the square (lecture note 003, ∇L).",
        "The 2 of the square cancels the ½; do not forget the incoming gradient.",
        forward=lambda a, y: (0.5 * (a - y) ** 2).sum(),
        of=("a",),
        incoming="g",
        wrong={
            "a - y": {"incoming gradient ignored", "missing factor"},
            "(y - a) * g": SIGN,
            "2 * (a - y) * g": FACTOR,
            "(a - y) * g / 2": FACTOR,
            "a * g": TARGET,
            "(a - y) * g / len(a)": MEAN,
            "(a + y) * g": SIGN | {"another operation"},
            "0.5 * (a - y) ** 2 * g": {"extra factor", "another operation", "another number"},
        },
        right=("g * a - g * y", "-(y - a) * g"),
    ),
    Exercise(
        "delta_softmax_cross_entropy",
        "output_delta",
        "δ at the output: softmax with cross entropy",
        "∂L/∂z",
        "L = −Σ y ln ŷ of each sample, ŷ = softmax(z)\n"
        + _GIVEN.format("softmax(z)", "one-hot rows"),
        Source(LOSSES["cross-entropy"].delta, "return", alone=("y_hat", "y"), names=_NAMES),
        lambda d: {"z": d("mc"), "y": d.one_hot("mc")},
        {"z": [[0.0, 0.0]], "y": [[0.0, 1.0]]},
        "softmax gives (1/2, 1/2): (1/2 − 0, 1/2 − 1) = [[0.5, -0.5]]",
        "Lecture notes 000 and 004: −Σ y ln ŷ through the softmax, whose derivative has cross terms.",
        "Sum over all outputs k: ∂L/∂ŷ_k · ∂ŷ_k/∂z_j. Almost everything cancels.",
        forward=softmax_cross_entropy,
        of=("z",),
        also=lambda s: {"y_hat": torch.softmax(s["z"], 1)},
        wrong={
            "y - y_hat": SIGN,
            "(y_hat - y) / len(y)": MEAN,
            "y_hat": TARGET,
            "(y_hat - y) * y_hat * (1 - y_hat)": MUCH,
            "-y / y_hat": {
                "missing cross term",
                "missing activation derivative",
                "another operation",
                "missing factor",
            },
            "y * (y_hat - 1)": {"missing cross term", "partly wrong", "extra factor"},
            "2 * (y_hat - y)": FACTOR,
        },
        right=("-(y - y_hat)", "y_hat * y.sum(1, keepdim=True) - y"),
        entry="CrossEntropyLoss",
        formula=("", "", ""),
    ),
    Exercise(
        "delta_sigmoid_bce",
        "output_delta",
        "δ at the output: sigmoid with binary cross entropy",
        "∂L/∂z",
        "L = −y ln ŷ − (1 − y) ln(1 − ŷ) of each output, ŷ = σ(z)\n"
        + _GIVEN.format("σ(z)", "0 or 1"),
        Source(
            bce_with_logits_gradient,
            "return y_hat - y",
            alone=("y_hat", "y"),
            names={"ŷ": "y_hat", "g": "1"},
        ),
        _two,
        {"z": [[0.0, 0.0]], "y": [[1.0, 0.0]]},
        "σ(0) = 1/2: (1/2 − 1, 1/2 − 0) = [[-0.5, 0.5]]",
        "Lecture note 002: ∂L/∂ŷ = −y/ŷ + (1 − y)/(1 − ŷ), times σ′(z) = ŷ(1 − ŷ).",
        "Multiply out: the denominators cancel.",
        forward=sigmoid_bce,
        of=("z",),
        also=_sigmoid,
        wrong={
            "y - y_hat": SIGN,
            "(y_hat - y) / (y_hat * (1 - y_hat))": {
                "missing activation derivative",
                "missing factor",
                "extra factor",
            },
            "(y_hat - y) * y_hat * (1 - y_hat)": MUCH,
            "(y_hat - y) / len(y)": MEAN,
            "y_hat": TARGET,
            "-y * (1 - y_hat)": {"partly wrong", "missing term", "extra factor"},
            "y_hat + y": SIGN | {"another operation"},
        },
        right=("y_hat * (1 - y) - y * (1 - y_hat)", "-y + y_hat"),
    ),
    Exercise(
        "delta_sigmoid_squared_error",
        "output_delta",
        "δ at the output: sigmoid with squared error",
        "∂L/∂z",
        "L = ½ Σ (ŷ − y)² of each sample, ŷ = σ(z)\n" + _GIVEN.format("σ(z)", "0 or 1"),
        Source(
            LOSSES["squared-error"].delta,
            "return",
            alone=("y_hat", "y"),
            names={"ŷ": "y_hat"},
            inline={
                "sigmoid_gradient": sigmoid_gradient,
                "squared_error_gradient": squared_error_gradient,
            },
        ),
        _two,
        {"z": [[0.0, 0.0]], "y": [[1.0, 0.0]]},
        "σ(0) = 1/2: −1/2 · 1/4 and 1/2 · 1/4 = [[-0.125, 0.125]]",
        "Lecture notes 000 and 003: δᴸ = ∇L ⊙ σ′(z).",
        "Nothing cancels here: the slope of the sigmoid stays.",
        forward=sigmoid_squared_error,
        of=("z",),
        also=_sigmoid,
        wrong={
            "y_hat - y": MISSING,
            "(y - y_hat) * y_hat * (1 - y_hat)": SIGN,
            "(y_hat - y) * y_hat": MISSING,
            "(y_hat - y) * (1 - y_hat)": MISSING,
            "2 * (y_hat - y) * y_hat * (1 - y_hat)": FACTOR,
            "(y_hat - y) * y_hat * (1 - y_hat) / len(y)": MEAN,
            "y_hat * y_hat * (1 - y_hat)": TARGET,
            "(y_hat - y) * y * (1 - y)": {"another tensor", "detached"},
        },
        right=(
            "(y_hat - y) * (y_hat - y_hat ** 2)",
            "y_hat * (y_hat - y) - y_hat ** 2 * (y_hat - y)",
        ),
    ),
    Exercise(
        "delta_sigmoid_mse",
        "output_delta",
        "δ at the output: sigmoid with mean squared error",
        "∂L/∂z",
        "L = (1/c) Σ (ŷ − y)² of each sample, the mean over its c outputs, ŷ = σ(z)\n"
        + _GIVEN.format("σ(z)", "0 or 1"),
        Source(
            LOSSES["mse"].delta,
            "return",
            alone=("y_hat", "y"),
            names={"ŷ": "y_hat"},
            inline={"sigmoid_gradient": sigmoid_gradient, "mse_gradient": mse_gradient},
        ),
        _two,
        {"z": [[0.0, 0.0]], "y": [[1.0, 0.0]]},
        "σ(0) = 1/2 and c = 2: 2/2 · (−1/2) · 1/4 and 2/2 · 1/2 · 1/4 = [[-0.125, 0.125]]",
        "As under ½ Σ (ŷ − y)², but there is no ½, and a mean over the outputs.",
        "Two more numbers than before: the 2 from the square and the c from the mean.",
        forward=sigmoid_mse,
        of=("z",),
        also=_sigmoid,
        wrong={
            "2 * (y_hat - y) * y_hat * (1 - y_hat)": SUM | {"constant factor"},
            "(y_hat - y) * y_hat * (1 - y_hat) / y.shape[1]": FACTOR | {"missing factor"},
            "2 * (y_hat - y) / y.shape[1]": MISSING,
            "2 * (y - y_hat) * y_hat * (1 - y_hat) / y.shape[1]": SIGN,
            "2 * (y_hat - y) * y_hat * (1 - y_hat) / len(y)": {
                "constant factor",
                "another number",
                "averaged instead of summed",
            },
            "2 * (y_hat - y) * y_hat * (1 - y_hat) / y.numel()": MEAN,
            "2 * y_hat * y_hat * (1 - y_hat) / y.shape[1]": TARGET,
        },
        right=(
            "(y_hat - y) * y_hat * (1 - y_hat) * 2 / y_hat.shape[1]",
            "2 / y.shape[-1] * (y_hat - y) * (y_hat - y_hat ** 2)",
        ),
    ),
]
