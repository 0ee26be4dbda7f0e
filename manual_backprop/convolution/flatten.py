"""Flatten and Unflatten: the same values in another shape, as between images and a Linear.

    y_{r(i)} = x_i                             r one-to-one

    ∂L/∂x_i = ∂L/∂y_{r(i)}                     every gradient goes back to where its value was

r keeps the order of the values. Shapes: x (a, b, c, …), y (a, b·c, …) or the other way round.

Source: ``torch.nn.Flatten``.
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.public import public


class ReshapeFunction(Function):
    """y_{r(i)} = x_i.

    Backward: ∂L/∂x_i = δ_{r(i)}
    """

    @staticmethod
    def forward(input: Tensor, shape: torch.Size) -> Tensor:
        # A Function must not return its input itself, nor a view of it.
        return input.reshape(shape).clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, _ = inputs
        ctx.shape = input.shape

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.reshape(ctx.shape), None  # ∂L/∂x_i = δ_{r(i)}


@public()
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from ``start_dim`` to ``end_dim`` as one, as ``torch.flatten``; a copy."""
    return ReshapeFunction.apply(input, input.flatten(start_dim, end_dim).shape)


@public()
def unflatten(input: Tensor, dim: int, sizes: tuple[int, ...]) -> Tensor:
    """Dimension ``dim`` as several of these sizes, as ``torch.unflatten``; a copy."""
    return ReshapeFunction.apply(input, input.unflatten(dim, sizes).shape)


class Flatten(torch.nn.Flatten):
    """``torch.nn.Flatten`` with a hand-written backward; returns a copy.

    Raises:
        IndexError, RuntimeError: (by PyTorch) for dimensions that the input does not have.
    """

    def forward(self, input: Tensor) -> Tensor:
        return flatten(input, self.start_dim, self.end_dim)


class Unflatten(torch.nn.Unflatten):
    """``torch.nn.Unflatten`` with a hand-written backward; returns a copy.

    Raises:
        IndexError, RuntimeError: (by PyTorch) for a dimension or sizes that do not fit the input.
    """

    def forward(self, input: Tensor) -> Tensor:
        return unflatten(input, self.dim, tuple(self.unflattened_size))
