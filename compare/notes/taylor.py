"""System 4: why the opposite of the gradient; the Taylor argument as something to measure."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from compare.notes.descent import X, Y
from compare.notes.row import Row, agrees, equal, fact, misprint
from manual_backprop.perceptron import SigmoidNeuron

THETA = (0.5, 0.0)  # the notes' first guess
HERE = "compare.notes.taylor"


def loss_change_by_angle(degrees: Tensor, eta: float) -> Tensor:
    """Change of the loss after a step of length η, at each angle to the gradient.

    Args:
        degrees: angles between step and gradient, shape (k).
        eta: length of the step in the plane of (w, b).
    """
    grad_w, grad_b = SigmoidNeuron(*THETA).gradient(X, Y)
    angle = torch.atan2(grad_b, grad_w[0]) + torch.deg2rad(degrees)
    return torch.stack([_loss_change(eta * a.cos(), eta * a.sin()) for a in angle])


def _loss_change(dw: Tensor, db: Tensor) -> Tensor:
    moved = SigmoidNeuron(THETA[0] + dw, THETA[1] + db)
    return moved.loss(X, Y) - SigmoidNeuron(*THETA).loss(X, Y)


def remainder_order(direction: Tensor, order: int) -> float:
    """The power of η with which L(θ + ηΔθ) leaves its Taylor polynomial of ``order`` 1 or 2."""
    theta = torch.tensor(THETA, dtype=torch.float64)
    x, y = (torch.tensor(values, dtype=torch.float64) for values in (X, Y))

    def loss(theta: Tensor) -> Tensor:
        return ((y - torch.sigmoid(theta[0] * x + theta[1])) ** 2).sum() / 2

    gradient = torch.autograd.functional.jacobian(loss, theta)
    hessian = torch.autograd.functional.hessian(loss, theta)

    def remainder(eta: float) -> float:
        polynomial = loss(theta) + eta * direction @ gradient
        if order == 2:
            polynomial = polynomial + eta**2 / 2 * direction @ hessian @ direction
        return (loss(theta + eta * direction) - polynomial).abs().item()

    return math.log2(remainder(2e-2) / remainder(1e-2))


def rows() -> Iterator[Row]:
    """The rows of system 4."""
    direction = torch.tensor([0.6, -0.8], dtype=torch.float64)
    for line, order, printed in (
        (315, 2, "L + η Δθᵀ∇L + (η²/2!) Δθᵀ∇²L Δθ + …"),
        (316, 1, "L + η Δθᵀ∇L, η small"),
    ):
        measured = remainder_order(direction, order)
        yield agrees(
            f"002:{line}",
            f"Taylor polynomial of L(θ + ηΔθ), order {order}",
            printed,
            fact(abs(measured - order - 1) < 0.1, f"what is left out falls as η^{measured:.2f}"),
            f"{HERE}.remainder_order",
        )
    degrees = torch.arange(0, 360, dtype=torch.float64)
    change = loss_change_by_angle(degrees, 1e-4)
    cosine = torch.deg2rad(degrees).cos()
    clear = cosine.abs() > 0.01  # at 90° and 270° the second order decides
    code = f"{HERE}.loss_change_by_angle"
    yield agrees(
        "002:325",
        "the loss falls where step and gradient disagree",
        "Δθᵀ ∂L/∂θ < 0",
        fact(
            torch.equal(change[clear] < 0, cosine[clear] < 0),
            f"sign of the change is that of the product at {int(clear.sum())} angles",
        ),
        code,
    )
    grad_w, grad_b = SigmoidNeuron(2, -4).gradient(X, Y)
    before = SigmoidNeuron(2, -4).loss(X, Y)
    negative = SigmoidNeuron(2 - 0.1, -4 - 0.1).loss(X, Y) - before
    against = SigmoidNeuron(2 - 0.1 * grad_w, -4 - 0.1 * grad_b).loss(X, Y) - before
    yield misprint(
        "002:328",
        "what should be as negative as possible",
        "Δθ",
        fact(negative < 0, f"Δθ = (−0.1, −0.1) at (2, −4) raises the loss by {negative:.4f}"),
        "Δθᵀ ∂L/∂θ",
        fact(against < 0, f"Δθ = −0.1 ∂L/∂θ lowers it by {-against:.4f}"),
        f"{HERE}._loss_change",
    )
    pairs = torch.randn(2, 1000, 5, generator=torch.Generator().manual_seed(5)).double()
    products = (pairs[0] * pairs[1]).sum(-1) / (pairs[0].norm(dim=-1) * pairs[1].norm(dim=-1))
    yield agrees(
        "002:333",
        "bounds of the cosine",
        "−1 ≤ Δθᵀ∇L / (‖Δθ‖ ‖∇L‖) ≤ 1",
        fact(
            products.abs().max() <= 1, f"{products.min():.3f} to {products.max():.3f}, 1000 pairs"
        ),
        f"{HERE}.rows",
    )
    turned = torch.stack([torch.deg2rad(degrees).cos(), torch.deg2rad(degrees).sin()], 1)
    yield agrees(
        "002:337",
        "cosine of the angle between two vectors",
        "cos θ = a·b / (|a| |b|)",
        equal((turned * 3) @ torch.tensor([2.0, 0.0]).double() / (3 * 2), cosine),
        f"{HERE}.rows",
    )
    yield agrees(
        "002:339",
        "where the cosine is most negative",
        "cos θ = −1 at 180°",
        fact(cosine.argmin() == 180 and cosine.min() == -1, f"{cosine.min():g} at 180°"),
        f"{HERE}.rows",
    )
    yield agrees(
        "002:342",
        "the loss falls most against the gradient",
        "180°",
        fact(
            change.argmin() == 180 and change.argmax() == 0,
            f"{change.min():.2e} at {int(change.argmin())}°, +{change.max():.2e} at 0°",
        ),
        code,
    )
