"""System 11: the trouble with squared error; cross entropy in its place."""

import torch
from torch import Tensor
from torch.nn import functional as F

from compare.notes.by_autograd import float64, gradient
from compare.notes.claim import Claims, agrees, equal, fact
from manual_backprop import functional


def output_gradients(z: Tensor, y: float) -> tuple[Tensor, Tensor]:
    """∂L/∂z of a sigmoid neuron with target y: by squared error, by cross entropy; z (k)."""
    z = z.clone().requires_grad_()
    target = torch.full_like(z, y)
    squared = functional.squared_error_loss(functional.sigmoid(z), target)
    entropy = functional.binary_cross_entropy_with_logits(z, target, reduction="sum")
    return gradient(squared, z), gradient(entropy, z)


def train(cross_entropy: bool, steps: int = 500, lr: float = 0.15) -> Tensor:
    """ŷ before each step, (steps), of one neuron taught y = 0 for x = 1 from w = 2, b = 2.

    A confident mistake to start from: ŷ is 0.98.
    """
    w = b = float64(2)
    outputs = []
    for _ in range(steps):
        a = torch.sigmoid(w + b)
        outputs.append(a)
        delta = a if cross_entropy else a * a * (1 - a)  # ŷ − y, or (ŷ − y) σ′(z)
        w, b = w - lr * delta, b - lr * delta
    return torch.stack(outputs)


def minima(loss: Tensor) -> int:
    """How many local minima a curve has, ends not counted; loss (k)."""
    return int(((loss[1:-1] < loss[:-2]) & (loss[1:-1] < loss[2:])).sum())


# fmt: off
def claims() -> Claims:
    """Notes 002, lines 547 to 551, and 004, line 25."""
    g = torch.Generator().manual_seed(19)
    x = torch.randn(1, generator=g, dtype=torch.float64)
    w = torch.randn(1, generator=g, dtype=torch.float64).requires_grad_()
    y_hat, y = functional.sigmoid(w * x), float64([1])
    auto = gradient(((torch.sigmoid(w * x) - y) ** 2).sum() / 2, w)
    yield agrees("002:547", "∂L/∂w of the squared error", "(ŷ − y) ŷ(1 − ŷ) x",
        equal((y_hat - y) * y_hat * (1 - y_hat) * x,
              gradient(functional.squared_error_loss(y_hat, y), w), auto),
        functional.squared_error_loss)
    for at, target, z, printed in (
        ("002:549", 1.0, -10.0, "y = 1, ŷ ~ 0: ∂L/∂w ~ 0"),
        ("002:550", 0.0, 10.0, "y = 0, ŷ ~ 1: ∂L/∂w ~ 0"),
    ):
        squared, entropy = output_gradients(float64([z]), target)
        yield agrees(at, "at a confident mistake the gradient vanishes, not that of cross entropy",
            printed,
            fact(abs(squared) < 1e-4 and abs(entropy) > 0.99,
                 f"at z = {z:g}: {squared.item():.1e}, cross entropy {entropy.item():.4f}"),
            output_gradients)
    slow, fast = (int((train(entropy) < 0.2).double().argmax()) for entropy in (False, True))
    yield agrees("002:551", "weights are updated very slowly", "(in words)",
        fact(0 < 2 * fast < slow,
             f"from ŷ = 0.98 to 0.2 for y = 0: {slow} steps, cross entropy {fast}"), train)
    x, y = float64([[1.0, 50.0], [0.1, 0.9]])  # two points
    z = torch.linspace(-3, 1, 4001, dtype=torch.float64).unsqueeze(1) * x  # over the weight
    squared = ((torch.sigmoid(z) - y) ** 2).sum(1) / 2
    entropy = F.binary_cross_entropy_with_logits(z, y.expand_as(z), reduction="none").sum(1)
    is_convex = bool((entropy.diff().diff() > 0).all())
    yield agrees("004:25",
        "squared error of a sigmoid is not convex and has local minima (in ŷ alone it is convex)",
        "(in words)",
        fact(minima(squared) > 1 and minima(entropy) == 1 and is_convex,
             f"{minima(squared)} minima over w for two points; cross entropy {minima(entropy)}"),
        minima)
