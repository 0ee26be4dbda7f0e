"""System 2: the sigmoid neuron, a smooth threshold; the movie example."""

import torch

from compare.notes.by_autograd import float64, gradient
from compare.notes.claim import Claims, agrees, equal, equations, fact, figure
from manual_backprop import functional
from manual_backprop.perceptron import Perceptron, SigmoidNeuron


# fmt: off
def claims() -> Claims:
    """Notes 002, lines 74 to 244 and 585, and 004, line 27."""
    movies = torch.cartesian_prod(*[float64([0, 1])] * 3)
    buff, selective = (Perceptron.from_threshold([1, 1, 1], θ)(movies) for θ in (0, 3))
    close = float64([0.51, 0.49])
    hard, soft = Perceptron.from_threshold([1], 0.5)(close), SigmoidNeuron(1, -0.5)(close)
    z = torch.linspace(-30, 30, 6001, dtype=torch.float64, requires_grad=True)
    a = functional.sigmoid(z)
    slope, quotient = gradient(a.sum(), z)[1:-1], (a[2:] - a[:-2]) / 0.02
    yield agrees("002:74", "a movie buff may watch any movie", "θ = 0",
        fact(buff.all(), "watches 8 of the 8 kinds of movie"), Perceptron.from_threshold)
    yield agrees("002:75", "a selective watcher: thriller, Matt Damon, Nolan", "θ = 3",
        fact(selective.tolist() == [0] * 7 + [1],
             "watches 1 of the 8 kinds, the one with all three"), Perceptron.from_threshold)
    yield agrees("002:156", "the threshold is harsh, the sigmoid is smooth",
        "0.51: watch, 0.49: do not",
        fact(hard.tolist() == [1, 0] and bool(soft[0] - soft[1] < 0.01),
             "threshold 1 and 0, sigmoid {:.4f} and {:.4f}".format(*soft.tolist())),
        SigmoidNeuron.__call__)
    for at, says, at_z, y in (
        ("002:164", "sigmoid at z → ∞", 1e3, "1"),
        ("002:166", "sigmoid at z → −∞", -1e3, "0"),
        ("002:167", "sigmoid at z = 0", 0.0, "0.5"),
    ):
        value = functional.sigmoid(float64(at_z))
        yield agrees(at, says, f"y = {y}",
            fact(value == float(y), f"y = {value:g} at z = {at_z:g}"), functional.sigmoid)
    yield agrees("002:169", "range of the sigmoid", "0 to 1",
        fact((a > 0).all() and (a < 1).all(), f"{a.min():.0e} to 1 − {1 - a.max():.0e}, |z| ≤ 30"),
        functional.sigmoid)
    yield agrees("002:176", "the sigmoid neuron", "y = 1/(1 + e^−(wᵀx + b))",
        equal(1 / (1 + torch.exp(-(0.7 * z + 0.2))), SigmoidNeuron(0.7, 0.2)(z.detach())),
        SigmoidNeuron.__call__)
    yield agrees("002:178", "smooth, continuous, differentiable", "(in words)",
        fact((slope - quotient).abs().max() < 1e-5,
             f"slope and difference quotient within {(slope - quotient).abs().max():.0e}"),
        functional.sigmoid)
    generator = torch.Generator().manual_seed(2)
    x, w = (torch.randn(4, generator=generator, dtype=torch.float64) for _ in range(2))
    b = float64(0.3)
    all_w, all_x = torch.cat([b.view(1), w]), torch.cat([float64([1]), x])
    x1, x2 = pair = x[:2]
    yield from equations(SigmoidNeuron.__call__,
        ("002:187", "the bias inside the sum, outside it, in matrix form",
         "g(Σ₀ wᵢxᵢ) = g(b + Σ₁ wᵢxᵢ) = g(b + WᵀX)", torch.sigmoid((all_w * all_x).sum()),
         torch.sigmoid(b + (w * x).sum()), SigmoidNeuron(w, b.item())(x.unsqueeze(0))[0]),
        ("002:244", "the example with W = (2, −3), b = 1", "ŷ = g(b + XᵀW) = g(1 + 2x₁ − 3x₂)",
         torch.sigmoid(1 + 2 * x1 - 3 * x2), torch.sigmoid(1 + pair @ float64([2, -3])),
         SigmoidNeuron([2, -3], 1)(pair[None])[0]))
    yield agrees("002:585", "above the threshold one class, below it another", "(in words)",
        fact(torch.equal(SigmoidNeuron(1, 0)(z.detach()) >= 0.5, z.detach() >= 0),
             "ŷ ≥ 0.5 exactly where z ≥ 0, on 6001 values"), SigmoidNeuron.__call__)
    yield agrees("004:27", "a binary output lies in (0, 1), above 0.5 is class 1", "> 0.5",
        figure("0.5", functional.sigmoid(float64(0))), functional.sigmoid)
