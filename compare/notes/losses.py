"""System 7: losses, and the δᴸ each of them gives; notes 002 and 003, samples as they stand there.

Every ∂L/∂ŷ and ∂L/∂z is held against autograd and against the hand-written loss.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from compare.notes.row import Row, agrees, equal, fact, gradient, gradients, misprint
from manual_backprop import functional

BCE = "manual_backprop.functional.binary_cross_entropy"
CROSS_ENTROPY = "manual_backprop.functional.cross_entropy"
SQUARED_ERROR = "manual_backprop.functional.squared_error_loss"


def binary_example() -> tuple[Tensor, Tensor, Tensor]:
    """z (8), ŷ = σ(z) and the targets y, zeros and ones."""
    z = torch.randn(8, generator=torch.Generator().manual_seed(10), dtype=torch.float64)
    y = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1], dtype=torch.float64)
    return z.requires_grad_(), torch.sigmoid(z), y


def classes_example() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """z (6, 4), ŷ = softmax(z), one-hot targets y, and the true classes t (6)."""
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(11), dtype=torch.float64)
    t = torch.tensor([2, 0, 3, 1, 1, 0])
    return z.requires_grad_(), torch.softmax(z, 1), F.one_hot(t, 4).double(), t


def rows() -> Iterator[Row]:
    """The rows of system 7, those of notes 000 and 004 in ``output_delta.py``."""
    yield from _squared_error()
    yield from _cross_entropy()
    yield from _binary_cross_entropy()


def _squared_error() -> Iterator[Row]:
    """002: (1/2m) Σ; 003: its gradient, line by line."""
    g = torch.Generator().manual_seed(12)
    a = torch.rand(5, 3, generator=g, dtype=torch.float64).requires_grad_()
    y = torch.rand(5, 3, generator=g, dtype=torch.float64)
    yield agrees(
        "002:543",
        "squared error over m samples",
        "L(θ) = (1/2m) Σ (yᵢ − ŷᵢ)²",
        equal(
            ((y - a) ** 2).sum() / (2 * 5),
            functional.squared_error_loss(a, y, reduction="mean"),
            F.mse_loss(a, y, reduction="sum") / 10,
        ),
        SQUARED_ERROR,
    )
    a0, y0 = a[0], y[0]
    loss = torch.linalg.vector_norm(y0 - a0) ** 2 / 2
    auto = gradient(loss, a)[0]
    hand = gradient(functional.squared_error_loss(a[:1], y[:1]), a)[0]
    entries = torch.stack([a0[k] - y0[k] for k in range(3)])
    for line, printed, value in (
        (99, "L = ½ ‖y − ỹ‖²", loss),
        (107, "½ ‖y − aᶠ‖²", loss),
        (109, "½ (√((y₁ − a₁)² + … + (y_k − a_k)²))²", ((y0 - a0) ** 2).sum().sqrt() ** 2 / 2),
        (111, "½ [(y₁ − a₁)² + … + (y_k − a_k)²]", ((y0 - a0) ** 2).sum() / 2),
    ):
        check = equal(value, functional.squared_error_loss(a[:1], y[:1]))
        yield agrees(f"003:{line}", "squared error of one sample", printed, check, SQUARED_ERROR)
    for line, claim, printed, value in (
        (101, "its gradient for the last activations", "∇L = aᶠ − y", a0 - y0),
        (103, "the same, entry by entry", "a₁ − y₁, … a_k − y_k", entries),
        (113, "one entry of the gradient", "½ [(−2)(y_k − a_k)]", 0.5 * (-2) * (y0 - a0)),
        (115, "the same, simplified", "a_k − y_k", entries),
    ):
        yield agrees(f"003:{line}", claim, printed, equal(value, auto, hand), SQUARED_ERROR)


def _cross_entropy() -> Iterator[Row]:
    """002: cross entropy of k classes."""
    z, y_hat, y, t = classes_example()
    p, q = y_hat.detach()[:3], y_hat.detach()[3:]
    logs = functional.log_softmax(z, 1)
    yield agrees(
        "002:555",
        "estimated information content",
        "−Σ pᵢ ln qᵢ",
        equal(
            -(p * q.log()).sum(1),
            functional.cross_entropy(z[3:], p, reduction="none"),
            F.cross_entropy(z[3:], p, reduction="none"),
        ),
        CROSS_ENTROPY,
    )
    mixed = [0.1, 0.5, 0.9, 1.0]  # from the estimate q towards the truth p
    values = [-(p[0] * (s * p[0] + (1 - s) * q[0]).log()).sum().item() for s in mixed]
    yield agrees(
        "002:557",
        "a prediction close to the truth has a low cross entropy",
        "(in words)",
        fact(
            values == sorted(values, reverse=True),
            f"{values[0]:.4f} falls to {values[-1]:.4f} as q moves to p",
        ),
        CROSS_ENTROPY,
    )
    each = functional.nll_loss(logs, t, reduction="none")
    for line, printed, value in (
        (559, "−Σ_c y_c ln ŷ_c, y_c = 1 if c = t else 0", -(y * y_hat.log()).sum(1)),
        (565, "−ln ŷ_t", -y_hat[torch.arange(6), t].log()),
    ):
        yield agrees(
            f"002:{line}",
            "cross entropy, true class t",
            printed,
            equal(value, each, F.cross_entropy(z, t, reduction="none")),
            "manual_backprop.functional.nll_loss",
        )
    log_values = y_hat.detach().log()
    yield misprint(
        "002:577",
        "the probability that x belongs to class t",
        "ln ŷ_t",
        fact((log_values >= 0).all(), f"{log_values.max():.2f} and below: no probability"),
        "ŷ_t (ln ŷ_t is its log-likelihood)",
        fact(
            (y_hat > 0).all() and torch.allclose(y_hat.sum(1), torch.ones(6).double()),
            "positive, sum 1",
        ),
        "manual_backprop.functional.softmax",
    )
    base_2 = -(y_hat[torch.arange(6), t].log() / math.log(2))
    yield misprint(
        "002:623",
        "the loss of the classifier",
        "−log₂ ŷ_t",
        equal(base_2, each),
        "−ln ŷ_t, as in lines 559 to 572; only it gives ŷ − y",
        equal(gradient(each.sum(), z), y_hat - y),
        CROSS_ENTROPY,
    )
    linear = z.detach().clone().requires_grad_()
    yield agrees(
        "002:614",
        "real outputs: linear and squared error; probabilities: softmax and cross entropy",
        "(table)",
        equal(
            torch.cat([linear - y, y_hat - y]),
            torch.cat(
                [
                    gradient(functional.squared_error_loss(linear, y), linear),
                    gradient(functional.cross_entropy(z, t, reduction="sum"), z),
                ]
            ),
        ),
        CROSS_ENTROPY,
    )


def _binary_cross_entropy() -> Iterator[Row]:
    """002: one sigmoid neuron with binary cross entropy, then two in a row."""
    z, y_hat, y = binary_example()
    each = -y * y_hat.log() - (1 - y) * (1 - y_hat).log()
    yield agrees(
        "002:658",
        "binary cross entropy",
        "L = −y ln ŷ − (1 − y) ln(1 − ŷ)",
        equal(
            each,
            functional.binary_cross_entropy(y_hat, y, reduction="none"),
            F.binary_cross_entropy(y_hat, y, reduction="none"),
        ),
        BCE,
    )
    g = torch.Generator().manual_seed(13)
    x, w1, w2, b1, b2 = torch.randn(5, generator=g, dtype=torch.float64).requires_grad_().unbind()
    z1 = w1 * x + b1
    a1 = torch.sigmoid(z1)
    z2 = w2 * a1 + b2
    out, target = torch.sigmoid(z2), torch.tensor(1.0, dtype=torch.float64)
    loss = functional.binary_cross_entropy(out, target)
    d_out, d_z2, d_w2, d_a1, d_z1, d_w1 = gradients(loss, out, z2, w2, a1, z1, w1)
    slope = -target / out + (1 - target) / (1 - out)
    delta = out - target
    by_hand = gradient(functional.binary_cross_entropy(y_hat, y, reduction="sum"), y_hat)
    yield agrees(
        "002:660",
        "∂L/∂ŷ",
        "−y/ŷ + (1 − y)/(1 − ŷ)",
        equal(-y / y_hat + (1 - y) / (1 - y_hat), gradient(each.sum(), y_hat), by_hand),
        BCE,
    )
    yield agrees(
        "002:662",
        "∂L/∂z of the output neuron",
        "(−y/ŷ + (1 − y)/(1 − ŷ)) ŷ(1 − ŷ) = ŷ − y",
        equal(y_hat - y, by_hand * y_hat * (1 - y_hat), gradient(each.sum(), z)),
        BCE,
    )
    inputs = torch.randn(8, generator=g, dtype=torch.float64)
    w = torch.tensor(0.4, dtype=torch.float64).requires_grad_()
    one = functional.binary_cross_entropy_with_logits(w * inputs, y, reduction="sum")
    yield agrees(
        "002:664",
        "∂L/∂w of a single neuron",
        "(ŷ − y) x",
        equal(((torch.sigmoid(w * inputs) - y) * inputs).sum(), gradient(one, w)),
        "manual_backprop.functional.binary_cross_entropy_with_logits",
    )
    for line, claim, printed, value, truth in (
        (666, "∂L/∂ŷ, two neurons in a row", "−y/ŷ + (1 − y)/(1 − ŷ)", slope, d_out),
        (668, "∂L/∂z²", "(−y/ŷ + …) ŷ(1 − ŷ) = ŷ − y", slope * out * (1 - out), d_z2),
        (670, "∂L/∂w²", "(ŷ − y) a¹", delta * a1, d_w2),
        (672, "∂L/∂a¹", "(ŷ − y) w²", delta * w2, d_a1),
        (675, "∂L/∂z¹ = δ¹", "(ŷ − y) w² a¹(1 − a¹)", delta * w2 * a1 * (1 - a1), d_z1),
        (681, "∂L/∂w¹", "(ŷ − y) w² a¹(1 − a¹) x", delta * w2 * a1 * (1 - a1) * x, d_w1),
    ):
        yield agrees(f"002:{line}", claim, printed, equal(value, truth), BCE)
