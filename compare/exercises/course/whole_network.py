"""A whole network: its backward pass, momentum in both forms, and training on digits."""

import torch
from torch import Tensor

from compare.exercises.exercise import MISSING, SIGN, Draw, Exercise, Scope, Source
from manual_backprop.activation.sigmoids import sigmoid_gradient
from manual_backprop.network.losses import LOSSES
from manual_backprop.network.recursion import Network
from manual_backprop.optim import Momentum


def forward(x: Tensor, W: list[Tensor], b: list[Tensor]) -> list[Tensor]:
    """Of a network of sigmoid layers with softmax at the end: a⁰ … aᴸ."""
    a = [x]
    for weight, bias in zip(W, b, strict=True):
        z = a[-1] @ weight.T + bias
        a.append(torch.sigmoid(z))
    a[-1] = torch.softmax(z, dim=1)
    return a


def _network(d: Draw) -> Scope:
    sizes = [d.sizes[c] for c in "ihic"]
    W = [d("hi"), d("ih"), d("ci")]
    return {
        "W": W,
        "a": forward(d("mi"), W, [torch.zeros(n).double() for n in sizes[1:]]),
        "y": d.one_hot("mc"),
    }


def _numbers(*values: object) -> list[Tensor]:
    return [torch.tensor(v, dtype=torch.float64) for v in values]


def _step(d: Draw) -> Scope:
    W, b = [d("hi"), d("ch")], [d("h"), d("c")]
    return {
        "x": d("mi"),
        "y": d.one_hot("mc"),
        "W": W,
        "b": b,
        "velocities": [torch.ones_like(p) for p in (*W, *b)],
        "lr": 0.5,
        "momentum": 0.5,
    }


_MOMENTUM = {"v": [8, -4], "g": [2, 6], "beta": 0.5}


def _velocity(d: Draw) -> Scope:
    return {"v": d.not_zero("i"), "g": d.not_zero("i"), "beta": 0.5 if d.whole else 0.9}


EXERCISES = [
    Exercise(
        "network_backward",
        "network_backward",
        "The whole network",
        "δ, ∂L/∂W, ∂L/∂b",
        """aˡ = σ(zˡ) (sigmoid), zˡ = aˡ⁻¹ Wˡᵀ + bˡ; at the end softmax with cross entropy, averaged over m
W   the list W¹ … Wᴸ, each (nˡ, nˡ⁻¹); a the list a⁰ … aᴸ, each (m, nˡ); y (m, nᴸ) the targets
delta is built from the last layer backwards: put δ of layer l + 1 (in Python W[l] is of layer l + 1) in front of it.""",
        Source(
            Network.backpropagate,
            "delta.insert(0,",
            names={
                "through_σ = ACTIVATIONS[self.activation].gradient": "",
                "W, z, a, m = (self.weights, self.z, self.a, len(y))": "m = len(y)",
                "δ": "delta",
            },
            inline={
                "through_σ": lambda g, z, a: sigmoid_gradient(g, a),
                "sigmoid_gradient": sigmoid_gradient,
                "LOSSES[self.loss].delta": LOSSES["cross-entropy"].delta,
                "Gradients": tuple,
            },
            arguments=("W", "a", "y"),
        ),
        _network,
        {
            "W": _numbers([[1, 0]], [[8], [0]]),
            "a": _numbers([[1, 2]], [[0.5]], [[0.5, 0.5]]),
            "y": [[0, 1]],
        },
        "δ² = (1/2, −1/2); δ¹ = (1/2 · 8 − 1/2 · 0) · 1/4 = 1, so ∂L/∂W¹ = 1 · (1, 2): all of them = "
        "[[1]], [[0.5, -0.5]], [[1, 2]], [[0.25], [-0.25]], [1], [0.5, -0.5]",
        "Lecture note 003: δˡ = (δˡ⁺¹ Wˡ⁺¹) ⊙ σ′(zˡ), from the last layer to the first.",
        "Mind the indices: W[l + 1] leads from the layer of a[l + 1] to the next.",
        wrong={
            "delta.insert(0, delta[0] @ W[l + 1])": MISSING,
            "delta.insert(0, delta[0] @ W[l + 1] * a[l + 1])": MISSING,
            "delta.insert(0, delta[-1] @ W[l + 1] * (1 - a[l + 1]) * a[l + 1])": {
                "another number",
                "raised an error",
            },
            "delta.insert(0, -delta[0] @ W[l + 1] * (1 - a[l + 1]) * a[l + 1])": SIGN,
            "delta.insert(0, delta[0] @ W[l + 1] * (1 - a[l]) * a[l])": {
                "another number",
                "raised an error",
            },
            "delta.append(delta[0] @ W[l + 1] * (1 - a[l + 1]) * a[l + 1])": {"raised an error"},
            "delta.insert(0, delta[0] @ W[l] * (1 - a[l + 1]) * a[l + 1])": {"raised an error"},
        },
        right=(
            "delta.insert(0, (W[l + 1].T @ delta[0].T).T * (a[l + 1] - a[l + 1] ** 2))",
            "slope = a[l + 1] * (1 - a[l + 1])\ndelta = [delta[0] @ W[l + 1] * slope, *delta]",
        ),
    ),
    Exercise(
        "momentum",
        "velocity",
        "Momentum, PyTorch's form",
        "v",
        """v (i)   the velocity so far; g (i) the gradient ∂L/∂w of this step; beta the factor β
Return the new v; w then moves by −η v.""",
        Source(
            Network.descend,
            "v.mul_",
            alone=("v", "g", "beta"),
            names={"momentum": "beta", "share": "1"},
        ),
        _velocity,
        _MOMENTUM,
        "½ · 8 + 2 and ½ · (−4) + 6 = [6, 4]",
        "v ← βv + g: a part of the old velocity stays, the gradient is added.",
        "The gradient is added as it is: it has no factor in this form.",
        wrong={
            "beta * v + (1 - beta) * g": {"extra factor", "another number"},
            "v + g": MISSING,
            "beta * v - g": SIGN | {"another number", "another operation"},
            "beta * (v + g)": {"extra factor", "another number"},
            "g": {"missing term"},
            "beta * v": {"missing term", "missing step"},
            "v + beta * g": {"another tensor", "arguments exchanged"},
        },
        right=("beta * v + g", "torch.add(g, v, alpha=beta)"),
    ),
    Exercise(
        "momentum_mean",
        "velocity",
        "Momentum, the notes' form: a running mean",
        "v",
        """v (i)   the velocity so far; g (i) the gradient ∂L/∂w of this step; beta the factor β
Return the new v; w then moves by −η v.""",
        Source(Momentum.step, "v.mul_(beta)", alone=("v", "g", "beta"), names={"β": "beta"}),
        _velocity,
        _MOMENTUM,
        "½ · 8 + ½ · 2 and ½ · (−4) + ½ · 6 = [5, 1]",
        "Lecture note 001: the velocity is a mean of gradients, the newest with weight 1 − β.",
        "What does v become if g is the same at every step? It must be g.",
        wrong={
            "beta * v + g": MISSING | {"missing term"},
            "(1 - beta) * v + beta * g": {"another tensor", "arguments exchanged"},
            "beta * v + beta * g": {"another tensor", "missing term", "another number"},
            "beta * v - (1 - beta) * g": SIGN | {"another operation"},
            "beta * v + (1 + beta) * g": SIGN | {"another operation"},
            "v + (1 - beta) * g": MISSING,
            "(1 - beta) * g": {"missing term"},
        },
        right=("beta * v + (1 - beta) * g", "torch.lerp(g, v, beta)", "g + beta * (v - g)"),
    ),
]

DIGITS = Exercise(
    "digits",
    "train_step",
    "A network that learns to read digits, with your own layers",
    "W, b",
    """x (m, 64)   images, y (m, 10) the labels, one-hot rows
W, b         the lists of weights and biases; velocities those of W and then of b
lr, momentum η and β. Change W and b in place: your other files are used for the rest.
When the step is right, it trains 64-30-10 on real digits.""",
    Source(
        Network.descend,
        "w.sub_",
        names={
            "self.z, self.a = self.propagate(x)": "a = forward(x, W, b)",
            "_, weights, biases = self.backpropagate(y)": "_, weights, biases = network_backward(W, a, y)",
            "parameters = self.weights + self.biases": "parameters = W + b",
            "self.velocities": "velocities",
            "v.mul_(momentum).add_(g, alpha=share)": "v.copy_(velocity(v, g, momentum))",
        },
        arguments=("x", "y", "W", "b", "velocities", "lr", "momentum"),
        returns="[*W, *b]",
        own={"network_backward": "network_backward", "velocity": "momentum"},
        given=forward,
    ),
    _step,
    {
        "x": [[1, 2]],
        "y": [[0, 1]],
        "W": _numbers([[0, 0]], [[0], [0]]),
        "b": _numbers([0], [0, 0]),
        "velocities": _numbers([[0, 0]], [[0], [0]], [0], [0, 0]),
        "lr": 8.0,
        "momentum": 0.5,
    },
    "a¹ = 1/2, δ² = (1/2, −1/2): W² moves by −8 · (±1/4), b² by −8 · (±1/2), the rest stays = "
    "[[0, 0]], [[-2], [2]], [0], [-4, 4]",
    "w ← w − ηv, for every weight and bias, in place.",
    "The loop has w, v and g: only one of the last two is what w moves along.",
    wrong={
        "w.sub_(g, alpha=lr)": {"another tensor"},
        "w.add_(v, alpha=lr)": SIGN,
        "w.sub_(v)": {"another argument", "missing factor"},
        "w = w - lr * v": {"missing step"},
        "w.copy_(-lr * v)": {"missing term"},
        "w.sub_(v, alpha=momentum)": {"another tensor", "constant factor"},
        "v.sub_(w, alpha=lr)": {"another tensor", "missing step"},
    },
    right=("w -= lr * v", "w.add_(v, alpha=-lr)", "w.copy_(w - lr * v)"),
)
