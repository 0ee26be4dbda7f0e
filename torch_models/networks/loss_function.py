"""The losses by name, over two namespaces."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torch_models.names import LOSSES, known


def loss_function(
    name: str = "cross-entropy", layers: Any = nn, classes: int = 10
) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss (network output (N, classes), labels int64 (N,)) → scalar.

    Losses that compare with a vector get the labels one-hot, in the output's dtype.

    Args:
        name: one of ``names.LOSSES``.
        layers: the namespace whose loss modules are used, ``torch.nn`` or ``manual_backprop``.
        classes: length of the one-hot vectors.

    Raises:
        ValueError: the name is unknown.
    """
    known("loss", name, LOSSES)
    if name == "cross-entropy":
        return layers.CrossEntropyLoss()
    if name == "nll":
        return layers.NLLLoss()
    if name == "squared-error":
        # The one loss of the notes that torch.nn lacks.
        loss = getattr(layers, "SquaredErrorLoss", SquaredErrorLoss)(reduction="mean")
    else:
        modules = {
            "bce": layers.BCELoss,
            "bce-with-logits": layers.BCEWithLogitsLoss,
            "mse": layers.MSELoss,
        }
        loss = modules[name]()
    if name == "bce":
        loss = _nan_for_nan(loss)
    return lambda output, labels: loss(output, F.one_hot(labels, classes).to(output.dtype))


def _nan_for_nan(
    bce: Callable[[Tensor, Tensor], Tensor],
) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of a training that diverges is NaN, by bce as by the others, and that is noticed.

    PyTorch's bce itself takes no NaN for a probability: it raises, and on a GPU it ends all that
    the process can do there. So it gets ½ instead, and what it returns becomes NaN; the bits of
    all other losses and gradients stay as they are.
    """

    def loss(a: Tensor, y: Tensor) -> Tensor:
        known = a.nan_to_num(0.5)
        return bce(known, y) + (a - known).detach().sum()  # + 0, or NaN

    return loss


class SquaredErrorLoss(nn.Module):
    """(1/2m) Σ (a − y)² in ordinary PyTorch, differentiated by autograd; m = samples (dim 0).

    The twin of ``manual_backprop.SquaredErrorLoss``. ``reduction="sum"`` is ½ Σ (a − y)², and
    ``"none"`` is ½ (a − y)² for each element.
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, a: Tensor, y: Tensor) -> Tensor:
        """(m, …), (m, …) → scalar, or (m, …) for ``reduction="none"``."""
        halves = 0.5 * torch.square(a - y)
        if self.reduction == "none":
            return halves
        total = halves.sum()
        return total if self.reduction == "sum" else total / len(a)
