"""One neuron: the perceptron's rule, the sigmoid neuron, descent, and the slopes of activations."""

import torch
from torch import Tensor

from compare.exercises.exercise import (
    FACTOR,
    INCOMING,
    MEAN,
    MISSING,
    OPERATION,
    PLACE,
    SIGN,
    TARGET,
    ZERO,
    Exercise,
    Source,
)
from compare.notes.perceptron_rule import obeys_the_rule
from manual_backprop.activation.rectifiers import ReLUFunction, relu_gradient
from manual_backprop.activation.sigmoids import (
    SigmoidFunction,
    TanhFunction,
    sigmoid_gradient,
    tanh_gradient,
)
from manual_backprop.perceptron import SigmoidNeuron


def loss(z: Tensor, y: Tensor) -> Tensor:
    """L = ½ (σ(z) − y)² of each example."""
    return (torch.sigmoid(z) - y) ** 2 / 2


def neuron_loss(x: Tensor, w: Tensor, b: Tensor, y: Tensor) -> Tensor:
    """L = ½ Σ (σ(wᵀx + b) − y)²."""
    return ((torch.sigmoid(x @ w + b) - y) ** 2).sum() / 2


EXERCISES = [
    Exercise(
        "perceptron_rule",
        "perceptron_rule",
        "The perceptron's learning rule",
        "w",
        """w (i)   the weights, w₀ = −θ first; x (i) one example with x₀ = 1, which w classifies wrongly
y       its label, 0 or 1""",
        Source(
            obeys_the_rule,
            "expected =",
            alone=("w", "x", "y"),
            names={"before": "w", "ones[i]": "x", "y[i]": "y"},
        ),
        lambda d: {"w": d("i"), "x": d.not_zero("i"), "y": int(d.of("", 0, 1))},
        {"w": [-2, 1, 0], "x": [1, 2, 3], "y": 0},
        "y = 0, so x is subtracted: (−2 − 1, 1 − 2, 0 − 3) = [-3, -1, -3]",
        "Lecture note 002, the learning rule: an example that should fire and does not, and one "
        "that does and should not, move w in opposite directions.",
        "Where y = 1, wᵀx was too small: which w makes it larger by xᵀx?",
        wrong={
            "w + x": {"condition", "sign"},
            "w - x": {"condition", "sign"},
            "w - x if y == 1 else w + x": {"condition", "comparison", "another number"},
            "w + x if y == 1 else w": {"missing term", "condition", "partly wrong"},
            "w + x * y": {"missing term", "condition", "partly wrong"},
            "-w - x if y == 1 else -w + x": SIGN,
        },
        right=("w + (2 * y - 1) * x", "w.add(x) if y else w.sub(x)"),
    ),
    Exercise(
        "neuron_delta",
        "neuron_delta",
        "δ of a sigmoid neuron with squared error",
        "∂L/∂z",
        """L = ½ (a − y)², a = σ(z)
a (m)   the output of the neuron for m examples; y (m) the targets""",
        Source(
            SigmoidNeuron.gradient,
            "delta =",
            alone=("a", "y"),
            names={"_targets(y, rows)": "y"},
        ),
        lambda d: {"z": d("m"), "y": d.of("m", 0, 1)},
        {"z": [0.0], "y": [9.0]},
        "z = 0, so a = 1/2: 1/4 · (1/2 − 9) = −17/8 = [-2.125]",
        "Lecture note 002, gradient descent: the chain rule, ∂L/∂a times ∂a/∂z.",
        "σ′(z) has a formula in a alone, and L = ½ (a − y)² is differentiated as any square.",
        forward=loss,
        of=("z",),
        also=lambda s: {"a": torch.sigmoid(s["z"])},
        wrong={
            "a - y": MISSING,
            "(y - a) * a * (1 - a)": SIGN,
            "(a - y) * a": MISSING,
            "(a - y) * (1 - a)": MISSING,
            "2 * (a - y) * a * (1 - a)": FACTOR,
            "a * a * (1 - a)": TARGET,
            "(a - y) * a * (1 + a)": SIGN | OPERATION,
            "(a - y) * a * (1 - a) / len(a)": MEAN,
        },
        right=("(a - y) * (a - a * a)", "-(y - a) * (a - a ** 2)"),
    ),
    Exercise(
        "neuron_gradient",
        "neuron_gradient",
        "∂L/∂w and ∂L/∂b of a sigmoid neuron",
        "∂L/∂w, ∂L/∂b",
        """L = ½ Σ (a − y)², a = σ(z), z = wᵀx + b, summed over m examples
delta (m)   ∂L/∂z of each example; x (m, i) the examples, one per row
Return both: ∂L/∂w (i) and ∂L/∂b, a single number.""",
        Source(SigmoidNeuron.gradient, "return", alone=("delta", "x"), names={"rows": "x"}),
        lambda d: {"x": d("mi"), "w": d("i"), "b": d(), "y": d.of("m", 0, 1)},
        {"x": [[1, 2], [3, 4]], "w": [0, 0], "b": 0.0, "y": [-7.5, 8.5]},
        "a = 1/2 twice, so δ = (2, −2): 2 · (1, 2) − 2 · (3, 4) and 2 − 2 = [-4, -4], 0",
        "Lecture note 002: ∂z/∂w = x and ∂z/∂b = 1, for each example; the loss sums over them.",
        "Each example adds δ times its x: a sum over the rows, which is a product with a matrix.",
        forward=neuron_loss,
        of=("w", "b"),
        parameters=("w", "b"),
        also=lambda s: {"delta": _delta(s)},
        wrong={
            "delta @ x / len(x), delta.sum()": MEAN,
            "delta @ x, delta.mean()": MEAN,
            "delta @ x, delta": {"not summed over the batch", "wrong shape", "missing step"},
            "-(delta @ x), delta.sum()": SIGN,
            "x.sum(0), delta.sum()": MISSING | INCOMING,
            "delta.sum(), delta @ x": {"results exchanged", "wrong shape"},
            "2 * delta @ x, 2 * delta.sum()": FACTOR,
        },
        right=(
            "(delta[:, None] * x).sum(0), delta.sum()",
            "torch.einsum('m,mi->i', delta, x), torch.ones_like(delta) @ delta",
            "x.T @ delta, sum(delta)",
        ),
    ),
    Exercise(
        "descent_step",
        "descent_step",
        "One step of gradient descent",
        "w, b",
        """w (i) and b     the parameters; grad_w (i) and grad_b their gradients; lr the learning rate η
Return the new w and b.""",
        Source(
            SigmoidNeuron.descend,
            "w, b =",
            alone=("w", "b", "grad_w", "grad_b", "lr"),
            names={"self.w": "w", "self.b": "b"},
        ),
        lambda d: {
            "w": d("i"),
            "b": d(),
            "grad_w": d.not_zero("i"),
            "grad_b": d.not_zero(""),
            "lr": 0.5 if d.whole else 0.3,
        },
        {"w": [1, 2], "b": 3.0, "grad_w": [4, -2], "grad_b": 2.0, "lr": 0.5},
        "(1 − ½·4, 2 − ½·(−2)) and 3 − ½·2 = [-1, 3], 2",
        "Lecture note 002, gradient descent: θ ← θ − η ∂L/∂θ.",
        "The gradient points uphill; η says how far to go.",
        wrong={
            "w + lr * grad_w, b + lr * grad_b": SIGN | OPERATION,
            "w - grad_w, b - grad_b": MISSING,
            "-lr * grad_w, -lr * grad_b": {"missing term"},
            "w - lr * grad_w, b": {"missing term"},
            "w - grad_w / lr, b - grad_b / lr": OPERATION,
            "w - lr * grad_w, b - lr * grad_w": {"wrong shape", "another tensor"},
            "b - lr * grad_b, w - lr * grad_w": {"results exchanged", "wrong shape"},
        },
        right=(
            "torch.sub(w, grad_w, alpha=lr), torch.sub(b, grad_b, alpha=lr)",
            "w.add(grad_w, alpha=-lr), -(lr * grad_b - b)",
        ),
    ),
    Exercise(
        "sigmoid_slope",
        "sigmoid_gradient",
        "σ′ of the sigmoid",
        "∂L/∂z",
        """a = σ(z) = 1 / (1 + e⁻ᶻ), elementwise
g   ∂L/∂a, the incoming gradient; a   the result of the forward; any shape""",
        Source(sigmoid_gradient, "return", names={"input": "z"}),
        lambda d: {"z": d("mi"), "g": d.not_zero("mi")},
        {"z": [[0.0]], "g": [[4.0]]},
        "σ(0) = 1/2: 4 · 1/2 · 1/2 = [[1]]",
        "σ′(z) can be written in terms of σ(z) alone: differentiate 1/(1 + e⁻ᶻ) and collect (lecture note 002).",
        "g times the slope; the slope is largest, 1/4, at a = 1/2, and 0 at a = 0 and a = 1.",
        forward=SigmoidFunction.forward,
        of=("z",),
        incoming="g",
        also=lambda s: {"a": torch.sigmoid(s["z"])},
        wrong={
            "a * (1 - a)": INCOMING | MISSING,
            "g * a * (1 + a)": SIGN | OPERATION,
            "g * a ** 2": {"missing term", "another tensor"},
            "g * (1 - a)": MISSING,
            "g + a * (1 - a)": OPERATION,
            "g * torch.exp(-a) / (1 + torch.exp(-a)) ** 2": PLACE,
        },
        right=("g * (a - a ** 2)", "g / (1 / a + 1 / (1 - a))"),
        entry="Sigmoid",
        formula=("g", "", "a"),
    ),
    Exercise(
        "tanh_slope",
        "tanh_gradient",
        "The slope of tanh",
        "∂L/∂z",
        """a = tanh z = (eᶻ − e⁻ᶻ) / (eᶻ + e⁻ᶻ), elementwise
g   ∂L/∂a, the incoming gradient; a   the result of the forward; any shape""",
        Source(tanh_gradient, "return", names={"input": "z"}),
        lambda d: {"z": d("mi"), "g": d.not_zero("mi")},
        {"z": [[0.0, 0.0]], "g": [[3.0, -1.0]]},
        "tanh 0 = 0, where the slope is 1: 3 · 1 and −1 · 1 = [[3, -1]]",
        "tanh′(z) can be written in terms of tanh z alone (quotient rule, then cosh² − sinh² = 1).",
        "g times the slope; the slope is 1 at a = 0, and 0 at a = 1 and a = −1.",
        forward=TanhFunction.forward,
        of=("z",),
        incoming="g",
        also=lambda s: {"a": torch.tanh(s["z"])},
        wrong={
            "1 - a * a": INCOMING | MISSING,
            "g * (1 + a * a)": SIGN | OPERATION,
            "g * a * (1 - a)": {"another function", "missing term"},
            "g - a * a": {"missing factor", "another operation"},
            "g * (a * a - 1)": SIGN,
            "g * (1 - torch.tanh(a) ** 2)": PLACE,
            "g": MISSING,
        },
        right=("g * (1 - a) * (1 + a)", "g - g * a ** 2"),
        entry="Tanh",
        formula=("g", "", "a"),
    ),
    Exercise(
        "relu_slope",
        "relu_gradient",
        "The slope of ReLU",
        "∂L/∂z",
        """a = max(z, 0), elementwise; no z is exactly 0 here
g   ∂L/∂a, the incoming gradient; a   the result of the forward; any shape""",
        Source(
            relu_gradient,
            "return",
            alone=("g", "a"),
            names={"on": "a != 0", "where": "torch.where", "input": "z"},
        ),
        lambda d: {"z": d.not_zero("mi"), "g": d.not_zero("mi")},
        {"z": [[2.0, -1.0, 3.0]], "g": [[5.0, 7.0, -4.0]]},
        "5 passes, 7 does not, −4 passes = [[5, 0, -4]]",
        "ReLU passes z through or gives 0; its derivative does the same with g (lecture note 001).",
        "Which a tells that z was positive?",
        forward=ReLUFunction.forward,
        of=("z",),
        incoming="g",
        also=lambda s: {"a": torch.relu(s["z"])},
        wrong={
            "g": MISSING,
            "torch.where(a != 0, 0, g)": {"partly wrong", "arguments exchanged", "comparison"},
            "(a != 0).to(a.dtype)": INCOMING | MISSING,
            "g * a": {
                "another operation",
                "missing activation derivative",
                "another function",
                "extra factor",
                "derivative taken at a instead of z",
            },
            "torch.relu(g)": {"another tensor", "partly wrong"},
            "torch.where(a != 0, a, 0.0)": {"another tensor", "incoming gradient ignored"},
            "torch.where(a != 0, -g, 0)": SIGN,
            "g * 0": ZERO,
            "g * (g > 0)": {"another tensor"},
        },
        right=("g * (a > 0)", "g * torch.sign(a)", "g.masked_fill(a == 0, 0)"),
        entry="ReLU",
        formula=("g", "", "a"),
    ),
]


def _delta(s):
    a = torch.sigmoid(s["x"] @ s["w"] + s["b"])
    return (a - s["y"]) * a * (1 - a)
