"""The names that command lines, hyperparameters and constructors share.

They stand apart from the code that they name, so that ``--help`` needs neither torch nor Lightning.
"""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

T = TypeVar("T")

#: Way of computing the gradient → namespace whose layers and losses it is built from. The explicit
#: way has no layers: torch.nn's hold the weights, ``manual_backprop.Network`` differentiates.
NAMESPACES = {
    "autograd": "torch.nn",
    "manual": "manual_backprop",
    "explicit": "torch.nn",
}

#: Activation → its class, in either namespace.
ACTIVATIONS = {
    "relu": "ReLU",
    "leaky-relu": "LeakyReLU",
    "elu": "ELU",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "softplus": "Softplus",
    "silu": "SiLU",
    "gelu": "GELU",
    "identity": "Identity",
}


#: How gpt computes its attention.
ATTENTIONS = ("whole", "blocks")


class Reads(Enum):
    """What a loss reads from the network, and so what the network ends with."""

    LOGITS = "logits"
    LOG_PROBABILITIES = "log-probabilities, by LogSoftmax"
    PROBABILITIES = "probabilities, by Sigmoid"


LOSSES = {
    "cross-entropy": Reads.LOGITS,
    "nll": Reads.LOG_PROBABILITIES,
    "bce": Reads.PROBABILITIES,
    "bce-with-logits": Reads.LOGITS,
    "mse": Reads.PROBABILITIES,
    "squared-error": Reads.PROBABILITIES,
}

#: What ``--dataset`` takes; auto is mnist where it can be had, else digits, and text for a network
#: that reads text.
DATASETS = ("auto", "mnist", "fashion-mnist", "digits", "text")

#: Training sequences of text at most, unless the user says otherwise: those of two minutes.
TEXT_TRAINING = 16_384

#: Optimiser steps of one ``training_step`` of Lightning's, unless the user says otherwise: what
#: Lightning does around it is then a hundredth of the time of a step of the notes' network.
STEPS_PER_EXECUTION = 50


def known(kind: str, name: str, table: Mapping[str, T]) -> T:
    """``table[name]``, or a ValueError that says what there is."""
    if name not in table:
        raise ValueError(f"unknown {kind} {name!r}: choose from {', '.join(table)}")
    return table[name]


def run_name(network: str, backprop: str) -> str:
    """The folder below ``--log-dir`` that has the runs of this network and way."""
    return backprop if network == "mlp" else f"{network}-{backprop}"
