"""The multilayer perceptron of the lecture notes."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import nn

from torch_models.names import ACTIVATIONS, LOSSES, Reads, known


def mlp(
    sizes: Sequence[int] = (784, 160, 10),
    activation: str = "relu",
    loss: str = "cross-entropy",
    layers: Any = nn,
) -> nn.Sequential:
    """A multilayer perceptron; the default is the notes' network.

    Args:
        sizes: neurons of each layer, input first; one more entry than there are weight matrices.
        activation: name of the hidden layers' activation, one of ``names.ACTIVATIONS``.
        loss: name of the loss that will read the output, one of ``names.LOSSES``; it decides
            whether the output is logits, log-probabilities, or probabilities.
        layers: the namespace to build from, ``torch.nn`` or ``manual_backprop``.

    Returns:
        A network (N, sizes[0]) → (N, sizes[-1]) with one ``Linear`` for each pair of sizes.

    Raises:
        ValueError: fewer than two sizes, a size below 1, or an unknown name.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes must be two or more numbers of at least 1, got {tuple(sizes)}")
    hidden = getattr(layers, known("activation", activation, ACTIVATIONS))
    modules: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        modules += [layers.Linear(n_in, n_out), hidden()]
    return nn.Sequential(*modules[:-1], *_output(known("loss", loss, LOSSES), layers))


def _output(reads: Reads, layers: Any) -> list[nn.Module]:
    if reads is Reads.LOGITS:
        return []
    return [layers.LogSoftmax(dim=1) if reads is Reads.LOG_PROBABILITIES else layers.Sigmoid()]
