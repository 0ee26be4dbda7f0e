"""System 14: one hidden layer of sigmoid neurons approximates any continuous function.

The hidden neurons are smooth steps, σ(s(x − c)), at evenly spaced places c and as steep as their
distance suggests; the output is linear, its weights fitted by least squares. So it is the best
that these hidden neurons can do, and no training can hide what more of them would bring.
"""

import torch
from torch import Tensor

from compare.notes.claim import Claims, agrees, fact
from compare.notes.curve import DEFAULT, parse

WIDTHS = (1, 2, 4, 8, 16, 32, 64, 128)


def approximate(x: Tensor, y: Tensor, width: int) -> Tensor:
    """The network's output at x, fitted to y there.

    Args:
        x: points of [0, 1] in ascending order, shape (k).
        y: the curve at these points, shape (k).
        width: number of hidden neurons.
    """
    places = (torch.arange(width, dtype=x.dtype) + 0.5) / width
    hidden = torch.sigmoid(2 * width * (x.unsqueeze(1) - places))
    columns = torch.cat([torch.ones_like(x).unsqueeze(1), hidden], dim=1)  # a⁰ = 1 for the bias
    return columns @ torch.linalg.lstsq(columns, y.unsqueeze(1)).solution.squeeze(1)


def errors(expression: str, widths: tuple[int, ...] = WIDTHS) -> list[float]:
    """Largest distance between curve and network on [0, 1], for each width."""
    x = torch.linspace(0, 1, 1001, dtype=torch.float64)
    y = parse(expression)(x)
    return [(approximate(x, y, width) - y).abs().max().item() for width in widths]


# fmt: off
def claims() -> Claims:
    """Note 002, line 410."""
    for curve in (DEFAULT, "abs(x - 0.4)", "exp(-50*(x - 0.5)**2)"):
        worst = errors(curve)
        yield agrees("002:410",
            f"a single hidden layer approximates any continuous function: {curve}",
            "to any desired precision",
            fact(worst[-1] < 0.02 * worst[0],
                 f"largest error {worst[0]:.2g} with 1 neuron, {worst[3]:.1g} with {WIDTHS[3]}, "
                 f"{worst[-1]:.1g} with {WIDTHS[-1]}"), approximate)
