"""System 8 once more: the four equations with W (in, out), notes 000 and 004.

one sample, a column      z = Wᵀa + b      δˡ = (Wˡ⁺¹ δˡ⁺¹) ⊙ σ′(zˡ)        ∂L/∂W = aˡ⁻¹ (δˡ)ᵀ
m samples in rows         z = a W + b      δˡ = (δˡ⁺¹ (Wˡ⁺¹)ᵀ) ⊙ σ′(zˡ)     ∂L/∂W = (aˡ⁻¹)ᵀ δˡ / m
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from compare.notes.four_equations import BACKWARD, Example, example
from compare.notes.row import Row, agrees, equal, gradient, misprint, unreadable
from manual_backprop import functional


def rows() -> Iterator[Row]:
    """The rows of notes 000 and 004 in system 8."""
    yield from _one_sample(example(samples=1))
    yield from _many_samples(example(samples=6))


def _one_sample(one: Example) -> Iterator[Row]:
    """The three equations, three times over."""
    last, delta = one.deltas[2].T, one.deltas[1].T  # columns
    W_next = one.network.weights[2].T  # (in, out)
    a, slope = one.network.a[1].T, (one.network.a[2] * (1 - one.network.a[2])).T
    hand = one.hand
    hidden = equal((W_next @ last) * slope, delta, hand.deltas[1].T)
    bias = equal(delta[:, 0], one.biases[1], hand.biases[1])
    weight = equal(a @ delta.T, one.weights[1].T, hand.weights[1].T)
    for note, first, second, third in (
        ("000", 10, 14, 19),
        ("004", 9, 11, 13),
        ("000", 80, 84, 85),
    ):
        layer = "δ of a hidden layer, W (in, out)"
        yield agrees(f"{note}:{first}", layer, "(Wˡ⁺¹δˡ⁺¹) ⊙ σ′(zˡ)", hidden, BACKWARD)
        yield agrees(f"{note}:{second}", "∂L/∂b of one example", "δˡ", bias, BACKWARD)
        shapes = "∂L/∂W, (hₗ₋₁, hₗ) from hₗ₋₁ × 1 and 1 × hₗ"
        yield agrees(f"{note}:{third}", shapes, "aˡ⁻¹(δˡ)ᵀ", weight, BACKWARD)
    b = one.network.biases[1]
    yield agrees(
        "000:137",
        "update of the bias from one example",
        "bᴸ = bᴸ − η·δᴸ",
        equal(b - 0.1 * delta[:, 0], b - 0.1 * one.biases[1]),
        "manual_backprop.Network.step",
    )


def _many_samples(many: Example) -> Iterator[Row]:
    """The code of note 000 for m examples."""
    m = len(many.y)
    z = many.network.z[2].clone().requires_grad_()
    labels = torch.tensor([1, 0, 1, 1, 0, 0])
    yield agrees(
        "000:113",
        "δᴸ of m examples, m × c",
        "aᴸ − yᴸ",
        equal(
            torch.softmax(z, 1) - one_hot(labels, 2),
            gradient(functional.cross_entropy(z, labels, reduction="sum"), z),
        ),
        "manual_backprop.functional.cross_entropy",
    )
    last, delta = many.deltas[2], many.deltas[1]
    W_next = many.network.weights[2].T
    a, slope = many.network.a[1], many.network.a[2] * (1 - many.network.a[2])
    yield misprint(
        "000:114",
        "δ of a hidden layer, m examples",
        "(δᴸ, Wᴸ⁺¹)ᵀ ⊙ σ′(zᴸ)",
        equal(lambda: (last @ W_next).T * slope, delta),
        "(δˡ⁺¹(Wˡ⁺¹)ᵀ) ⊙ σ′(zˡ)",
        equal((last @ W_next.T) * slope, delta, many.hand.deltas[1]),
        BACKWARD,
    )
    yield agrees(
        "000:115",
        "∂L/∂b of m examples",
        "(1/m) np.sum(δᴸ, axis=0)",
        equal(delta.sum(dim=0) / m, many.biases[1], many.hand.biases[1]),
        BACKWARD,
    )
    truth = many.weights[1].T
    yield misprint(
        "000:116",
        "∂L/∂W of m examples, hₗ₋₁ × m times m × hₗ",
        "aᴸ⁻¹·δᴸ",
        equal(a.T @ delta, truth),  # aᴸ⁻¹ as hₗ₋₁ × m, the shape under the formula
        "(1/m) (aˡ⁻¹)ᵀδˡ, the mean like ∂L/∂b",
        equal(a.T @ delta / m, truth, many.hand.weights[1].T),
        BACKWARD,
    )
    output = many.network.a[3]
    yield agrees(
        "000:125",
        "outputs m × c, one row and one argmax for each example",
        "m × c",
        equal(output.argmax(1), torch.stack([example_row.argmax() for example_row in output])),
        "manual_backprop.Network.accuracy",
    )
    yield unreadable(
        "000:139",
        "the bias b₁ as a list of δ",
        "b₁ = [δ₁, δ₂, … δₙ], each of example (1)",
        "which index counts the examples; Σᵢ δ₁⁽ⁱ⁾ as in line 143",
        BACKWARD,
        equal(delta.sum(0)[0], _of_the_sum(many)[0]),
    )
    yield agrees(
        "000:143",
        "update of the bias: the sum over examples, m times the mean of line 115",
        "b₁ − γ Σᵢ ∂L/∂b₁⁽ⁱ⁾",
        equal(delta.sum(0), _of_the_sum(many), m * many.hand.biases[1]),
        BACKWARD,
    )


def _of_the_sum(many: Example) -> Tensor:
    """∂/∂b² of the loss summed over the samples, by autograd."""
    b = many.network.biases[1].clone().requires_grad_()
    a = torch.sigmoid(many.network.a[1] @ many.network.weights[1].T + b)
    a = torch.sigmoid(a @ many.network.weights[2].T + many.network.biases[2])
    return gradient(((a - many.y) ** 2).sum() / 2, b)
