"""System 2: the sigmoid neuron, a smooth threshold; the movie example."""

from collections.abc import Iterator

import torch

from compare.notes.row import Row, agrees, equal, fact, figure, gradient
from manual_backprop import functional
from manual_backprop.perceptron import Perceptron, SigmoidNeuron

CALL = "manual_backprop.perceptron.SigmoidNeuron.__call__"
SIGMOID = "manual_backprop.functional.sigmoid"
THRESHOLD = "manual_backprop.perceptron.Perceptron.from_threshold"


def rows() -> Iterator[Row]:
    """The rows of system 2."""
    movies = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)
    watched = {theta: Perceptron.from_threshold([1, 1, 1], theta)(movies) for theta in (0, 3)}
    yield agrees(
        "002:74",
        "a movie buff may watch any movie",
        "θ = 0",
        fact(watched[0].all(), "watches 8 of the 8 kinds of movie"),
        THRESHOLD,
    )
    yield agrees(
        "002:75",
        "a selective watcher: thriller, Matt Damon, Nolan",
        "θ = 3",
        fact(
            watched[3].tolist() == [0] * 7 + [1], "watches 1 of the 8 kinds, the one with all three"
        ),
        THRESHOLD,
    )
    hard, soft = Perceptron.from_threshold([1], 0.5), SigmoidNeuron(1, -0.5)
    close = torch.tensor([0.51, 0.49], dtype=torch.float64)
    yield agrees(
        "002:156",
        "the threshold is harsh, the sigmoid is smooth",
        "0.51: watch, 0.49: do not",
        fact(
            hard(close).tolist() == [1, 0] and bool((soft(close)[0] - soft(close)[1]) < 0.01),
            "threshold 1 and 0, sigmoid {:.4f} and {:.4f}".format(*soft(close).tolist()),
        ),
        CALL,
    )
    for line, at_z, y in ((164, 1e3, "1"), (166, -1e3, "0"), (167, 0.0, "0.5")):
        at = "z = 0" if at_z == 0 else f"z → {'−' if at_z < 0 else ''}∞"
        value = functional.sigmoid(torch.tensor(at_z, dtype=torch.float64))
        yield agrees(
            f"002:{line}",
            f"sigmoid at {at}",
            f"y = {y}",
            fact(value == float(y), f"y = {value:g} at z = {at_z:g}"),
            SIGMOID,
        )
    z = torch.linspace(-30, 30, 6001, dtype=torch.float64, requires_grad=True)
    a = functional.sigmoid(z)
    yield agrees(
        "002:169",
        "range of the sigmoid",
        "0 to 1",
        fact((a > 0).all() and (a < 1).all(), f"{a.min():.0e} to 1 − {1 - a.max():.0e}, |z| ≤ 30"),
        SIGMOID,
    )
    yield agrees(
        "002:176",
        "the sigmoid neuron",
        "y = 1/(1 + e^−(wᵀx + b))",
        equal(1 / (1 + torch.exp(-(0.7 * z + 0.2))), SigmoidNeuron(0.7, 0.2)(z.detach())),
        CALL,
    )
    slope = gradient(a.sum(), z)
    steps = (a[2:] - a[:-2]) / 0.02
    yield agrees(
        "002:178",
        "smooth, continuous, differentiable",
        "(in words)",
        fact(
            (slope[1:-1] - steps).abs().max() < 1e-5,
            f"slope and difference quotient within {(slope[1:-1] - steps).abs().max():.0e}",
        ),
        SIGMOID,
    )
    generator = torch.Generator().manual_seed(2)
    x, w = (torch.randn(4, generator=generator, dtype=torch.float64) for _ in range(2))
    b = torch.tensor(0.3, dtype=torch.float64)
    ones = torch.cat([torch.ones(1, dtype=x.dtype), x])
    yield agrees(
        "002:187",
        "the bias inside the sum, outside it, in matrix form",
        "g(Σ₀ wᵢxᵢ) = g(b + Σ₁ wᵢxᵢ) = g(b + WᵀX)",
        equal(
            torch.sigmoid((torch.cat([b.view(1), w]) * ones).sum()),
            torch.sigmoid(b + (w * x).sum()),
            SigmoidNeuron(w, b.item())(x.unsqueeze(0))[0],
        ),
        CALL,
    )
    pair = x[:2]
    yield agrees(
        "002:244",
        "the example with W = (2, −3), b = 1",
        "ŷ = g(b + XᵀW) = g(1 + 2x₁ − 3x₂)",
        equal(
            torch.sigmoid(1 + 2 * pair[0] - 3 * pair[1]),
            torch.sigmoid(1 + pair @ torch.tensor([2, -3], dtype=torch.float64)),
            SigmoidNeuron([2, -3], 1)(pair.unsqueeze(0))[0],
        ),
        CALL,
    )
    yield agrees(
        "002:585",
        "above the threshold one class, below it another",
        "(in words)",
        fact(
            torch.equal(SigmoidNeuron(1, 0)(z.detach()) >= 0.5, z.detach() >= 0),
            "ŷ ≥ 0.5 exactly where z ≥ 0, on 6001 values",
        ),
        CALL,
    )
    yield agrees(
        "004:27",
        "a binary output lies in (0, 1), above 0.5 is class 1",
        "> 0.5",
        figure("0.5", functional.sigmoid(torch.zeros((), dtype=torch.float64))),
        SIGMOID,
    )
