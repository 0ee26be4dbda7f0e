"""System 13: the worked example of note 002, as far as the scan shows its inputs.

The biases are lost with the figure. They are chosen here so that the two activations are the
printed ones, a¹ = 0.37 and ŷ = 0.25; none of the printed gradients depends on more than that.
"""

import torch
from torch import Tensor

from compare.notes.by_autograd import float64, gradients, record
from compare.notes.claim import Claims, agrees, equal, equations, fact, figure, misprint, unreadable
from manual_backprop import Network, functional

X, Y, ETA = 60.0, 1.0, 0.01
W1, W2, A1, Y_HAT = 0.1, 12.0, 0.37, 0.25


def example() -> tuple[Network, Tensor, Tensor]:
    """The network 1-1-1 and its one sample, x (1, 1) and y (1, 1)."""
    network = Network((1, 1, 1), "sigmoid", "bce", dtype=torch.float64)
    for parameter, value in (
        (network.weights[0], W1),
        (network.weights[1], W2),
        (network.biases[0], float64(A1).logit() - W1 * X),
        (network.biases[1], float64(Y_HAT).logit() - W2 * A1),
    ):
        parameter.fill_(value)
    return network, float64([[X]]), float64([[Y]])


# fmt: off
def claims() -> Claims:
    """Note 002, lines 697 to 731."""
    network, x, y = example()
    network.forward(x)
    (delta1, delta2), (dW1, dW2), _ = network.backward(y)
    (w1, w2), _, _, (_, a1, y_hat) = record(network, x)
    loss = functional.binary_cross_entropy(y_hat, y)
    into_y_hat, auto1, auto2 = gradients(loss, y_hat, w1, w2)
    slope = y_hat * (1 - y_hat)  # ∂ŷ/∂z²
    sigmoid = functional.sigmoid(float64(0.5))
    network.step(x, y, lr=ETA)
    new1, new2 = network.weights
    yield agrees("002:701", "∂L/∂w²₁₁ by the chain rule", "∂L/∂ŷ · ∂ŷ/∂z² · ∂z²/∂w²",
        equal(into_y_hat * slope * a1, auto2, dW2), Network.backward)
    yield agrees("002:703", "∂L/∂ŷ = −1/0.25", "−4",
        figure("−4", into_y_hat), functional.binary_cross_entropy)
    yield agrees("002:705", "∂L/∂z² = ŷ − y = 0.25 − 1", "−0.75",
        figure("−0.75", delta2), Network.backward)
    yield agrees("002:707", "∂L/∂w²₁₁ = −0.75·0.37", "−0.2775",
        figure("−0.2775", dW2), Network.backward)
    yield agrees("002:709", "w²₁₁ after the step", "12.0028", figure("12.0028", new2), Network.step)
    yield misprint("002:709", "the gradient in the update of w²₁₁", "∂L/∂w²₂₁",
        fact(len(network.weights[1]) >= 2, "W² has one row, for the one output"),
        "∂L/∂w²₁₁, as in line 707", equal(W2 - ETA * dW2, new2), Network.step)
    yield misprint("002:719", "a¹₁ = σ(z¹₁) at z¹₁ = 0.5", "0.37", figure("0.37", sigmoid),
        "0.62 (0.37 is 1/(1 + e^+0.5), cut off)", figure("0.62", sigmoid), functional.sigmoid)
    yield agrees("002:697", "the input x₁ that ∂L/∂w¹₁₁ = −125.874 was computed with", "60",
        figure("60", -125.874 / (-0.75 * W2 * A1 * (1 - A1))), Network.backward)
    yield from equations(Network.backward,
        ("002:725", "∂L/∂w¹₁₁ by the chain rule", "∂L/∂ŷ · ∂ŷ/∂z² · ∂z²/∂a¹ · ∂a¹/∂z¹ · ∂z¹/∂w¹",
         into_y_hat * slope * w2 * a1 * (1 - a1) * x, auto1, dW1),
        ("002:727", "the same with numbers", "−0.75·w²₁₁·a¹₁(1 − a¹₁)·x₁",
         -0.75 * w2 * a1 * (1 - a1) * x, auto1, dW1))
    yield agrees("002:729", "∂L/∂w¹₁₁", "−125.874", figure("−125.874", dW1), Network.backward)
    yield misprint("002:729", "w¹₁₁ after the step, 0.1 − 0.01·(−125.874)", "1.35",
        figure("1.35", new1), "1.36 (cut off, not rounded)", figure("1.36", new1), Network.step)
    yield unreadable("002:699", "numbers in the figure", "0.047, b², a¹ = ŷ = 0.25",
        "what 0.047 belongs to, and the biases; ŷ is a², 0.25", figure("0.25", y_hat),
        Network.backward)
    yield unreadable("002:731", "the assignment", "∂L/∂w¹₁₃",
        "the input x₃; it is δ¹₁·x₃, and δ¹₁", figure("−2.0979", delta1), Network.backward)
