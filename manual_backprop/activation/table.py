"""The table of activations: every σ by its name, with its backward, as ``Network`` uses them.

    a = σ(z),    ∂L/∂z = ∂L/∂a ⊙ σ′(z)             elementwise, any shape

The equations are derived in the files of this folder, which have the backwards, too. Values and
constants are those of the modules in ``torch.nn``.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from manual_backprop.activation.exponential_rectifiers import elu_gradient
from manual_backprop.activation.gelu import gelu_gradient
from manual_backprop.activation.identity import identity_gradient
from manual_backprop.activation.rectifiers import leaky_relu_gradient, relu_gradient
from manual_backprop.activation.sigmoids import sigmoid_gradient, tanh_gradient
from manual_backprop.activation.smooth_rectifiers import silu_gradient, softplus_gradient


class Activation(NamedTuple):
    """σ and its backward."""

    function: Callable[[Tensor], Tensor]
    """z ↦ a."""
    gradient: Callable[[Tensor, Tensor, Tensor], Tensor]
    """(g, z, a) ↦ g ⊙ σ′(z): ∂L/∂z from g = ∂L/∂a."""


ACTIVATIONS = {
    "relu": Activation(torch.relu, lambda g, z, a: relu_gradient(g, a)),
    "leaky-relu": Activation(F.leaky_relu, lambda g, z, a: leaky_relu_gradient(g, z)),
    "elu": Activation(F.elu, lambda g, z, a: elu_gradient(g, z)),
    "sigmoid": Activation(torch.sigmoid, lambda g, z, a: sigmoid_gradient(g, a)),
    "tanh": Activation(torch.tanh, lambda g, z, a: tanh_gradient(g, a)),
    "softplus": Activation(F.softplus, lambda g, z, a: softplus_gradient(g, z)),
    "silu": Activation(F.silu, lambda g, z, a: silu_gradient(g, z)),
    "gelu": Activation(F.gelu, lambda g, z, a: gelu_gradient(g, z)),
    "identity": Activation(torch.clone, lambda g, z, a: identity_gradient(g)),
}
