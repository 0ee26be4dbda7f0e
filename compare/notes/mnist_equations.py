"""System 9: the MNIST network of note 001, 784-160-10, ReLU and softmax, samples in columns.

The equations are held against autograd on seven random images; the shapes of a full batch
are in ``mnist_training.py``. ``manual_backprop.Network`` has samples in rows, so everything is
transposed on the way. The loss of the note is the sum over the samples, the network's the mean.
"""

from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from compare.notes.by_autograd import gradients
from compare.notes.claim import Claims, agrees, equal, equations, fact, misprint, unreadable
from compare.notes.feedforward import random_network
from manual_backprop import Network, functional


# fmt: off
def claims() -> Claims:
    """Note 001, lines 13 to 19 and 82 to 181."""
    network, x = random_network((784, 160, 10), "relu", "cross-entropy", samples=7, seed=16)
    labels = torch.tensor([2, 0, 9, 4, 2, 7, 1])
    for W in network.weights:
        W /= W.shape[1] ** 0.5  # so that no ŷ is 0 or 1
    yield from _loss_and_forward(network, x, labels)
    yield from _backward(network, x, labels)


def forward(x0: Tensor, w_in: Tensor, b_in: Tensor, w_ho: Tensor, b_ho: Tensor) -> list[Tensor]:
    """z₁, a₁, z₂ and ŷ as the note computes them, samples in columns."""
    z1 = w_in @ x0 + b_in
    a1 = torch.relu(z1)
    z2 = w_ho @ a1 + b_ho
    return [z1, a1, z2, torch.softmax(z2, 0)]


def _loss_and_forward(network: Network, x: Tensor, labels: Tensor) -> Claims:
    """What the network computes is named net_…."""
    x0, prediction = x.T, network.forward(x).T
    _, net_a1, net_a2 = (a.T for a in network.a)
    net_z1, net_z2 = (z.T for z in network.z)
    (w_in, w_ho), (b_in, b_ho) = network.weights, (b.unsqueeze(1) for b in network.biases)
    z1, a1, z2, y_hat = forward(x0, w_in, b_in, w_ho, b_ho)
    terms = one_hot(labels, 10).T * y_hat.log()  # y_ri log ŷ_ri
    by_column = -torch.stack([torch.stack(list(terms[:, i])).sum() for i in range(7)])
    each = functional.cross_entropy(z2.T, labels, reduction="none")
    total = functional.cross_entropy(z2.T, labels, reduction="sum")
    yield from equations(functional.cross_entropy,
        ("001:13", "losses of n examples, 1 × n", "−Σ_r y_ri log ŷ_ri", -terms.sum(0), each),
        ("001:17", "loss of column i", "−(y₁ᵢ log ŷ₁ᵢ + y₂ᵢ log ŷ₂ᵢ + …)", by_column, each),
        ("001:19", "the sum over the columns is the cost", "(in words)", by_column.sum(), total),
        ("001:123", "the loss, up to a constant", "−Σ y·log ŷ", -terms.sum(), total))
    yield misprint("001:82", "pre-activation of the hidden layer", "z₁ = w_ho·x₀ + b_ho",
        equal(lambda: w_ho @ x0 + b_ho, net_z1),
        "z₁ = w_in·x₀ + b_in", equal(w_in @ x0 + b_in, net_z1), Network.forward)
    yield misprint("001:127", "pre-activation of the output layer", "z₁ = w_ho·a₁ + b_ho",
        equal(w_ho @ a1 + b_ho, net_z1),
        "z₂ = w_ho·a₁ + b_ho", equal(w_ho @ a1 + b_ho, net_z2), Network.forward)
    yield from equations(Network.forward,
        ("001:94", "activation of the hidden layer", "a₁ = relu(z₁)", net_z1.clamp(min=0), a1),
        ("001:96", "pre-activation of the output", "z₂ = w_ho·a₁ + b_ho", w_ho @ a1 + b_ho, net_z2),
        ("001:115", "the prediction is the last activation", "a₂ = ŷ", net_a2, prediction),
        ("001:125", "the prediction", "ŷ = softmax(z₂)",
         net_z2.exp() / net_z2.exp().sum(0), prediction),
        ("001:129", "activation of the hidden layer", "a₁ = relu(z₁)", z1.clamp(min=0), net_a1),
        ("001:131", "pre-activation of the hidden layer", "z₁ = w_in·x₀ + b_in", z1, net_z1))


def _backward(network: Network, x: Tensor, labels: Tensor) -> Claims:
    """dL/d… is named d_… by autograd, and hand_… by the network; L is the sum of the losses."""
    network.forward(x)
    _, weights, biases = network.backward(labels)  # of the mean
    hand_w_in, hand_w_ho, hand_b_in, hand_b_ho = (7 * g for g in weights + biases)
    x0, y = x.T, one_hot(labels, 10).T.double()
    w_in, w_ho = (W.clone().requires_grad_() for W in network.weights)
    b_in, b_ho = (b.unsqueeze(1).clone().requires_grad_() for b in network.biases)
    z1, a1, z2, y_hat = forward(x0, w_in, b_in, w_ho, b_ho)
    loss = -(y * y_hat.log()).sum()
    d_y_hat, d_z2, d_w_in, d_w_ho = gradients(loss, y_hat, z2, w_in, w_ho)
    d_b_in, d_b_ho = gradients(loss, b_in, b_ho)
    slope = (z1 > 0).double()
    jacobian = torch.stack([torch.diag(p) - torch.outer(p, p) for p in y_hat.T])  # (n, k, m)
    of_softmax = partial(torch.autograd.functional.jacobian, partial(functional.softmax, dim=0))
    through = torch.einsum("kn,nkm,mj,jn->jn", d_y_hat, jacobian, w_ho, slope)
    back = (w_ho.T @ (y_hat - y)) * slope
    right = equal(back @ x0.T, d_w_in, hand_w_in)
    yield unreadable("001:119", "dL/dw_ho, first attempt", "dL/dy, dL/dz₁ × dy/dz₁ × dL/dŷ",
        "crossed out by its writer; lines 143 to 163 derive it", None, Network.backward)
    yield from equations(Network.backward,
        ("001:143", "dL/dw_ho by the chain rule; the same for b_ho", "dL/dŷ × dŷ/dz₂ × dz₂/dw_ho",
         torch.einsum("kn,nkm,jn->mj", d_y_hat, jacobian, a1), d_w_ho, hand_w_ho),
        ("001:147", "dL/dw_in by the chain rule; the same for b_in",
         "dL/dŷ × dŷ/dz₂ × dz₂/da₁ × da₁/dz₁ × dz₁/dw_in", through @ x0.T, d_w_in, hand_w_in))
    yield misprint("001:153", "derivative of the loss for ŷ", "−Σ ŷᵢ·1/ŷᵢ",
        equal(-y_hat * (1 / y_hat), d_y_hat),
        "−yᵢ/ŷᵢ for each i", equal(-y / y_hat, d_y_hat), functional.cross_entropy)
    yield misprint("001:155", "the i-th label", "ŷᵢ",
        fact(((y_hat == 0) | (y_hat == 1)).all(), "ŷ is not one-hot"),
        "yᵢ", fact(((y == 0) | (y == 1)).all() and (y.sum(0) == 1).all(), "y is"),
        functional.cross_entropy)
    yield agrees("001:159", "derivative of softmax", "d/dz₂ (e^zᵢ / Σ e^zᵢ)",
        equal(torch.stack([of_softmax(z) for z in z2.detach().T]), jacobian), functional.softmax)
    yield agrees("001:163", "dL/dz₂", "ŷ − y", equal(y_hat - y, d_z2), functional.cross_entropy)
    yield from equations(Network.backward,
        ("001:165", "dL/dw_ho", "(ŷ − y)·a₁ᵀ", (y_hat - y) @ a1.T, d_w_ho, hand_w_ho),
        ("001:181", "dL/db_ho, by the same steps", "(in words)",
         (y_hat - y).sum(1), d_b_ho[:, 0], hand_b_ho))
    # The derivative of the softmax is in ŷ − y already.
    yield misprint("001:167", "dL/dw_in", "(ŷ − y) × d softmax(z₂)/dz₁",
        equal(torch.einsum("kn,nkm->mn", y_hat - y, jacobian), d_w_in),
        "(ŷ − y) × w_ho × relu′(z₁) × x₀, as in line 170", right, Network.backward)
    yield agrees("001:170", "dL/dw_in, the factors in the order of the chain",
        "(ŷ − y) × w_ho × relu′(z₁) × x₀",
        equal(torch.einsum("kn,kj,jn,in->ji", y_hat - y, w_ho, slope, x0), d_w_in, hand_w_in),
        Network.backward)
    yield misprint("001:173", "dL/dw_in as matrices", "(w_hoᵀ·ŷ − y)·x₀ᵀ × relu′(z)",
        equal(lambda: ((w_ho.T @ (y_hat - y)) @ x0.T) * slope, d_w_in),
        "((w_hoᵀ(ŷ − y)) ⊙ relu′(z₁))·x₀ᵀ", right, Network.backward)
    yield agrees("001:181", "dL/db_in, by the same steps", "(in words)",
        equal(back.sum(1), d_b_in[:, 0], hand_b_in), Network.backward)
