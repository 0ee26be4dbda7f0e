"""One builder for the multilayer perceptron, in two namespaces.

``mlp(layers=torch.nn)`` and ``mlp(layers=manual_backprop)`` run the same lines, so the networks
have the same initialisation and the same ``state_dict`` keys; only what computes the gradient
differs.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torch_models.names import ACTIVATIONS, LOSSES, NAMESPACES, Reads

T = TypeVar("T")


def namespace(backprop: str) -> ModuleType:
    """The module whose layers compute their gradient this way: ``autograd`` → ``torch.nn``."""
    return import_module(NAMESPACES[backprop])


def mlp(
    sizes: Sequence[int] = (784, 160, 10),
    activation: str = "relu",
    loss: str = "cross-entropy",
    layers: Any = nn,
) -> nn.Sequential:
    """A multilayer perceptron; the default is the notes' network.

    Args:
        sizes: neurons of each layer, input first; one more entry than there are weight matrices.
        activation: name of the hidden layers' activation, one of ``names.ACTIVATIONS``.
        loss: name of the loss that will read the output, one of ``names.LOSSES``; it decides
            whether the output is logits, log-probabilities, or probabilities.
        layers: the namespace to build from, ``torch.nn`` or ``manual_backprop``.

    Returns:
        A network (N, sizes[0]) → (N, sizes[-1]) with one ``Linear`` for each pair of sizes.

    Raises:
        ValueError: fewer than two sizes, a size below 1, or an unknown name.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes must be two or more numbers of at least 1, got {tuple(sizes)}")
    hidden = getattr(layers, _known("activation", activation, ACTIVATIONS))
    modules: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        modules += [layers.Linear(n_in, n_out), hidden()]
    return nn.Sequential(*modules[:-1], *_output(_known("loss", loss, LOSSES), layers))


def _output(reads: Reads, layers: Any) -> list[nn.Module]:
    if reads is Reads.LOGITS:
        return []
    return [layers.LogSoftmax(dim=1) if reads is Reads.LOG_PROBABILITIES else layers.Sigmoid()]


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
    _known("loss", name, LOSSES)
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


def _known(kind: str, name: str, table: Mapping[str, T]) -> T:
    if name not in table:
        raise ValueError(f"unknown {kind} {name!r}: choose from {', '.join(table)}")
    return table[name]
