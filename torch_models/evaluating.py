"""A look at a network in the middle of its training."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Within it the network drops nothing and learns no mean, and then it is as it was."""
    was = network.training
    for module in network.modules():
        # cuDNN has no backward of a recurrent layer in evaluation mode; without dropout of its
        # own it computes the same in both.
        if not isinstance(module, nn.RNNBase):
            module.training = False
    try:
        yield
    finally:
        network.train(was)
