"""System 12: a deep thin network; who is responsible for the loss, and how δ fades with depth."""

import math

import torch
from torch import Tensor

from compare.notes.by_autograd import gradients, record
from compare.notes.claim import Claims, agrees, equal, equations, fact, misprint
from compare.notes.feedforward import random_network
from manual_backprop import Network

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


# fmt: off
def claims() -> Claims:
    """Note 002, lines 629 to 650."""
    network, x = random_network((1, 1, 1, 1), "sigmoid", "bce", samples=1, seed=21)
    network.forward(x)
    y = torch.ones(1, 1, dtype=torch.float64)
    hand_W1, hand_W2, hand_WL = network.backward(y).weights
    weights, _, _, (a0, a1, a2, y_hat) = record(network, x)
    auto_W1, auto_W2, auto_WL = gradients(-y_hat.log().sum(), *weights)
    into_y_hat = -1 / y_hat  # ∂L/∂ŷ for y = 1
    s1, s2, sL = (a * (1 - a) for a in (a1, a2, y_hat))  # ∂a/∂z of each layer
    _, W2, WL = weights  # ∂z²/∂a¹ and ∂zᴸ/∂a²
    first = into_y_hat * sL * WL * s2 * W2 * s1 * a0
    nudge, moved = 1e-6, []
    for change in (nudge, -2 * nudge):
        network.weights[0] += change
        moved.append(network.loss_value(x, y))
    quotient = (moved[0] - moved[1]) / (2 * nudge)
    sigmoid, relu = delta_by_layer("sigmoid"), delta_by_layer("relu")
    yield from equations(Network.backward,
        ("002:636", "deep thin network, ∂L/∂W¹₁₁: the product along the chain",
         "∂L/∂ŷ · ∂ŷ/∂zᴸ · ∂zᴸ/∂a² · ∂a²/∂z² · ∂z²/∂a¹ · ∂a¹/∂z¹ · ∂z¹/∂W¹",
         first, auto_W1, hand_W1),
        ("002:650", "deep thin network, ∂L/∂W¹₁₁: the product along the chain",
         "∂L/∂ŷ · ∂ŷ/∂zᴸ · ∂zᴸ/∂a² · ∂a²/∂z² · ∂z²/∂a¹ · ∂a¹/∂z¹ · ∂z¹/∂W¹",
         first, auto_W1, hand_W1),
        ("002:650", "the same for the second layer, ∂L/∂W²₁₁",
         "∂L/∂ŷ · ∂ŷ/∂zᴸ · ∂zᴸ/∂a² · ∂a²/∂z² · ∂z²/∂W²",
         into_y_hat * sL * WL * s2 * a1, auto_W2, hand_W2))
    # ∂zᴸ/∂W² read as ∂zᴸ/∂Wᴸ = a²: even so the factor ∂ŷ/∂zᴸ is there twice.
    yield misprint("002:650", "the same for the last layer, ∂L/∂Wᴸ₁₁",
        "∂L/∂ŷ · ∂ŷ/∂zᴸ · ∂ŷ/∂zᴸ · ∂zᴸ/∂W²", equal(into_y_hat * sL * sL * a2, auto_WL),
        "∂L/∂ŷ · ∂ŷ/∂zᴸ · ∂zᴸ/∂Wᴸ", equal(into_y_hat * sL * a2, auto_WL, hand_WL), Network.backward)
    yield agrees("002:641", "how much the loss changes if W¹₁₁ is changed", "∂L/∂W¹₁₁",
        fact(abs(quotient - auto_W1.item()) < 1e-8,
             f"{quotient:.8f} by moving it, {auto_W1.item():.8f} by the product"), Network.backward)
    yield agrees("002:629",
        "who is responsible for the loss: δ of the first of 12 layers, in parts of the last",
        "(in words)",
        fact(sigmoid[0] < 1e-4 and relu[0] > 0.1 and (sigmoid.diff() > 0).all(),
             f"sigmoid {sigmoid[0]:.0e}, fading at each layer; ReLU {relu[0]:.2f}"), delta_by_layer)
