"""System 7: losses, and the δᴸ each of them gives; notes 002 and 003, samples as they stand there.

Every ∂L/∂ŷ and ∂L/∂z is held against autograd and against the hand-written loss.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from compare.notes.by_autograd import float64, gradient, gradients
from compare.notes.claim import Claims, agrees, equal, equations, fact, misprint
from manual_backprop import functional


def binary_example() -> tuple[Tensor, Tensor, Tensor]:
    """z (8), ŷ = σ(z) and the targets y, zeros and ones."""
    z = torch.randn(8, generator=torch.Generator().manual_seed(10), dtype=torch.float64)
    return z.requires_grad_(), torch.sigmoid(z), float64([0, 1, 1, 0, 1, 0, 0, 1])


def classes_example() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """z (6, 4), ŷ = softmax(z), one-hot targets y, and the true classes t (6)."""
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(11), dtype=torch.float64)
    t = torch.tensor([2, 0, 3, 1, 1, 0])
    return z.requires_grad_(), torch.softmax(z, 1), F.one_hot(t, 4).double(), t


# fmt: off
def claims() -> Claims:
    """Notes 002, lines 543 to 681, and 003, lines 99 to 115; 000 and 004: ``output_delta.py``."""
    yield from _squared_error()
    yield from _cross_entropy()
    yield from _binary_cross_entropy()
    yield from _two_neurons()


def _squared_error() -> Claims:
    g = torch.Generator().manual_seed(12)
    many = torch.rand(5, 3, generator=g, dtype=torch.float64).requires_grad_()
    targets = torch.rand(5, 3, generator=g, dtype=torch.float64)
    a, y = many[0], targets[0]  # one sample
    norm, root = torch.linalg.vector_norm(y - a), ((y - a) ** 2).sum().sqrt()
    loss = functional.squared_error_loss(many[:1], targets[:1])
    by_both = gradient(norm**2 / 2, many)[0], gradient(loss, many)[0]
    entries = torch.stack([a[k] - y[k] for k in range(3)])
    yield from equations(functional.squared_error_loss,
        ("002:543", "squared error over m samples", "L(θ) = (1/2m) Σ (yᵢ − ŷᵢ)²",
         ((targets - many) ** 2).sum() / (2 * 5),
         functional.squared_error_loss(many, targets, reduction="mean"),
         F.mse_loss(many, targets, reduction="sum") / 10),
        ("003:99", "squared error of one sample", "L = ½ ‖y − ỹ‖²", norm**2 / 2, loss),
        ("003:107", "squared error of one sample", "½ ‖y − aᶠ‖²", norm**2 / 2, loss),
        ("003:109", "squared error of one sample", "½ (√((y₁ − a₁)² + … + (y_k − a_k)²))²",
         root**2 / 2, loss),
        ("003:111", "squared error of one sample", "½ [(y₁ − a₁)² + … + (y_k − a_k)²]",
         ((y - a) ** 2).sum() / 2, loss),
        ("003:101", "its gradient for the last activations", "∇L = aᶠ − y", a - y, *by_both),
        ("003:103", "the same, entry by entry", "a₁ − y₁, … a_k − y_k", entries, *by_both),
        ("003:113", "one entry of the gradient", "½ [(−2)(y_k − a_k)]",
         0.5 * (-2) * (y - a), *by_both),
        ("003:115", "the same, simplified", "a_k − y_k", entries, *by_both))


def _cross_entropy() -> Claims:
    z, y_hat, y, t = classes_example()
    p, q = y_hat.detach()[:3], y_hat.detach()[3:]
    mixed = [0.1, 0.5, 0.9, 1.0]  # from the estimate q towards the truth p
    falling = [-(p[0] * (s * p[0] + (1 - s) * q[0]).log()).sum().item() for s in mixed]
    each = functional.nll_loss(functional.log_softmax(z, 1), t, reduction="none")
    logs, of_t = y_hat.detach().log(), y_hat[torch.arange(6), t].log()
    linear = z.detach().clone().requires_grad_()
    at_outputs = [
        gradient(functional.squared_error_loss(linear, y), linear),
        gradient(functional.cross_entropy(z, t, reduction="sum"), z),
    ]
    yield agrees("002:555", "estimated information content", "−Σ pᵢ ln qᵢ",
        equal(-(p * q.log()).sum(1), functional.cross_entropy(z[3:], p, reduction="none"),
              F.cross_entropy(z[3:], p, reduction="none")), functional.cross_entropy)
    yield agrees("002:557", "a prediction close to the truth has a low cross entropy", "(in words)",
        fact(falling == sorted(falling, reverse=True),
             f"{falling[0]:.4f} falls to {falling[-1]:.4f} as q moves to p"),
        functional.cross_entropy)
    yield from equations(functional.nll_loss,
        ("002:559", "cross entropy, true class t", "−Σ_c y_c ln ŷ_c, y_c = 1 if c = t else 0",
         -(y * y_hat.log()).sum(1), each, F.cross_entropy(z, t, reduction="none")),
        ("002:565", "cross entropy, true class t", "−ln ŷ_t",
         -of_t, each, F.cross_entropy(z, t, reduction="none")))
    yield misprint("002:577", "the probability that x belongs to class t", "ln ŷ_t",
        fact((logs >= 0).all(), f"{logs.max():.2f} and below: no probability"),
        "ŷ_t (ln ŷ_t is its log-likelihood)",
        fact((y_hat > 0).all() and torch.allclose(y_hat.sum(1), torch.ones(6).double()),
             "positive, sum 1"), functional.softmax)
    yield misprint("002:623", "the loss of the classifier", "−log₂ ŷ_t",
        equal(-(of_t / math.log(2)), each), "−ln ŷ_t, as in lines 559 to 572; only it gives ŷ − y",
        equal(gradient(each.sum(), z), y_hat - y), functional.cross_entropy)
    yield agrees("002:614",
        "real outputs: linear and squared error; probabilities: softmax and cross entropy",
        "(table)",
        equal(torch.cat([linear - y, y_hat - y]), torch.cat(at_outputs)), functional.cross_entropy)


def _binary_cross_entropy() -> Claims:
    """One sigmoid neuron."""
    z, y_hat, y = binary_example()
    each = -y * y_hat.log() - (1 - y) * (1 - y_hat).log()
    into_y_hat = gradient(functional.binary_cross_entropy(y_hat, y, reduction="sum"), y_hat)
    yield from equations(functional.binary_cross_entropy,
        ("002:658", "binary cross entropy", "L = −y ln ŷ − (1 − y) ln(1 − ŷ)",
         each, functional.binary_cross_entropy(y_hat, y, reduction="none"),
         F.binary_cross_entropy(y_hat, y, reduction="none")),
        ("002:660", "∂L/∂ŷ", "−y/ŷ + (1 − y)/(1 − ŷ)",
         -y / y_hat + (1 - y) / (1 - y_hat), gradient(each.sum(), y_hat), into_y_hat),
        ("002:662", "∂L/∂z of the output neuron", "(−y/ŷ + (1 − y)/(1 − ŷ)) ŷ(1 − ŷ) = ŷ − y",
         y_hat - y, into_y_hat * y_hat * (1 - y_hat), gradient(each.sum(), z)))


def _two_neurons() -> Claims:
    """A sigmoid neuron with a weight, then two in a row."""
    g = torch.Generator().manual_seed(13)
    x, w1, w2, b1, b2 = torch.randn(5, generator=g, dtype=torch.float64).requires_grad_().unbind()
    z1 = w1 * x + b1
    a1 = torch.sigmoid(z1)
    z2 = w2 * a1 + b2
    y_hat, y = torch.sigmoid(z2), float64(1)
    loss = functional.binary_cross_entropy(y_hat, y)
    d_out, d_z2, d_w2, d_a1, d_z1, d_w1 = gradients(loss, y_hat, z2, w2, a1, z1, w1)
    slope, delta = -y / y_hat + (1 - y) / (1 - y_hat), y_hat - y
    inputs = torch.randn(8, generator=g, dtype=torch.float64)
    _, _, targets = binary_example()
    w = float64(0.4).requires_grad_()
    one = functional.binary_cross_entropy_with_logits(w * inputs, targets, reduction="sum")
    yield agrees("002:664", "∂L/∂w of a single neuron", "(ŷ − y) x",
        equal(((torch.sigmoid(w * inputs) - targets) * inputs).sum(), gradient(one, w)),
        functional.binary_cross_entropy_with_logits)
    yield from equations(functional.binary_cross_entropy,
        ("002:666", "∂L/∂ŷ, two neurons in a row", "−y/ŷ + (1 − y)/(1 − ŷ)", slope, d_out),
        ("002:668", "∂L/∂z²", "(−y/ŷ + …) ŷ(1 − ŷ) = ŷ − y", slope * y_hat * (1 - y_hat), d_z2),
        ("002:670", "∂L/∂w²", "(ŷ − y) a¹", delta * a1, d_w2),
        ("002:672", "∂L/∂a¹", "(ŷ − y) w²", delta * w2, d_a1),
        ("002:675", "∂L/∂z¹ = δ¹", "(ŷ − y) w² a¹(1 − a¹)", delta * w2 * a1 * (1 - a1), d_z1),
        ("002:681", "∂L/∂w¹", "(ŷ − y) w² a¹(1 − a¹) x", delta * w2 * a1 * (1 - a1) * x, d_w1))
