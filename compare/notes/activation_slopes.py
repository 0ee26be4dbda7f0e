"""System 5: activations and their derivatives; sigmoid and softmax as probabilities."""

import torch
from torch import Tensor

from compare.notes.by_autograd import derivative, float64
from compare.notes.claim import Claims, agrees, equal, fact, unreadable
from manual_backprop import LeakyReLU, functional
from manual_backprop.activation.table import ACTIVATIONS


# fmt: off
def claims() -> Claims:
    """Notes 002, lines 210 to 231, 460 and 591 to 610, and 004, line 33."""
    z = torch.randn(200, generator=torch.Generator().manual_seed(6)).double() * 3
    a = torch.sigmoid(z)
    leaky, torch_leaky = LeakyReLU(0.2), torch.nn.LeakyReLU(0.2)
    printed = torch.where(z >= 0, torch.ones_like(z), 0.2)
    g = torch.Generator().manual_seed(7)
    W1, W2, x = (torch.randn(4, 4, generator=g).double() for _ in range(3))
    linear, bent = W2 @ (W1 @ x), W2 @ functional.relu(W1 @ x)
    one_matrix = equal(linear, (W2 @ W1) @ x)
    yield agrees("002:210", "derivative of the sigmoid, figure (a)", "σ′(z) = σ(z)(1 − σ(z))",
        equal(a * (1 - a), derivative(torch.sigmoid, z), derivative(functional.sigmoid, z)),
        functional.sigmoid)
    yield unreadable("002:211", "derivative of tanh, figure (b)", "(lost)",
        "the formula is lost; 1 − tanh²(z)",
        equal(1 - z.tanh() ** 2, derivative(torch.tanh, z), derivative(functional.tanh, z)),
        functional.tanh)
    yield unreadable("002:215", "derivative of ReLU, figure (c)", "σ′(z) = 1, z ≥ 0, z < 0",
        "the value for z < 0 is lost; 1 if z > 0 else 0, with 0 at 0 as in PyTorch",
        equal((z > 0).double(), derivative(torch.relu, z), derivative(functional.relu, z)),
        functional.relu)
    yield agrees("002:225", "derivative of leaky ReLU, figure (d); at 0 itself PyTorch takes a",
        "σ′(z) = 1, z ≥ 0; a, z < 0",
        equal(printed, derivative(torch_leaky, z), derivative(leaky, z)), LeakyReLU)
    yield agrees("002:460", "the logistic function", "g(z) = 1/(1 + e^−z)",
        equal(1 / (1 + torch.exp(-z)), functional.sigmoid(z)), functional.sigmoid)
    for name in ("sigmoid", "tanh", "identity"):
        function, gradient = ACTIVATIONS[name]
        slope = gradient(torch.ones_like(z), z, function(z))
        yield agrees("002:460",
            f"g may be logistic, tanh, linear: {'linear' if name == 'identity' else name}",
            "(in words)", equal(slope, derivative(function, z)), gradient)
    yield agrees("002:231", "activations bring non-linearity into the network", "(in words)",
        fact(one_matrix.holds and not torch.allclose(bent, (W2 @ W1) @ x),
             f"without, two layers are one matrix ({one_matrix.shown}); with relu they are not"),
        functional.relu)
    yield from _probabilities(z)


def _probabilities(z: Tensor) -> Claims:
    """Softmax and the notes' example of it."""
    logits, example = z.view(20, 10), float64([10, 20, -30])
    exp, softmax = example.exp(), functional.softmax(example, 0)
    squashed, four = functional.sigmoid(example), functional.softmax(z[:4], 0)
    yield agrees("002:603", "softmax", "ŷⱼ = e^zⱼ / Σ e^zⱼ",
        equal(logits.exp() / logits.exp().sum(1, keepdim=True), functional.softmax(logits, 1),
              torch.softmax(logits, 1)), functional.softmax)
    for j, number in enumerate(("10", "20", "−30")):
        yield agrees("002:608", f"softmax of [10, 20, −30], entry {j + 1}",
            f"e^{number}/(e^10 + e^20 + e^−30)",
            fact(equal(exp[j] / exp.sum(), softmax[j]).holds, f"{softmax[j]:.6g}"),
            functional.softmax)
    yield agrees("002:610", "the exponent makes negative values positive", "(in words)",
        fact((exp > 0).all(), f"e^−30 = {exp[2]:.3g}"), functional.softmax)
    yield agrees("002:591", "outputs of softmax sum to 1", "1",
        fact(abs(softmax.sum() - 1) < 1e-15, f"{softmax.sum():.15g} for [10, 20, −30]"),
        functional.softmax)
    yield agrees("002:593", "sigmoid outputs lie in (0, 1) but do not sum to 1", "≠ 1",
        fact(abs(squashed.sum() - 1) > 0.1, f"{squashed.sum():.6f} for [10, 20, −30]"),
        functional.sigmoid)
    yield agrees("004:33", "softmax turns z₁ … z₄ into probabilities", "(in words)",
        fact((four > 0).all() & (abs(four.sum() - 1) < 1e-15),
             f"all positive, sum {four.sum():.15g}"), functional.softmax)
