"""The networks that the command lines compare: our own, each way of computing its gradient."""

import argparse

import torch
from torch import Tensor

from torch_models import datasets, threads
from torch_models.networks.build import Built, build
from torch_models.recipes import RECIPES
from torch_models.train import warn_loudly


def load(options: argparse.Namespace) -> datasets.Samples:
    """The data that the options ask for; a warning on stderr when they are not what was asked."""
    where = (options.dataset, options.data_dir, options.seed)
    samples = datasets.load(*where, True, None, None, options.text_dir)
    if samples.warning:
        warn_loudly(samples.warning)
    return samples.shaped(RECIPES[options.network].sample)


def built(backprop: str, options: argparse.Namespace) -> Built:
    """The network that the options ask for, with initial weights that depend on the seed alone."""
    found = build(
        options.network,
        backprop,
        options.seed,
        _sizes(options),
        options.activation,
        options.loss,
        options.attention,
    )
    found.network.to(getattr(torch, options.dtype))
    return found


def as_input(x: Tensor, options: argparse.Namespace) -> Tensor:
    """Numbers in the type that is computed in, indices as they are."""
    return x.to(getattr(torch, options.dtype)) if x.is_floating_point() else x


def describe(options: argparse.Namespace, samples: datasets.Samples) -> str:
    """Data, network, precision and threads, for a title."""
    network = options.network
    if network == "mlp":
        network = f"{_sizes(options)} {options.activation}"
    return f"{samples.name}, {network}, {options.loss}, {options.dtype}, {threads.number()}"


def _sizes(options: argparse.Namespace) -> str:
    return "-".join(str(n) for n in (784, *options.hidden, RECIPES["mlp"].classes))
