"""System 4: why the opposite of the gradient; the Taylor argument as something to measure."""

import math

import torch
from torch import Tensor

from compare.notes.by_autograd import float64
from compare.notes.claim import Claims, agrees, equal, fact, misprint
from compare.notes.descent import X, Y, two_point_loss
from manual_backprop.perceptron import SigmoidNeuron

THETA = (0.5, 0.0)  # the notes' first guess


def loss_change(theta: tuple[float, float], dw: Tensor | float, db: Tensor | float) -> Tensor:
    """L(θ + Δθ) − L(θ)."""
    w, b = theta
    return SigmoidNeuron(w + dw, b + db).loss(X, Y) - SigmoidNeuron(w, b).loss(X, Y)


def loss_change_by_angle(degrees: Tensor, eta: float) -> Tensor:
    """Change of the loss after a step of length η, at each angle to the gradient.

    Args:
        degrees: angles between step and gradient, shape (k).
        eta: length of the step in the plane of (w, b).
    """
    grad_w, grad_b = SigmoidNeuron(*THETA).gradient(X, Y)
    angle = torch.atan2(grad_b, grad_w[0]) + torch.deg2rad(degrees)
    return torch.stack([loss_change(THETA, eta * a.cos(), eta * a.sin()) for a in angle])


def remainder_order(direction: Tensor, order: int) -> float:
    """The power of η with which L(θ + ηΔθ) leaves its Taylor polynomial of ``order`` 1 or 2."""
    theta = float64(THETA)

    def loss(theta: Tensor) -> Tensor:
        return two_point_loss(*theta)

    gradient = torch.autograd.functional.jacobian(loss, theta)
    hessian = torch.autograd.functional.hessian(loss, theta)

    def remainder(eta: float) -> float:
        polynomial = loss(theta) + eta * direction @ gradient
        if order == 2:
            polynomial = polynomial + eta**2 / 2 * direction @ hessian @ direction
        return (loss(theta + eta * direction) - polynomial).abs().item()

    return math.log2(remainder(2e-2) / remainder(1e-2))


# fmt: off
def claims() -> Claims:
    """Note 002, lines 315 to 342."""
    second, first = (remainder_order(float64([0.6, -0.8]), order) for order in (2, 1))
    degrees = torch.arange(0, 360, dtype=torch.float64)
    angle = torch.deg2rad(degrees)
    cosine, change = angle.cos(), loss_change_by_angle(degrees, 1e-4)
    clear = cosine.abs() > 0.01  # at 90° and 270° the second order decides
    grad_w, grad_b = SigmoidNeuron(2, -4).gradient(X, Y)
    negative = loss_change((2, -4), -0.1, -0.1)
    against = loss_change((2, -4), -0.1 * grad_w, -0.1 * grad_b)
    pairs = torch.randn(2, 1000, 5, generator=torch.Generator().manual_seed(5)).double()
    products = (pairs[0] * pairs[1]).sum(-1) / (pairs[0].norm(dim=-1) * pairs[1].norm(dim=-1))
    turned = torch.stack([angle.cos(), angle.sin()], 1)
    yield agrees("002:315", "Taylor polynomial of L(θ + ηΔθ), order 2",
        "L + η Δθᵀ∇L + (η²/2!) Δθᵀ∇²L Δθ + …",
        fact(abs(second - 3) < 0.1, f"what is left out falls as η^{second:.2f}"), remainder_order)
    yield agrees("002:316", "Taylor polynomial of L(θ + ηΔθ), order 1", "L + η Δθᵀ∇L, η small",
        fact(abs(first - 2) < 0.1, f"what is left out falls as η^{first:.2f}"), remainder_order)
    yield agrees("002:325", "the loss falls where step and gradient disagree", "Δθᵀ ∂L/∂θ < 0",
        fact(torch.equal(change[clear] < 0, cosine[clear] < 0),
             f"sign of the change is that of the product at {int(clear.sum())} angles"),
        loss_change_by_angle)
    yield misprint("002:328", "what should be as negative as possible", "Δθ",
        fact(negative < 0, f"Δθ = (−0.1, −0.1) at (2, −4) raises the loss by {negative:.4f}"),
        "Δθᵀ ∂L/∂θ", fact(against < 0, f"Δθ = −0.1 ∂L/∂θ lowers it by {-against:.4f}"), loss_change)
    yield agrees("002:333", "bounds of the cosine", "−1 ≤ Δθᵀ∇L / (‖Δθ‖ ‖∇L‖) ≤ 1",
        fact(products.abs().max() <= 1,
             f"{products.min():.3f} to {products.max():.3f}, 1000 pairs"), claims)
    yield agrees("002:337", "cosine of the angle between two vectors", "cos θ = a·b / (|a| |b|)",
        equal((turned * 3) @ float64([2, 0]) / (3 * 2), cosine), claims)
    yield agrees("002:339", "where the cosine is most negative", "cos θ = −1 at 180°",
        fact(cosine.argmin() == 180 and cosine.min() == -1, f"{cosine.min():g} at 180°"), claims)
    yield agrees("002:342", "the loss falls most against the gradient", "180°",
        fact(change.argmin() == 180 and change.argmax() == 0,
             f"{change.min():.2e} at {int(change.argmin())}°, +{change.max():.2e} at 0°"),
        loss_change_by_angle)
