"""The names that command lines, hyperparameters and constructors share.

They stand apart from the code that they name, so that ``--help`` needs neither torch nor Lightning.
"""

from enum import Enum

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

#: Data set → epochs of training unless the user says otherwise. An epoch of digits is 11 batches
#: of 128, one of MNIST is 430; with the five epochs of MNIST, digits would stop at about 94 %.
EPOCHS = {
    "mnist": 5,
    "fashion-mnist": 5,
    "digits": 20,
}

#: What ``--dataset`` takes; auto is mnist where it can be had, else digits.
DATASETS = ("auto", *EPOCHS)

#: Optimiser steps of one ``training_step`` of Lightning's, unless the user says otherwise: what
#: Lightning does around it is then a hundredth of the time of a step of the notes' network.
STEPS_PER_EXECUTION = 50
