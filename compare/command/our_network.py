"""The networks that the command lines compare: our own MLP, each way of computing its gradient."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from torch_models import datasets
from torch_models.networks import loss_function, mlp, namespace
from torch_models.train import warn_loudly


@dataclass(frozen=True)
class OurNetwork:
    """A network and the loss that belongs to it, both by the same way of computing gradients."""

    network: nn.Sequential
    loss: Callable[[Tensor, Tensor], Tensor]


def load(options: argparse.Namespace) -> datasets.Images:
    """The data that the options ask for; a warning on stderr when they are not what was asked."""
    images = datasets.load(options.dataset, options.data_dir, options.seed)
    if images.warning:
        warn_loudly(images.warning)
    return images


def build(backprop: str, options: argparse.Namespace, images: datasets.Images) -> OurNetwork:
    """The network that the options ask for, with initial weights that depend on the seed alone."""
    layers = namespace(backprop)
    sizes = (images.train[0].shape[1], *options.hidden, datasets.CLASSES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network = mlp(sizes, options.activation, options.loss, layers)
    return OurNetwork(
        network.to(getattr(torch, options.dtype)),
        loss_function(options.loss, layers, datasets.CLASSES),
    )


def describe(options: argparse.Namespace, images: datasets.Images) -> str:
    """Data, network and precision, for a title."""
    sizes = "-".join(str(n) for n in (images.train[0].shape[1], *options.hidden, datasets.CLASSES))
    return f"{images.name}, {sizes} {options.activation}, {options.loss}, {options.dtype}"
