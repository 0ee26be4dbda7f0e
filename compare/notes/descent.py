"""System 3: gradient descent for one sigmoid neuron on two points."""

import torch
from torch import Tensor

from compare.notes.by_autograd import float64, gradients
from compare.notes.claim import Claims, agrees, equal, equations, fact, figure, misprint, number
from manual_backprop.perceptron import SigmoidNeuron, guesses, loss_surface

X, Y = [0.5, 2.5], [0.2, 0.9]
W_STAR, B_STAR = 1.791759469228055, -2.282173860166171  # the line through logit(0.2), logit(0.9)

# w, b, the loss as printed, and the right one where that is another.
GUESSES = [
    ("002:286", "0.5", "0", "0.073", None),
    ("002:287", "−0.1", "0", "0.1481", None),
    ("002:288", "0.94", "−0.94", "0.0214", "0.0217"),
    ("002:289", "1.42", "−1.73", "0.0028", "0.0029"),
    ("002:290", "1.65", "−2.08", "0.0003", None),
    ("002:291", "1.78", "−2.27", "0.0000", None),
]


def two_point_loss(w: Tensor, b: Tensor) -> Tensor:
    """½ Σ (ŷ − y)² of the two points, for autograd."""
    x, y = float64(X), float64(Y)
    return ((torch.sigmoid(w * x + b) - y) ** 2).sum() / 2


# fmt: off
def claims() -> Claims:
    """Note 002, lines 257 to 392."""
    neuron, start = SigmoidNeuron(0.5, 0), SigmoidNeuron(0.5, 0)
    path = neuron.descend(X, Y, lr=2, steps=1500)
    w, b = neuron.w.item(), neuron.b.item()
    f, loss = start(X), start.loss(X, Y)
    ws = torch.linspace(0, 4, 401, dtype=torch.float64)
    bs = torch.linspace(-5, 0, 501, dtype=torch.float64)
    surface = loss_surface(X, Y, ws, bs)
    i, j = divmod(int(surface.argmin()), len(bs))
    yield agrees("002:257", "training finds w*, b* with f(0.5) → 0.2 and f(2.5) → 0.9", "w*, b*",
        fact(abs(w - W_STAR) < 1e-6 and abs(b - B_STAR) < 1e-6,
             f"w* = {w:.4f}, b* = {b:.4f}, loss {path.loss[-1]:.0e}"), SigmoidNeuron.descend)
    yield agrees("002:258", "loss at w = 0.5, b = 0", "0.073",
        figure("0.073", loss), SigmoidNeuron.loss)
    yield misprint("002:258", "the same loss, written out", "½[(0.2 − f(0.5))² + (0.9 − f(2.5)²]",
        figure("0.073", ((0.2 - f[0]) ** 2 + (0.9 - f[1] ** 2)) / 2), "… + (0.9 − f(2.5))²]",
        figure("0.073", ((0.2 - f[0]) ** 2 + (0.9 - f[1]) ** 2) / 2), SigmoidNeuron.loss)
    for at, w_text, b_text, printed, right in GUESSES:
        [(_, _, loss)] = guesses(X, Y, [(number(w_text), number(b_text))])
        says, check = f"guess w = {w_text}, b = {b_text}: loss", figure(printed, loss)
        if right is None:
            yield agrees(at, says, printed, check, guesses)
        else:
            yield misprint(at, says, printed, check, right, figure(right, loss), guesses)
    yield agrees("002:295", "error surface over two parameters, two points", "(figure)",
        fact(abs(ws[i] - W_STAR) < 0.01 and abs(bs[j] - B_STAR) < 0.01,
             f"401 × 501 losses, lowest {surface.min():.0e} at ({ws[i]:.2f}, {bs[j]:.2f})"),
        loss_surface)
    yield from _steps(start)
    yield from _derivation()


def _steps(start: SigmoidNeuron) -> Claims:
    """What a step is, and that repeating it is enough."""
    grad_w, grad_b = start.gradient(X, Y)
    whole = SigmoidNeuron(0.5, 0).descend(X, Y, lr=1, steps=1)
    step = SigmoidNeuron(0.5, 0).descend(X, Y, lr=0.3, steps=1)
    w, b = float64(0.5).requires_grad_(), float64(0.0).requires_grad_()
    auto_w, auto_b = gradients(two_point_loss(w, b), w, b)
    before, after = (SigmoidNeuron(0.5 + s * auto_w, s * auto_b) for s in (-0.01, 0.01))
    back, here, ahead = (neuron.loss(X, Y) for neuron in (before, start, after))
    random = SigmoidNeuron(*torch.randn(2, generator=torch.Generator().manual_seed(3)).tolist())
    first, last = random.loss(X, Y), random.descend(X, Y, lr=2, steps=300).loss[-1]
    yield from equations(SigmoidNeuron.descend,
        ("002:304", "new parameters, before there is a stride: η = 1", "θ_new = θ + Δθ",
         torch.stack([start.w[0] - grad_w[0], start.b - grad_b]),
         torch.stack([whole.w[1, 0], whole.b[1]])),
        ("002:307", "new parameters by a small stride η along the change",
         "w_new = w + η·Δw, b_new = b + η·Δb",
         torch.stack([start.w[0] - 0.3 * grad_w[0], start.b - 0.3 * grad_b]),
         torch.stack([step.w[1, 0], step.b[1]])),
        ("002:349", "one step of gradient descent", "w ← w − η ∂L/∂w",
         step.w[1, 0], w - 0.3 * auto_w),
        ("002:351", "one step of gradient descent", "b ← b − η ∂L/∂b", step.b[1], b - 0.3 * auto_b))
    yield agrees("002:363", "the gradient gives ascent, a small step against it descends",
        "w := w − η ∂L(w)/∂w",
        fact(back < here < ahead, f"loss {back:.6f} < {here:.6f} < {ahead:.6f}"),
        SigmoidNeuron.gradient)
    yield agrees("002:392", "the algorithm: random weights, loop until convergence", "(in words)",
        fact(last < 1e-5, f"loss {first:.3f} → {last:.0e} in 300 steps"), SigmoidNeuron.descend)


def _derivation() -> Claims:
    """Every line of the derivation of ∂L/∂w and ∂L/∂b, by autograd and by hand."""
    g = torch.Generator().manual_seed(4)
    x, y = torch.rand(2, 5, generator=g, dtype=torch.float64)
    w, b = torch.randn(2, generator=g, dtype=torch.float64).requires_grad_().unbind()
    neuron = SigmoidNeuron(w.item(), b.item())
    a = torch.sigmoid(w * x + b)
    delta = (a - y) * a * (1 - a)
    all_w, all_b = gradients(((a - y) ** 2).sum() / 2, w, b)
    hand_w, hand_b = neuron.gradient(x, y)
    x0, y0, a0 = x[0], y[0], a[0]  # one point
    one_w, one_b = gradients((a0 - y0) ** 2 / 2, w, b)
    one_hand_w, one_hand_b = neuron.gradient(x[:1], y[:1])
    slope_w, slope_b = gradients(a0, w, b)
    in_w, in_b = (one_w, one_hand_w[0]), (one_b, one_hand_b)
    yield agrees("002:370", "the loss with the difference the other way round", "L = ½ Σ (ŷ − y)²",
        equal(((a - y) ** 2).sum() / 2, neuron.loss(x, y)), SigmoidNeuron.loss)
    yield from equations(SigmoidNeuron.gradient,
        ("002:376", "∂L/∂w for one point", "½[2(ŷ − y) ∂(ŷ − y)/∂w]",
         0.5 * (2 * (a0 - y0) * slope_w), *in_w),
        ("002:378", "∂L/∂w for one point", "(ŷ − y) ∂/∂w [1/(1 + e^−(wx + b))]",
         (a0 - y0) * slope_w, *in_w),
        ("002:380", "∂L/∂w for one point", "(ŷ − y) ŷ(1 − ŷ) x",
         (a0 - y0) * a0 * (1 - a0) * x0, *in_w),
        ("002:382", "∂L/∂b for one point", "(ŷ − y) ∂/∂b [1/(1 + e^−(wx + b))]",
         (a0 - y0) * slope_b, *in_b),
        ("002:383", "∂L/∂b for one point", "(ŷ − y) ŷ(1 − ŷ)", (a0 - y0) * a0 * (1 - a0), *in_b),
        ("002:385", "∂/∂w of the neuron", "f(x)(1 − f(x)) x", a0 * (1 - a0) * x0, slope_w),
        ("002:387", "∂L/∂w for all points", "Σ (ŷᵢ − yᵢ) ŷᵢ(1 − ŷᵢ) xᵢ",
         (delta * x).sum(), all_w, hand_w[0]),
        ("002:390", "∂L/∂b for all points", "Σ (ŷᵢ − yᵢ) ŷᵢ(1 − ŷᵢ)", delta.sum(), all_b, hand_b))
