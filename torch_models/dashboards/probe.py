"""Activations, δ and gradients of each layer on one fixed batch.

The batch is the same after every epoch and for every way of computing the gradient, so the numbers
can be compared over time and between runs. Nothing of the training is touched: not the parameters'
``.grad``, not the buffers, not the random state.
"""

from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from torch_models.classifier import Classifier
from torch_models.evaluating import evaluating
from torch_models.explicit import Explicit
from torch_models.names import LOSSES, Reads

#: Images that the network sees at once, where it sees many.
AT_ONCE = 1_000


class ProbedLayer(NamedTuple):
    """What a layer that multiplies by weights does on m samples; n neurons of a perceptron's."""

    name: str
    """Of the perceptron ``layer l``, else the name of the module."""
    weight: Tensor
    """Wˡ, (nˡ, nˡ⁻¹); all matrices of another network's layer, one after the other."""
    gradient: Tensor
    """∂L/∂Wˡ, of the same shape."""
    delta: Tensor
    """δˡ = ∂L/∂zˡ, (m, nˡ), where L is the mean loss of the m samples."""
    activation: Tensor
    """aˡ, (m, nˡ); of the last layer what the loss reads; of another network's layer zˡ itself."""


def layers(classifier: Classifier, x: Tensor, labels: Tensor) -> list[ProbedLayer]:
    """Layer 1 first, differentiated in the way that the classifier is trained.

    Args:
        classifier: on the device of the samples.
        x: (m, …).
        labels: int64 (m, …).
    """
    if classifier.hparams["backprop"] == "explicit":
        return _by_recursion(classifier, x, labels)
    if classifier.hparams["network"] == "mlp":
        return _of_perceptron(classifier, x, labels)
    return _of_modules(classifier, x, labels)


def _of_perceptron(classifier: Classifier, x: Tensor, labels: Tensor) -> list[ProbedLayer]:
    network = classifier.network
    assert isinstance(network, nn.Sequential)
    linears = [layer for layer in network if isinstance(layer, nn.Linear)]
    z: list[Tensor] = []
    a: list[Tensor] = []
    with torch.enable_grad():
        value = classifier.as_input(x)
        for module in network:
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
    return _numbered([W.detach() for W in weights], [x.detach() for x in a], of_weights, deltas)


def _by_recursion(classifier: Classifier, x: Tensor, labels: Tensor) -> list[ProbedLayer]:
    # One of its own: the training's keeps the z and a of the training's last batch.
    assert isinstance(classifier.network, nn.Sequential)
    explicit = Explicit(
        classifier.network, classifier.hparams["activation"], classifier.hparams["loss"]
    )
    explicit.forward(x, labels)
    network = explicit.network
    gradients = network.backward(labels)
    # Network's δ is that of each sample's own loss.
    deltas = [δ / len(labels) for δ in gradients.deltas]
    a = [*network.a[1:-1], explicit.output()]
    return _numbered(network.weights, a, gradients.weights, deltas)


def _numbered(weights: Any, a: Any, gradients: Any, deltas: Any) -> list[ProbedLayer]:
    rows = zip(weights, gradients, deltas, a, strict=True)
    return [ProbedLayer(f"layer {number}", *row) for number, row in enumerate(rows, 1)]


def _of_modules(classifier: Classifier, x: Tensor, labels: Tensor) -> list[ProbedLayer]:
    """Each module that has matrices of its own; it is differentiated in evaluation mode."""
    network = classifier.network
    weights = {
        name: [w for w in module.parameters(recurse=False) if w.dim() > 1]
        for name, module in network.named_modules()
        if name
    }
    weights = {name: of for name, of in weights.items() if of}
    z = outputs(classifier, x, list(weights), gradient=True)
    loss = classifier.loss(z[""], labels)
    every = [w for of in weights.values() for w in of]
    gradients = list(torch.autograd.grad(loss, [*every, *(z[name] for name in weights)]))
    found = []
    for name, of in weights.items():
        of_weights = [gradients.pop(0).flatten() for _ in of]
        flat = torch.cat([w.detach().flatten() for w in of])
        found.append((name, flat, torch.cat(of_weights), z[name].detach()))
    return [
        ProbedLayer(name, W, gradient, δ, a)
        for (name, W, gradient, a), δ in zip(found, gradients, strict=True)
    ]


def outputs(
    classifier: Classifier, x: Tensor, names: list[str], *, gradient: bool = False
) -> dict[str, Tensor]:
    """What these modules give out in evaluation mode, and the network itself, as ``""``."""
    found: dict[str, Tensor] = {}

    def note(name: str, module: nn.Module, _: object, output: Any) -> None:
        found[name] = output[0] if isinstance(output, tuple) else output

    network = classifier.network
    with torch.set_grad_enabled(gradient), evaluating(network), ExitStack() as stack:
        for name in names:
            handle = network.get_submodule(name).register_forward_hook(partial(note, name))
            stack.callback(handle.remove)
        # Not what --compile has made of it, where no hook is called.
        found[""] = network.forward(classifier.as_input(x))
    return found


def probabilities(classifier: Classifier, x: Tensor) -> Tensor:
    """(m, …) → (m, classes) in [0, 1], whatever the loss reads."""
    output = torch.cat([outputs(classifier, part, [])[""] for part in x.split(AT_ONCE)])
    reads = LOSSES[classifier.hparams["loss"]]
    if reads is Reads.LOG_PROBABILITIES:
        return output.exp()
    if reads is Reads.PROBABILITIES:
        return output
    return output.sigmoid() if "bce" in classifier.hparams["loss"] else output.softmax(1)


def last_hidden(classifier: Classifier, x: Tensor) -> Tensor:
    """(m, …) → what the last Linear reads, (m, n)."""
    seen: list[Tensor] = []
    linears = [layer for layer in classifier.network.modules() if isinstance(layer, nn.Linear)]
    handle = linears[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        for part in x.split(AT_ONCE):
            outputs(classifier, part, [])
    finally:
        handle.remove()
    return torch.cat(seen)
