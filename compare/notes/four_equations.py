"""System 8: the four equations of backpropagation, index by index and boxed (notes 003, 002).

Samples in columns, W (out, in): z = W a + b, ∂L/∂W = δ aᵀ. The other layout is in
``weights_in_out.py``. ``manual_backprop.Network`` has samples in rows and W (out, in); each row is
held against autograd and, transposed where it has to be, against the network.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from compare.notes.by_autograd import gradient, gradients, record
from compare.notes.claim import Claims, agrees, equal, equations, misprint, unreadable
from compare.notes.feedforward import random_network
from manual_backprop import Network, functional
from manual_backprop.network import Gradients


class Example(NamedTuple):
    """A network 5-4-3-2 after its backward pass, and what autograd says about the same loss.

    The loss is the mean over m samples of ½‖ŷ − y‖², so with m = 1 it is that of the sample.
    """

    network: Network
    y: Tensor
    hand: Gradients
    auto: Gradients
    """δˡ, here m · ∂L/∂zˡ, ∂L/∂Wˡ and ∂L/∂bˡ by autograd; samples in rows."""


def example(samples: int) -> Example:
    """The example with ``samples`` random rows."""
    network, x = random_network((5, 4, 3, 2), "sigmoid", "squared-error", samples, seed=14)
    y = torch.rand(samples, 2, generator=torch.Generator().manual_seed(15), dtype=torch.float64)
    network.forward(x)
    weights, biases, z, a = record(network, x)
    loss = ((a[3] - y) ** 2).sum() / (2 * samples)
    found = list(gradients(loss, *z, *weights, *biases))
    auto = Gradients([samples * d for d in found[:3]], found[3:6], found[6:])
    return Example(network, y, network.backward(y), auto)


# fmt: off
def claims() -> Claims:
    """Notes 003, lines 5 to 93, and 002, lines 677 to 695."""
    one = example(samples=1)
    yield from _gradients(one)
    yield from _last_layer(one)
    yield from _layer_before(one)
    yield from _boxed(one)
    yield from _mean(example(samples=6))


def _gradients(one: Example) -> Claims:
    """z, ∂L/∂w and ∂L/∂b of a layer, index by index: layer 2, with 3 neurons, above 4."""
    network, a1 = one.network, one.network.a[1][0]
    W, b = network.weights[1], network.biases[1]
    z = torch.stack([sum(W[j, k] * a1[k] for k in range(4)) + b[j] for j in range(3)])
    d = one.auto.deltas[1][0]
    dW, hand_dW = one.auto.weights[1], one.hand.weights[1]
    db, hand_db = one.auto.biases[1], one.hand.biases[1]
    yield from equations(Network.forward,
        ("003:5", "neuron j of layer l", "z_j = Σ_k w_jk a_k + b_j", z, network.z[1][0]),
        ("003:7", "neuron k of layer l − 1", "a_k = σ(z_k)",
         functional.sigmoid(network.z[0][0]), a1))
    yield misprint("003:11", "∂L/∂w_jk", "d_j a_j, a of layer l − 1",
        equal((d * a1[:3]).unsqueeze(1).expand(3, 4), dW),
        "d_j a_k", equal(torch.einsum("j,k->jk", d, a1), dW, hand_dW), Network.backward)
    yield agrees("003:13", "∂L/∂b_j", "d_j", equal(d, db, hand_db), Network.backward)
    yield misprint("002:692", "∂L/∂b_i", "δ_j",
        equal(d.expand(3, 3), db.unsqueeze(1).expand(3, 3)),  # row i, column j
        "δ_i", equal(d, db, hand_db), Network.backward)
    yield misprint("002:695", "∂L/∂w_ik", "a_k δ_j",
        equal(torch.einsum("k,j->kj", a1, d).expand(3, 4, 3), dW.unsqueeze(2).expand(3, 4, 3)),
        "a_k δ_i", equal(torch.einsum("k,i->ik", a1, d), dW, hand_dW), Network.backward)


def _last_layer(one: Example) -> Claims:
    """Note 003's derivation of d for the final layer F."""
    a = one.network.a[3][0]
    d_loss, slope = a - one.y[0], a * (1 - a)
    jacobian = torch.diag(slope)  # ∂a_k/∂z_j of an elementwise σ
    truths = one.auto.deltas[2][0], one.hand.deltas[2][0]
    yield from equations(Network.backward,
        ("003:26", "d of the final layer", "Σ_k ∂L/∂a_k ∂a_k/∂z_j",
         torch.einsum("k,kj->j", d_loss, jacobian), *truths),
        ("003:28", "d of the final layer", "∂L/∂a_j ∂a_j/∂z_j",
         d_loss * jacobian.diagonal(), *truths),
        ("003:30", "d of the final layer", "∂L/∂a_j σ′(z_j)", d_loss * slope, *truths),
        ("003:39", "d of the final layer", "∇L ⊙ σ′(z)", d_loss * slope, *truths))


def _layer_before(one: Example) -> Claims:
    """Note 003's derivation of d for layer l = 2 from the d of layer 3."""
    W, b = one.network.weights[2], one.network.biases[2]
    a, z3 = one.network.a[2][0], one.network.z[2][0]
    z = one.network.z[1][0].clone().requires_grad_()
    _, d, d_next = (deltas[0] for deltas in one.auto.deltas)
    slope = a * (1 - a)
    z_next = functional.linear(functional.sigmoid(z), W, b)
    to_next = torch.stack([gradient(z_next[k], z) for k in range(2)])  # ∂z_k(l + 1)/∂z_j(l)
    by_sum = torch.stack([sum(W[k, j] * a[j] for j in range(3)) + b[k] for k in range(2)])
    yield from equations(Network.backward,
        ("003:49", "d of layer l", "Σ_k ∂L/∂z_k ∂z_k/∂z_j", d_next @ to_next, d),
        ("003:53", "d of layer l", "Σ_k d_k ∂z_k/∂z_j",
         torch.einsum("k,kj->j", d_next, to_next), d),
        ("003:55", "z of layer l + 1", "Σ_j w_kj a_j + b_k", by_sum, z3),
        ("003:59", "z of layer l + 1", "Σ_j w_kj σ(z_j) + b_k", W @ torch.sigmoid(z) + b, z3),
        ("003:61", "∂z_k of layer l + 1 by ∂z_j of layer l", "w_kj σ′(z_j)", W * slope, to_next),
        ("003:63", "d of layer l", "Σ_k w_kj d_k σ′(z_j)",
         torch.einsum("kj,k->j", W, d_next) * slope, d))


def _boxed(one: Example) -> Claims:
    """The equations as columns."""
    _, before, last = (delta.T for delta in one.auto.deltas)
    _, hand_before, hand_last = (delta.T for delta in one.hand.deltas)
    _, _, slope, slope_last = ((a * (1 - a)).T for a in one.network.a)
    output = (one.network.a[3] - one.y).T * slope_last
    hidden = (one.network.weights[2].T @ last) * slope
    yield agrees("002:686", "δᴸ", "∂L/∂ŷ ⊙ σ′(zᴸ)",
        equal(output, last, hand_last), Network.backward)
    yield unreadable("002:677", "remark beside the chain rule", "δᴸ = σ_L/∂V̂ · σ′(zᴸ)",
        "numerator and denominator; ∂L/∂ŷ", equal(output, last), Network.backward)
    yield from equations(Network.backward,
        ("003:65", "δˡ, W (out, in)", "((Wˡ⁺¹)ᵀδˡ⁺¹) ⊙ σ′(zˡ)", hidden, before, hand_before),
        ("002:689", "δˡ, W (out, in)", "((Wˡ⁺¹)ᵀδˡ⁺¹) ⊙ σ′(zˡ)", hidden, before, hand_before))


def _mean(many: Example) -> Claims:
    """Note 003: the gradient of the mean loss is the mean of the samples' gradients."""
    a, d, n = many.network.a[3], many.auto.deltas[1], len(many.y)
    mean = (((a - many.y) ** 2).sum(1) / 2).sum() / n
    each = torch.einsum("nj,nk->njk", d, many.network.a[1])  # ∂Lᵢ/∂w_jk of every sample
    shares = torch.full((n,), 1 / n, dtype=torch.float64)  # ∂L_T/∂Lᵢ
    dW, db = ((auto[1], hand[1]) for auto, hand in zip(many.auto[1:], many.hand[1:], strict=True))
    yield agrees("003:69", "total loss", "L_T = (1/n) Σ Lᵢ",
        equal(mean, functional.squared_error_loss(a, many.y, reduction="mean")),
        functional.squared_error_loss)
    yield from equations(Network.backward,
        ("003:87", "∂L_T/∂w", "Σ ∂L_T/∂Lᵢ ∂Lᵢ/∂w", torch.einsum("n,njk->jk", shares, each), *dW),
        ("003:91", "∂L_T/∂w", "(1/n) Σ ∂Lᵢ/∂w", each.sum(0) / n, *dW),
        ("003:93", "∂L_T/∂b", "(1/n) Σ ∂Lᵢ/∂b", d.sum(0) / n, *db))
