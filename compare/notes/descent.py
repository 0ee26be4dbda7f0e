"""System 3: gradient descent for one sigmoid neuron on two points."""

from collections.abc import Iterator

import torch

from compare.notes.row import Row, agrees, equal, fact, figure, gradients, misprint
from manual_backprop.perceptron import SigmoidNeuron, guesses, loss_surface

X, Y = [0.5, 2.5], [0.2, 0.9]
W_STAR, B_STAR = 1.791759469228055, -2.282173860166171  # the line through logit(0.2), logit(0.9)

NEURON = "manual_backprop.perceptron.SigmoidNeuron"

# Line, w, b, loss as printed, and the right one where that is another.
GUESSES = [
    (286, "0.5", "0", "0.073", None),
    (287, "−0.1", "0", "0.1481", None),
    (288, "0.94", "−0.94", "0.0214", "0.0217"),
    (289, "1.42", "−1.73", "0.0028", "0.0029"),
    (290, "1.65", "−2.08", "0.0003", None),
    (291, "1.78", "−2.27", "0.0000", None),
]


def rows() -> Iterator[Row]:
    """The rows of system 3."""
    neuron = SigmoidNeuron(0.5, 0)
    path = neuron.descend(X, Y, lr=2, steps=1500)
    yield agrees(
        "002:257",
        "training finds w*, b* with f(0.5) → 0.2 and f(2.5) → 0.9",
        "w*, b*",
        fact(
            abs(neuron.w.item() - W_STAR) < 1e-6 and abs(neuron.b.item() - B_STAR) < 1e-6,
            f"w* = {neuron.w.item():.4f}, b* = {neuron.b.item():.4f}, loss {path.loss[-1]:.0e}",
        ),
        f"{NEURON}.descend",
    )
    start = SigmoidNeuron(0.5, 0)
    yield agrees(
        "002:258",
        "loss at w = 0.5, b = 0",
        "0.073",
        figure("0.073", start.loss(X, Y)),
        f"{NEURON}.loss",
    )
    f = start(X)
    yield misprint(
        "002:258",
        "the same loss, written out",
        "½[(0.2 − f(0.5))² + (0.9 − f(2.5)²]",
        figure("0.073", ((0.2 - f[0]) ** 2 + (0.9 - f[1] ** 2)) / 2),
        "… + (0.9 − f(2.5))²]",
        figure("0.073", ((0.2 - f[0]) ** 2 + (0.9 - f[1]) ** 2) / 2),
        f"{NEURON}.loss",
    )
    table = guesses(X, Y, [(_number(w), _number(b)) for _, w, b, _, _ in GUESSES])
    for (line, w, b, printed, right), (_, _, loss) in zip(GUESSES, table, strict=True):
        place, claim = f"002:{line}", f"guess w = {w}, b = {b}: loss"
        code = "manual_backprop.perceptron.guesses"
        check = figure(printed, loss)
        if right is None:
            yield agrees(place, claim, printed, check, code)
        else:
            yield misprint(place, claim, printed, check, right, figure(right, loss), code)
    ws = torch.linspace(0, 4, 401, dtype=torch.float64)
    bs = torch.linspace(-5, 0, 501, dtype=torch.float64)
    surface = loss_surface(X, Y, ws, bs)
    i, j = divmod(int(surface.argmin()), len(bs))
    yield agrees(
        "002:295",
        "error surface over two parameters, two points",
        "(figure)",
        fact(
            abs(ws[i] - W_STAR) < 0.01 and abs(bs[j] - B_STAR) < 0.01,
            f"401 × 501 losses, lowest {surface.min():.0e} at ({ws[i]:.2f}, {bs[j]:.2f})",
        ),
        "manual_backprop.perceptron.loss_surface",
    )
    yield from _updates(start)
    yield from _gradient()


def _number(text: str) -> float:
    return float(text.replace("−", "-"))


def _updates(start: SigmoidNeuron) -> Iterator[Row]:
    """What a step is, and that repeating it is enough."""
    grad_w, grad_b = start.gradient(X, Y)
    step = SigmoidNeuron(0.5, 0).descend(X, Y, lr=0.3, steps=1)
    whole = SigmoidNeuron(0.5, 0).descend(X, Y, lr=1, steps=1)
    yield agrees(
        "002:304",
        "new parameters, before there is a stride: η = 1",
        "θ_new = θ + Δθ",
        equal(
            torch.cat([start.w - grad_w, (start.b - grad_b).view(1)]),
            torch.cat([whole.w[1], whole.b[1:]]),
        ),
        f"{NEURON}.descend",
    )
    yield agrees(
        "002:307",
        "new parameters by a small stride η along the change",
        "w_new = w + η·Δw, b_new = b + η·Δb",
        equal(
            torch.stack([start.w - 0.3 * grad_w, (start.b - 0.3 * grad_b).view(1)]),
            torch.stack([step.w[1], step.b[1:2]]),
        ),
        f"{NEURON}.descend",
    )
    w, b = torch.tensor(0.5, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    auto_w, auto_b = gradients(_loss(w.requires_grad_(), b.requires_grad_()), w, b)
    for line, printed, value, truth in (
        (349, "w ← w − η ∂L/∂w", step.w[1, 0], w - 0.3 * auto_w),
        (351, "b ← b − η ∂L/∂b", step.b[1], b - 0.3 * auto_b),
    ):
        yield agrees(
            f"002:{line}",
            "one step of gradient descent",
            printed,
            equal(value, truth.detach()),
            f"{NEURON}.descend",
        )
    ahead, back = (SigmoidNeuron(0.5 + s * auto_w, s * auto_b).loss(X, Y) for s in (0.01, -0.01))
    here = start.loss(X, Y)
    yield agrees(
        "002:363",
        "the gradient gives ascent, a small step against it descends",
        "w := w − η ∂L(w)/∂w",
        fact(back < here < ahead, f"loss {back:.6f} < {here:.6f} < {ahead:.6f}"),
        f"{NEURON}.gradient",
    )
    random = SigmoidNeuron(*torch.randn(2, generator=torch.Generator().manual_seed(3)).tolist())
    first = random.loss(X, Y)
    last = random.descend(X, Y, lr=2, steps=300).loss[-1]
    yield agrees(
        "002:392",
        "the algorithm: random weights, loop until convergence",
        "(in words)",
        fact(last < 1e-5, f"loss {first:.3f} → {last:.0e} in 300 steps"),
        f"{NEURON}.descend",
    )


def _loss(w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    x, y = (torch.tensor(values, dtype=torch.float64) for values in (X, Y))
    return ((torch.sigmoid(w * x + b) - y) ** 2).sum() / 2


def _gradient() -> Iterator[Row]:
    """Every line of the derivation of ∂L/∂w and ∂L/∂b, against autograd."""
    g = torch.Generator().manual_seed(4)
    x, y = torch.rand(2, 5, generator=g, dtype=torch.float64)
    w, b = torch.randn(2, generator=g, dtype=torch.float64).requires_grad_().unbind()
    a = torch.sigmoid(w * x + b)
    hand_w, hand_b = SigmoidNeuron(w.item(), b.item()).gradient(x, y)
    grad_w, grad_b = gradients(((a - y) ** 2).sum() / 2, w, b)
    one_w, one_b = gradients((a[0] - y[0]) ** 2 / 2, w, b)
    (slope_w, slope_b) = gradients(a[0], w, b)
    code = f"{NEURON}.gradient"
    yield agrees(
        "002:370",
        "the loss with the difference the other way round",
        "L = ½ Σ (ŷ − y)²",
        equal(((a - y) ** 2).sum() / 2, SigmoidNeuron(w.item(), b.item()).loss(x, y)),
        f"{NEURON}.loss",
    )
    a0, y0, x0 = a[0], y[0], x[0]
    one_hand_w, one_hand_b = SigmoidNeuron(w.item(), b.item()).gradient(x[:1], y[:1])
    steps = [
        (376, "½[2(ŷ − y) ∂(ŷ − y)/∂w]", 0.5 * (2 * (a0 - y0) * slope_w), one_w),
        (378, "(ŷ − y) ∂/∂w [1/(1 + e^−(wx + b))]", (a0 - y0) * slope_w, one_w),
        (380, "(ŷ − y) ŷ(1 − ŷ) x", (a0 - y0) * a0 * (1 - a0) * x0, one_w),
        (382, "(ŷ − y) ∂/∂b [1/(1 + e^−(wx + b))]", (a0 - y0) * slope_b, one_b),
        (383, "(ŷ − y) ŷ(1 − ŷ)", (a0 - y0) * a0 * (1 - a0), one_b),
    ]
    for line, printed, value, truth in steps:
        name, hand = ("w", one_hand_w[0]) if truth is one_w else ("b", one_hand_b)
        claim = f"∂L/∂{name} for one point"
        yield agrees(f"002:{line}", claim, printed, equal(value, truth, hand), code)
    yield agrees(
        "002:385",
        "∂/∂w of the neuron",
        "f(x)(1 − f(x)) x",
        equal(a0 * (1 - a0) * x0, slope_w),
        code,
    )
    delta = (a - y) * a * (1 - a)
    for line, name, printed, value, truth, hand in (
        (387, "w", "Σ (ŷᵢ − yᵢ) ŷᵢ(1 − ŷᵢ) xᵢ", (delta * x).sum(), grad_w, hand_w[0]),
        (390, "b", "Σ (ŷᵢ − yᵢ) ŷᵢ(1 − ŷᵢ)", delta.sum(), grad_b, hand_b),
    ):
        claim = f"∂L/∂{name} for all points"
        yield agrees(f"002:{line}", claim, printed, equal(value, truth, hand), code)
