"""The table of losses: each with the output activation it implies and its δᴸ, for ``Network``.

    ŷ = aᴸ = σ(zᴸ)        L = (1/m) Σₙ Lₙ        δᴸ = ∂Lₙ/∂zᴸ = ∂Lₙ/∂ŷ ⊙ σ′(zᴸ)

                   ŷ        Lₙ                                           δᴸ
    cross-entropy  softmax  −Σⱼ yⱼ ln ŷⱼ                                 ŷ − y
    bce            sigmoid  −(1/k) Σⱼ yⱼ ln ŷⱼ + (1 − yⱼ) ln(1 − ŷⱼ)     (ŷ − y) / k
    squared-error  sigmoid  ½ Σⱼ (ŷⱼ − yⱼ)²                              (ŷ − y) ⊙ ŷ(1 − ŷ)
    mse            sigmoid  (1/k) Σⱼ (ŷⱼ − yⱼ)²                          (2/k)(ŷ − y) ⊙ ŷ(1 − ŷ)

n counts m samples, j counts k outputs; zᴸ, ŷ, y and δᴸ have the shape (m, k), Lₙ (m). Why ŷ − y:
softmax has ∂ŷᵢ/∂zⱼ = ŷᵢ(δᵢⱼ − ŷⱼ), so −Σᵢ (yᵢ/ŷᵢ) ŷᵢ(δᵢⱼ − ŷⱼ) = ŷⱼ Σᵢ yᵢ − yⱼ, and Σᵢ yᵢ = 1; the
sigmoid's (−y/ŷ + (1 − y)/(1 − ŷ)) ŷ(1 − ŷ) is the same with two classes. The squared errors keep
the factor ŷ(1 − ŷ), which vanishes at a confident mistake.

bce and mse are means over the outputs too, as in ``torch.nn.BCELoss`` and ``torch.nn.MSELoss``: the
notes' formulas are those with k = 1, or k times these. The logarithms are taken of zᴸ, never of a
rounded ŷ, so no loss is infinite and δᴸ stays ŷ − y where PyTorch's ``BCELoss`` clamps.

Source: lecture notes "Backpropagation", "Back propagation using different loss function" and "How
results change with the loss function" (δᴸ), "Deep Learning" (softmax, and why not the squared
error).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from manual_backprop.activation.sigmoids import sigmoid_gradient
from manual_backprop.loss.binary_cross_entropy_with_logits import bce_with_logits_gradient
from manual_backprop.loss.mse import mse_gradient
from manual_backprop.loss.squared_error import squared_error_gradient


class Loss(NamedTuple):
    """One row of the table."""

    output: Callable[[Tensor], Tensor]
    """zᴸ ↦ ŷ."""
    value: Callable[[Tensor, Tensor, Tensor], Tensor]
    """(zᴸ, ŷ, y) ↦ Lₙ, one number for each sample."""
    delta: Callable[[Tensor, Tensor], Tensor]
    """(ŷ, y) ↦ δᴸ."""


def _softmax(z: Tensor) -> Tensor:
    return torch.softmax(z, dim=1)


# δᴸ is made of the gradients in ``loss/``, whose first argument is the gradient that arrives.
# Only that of cross entropy is written out: the one in ``loss/cross_entropy.py`` reads class
# indices, and rounds in the order of PyTorch's kernels so as to be equal to the last bit.
_CROSS_ENTROPY = Loss(
    output=_softmax,
    value=lambda z, ŷ, y: -(y * torch.log_softmax(z, dim=1)).sum(1),
    delta=lambda ŷ, y: ŷ - y,
)
_BCE = Loss(
    output=torch.sigmoid,
    value=lambda z, ŷ, y: -(y * logsigmoid(z) + (1 - y) * logsigmoid(-z)).mean(1),
    delta=lambda ŷ, y: bce_with_logits_gradient(1, ŷ, y) / ŷ.shape[1],
)
_SQUARED_ERROR = Loss(
    output=torch.sigmoid,
    value=lambda z, ŷ, y: 0.5 * ((ŷ - y) ** 2).sum(1),
    delta=lambda ŷ, y: sigmoid_gradient(squared_error_gradient(1, ŷ, y), ŷ),
)
_MSE = Loss(
    output=torch.sigmoid,
    value=lambda z, ŷ, y: ((ŷ - y) ** 2).mean(1),
    delta=lambda ŷ, y: sigmoid_gradient(mse_gradient(1, ŷ, y), ŷ) / ŷ.shape[1],
)

# PyTorch tells losses of logits and losses of probabilities apart. The network is the same one:
# its output is always the probability and its loss is always computed from the logits.
LOSSES = {
    "cross-entropy": _CROSS_ENTROPY,
    "nll": _CROSS_ENTROPY,
    "bce": _BCE,
    "bce-with-logits": _BCE,
    "squared-error": _SQUARED_ERROR,
    "mse": _MSE,
}
