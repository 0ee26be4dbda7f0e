"""A ``Network`` and its twin in PyTorch, whose gradients are the expectation."""

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manual_backprop.network import Network

SIZES = (7, 6, 5, 4)
MODULES = {
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "identity": nn.Identity,
}
# Loss → the modules that end the network for it, and the loss of output and (m, k) targets.
TORCH = {
    "cross-entropy": ([], F.cross_entropy),
    "nll": ([nn.LogSoftmax(1)], lambda a, y: F.nll_loss(a, y.argmax(1))),
    "bce": ([nn.Sigmoid()], F.binary_cross_entropy),
    "bce-with-logits": ([], F.binary_cross_entropy_with_logits),
    "squared-error": ([nn.Sigmoid()], lambda a, y: 0.5 * ((a - y) ** 2).sum() / len(y)),
    "mse": ([nn.Sigmoid()], F.mse_loss),
}
PAIRS = list(itertools.product(MODULES, TORCH))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sequential(network: Network) -> nn.Sequential:
    """The same network in PyTorch, with the same weights."""
    modules: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(network.sizes):
        modules += [nn.Linear(inputs, outputs), MODULES[network.activation]()]
    twin = nn.Sequential(*modules[:-1], *TORCH[network.loss][0])
    twin.to(network.weights[0].dtype).load_state_dict(network.state_dict())
    return twin


def data(m: int = 9, inputs: int = 7, outputs: int = 4, dtype=torch.float64):
    x = 3 * torch.randn(m, inputs, generator=seeded(1), dtype=dtype)
    return x, torch.randint(outputs, (m,), generator=seeded(2))


def one_hot(labels: Tensor, like: Tensor, classes: int = 4) -> Tensor:
    return F.one_hot(labels, classes).to(like.dtype)


def autograd(network: Network, x: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Loss, and gradients in the order of ``explicit``."""
    twin = sequential(network)
    loss = TORCH[network.loss][1](twin(x), y)
    return loss.detach(), list(torch.autograd.grad(loss, list(twin.parameters())))


def explicit(network: Network, x: Tensor, y: Tensor) -> list[Tensor]:
    network.forward(x)
    _, weights, biases = network.backward(y)
    return [g for layer in zip(weights, biases, strict=True) for g in layer]


def check(network: Network, x: Tensor, y: Tensor) -> None:
    """Loss and gradients are autograd's to 1e-10, relative to the largest of each tensor."""
    loss, expected = autograd(network, x, y)
    assert network.loss_value(x, y) == pytest.approx(loss.item(), rel=1e-10)
    for ours, theirs in zip(explicit(network, x, y), expected, strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        assert (ours - theirs).abs().max() <= 1e-10 * theirs.abs().max()
