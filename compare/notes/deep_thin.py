"""System 12: a deep thin network; who is responsible for the loss, and how δ fades with depth."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from compare.notes.feedforward import random_network
from compare.notes.row import Row, agrees, equal, fact, gradients, misprint
from manual_backprop.network import Network

BACKWARD = "manual_backprop.Network.backward"
HERE = "compare.notes.deep_thin"

# Initial weights are drawn from N(0, gain/n): Glorot's for the sigmoid, He's for ReLU, each the
# usual choice for its activation.
GAIN = {"sigmoid": 1.0, "tanh": 1.0, "relu": 2.0}


def delta_by_layer(activation: str, depth: int = 12, width: int = 16, seed: int = 20) -> Tensor:
    """‖δˡ‖ / ‖δᴸ‖ of each layer l = 1 … L, first to last, over 64 random samples; (depth)."""
    g = torch.Generator().manual_seed(seed)
    sizes = [width] * depth + [2]
    network = Network(sizes, activation, "cross-entropy", dtype=torch.float64)
    for W, b in zip(network.weights, network.biases, strict=True):
        W.normal_(generator=g).mul_(math.sqrt(GAIN[activation] / W.shape[1]))
        b.zero_()
    network.forward(torch.randn(64, width, generator=g, dtype=torch.float64))
    deltas = network.backward(torch.randint(2, (64,), generator=g)).deltas
    norms = torch.stack([delta.norm() for delta in deltas])
    return norms / norms[-1]


def rows() -> Iterator[Row]:
    """The rows of system 12."""
    network, x = random_network((1, 1, 1, 1), "sigmoid", "bce", samples=1, seed=21)
    network.forward(x)
    y = torch.ones(1, 1, dtype=torch.float64)
    hand = network.backward(y)
    weights = [W.clone().requires_grad_() for W in network.weights]
    a, z = [x], []
    for W, b in zip(weights, network.biases, strict=True):
        z.append(a[-1] @ W.T + b)
        a.append(torch.sigmoid(z[-1]))
    auto = gradients(-a[3].log().sum(), *weights)
    into_loss = -1 / a[3]  # ∂L/∂ŷ for y = 1
    slopes = [out * (1 - out) for out in a[1:]]  # ∂a/∂z of each layer
    w2, w3 = weights[1], weights[2]  # ∂z²/∂a¹ and ∂zᴸ/∂a²
    first = into_loss * slopes[2] * w3 * slopes[1] * w2 * slopes[0] * a[0]
    for line in (636, 650):
        yield agrees(
            f"002:{line}",
            "deep thin network, ∂L/∂W¹₁₁: the product along the chain",
            "∂L/∂ŷ · ∂ŷ/∂zᴸ · ∂zᴸ/∂a² · ∂a²/∂z² · ∂z²/∂a¹ · ∂a¹/∂z¹ · ∂z¹/∂W¹",
            equal(first, auto[0], hand.weights[0]),
            BACKWARD,
        )
    yield agrees(
        "002:650",
        "the same for the second layer, ∂L/∂W²₁₁",
        "∂L/∂ŷ · ∂ŷ/∂zᴸ · ∂zᴸ/∂a² · ∂a²/∂z² · ∂z²/∂W²",
        equal(into_loss * slopes[2] * w3 * slopes[1] * a[1], auto[1], hand.weights[1]),
        BACKWARD,
    )
    # ∂zᴸ/∂W² read as ∂zᴸ/∂Wᴸ = a²: even so the factor ∂ŷ/∂zᴸ is there twice.
    yield misprint(
        "002:650",
        "the same for the last layer, ∂L/∂Wᴸ₁₁",
        "∂L/∂ŷ · ∂ŷ/∂zᴸ · ∂ŷ/∂zᴸ · ∂zᴸ/∂W²",
        equal(into_loss * slopes[2] * slopes[2] * a[2], auto[2]),
        "∂L/∂ŷ · ∂ŷ/∂zᴸ · ∂zᴸ/∂Wᴸ",
        equal(into_loss * slopes[2] * a[2], auto[2], hand.weights[2]),
        BACKWARD,
    )
    nudge = 1e-6
    W = network.weights[0]
    losses = []
    for change in (nudge, -2 * nudge):
        W += change
        losses.append(network.loss_value(x, y))
    W += nudge
    quotient = (losses[0] - losses[1]) / (2 * nudge)
    yield agrees(
        "002:641",
        "how much the loss changes if W¹₁₁ is changed",
        "∂L/∂W¹₁₁",
        fact(
            abs(quotient - auto[0].item()) < 1e-8,
            f"{quotient:.8f} by moving it, {auto[0].item():.8f} by the product",
        ),
        BACKWARD,
    )
    sigmoid, relu = delta_by_layer("sigmoid"), delta_by_layer("relu")
    yield agrees(
        "002:629",
        "who is responsible for the loss: δ of the first of 12 layers, in parts of the last",
        "(in words)",
        fact(
            sigmoid[0] < 1e-4 and relu[0] > 0.1 and (sigmoid.diff() > 0).all(),
            f"sigmoid {sigmoid[0]:.0e}, fading at each layer; ReLU {relu[0]:.2f}",
        ),
        f"{HERE}.delta_by_layer",
    )
