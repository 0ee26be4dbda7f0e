"""Activations, δ and gradients of each layer on one fixed batch.

The batch is the same after every epoch and for every way of computing the gradient, so the numbers
can be compared over time and between runs. Nothing of the training is touched: not the parameters'
``.grad``, not the random state.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from torch_models.classifier import Classifier
from torch_models.explicit import Explicit
from torch_models.names import LOSSES, Reads


class Layer(NamedTuple):
    """What layer l of a multilayer perceptron does on m samples, n neurons."""

    weight: Tensor
    """Wˡ, (nˡ, nˡ⁻¹)."""
    gradient: Tensor
    """∂L/∂Wˡ, (nˡ, nˡ⁻¹)."""
    delta: Tensor
    """δˡ = ∂L/∂zˡ, (m, nˡ), where L is the mean loss of the m samples."""
    activation: Tensor
    """aˡ, (m, nˡ); of the last layer what the loss reads."""


def layers(classifier: Classifier, x: Tensor, labels: Tensor) -> list[Layer]:
    """Layer 1 first, differentiated in the way that the classifier is trained.

    Args:
        classifier: on the device of the samples.
        x: (m, features).
        labels: int64 (m,).
    """
    if classifier.hparams["backprop"] == "explicit":
        return _by_recursion(classifier, x, labels)
    return _by_autograd(classifier, x, labels)


def _by_autograd(classifier: Classifier, x: Tensor, labels: Tensor) -> list[Layer]:
    linears = [layer for layer in classifier.network if isinstance(layer, nn.Linear)]
    z: list[Tensor] = []
    a: list[Tensor] = []
    with torch.enable_grad():
        value = x.to(_dtype(classifier))
        for module in classifier.network:
            value = module(value)
            if isinstance(module, nn.Linear):
                z.append(value)
                a.append(value)
            else:
                a[-1] = value
        loss = classifier.loss(value, labels)
        weights = [layer.weight for layer in linears]
        gradients = torch.autograd.grad(loss, [*weights, *z])
    of_weights, deltas = gradients[: len(weights)], gradients[len(weights) :]
    detached = ([tensor.detach() for tensor in tensors] for tensors in (weights, a))
    weights, a = detached
    return [Layer(*row) for row in zip(weights, of_weights, deltas, a, strict=True)]


def _by_recursion(classifier: Classifier, x: Tensor, labels: Tensor) -> list[Layer]:
    # One of its own: the training's keeps the z and a of the training's last batch.
    explicit = Explicit(
        classifier.network, classifier.hparams["activation"], classifier.hparams["loss"]
    )
    explicit.forward(x, labels)
    network = explicit.network
    gradients = network.backward(labels)
    # Network's δ is that of each sample's own loss.
    deltas = [δ / len(labels) for δ in gradients.deltas]
    a = [*network.a[1:-1], explicit.output()]
    return [Layer(*row) for row in zip(network.weights, gradients.weights, deltas, a, strict=True)]


def probabilities(classifier: Classifier, x: Tensor) -> Tensor:
    """(m, features) → (m, classes) in [0, 1], whatever the loss reads."""
    output = classifier.network(x.to(_dtype(classifier)))
    reads = LOSSES[classifier.hparams["loss"]]
    if reads is Reads.LOG_PROBABILITIES:
        return output.exp()
    if reads is Reads.PROBABILITIES:
        return output
    return output.sigmoid() if "bce" in classifier.hparams["loss"] else output.softmax(1)


def last_hidden(classifier: Classifier, x: Tensor) -> Tensor:
    """(m, features) → the activations that the last Linear reads, (m, n)."""
    linears = [i for i, layer in enumerate(classifier.network) if isinstance(layer, nn.Linear)]
    return classifier.network[: linears[-1]](x.to(_dtype(classifier)))


def _dtype(classifier: Classifier) -> torch.dtype:
    return next(classifier.network.parameters()).dtype
