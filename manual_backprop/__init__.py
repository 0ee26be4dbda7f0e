"""Layers of ``torch.nn`` whose backward is written by hand.

Same names, same constructors, same ``state_dict``: replace ``torch.nn.Linear`` by
``manual_backprop.Linear``. The functions behind them are in ``manual_backprop.functional``, the
optimisers in ``manual_backprop.optim``. ``Network`` is the whole network by hand, without autograd.

The equations are those of five lecture notes, which are cited by their titles:

    000  "Back propagation using different loss function"
    001  "The MNIST network by hand"
    002  "Deep Learning"
    003  "Backpropagation"
    004  "How results change with the loss function"
"""

from manual_backprop import functional, optim
from manual_backprop.activation.gelu import GELU
from manual_backprop.activation.identity import Identity
from manual_backprop.activation.rectifiers import ELU, LeakyReLU, ReLU
from manual_backprop.activation.sigmoids import Sigmoid, Tanh
from manual_backprop.activation.smooth_rectifiers import SiLU, Softplus
from manual_backprop.activation.softmax import LogSoftmax, Softmax
from manual_backprop.affine.activated_linear import ActivatedLinear
from manual_backprop.affine.linear import Linear
from manual_backprop.loss.binary_cross_entropy import BCELoss
from manual_backprop.loss.binary_cross_entropy_with_logits import BCEWithLogitsLoss
from manual_backprop.loss.cross_entropy import CrossEntropyLoss
from manual_backprop.loss.mse import MSELoss
from manual_backprop.loss.nll import NLLLoss
from manual_backprop.loss.squared_error import SquaredErrorLoss
from manual_backprop.network import Network

__all__ = [
    "ELU",
    "GELU",
    "ActivatedLinear",
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "Identity",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "NLLLoss",
    "Network",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "SquaredErrorLoss",
    "Tanh",
    "functional",
    "optim",
]
