"""A network and its loss by name and by the way of computing their gradient."""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from torch_models.names import ATTENTIONS, NAMESPACES, known
from torch_models.networks.gpt import gpt
from torch_models.networks.lenet import lenet
from torch_models.networks.loss_function import loss_function
from torch_models.networks.mlp import mlp
from torch_models.networks.resnet import resnet
from torch_models.networks.row_by_row import lstm
from torch_models.networks.vit import vit

#: All but the perceptron, whose layers are up to the user.
BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "lenet": lenet,
    "resnet": resnet,
    "lstm": lstm,
    "vit": vit,
    "gpt": gpt,
}


class Built(NamedTuple):
    """Both compute their gradient in one way."""

    network: nn.Module
    loss: Callable[[Tensor, Tensor], Tensor]


def namespace(backprop: str) -> ModuleType:
    """The module whose layers compute their gradient this way: ``autograd`` → ``torch.nn``.

    Raises:
        ValueError: an unknown name.
    """
    return import_module(known("backprop", backprop, NAMESPACES))


def widths_of(sizes: str) -> list[int]:
    """``"784-160-10"`` → [784, 160, 10].

    Raises:
        ValueError: it is anything else.
    """
    try:
        return [int(width) for width in sizes.split("-")]
    except ValueError:
        raise ValueError(f"sizes must be numbers as in '784-160-10', got {sizes!r}") from None


def build(
    network: str,
    backprop: str,
    seed: int = 0,
    sizes: str = "784-160-10",
    activation: str = "relu",
    loss: str = "cross-entropy",
    attention: str = "whole",
) -> Built:
    """The network with initial weights that depend on the seed alone.

    Args:
        network: a key of ``recipes.RECIPES``.
        backprop: a key of ``names.NAMESPACES``.
        seed: of the initial weights.
        sizes: of the perceptron, as in ``"784-160-10"``.
        activation: likewise.
        loss: one of ``names.LOSSES``; cross entropy for all but the perceptron.
        attention: of gpt, one of ``names.ATTENTIONS``.

    Raises:
        ValueError: an unknown name, or sizes that are not two or more whole numbers.
    """
    layers = namespace(backprop)
    known("attention", attention, dict.fromkeys(ATTENTIONS))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if network == "mlp":
            widths = widths_of(sizes)
            classes = widths[-1]
            return Built(
                mlp(widths, activation, loss, layers), loss_function(loss, layers, classes)
            )
        builder = known("network", network, {"mlp": mlp, **BUILDERS})
        made = builder(layers, attention) if network == "gpt" else builder(layers)
    return Built(made, loss_function("cross-entropy", layers))
