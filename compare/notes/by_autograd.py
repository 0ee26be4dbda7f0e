"""The other side of every equation: what autograd says, in float64."""

from typing import Any

import torch
from torch import Tensor

from manual_backprop import Network


def float64(values: Any) -> Tensor:
    """A tensor of these numbers."""
    return torch.tensor(values, dtype=torch.float64)


def gradients(output: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """∂output/∂input for each input, the graph kept for more."""
    return torch.autograd.grad(output, inputs, retain_graph=True)


def gradient(output: Tensor, input: Tensor) -> Tensor:
    """∂output/∂input, the graph kept for more."""
    return gradients(output, input)[0]


def derivative(function: Any, z: Tensor) -> Tensor:
    """∂a/∂z of an elementwise function by its backward, hand-written or autograd's; z (k)."""
    z = z.clone().requires_grad_()
    return gradient(function(z).sum(), z)


def record(network: Network, x: Tensor) -> tuple[list[Tensor], ...]:
    """A forward pass of x through sigmoid layers: weights, biases, z¹ … zᴸ and a⁰ … aᴸ."""
    weights = [W.clone().requires_grad_() for W in network.weights]
    biases = [b.clone().requires_grad_() for b in network.biases]
    z, a = [], [x]
    for W, b in zip(weights, biases, strict=True):
        z.append(a[-1] @ W.T + b)
        a.append(torch.sigmoid(z[-1]))
    return weights, biases, z, a
