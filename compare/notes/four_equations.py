"""System 8: the four equations of backpropagation, index by index and boxed (notes 003, 002).

Samples in columns, W (out, in): z = W a + b, ∂L/∂W = δ aᵀ. The other layouts are in
``layouts.py``. ``manual_backprop.Network`` has samples in rows and W (out, in); each row is held
against autograd and, transposed where it has to be, against the network.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from compare.notes.feedforward import FORWARD, random_network
from compare.notes.row import Row, agrees, equal, gradient, gradients, misprint, unreadable
from manual_backprop import functional
from manual_backprop.network import Gradients, Network

BACKWARD = "manual_backprop.Network.backward"


class Example(NamedTuple):
    """A network 5-4-3-2 after its backward pass, and what autograd says about the same loss.

    The loss is the mean over m samples of ½‖ŷ − y‖², so with m = 1 it is that of the sample.
    """

    network: Network
    y: Tensor
    hand: Gradients
    deltas: list[Tensor]
    """δˡ = m · ∂L/∂zˡ, samples in rows, by autograd."""
    weights: list[Tensor]
    """∂L/∂Wˡ by autograd."""
    biases: list[Tensor]
    """∂L/∂bˡ by autograd."""


def example(samples: int) -> Example:
    """The example with ``samples`` random rows."""
    network, x = random_network((5, 4, 3, 2), "sigmoid", "squared-error", samples, seed=14)
    y = torch.rand(samples, 2, generator=torch.Generator().manual_seed(15), dtype=torch.float64)
    network.forward(x)
    weights = [W.clone().requires_grad_() for W in network.weights]
    biases = [b.clone().requires_grad_() for b in network.biases]
    a, z = x, []
    for W, b in zip(weights, biases, strict=True):
        z.append(a @ W.T + b)
        a = torch.sigmoid(z[-1])
    auto = list(gradients(((a - y) ** 2).sum() / (2 * samples), *z, *weights, *biases))
    deltas = [samples * d for d in auto[:3]]
    return Example(network, y, network.backward(y), deltas, auto[3:6], auto[6:])


def rows() -> Iterator[Row]:
    """The rows of notes 003 and 002 in system 8."""
    one = example(samples=1)
    yield from _gradients(one)
    yield from _last_layer(one)
    yield from _layer_before(one)
    yield from _boxed(one)
    yield from _mean(example(samples=6))


def _gradients(one: Example) -> Iterator[Row]:
    """z, ∂L/∂w and ∂L/∂b of a layer, index by index: layer 2, with 3 neurons, above 4."""
    a1 = one.network.a[1][0]
    W, b = one.network.weights[1], one.network.biases[1]
    z = torch.stack([sum(W[j, k] * a1[k] for k in range(4)) + b[j] for j in range(3)])
    z_above = one.network.z[0][0]
    for line, claim, printed, value, truth in (
        (5, "neuron j of layer l", "z_j = Σ_k w_jk a_k + b_j", z, one.network.z[1][0]),
        (7, "neuron k of layer l − 1", "a_k = σ(z_k)", functional.sigmoid(z_above), a1),
    ):
        yield agrees(f"003:{line}", claim, printed, equal(value, truth), FORWARD)
    d = one.deltas[1][0]
    dW, db, hand = one.weights[1], one.biases[1], one.hand
    yield misprint(
        "003:11",
        "∂L/∂w_jk",
        "d_j a_j, a of layer l − 1",
        equal((d * a1[:3]).unsqueeze(1).expand(3, 4), dW),
        "d_j a_k",
        equal(torch.einsum("j,k->jk", d, a1), dW, hand.weights[1]),
        BACKWARD,
    )
    yield agrees("003:13", "∂L/∂b_j", "d_j", equal(d, db, hand.biases[1]), BACKWARD)
    yield misprint(
        "002:692",
        "∂L/∂b_i",
        "δ_j",
        equal(d.expand(3, 3), db.unsqueeze(1).expand(3, 3)),  # row i, column j
        "δ_i",
        equal(d, db, hand.biases[1]),
        BACKWARD,
    )
    yield misprint(
        "002:695",
        "∂L/∂w_ik",
        "a_k δ_j",
        equal(torch.einsum("k,j->kj", a1, d).expand(3, 4, 3), dW.unsqueeze(2).expand(3, 4, 3)),
        "a_k δ_i",
        equal(torch.einsum("k,i->ik", a1, d), dW, hand.weights[1]),
        BACKWARD,
    )


def _last_layer(one: Example) -> Iterator[Row]:
    """Note 003's derivation of d for the final layer F."""
    a = one.network.a[3][0]
    d_loss, slope = a - one.y[0], a * (1 - a)
    jacobian = torch.diag(slope)  # ∂a_k/∂z_j of an elementwise σ
    for line, printed, value in (
        (26, "Σ_k ∂L/∂a_k ∂a_k/∂z_j", torch.einsum("k,kj->j", d_loss, jacobian)),
        (28, "∂L/∂a_j ∂a_j/∂z_j", d_loss * jacobian.diagonal()),
        (30, "∂L/∂a_j σ′(z_j)", d_loss * slope),
        (39, "∇L ⊙ σ′(z)", (d_loss * slope)),
    ):
        check = equal(value, one.deltas[2][0], one.hand.deltas[2][0])
        yield agrees(f"003:{line}", "d of the final layer", printed, check, BACKWARD)


def _layer_before(one: Example) -> Iterator[Row]:
    """Note 003's derivation of d for layer l = 2 from the d of layer 3."""
    W, b = one.network.weights[2], one.network.biases[2]
    a, z3 = one.network.a[2][0], one.network.z[2][0]
    z = one.network.z[1][0].clone().requires_grad_()
    d, d_next = one.deltas[1][0], one.deltas[2][0]
    slope = a * (1 - a)
    z_next = functional.linear(functional.sigmoid(z), W, b)
    to_next = torch.stack([gradient(z_next[k], z) for k in range(2)])  # ∂z_k(l + 1)/∂z_j(l)
    by_sum = torch.stack([sum(W[k, j] * a[j] for j in range(3)) + b[k] for k in range(2)])
    factored = torch.einsum("kj,k->j", W, d_next) * slope
    for line, claim, printed, value, truth in (
        (49, "d of layer l", "Σ_k ∂L/∂z_k ∂z_k/∂z_j", d_next @ to_next, d),
        (53, "d of layer l", "Σ_k d_k ∂z_k/∂z_j", torch.einsum("k,kj->j", d_next, to_next), d),
        (55, "z of layer l + 1", "Σ_j w_kj a_j + b_k", by_sum, z3),
        (59, "z of layer l + 1", "Σ_j w_kj σ(z_j) + b_k", W @ torch.sigmoid(z) + b, z3),
        (61, "∂z_k of layer l + 1 by ∂z_j of layer l", "w_kj σ′(z_j)", W * slope, to_next),
        (63, "d of layer l", "Σ_k w_kj d_k σ′(z_j)", factored, d),
    ):
        yield agrees(f"003:{line}", claim, printed, equal(value, truth), BACKWARD)


def _boxed(one: Example) -> Iterator[Row]:
    """The equations as columns."""
    last, before = one.deltas[2].T, one.deltas[1].T
    by_hand = one.hand.deltas
    W = one.network.weights[2]
    slopes = [(a * (1 - a)).T for a in one.network.a]
    output = (one.network.a[3] - one.y).T * slopes[3]
    yield agrees("002:686", "δᴸ", "∂L/∂ŷ ⊙ σ′(zᴸ)", equal(output, last, by_hand[2].T), BACKWARD)
    yield unreadable(
        "002:677",
        "remark beside the chain rule",
        "δᴸ = σ_L/∂V̂ · σ′(zᴸ)",
        "numerator and denominator; ∂L/∂ŷ",
        BACKWARD,
        equal(output, last),
    )
    for place in ("003:65", "002:689"):
        yield agrees(
            place,
            "δˡ, W (out, in)",
            "((Wˡ⁺¹)ᵀδˡ⁺¹) ⊙ σ′(zˡ)",
            equal((W.T @ last) * slopes[2], before, by_hand[1].T),
            BACKWARD,
        )


def _mean(many: Example) -> Iterator[Row]:
    """Note 003: the gradient of the mean loss is the mean of the samples' gradients."""
    a = many.network.a[3]
    losses = ((a - many.y) ** 2).sum(1) / 2
    n = len(losses)
    yield agrees(
        "003:69",
        "total loss",
        "L_T = (1/n) Σ Lᵢ",
        equal(losses.sum() / n, functional.squared_error_loss(a, many.y, reduction="mean")),
        "manual_backprop.functional.squared_error_loss",
    )
    d = many.deltas[1]
    each = torch.einsum("nj,nk->njk", d, many.network.a[1])  # ∂Lᵢ/∂w_jk of every sample
    shares = torch.full((n,), 1 / n, dtype=torch.float64)  # ∂L_T/∂Lᵢ
    chain = torch.einsum("n,njk->jk", shares, each)
    dW, db = (many.weights[1], many.hand.weights[1]), (many.biases[1], many.hand.biases[1])
    for line, claim, printed, value, truths in (
        (87, "∂L_T/∂w", "Σ ∂L_T/∂Lᵢ ∂Lᵢ/∂w", chain, dW),
        (91, "∂L_T/∂w", "(1/n) Σ ∂Lᵢ/∂w", each.sum(0) / n, dW),
        (93, "∂L_T/∂b", "(1/n) Σ ∂Lᵢ/∂b", d.sum(0) / n, db),
    ):
        yield agrees(f"003:{line}", claim, printed, equal(value, *truths), BACKWARD)
