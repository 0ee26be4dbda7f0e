"""System 8 once more: the four equations with W (in, out), notes 000 and 004.

one sample, a column      z = Wᵀa + b      δˡ = (Wˡ⁺¹ δˡ⁺¹) ⊙ σ′(zˡ)        ∂L/∂W = aˡ⁻¹ (δˡ)ᵀ
m samples in rows         z = a W + b      δˡ = (δˡ⁺¹ (Wˡ⁺¹)ᵀ) ⊙ σ′(zˡ)     ∂L/∂W = (aˡ⁻¹)ᵀ δˡ / m
"""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from compare.notes.by_autograd import float64, gradient
from compare.notes.claim import Claims, agrees, equal, equations, misprint, unreadable
from compare.notes.four_equations import Example, example
from manual_backprop import Network, functional


# fmt: off
def claims() -> Claims:
    """Notes 000, lines 10 to 19 and 80 to 143, and 004, lines 9 to 13."""
    yield from _one_sample(example(samples=1))
    yield from _many_samples(example(samples=6))


def _one_sample(one: Example) -> Claims:
    """The three equations, three times over."""
    last, delta = one.auto.deltas[2].T, one.auto.deltas[1].T  # columns
    W_next, b = one.network.weights[2].T, one.network.biases[1]  # W (in, out)
    a, slope = one.network.a[1].T, (one.network.a[2] * (1 - one.network.a[2])).T
    auto_db = one.auto.biases[1]
    hidden = (W_next @ last) * slope, delta, one.hand.deltas[1].T
    bias = delta[:, 0], auto_db, one.hand.biases[1]
    weight = a @ delta.T, one.auto.weights[1].T, one.hand.weights[1].T
    of_weight = "∂L/∂W, (hₗ₋₁, hₗ) from hₗ₋₁ × 1 and 1 × hₗ"
    yield from equations(Network.backward,
        ("000:10", "δ of a hidden layer, W (in, out)", "(Wˡ⁺¹δˡ⁺¹) ⊙ σ′(zˡ)", *hidden),
        ("000:14", "∂L/∂b of one example", "δˡ", *bias),
        ("000:19", of_weight, "aˡ⁻¹(δˡ)ᵀ", *weight),
        ("004:9", "δ of a hidden layer, W (in, out)", "(Wˡ⁺¹δˡ⁺¹) ⊙ σ′(zˡ)", *hidden),
        ("004:11", "∂L/∂b of one example", "δˡ", *bias),
        ("004:13", of_weight, "aˡ⁻¹(δˡ)ᵀ", *weight),
        ("000:80", "δ of a hidden layer, W (in, out)", "(Wˡ⁺¹δˡ⁺¹) ⊙ σ′(zˡ)", *hidden),
        ("000:84", "∂L/∂b of one example", "δˡ", *bias),
        ("000:85", of_weight, "aˡ⁻¹(δˡ)ᵀ", *weight))
    yield agrees("000:137", "update of the bias from one example", "bᴸ = bᴸ − η·δᴸ",
        equal(b - 0.1 * delta[:, 0], b - 0.1 * auto_db), Network.step)


def _many_samples(many: Example) -> Claims:
    """The code of note 000 for m examples."""
    m, rows = len(many.y), torch.stack([row.argmax() for row in many.network.a[3]])
    z, labels = many.network.z[2].clone().requires_grad_(), torch.tensor([1, 0, 1, 1, 0, 0])
    into_z = gradient(functional.cross_entropy(z, labels, reduction="sum"), z)
    last, delta = many.auto.deltas[2], many.auto.deltas[1]
    W_next = many.network.weights[2].T
    a, slope = many.network.a[1], many.network.a[2] * (1 - many.network.a[2])
    dW, db = many.auto.weights[1].T, many.auto.biases[1]
    db_of_the_sum = _of_the_sum(many)
    yield agrees("000:113", "δᴸ of m examples, m × c", "aᴸ − yᴸ",
        equal(torch.softmax(z, 1) - one_hot(labels, 2), into_z), functional.cross_entropy)
    yield misprint("000:114", "δ of a hidden layer, m examples", "(δᴸ, Wᴸ⁺¹)ᵀ ⊙ σ′(zᴸ)",
        equal(lambda: (last @ W_next).T * slope, delta), "(δˡ⁺¹(Wˡ⁺¹)ᵀ) ⊙ σ′(zˡ)",
        equal((last @ W_next.T) * slope, delta, many.hand.deltas[1]), Network.backward)
    yield agrees("000:115", "∂L/∂b of m examples", "(1/m) np.sum(δᴸ, axis=0)",
        equal(delta.sum(dim=0) / m, db, many.hand.biases[1]), Network.backward)
    yield misprint("000:116", "∂L/∂W of m examples, hₗ₋₁ × m times m × hₗ", "aᴸ⁻¹·δᴸ",
        equal(a.T @ delta, dW),  # aᴸ⁻¹ as hₗ₋₁ × m, the shape under the formula
        "(1/m) (aˡ⁻¹)ᵀδˡ, the mean like ∂L/∂b",
        equal(a.T @ delta / m, dW, many.hand.weights[1].T), Network.backward)
    yield agrees("000:125", "outputs m × c, one row and one argmax for each example", "m × c",
        equal(float64(many.network.accuracy(many.network.a[0], rows)), float64(1)),
        Network.accuracy)
    yield unreadable("000:139", "the bias b₁ as a list of δ",
        "b₁ = [δ₁, δ₂, … δₙ], each of example (1)",
        "which index counts the examples; Σᵢ δ₁⁽ⁱ⁾ as in line 143",
        equal(delta.sum(0)[0], db_of_the_sum[0]), Network.backward)
    yield agrees("000:143",
        "update of the bias: the sum over examples, m times the mean of line 115",
        "b₁ − γ Σᵢ ∂L/∂b₁⁽ⁱ⁾",
        equal(delta.sum(0), db_of_the_sum, m * many.hand.biases[1]), Network.backward)


def _of_the_sum(many: Example) -> Tensor:
    """∂/∂b² of the loss summed over the samples, by autograd."""
    b = many.network.biases[1].clone().requires_grad_()
    a = torch.sigmoid(many.network.a[1] @ many.network.weights[1].T + b)
    a = torch.sigmoid(a @ many.network.weights[2].T + many.network.biases[2])
    return gradient(((a - many.y) ** 2).sum() / 2, b)
