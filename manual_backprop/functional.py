"""The hand-written functions under the names and signatures of ``torch.nn.functional``."""

from manual_backprop.activation.gelu import gelu
from manual_backprop.activation.rectifiers import elu, leaky_relu, relu
from manual_backprop.activation.sigmoids import sigmoid, tanh
from manual_backprop.activation.smooth_rectifiers import silu, softplus
from manual_backprop.activation.softmax import log_softmax, softmax
from manual_backprop.affine.activated_linear import activated_linear
from manual_backprop.affine.linear import linear
from manual_backprop.loss.binary_cross_entropy import binary_cross_entropy
from manual_backprop.loss.binary_cross_entropy_with_logits import binary_cross_entropy_with_logits
from manual_backprop.loss.cross_entropy import cross_entropy
from manual_backprop.loss.mse import mse_loss
from manual_backprop.loss.nll import nll_loss
from manual_backprop.loss.squared_error import squared_error_loss

__all__ = [
    "activated_linear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "elu",
    "gelu",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mse_loss",
    "nll_loss",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "squared_error_loss",
    "tanh",
]
