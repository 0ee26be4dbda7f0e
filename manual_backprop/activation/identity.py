"""Identity: the activation that does nothing.

    id(z) = z                                  id′(z) = 1

    ∂L/∂z = ∂L/∂a                              elementwise, any shape

Source: lecture note "Deep Learning" (linear activation).
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.public import public


class IdentityFunction(Function):
    """a = z.

    Backward: ∂L/∂z = g
    """

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        return input.clone()  # a Function must not return its input itself

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad_output):
        return identity_gradient(grad_output)


def identity_gradient(g: Tensor) -> Tensor:
    """∂L/∂z from g = ∂L/∂a."""
    return g.clone()  # id′(z) = 1


@public()
def identity(input: Tensor) -> Tensor:
    """a = z; a copy, any shape."""
    return IdentityFunction.apply(input)


class Identity(torch.nn.Identity):
    """``torch.nn.Identity`` with a hand-written backward; returns a copy of its input.

    Raises:
        TypeError: for complex numbers.
    """

    def forward(self, input: Tensor) -> Tensor:
        return identity(input)
