"""System 9: the MNIST network of note 001, 784-160-10, ReLU and softmax, samples in columns.

The equations are held against autograd on seven random images; the shapes of a full batch
are in ``mnist_training.py``. ``manual_backprop.Network`` has samples in rows, so everything is
transposed on the way. The loss of the note is the sum over the samples, the network's the mean.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from compare.notes.feedforward import FORWARD, random_network
from compare.notes.row import Row, agrees, equal, fact, gradients, misprint, unreadable
from manual_backprop import functional
from manual_backprop.network import Network

BACKWARD = "manual_backprop.Network.backward"
CROSS_ENTROPY = "manual_backprop.functional.cross_entropy"


class Example(NamedTuple):
    """Seven images in the notes' letters, all in columns."""

    network: Network
    x0: Tensor
    z1: Tensor
    a1: Tensor
    z2: Tensor
    y_hat: Tensor
    y: Tensor
    w_in: Tensor
    b_in: Tensor
    w_ho: Tensor
    b_ho: Tensor
    auto: dict[str, Tensor]
    """The gradient for each of these by autograd, under its name."""
    hand: dict[str, Tensor]
    """Those for the weights and biases by the network, times 7."""


def example() -> Example:
    """The network, its forward pass and its gradients."""
    network, x = random_network((784, 160, 10), "relu", "cross-entropy", samples=7, seed=16)
    labels = torch.tensor([2, 0, 9, 4, 2, 7, 1])
    for W in network.weights:
        W /= W.shape[1] ** 0.5  # so that no ŷ is 0 or 1
    network.forward(x)
    hand = network.backward(labels)
    names = ("w_in", "w_ho", "b_in", "b_ho")
    by_hand = [*hand.weights, *hand.biases]
    w_in, w_ho = (W.clone().requires_grad_() for W in network.weights)
    b_in, b_ho = (b.unsqueeze(1).clone().requires_grad_() for b in network.biases)
    z1 = w_in @ x.T + b_in
    a1 = torch.relu(z1)
    z2 = w_ho @ a1 + b_ho
    y_hat = torch.softmax(z2, 0)
    y = one_hot(labels, 10).T.double()
    loss = -(y * y_hat.log()).sum()
    inputs = {"y_hat": y_hat, "z2": z2, "a1": a1, "z1": z1}
    inputs |= {"w_in": w_in, "w_ho": w_ho, "b_in": b_in, "b_ho": b_ho}
    auto = dict(zip(inputs, gradients(loss, *inputs.values()), strict=True))
    return Example(
        network, x.T, z1, a1, z2, y_hat, y, w_in, b_in, w_ho, b_ho, auto,
        {name: 7 * g for name, g in zip(names, by_hand, strict=True)},
    )  # fmt: skip


def rows() -> Iterator[Row]:
    """The equations of system 9; data, shapes and training are in ``mnist_training.py``."""
    e = example()
    yield from _loss(e)
    yield from _forward(e)
    yield from _output(e)
    yield from _backward(e)


def _loss(e: Example) -> Iterator[Row]:
    logs = e.y_hat.log()
    labels = e.y.argmax(0)
    each = functional.cross_entropy(e.z2.T, labels, reduction="none")
    terms = [[e.y[r, i] * logs[r, i] for r in range(10)] for i in range(7)]
    by_row = -torch.stack([torch.stack(column).sum() for column in terms])
    total = functional.cross_entropy(e.z2.T, labels, reduction="sum")
    for line, claim, printed, value, truth in (
        (13, "losses of n examples, 1 × n", "−Σ_r y_ri log ŷ_ri", -(e.y * logs).sum(0), each),
        (17, "loss of column i", "−(y₁ᵢ log ŷ₁ᵢ + y₂ᵢ log ŷ₂ᵢ + …)", by_row, each),
        (19, "the sum over the columns is the cost", "(in words)", by_row.sum(), total),
        (123, "the loss, up to a constant", "−Σ y·log ŷ", -(e.y * logs).sum(), total),
    ):
        yield agrees(f"001:{line}", claim, printed, equal(value, truth), CROSS_ENTROPY)


def _forward(e: Example) -> Iterator[Row]:
    network, y_hat = e.network, e.network.a[2].T
    z1, z2 = (z.T for z in network.z)
    yield misprint(
        "001:82",
        "pre-activation of the hidden layer",
        "z₁ = w_ho·x₀ + b_ho",
        equal(lambda: e.w_ho @ e.x0 + e.b_ho, z1),
        "z₁ = w_in·x₀ + b_in",
        equal(e.w_in @ e.x0 + e.b_in, z1),
        FORWARD,
    )
    yield misprint(
        "001:127",
        "pre-activation of the output layer",
        "z₁ = w_ho·a₁ + b_ho",
        equal(e.w_ho @ e.a1 + e.b_ho, z1),
        "z₂ = w_ho·a₁ + b_ho",
        equal(e.w_ho @ e.a1 + e.b_ho, z2),
        FORWARD,
    )
    for line, claim, printed, value, truth in (
        (94, "activation of the hidden layer", "a₁ = relu(z₁)", z1.clamp(min=0), e.a1),
        (96, "pre-activation of the output", "z₂ = w_ho·a₁ + b_ho", e.w_ho @ e.a1 + e.b_ho, z2),
        (115, "the prediction is the last activation", "a₂ = ŷ", network.a[2].T, y_hat),
        (125, "the prediction", "ŷ = softmax(z₂)", z2.exp() / z2.exp().sum(0), y_hat),
        (129, "activation of the hidden layer", "a₁ = relu(z₁)", e.z1.clamp(min=0), network.a[1].T),
        (131, "pre-activation of the hidden layer", "z₁ = w_in·x₀ + b_in", e.z1, z1),
    ):
        yield agrees(f"001:{line}", claim, printed, equal(value, truth), FORWARD)


def _output(e: Example) -> Iterator[Row]:
    """From the loss to z₂ and w_ho."""
    auto, hand, y_hat = e.auto, e.hand, e.y_hat
    yield unreadable(
        "001:119",
        "dL/dw_ho, first attempt",
        "dL/dy, dL/dz₁ × dy/dz₁ × dL/dŷ",
        "crossed out by its writer; lines 143 to 163 derive it",
        BACKWARD,
    )
    jacobian = torch.stack([torch.diag(p) - torch.outer(p, p) for p in y_hat.T])  # (n, k, m)
    chain = torch.einsum("kn,nkm,jn->mj", auto["y_hat"], jacobian, e.a1)
    yield agrees(
        "001:143",
        "dL/dw_ho by the chain rule; the same for b_ho",
        "dL/dŷ × dŷ/dz₂ × dz₂/dw_ho",
        equal(chain, auto["w_ho"], hand["w_ho"]),
        BACKWARD,
    )
    slope = (e.z1 > 0).double()
    through = torch.einsum("kn,nkm,mj,jn->jn", auto["y_hat"], jacobian, e.w_ho, slope)
    yield agrees(
        "001:147",
        "dL/dw_in by the chain rule; the same for b_in",
        "dL/dŷ × dŷ/dz₂ × dz₂/da₁ × da₁/dz₁ × dz₁/dw_in",
        equal(through @ e.x0.T, auto["w_in"], hand["w_in"]),
        BACKWARD,
    )
    yield misprint(
        "001:153",
        "derivative of the loss for ŷ",
        "−Σ ŷᵢ·1/ŷᵢ",
        equal(-y_hat * (1 / y_hat), auto["y_hat"]),
        "−yᵢ/ŷᵢ for each i",
        equal(-e.y / y_hat, auto["y_hat"]),
        CROSS_ENTROPY,
    )
    yield misprint(
        "001:155",
        "the i-th label",
        "ŷᵢ",
        fact(((y_hat == 0) | (y_hat == 1)).all(), "ŷ is not one-hot"),
        "yᵢ",
        fact(((e.y == 0) | (e.y == 1)).all() and (e.y.sum(0) == 1).all(), "y is"),
        CROSS_ENTROPY,
    )
    yield agrees(
        "001:159",
        "derivative of softmax",
        "d/dz₂ (e^zᵢ / Σ e^zᵢ)",
        equal(
            torch.stack([torch.autograd.functional.jacobian(_softmax, z) for z in e.z2.detach().T]),
            jacobian,
        ),
        "manual_backprop.functional.softmax",
    )
    yield agrees("001:163", "dL/dz₂", "ŷ − y", equal(y_hat - e.y, auto["z2"]), CROSS_ENTROPY)
    yield agrees(
        "001:165",
        "dL/dw_ho",
        "(ŷ − y)·a₁ᵀ",
        equal((y_hat - e.y) @ e.a1.T, auto["w_ho"], hand["w_ho"]),
        BACKWARD,
    )
    yield agrees(
        "001:181",
        "dL/db_ho, by the same steps",
        "(in words)",
        equal((y_hat - e.y).sum(1), auto["b_ho"][:, 0], hand["b_ho"]),
        BACKWARD,
    )


def _softmax(z: Tensor) -> Tensor:
    return functional.softmax(z, 0)


def _backward(e: Example) -> Iterator[Row]:
    """From z₂ to w_in."""
    auto, hand = e.auto, e.hand
    delta, slope = e.y_hat - e.y, (e.z1 > 0).double()
    right = ((e.w_ho.T @ delta) * slope) @ e.x0.T
    check = equal(right, auto["w_in"], hand["w_in"])
    jacobian = torch.stack([torch.diag(p) - torch.outer(p, p) for p in e.y_hat.T])
    twice = torch.einsum("kn,nkm->mn", delta, jacobian)  # the softmax is in ŷ − y already
    yield misprint(
        "001:167",
        "dL/dw_in",
        "(ŷ − y) × d softmax(z₂)/dz₁",
        equal(twice, auto["w_in"]),
        "(ŷ − y) × w_ho × relu′(z₁) × x₀, as in line 170",
        check,
        BACKWARD,
    )
    yield agrees(
        "001:170",
        "dL/dw_in, the factors in the order of the chain",
        "(ŷ − y) × w_ho × relu′(z₁) × x₀",
        equal(
            torch.einsum("kn,kj,jn,in->ji", delta, e.w_ho, slope, e.x0),
            auto["w_in"],
            hand["w_in"],
        ),
        BACKWARD,
    )
    yield misprint(
        "001:173",
        "dL/dw_in as matrices",
        "(w_hoᵀ·ŷ − y)·x₀ᵀ × relu′(z)",
        equal(lambda: ((e.w_ho.T @ delta) @ e.x0.T) * slope, auto["w_in"]),
        "((w_hoᵀ(ŷ − y)) ⊙ relu′(z₁))·x₀ᵀ",
        check,
        BACKWARD,
    )
    yield agrees(
        "001:181",
        "dL/db_in, by the same steps",
        "(in words)",
        equal(((e.w_ho.T @ delta) * slope).sum(1), auto["b_in"][:, 0], hand["b_in"]),
        BACKWARD,
    )
