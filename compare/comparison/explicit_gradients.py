"""The third way in a comparison: ``Network``, which has no autograd that could be watched.

Its gradients are read off the recursion itself, and get the names that autograd's have.
"""

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn

from compare.comparison.pair import reference_trial
from compare.comparison.report import Report
from compare.trial.key import LOSS, Key, Kind
from compare.trial.pairing import Pairing
from compare.trial.trial import Trial
from compare.trial.watch import Item
from compare.verdict.judging import judge_trials
from manual_backprop.network import Gradients
from torch_models.explicit import Explicit
from torch_models.networks.loss_function import loss_function


def compare_explicit(
    network: nn.Sequential, activation: str, loss: str, x: Tensor, labels: Tensor, seed: int = 0
) -> Report:
    """Network's loss, output, every δ and every gradient against autograd's, at the same weights.

    Args:
        network: an ``mlp(…)`` of torch.nn; its weights are used on both sides and left alone.
        activation: the one that it was built with.
        loss: likewise.
        x: samples, (N, in).
        labels: int64, (N).
        seed: for the report; nothing is drawn. The only incoming gradient is the 1 of
            ``loss.backward()``, since the recursion starts at the loss.
    """
    classes = [layer for layer in network if isinstance(layer, nn.Linear)][-1].out_features
    criterion = loss_function(loss, nn, classes)
    # Samples need no gradient: the recursion ends at the first layer's weights.
    trial = reference_trial(network, criterion, x.detach(), labels)
    # A copy: a gradient that is not finite would spoil the weights.
    forms = [Explicit(copy.deepcopy(network), activation, loss) for _ in range(2)]
    found = [_items(forms[0], x, labels, trial), _items_of_fused(forms[1], x, labels, trial)]
    dtype = str(x.dtype).removeprefix("torch.")
    judged = judge_trials([replace(trial, manual=items) for items in found], Pairing())
    return Report([rows for _, rows in judged], dtype, seed)


def _items(explicit: Explicit, x: Tensor, labels: Tensor, trial: Trial) -> list[Item]:
    """As the equations stand."""
    loss, _ = explicit.forward(x, labels)
    gradients = explicit.network.backward(labels)
    return _named(loss, explicit.output(), gradients, trial)


def _items_of_fused(explicit: Explicit, x: Tensor, labels: Tensor, trial: Trial) -> list[Item]:
    """As it is trained."""
    loss, gradients = fused_gradients(explicit, x, labels)
    return _named(loss, explicit.output(), gradients, trial)


def fused_gradients(explicit: Explicit, x: Tensor, labels: Tensor) -> tuple[Tensor, Gradients]:
    """The loss, and the gradients as a fused step forms them.

    A step with β = 0 leaves the gradient in the velocity, one with η = 0 leaves the weights.
    """
    parameters = [p for layer in explicit.linears for p in (layer.weight, layer.bias)]
    explicit.take(torch.optim.SGD(parameters, lr=0.0))
    loss, _ = explicit.step(x, labels)
    fused = explicit.fused[len(x)]
    explicit.network.z, explicit.network.a = fused.z, [x, *fused.a]  # for explicit.output()
    return loss, Gradients(fused.delta, fused.v_weights, fused.v_biases)


def _named(loss: Tensor, output: Tensor, gradients: Gradients, trial: Trial) -> list[Item]:
    tensors = {Key(Kind.OUTPUT, LOSS): loss, Key(Kind.OUTPUT): output}
    for i, (δ, W, b) in enumerate(zip(*gradients, strict=True)):
        # Layer l is module 2(l − 1). δ is one sample's; the mean of the loss divides it by m.
        tensors[Key(Kind.DELTA, f"{2 * i}")] = δ / len(δ)
        tensors[Key(Kind.PARAMETER, f"{2 * i}.weight")] = W
        tensors[Key(Kind.PARAMETER, f"{2 * i}.bias")] = b
    # δ of an activation, and of the last layer where an activation follows it, is not in the
    # recursion, which goes from z to z.
    return [
        replace(item, tensor=tensors[item.key]) for item in trial.reference if item.key in tensors
    ]


class LockstepExplicit:
    """How ``train_in_lockstep`` differentiates and judges the explicit way."""

    def __init__(self, activation: str, loss: str) -> None:
        self.activation, self.loss = activation, loss

    def differentiate(self, network: nn.Sequential, x: Tensor, labels: Tensor) -> Tensor:
        """Fill ``.grad`` and return the loss."""
        explicit = Explicit(network, self.activation, self.loss)
        loss, (_, weights, biases) = fused_gradients(explicit, x, labels)
        for layer, W, b in zip(explicit.linears, weights, biases, strict=True):
            layer.weight.grad, layer.bias.grad = W, b
        return loss

    def judge(self, network: nn.Sequential, x: Tensor, labels: Tensor) -> Report:
        """Every gradient at these weights against autograd's and the truth."""
        return compare_explicit(network, self.activation, self.loss, x, labels)
