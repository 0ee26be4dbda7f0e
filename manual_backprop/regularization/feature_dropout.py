"""Dropout of whole channels in training, as neighbours in an image tell the same.

    y_nck = m_nc x_nck / (1 − p)               m_nc = 1 with probability 1 − p, else 0

    ∂L/∂x_nck = m_nc/(1 − p) ∂L/∂y_nck

n counts samples, c channels, k positions. What is drawn, s = m/(1 − p), is a constant in the
backward. In training p = 0 gives x, and p = 1 nothing but zeros.

Shapes: x, y (N, C, …); m, s (N, C, 1, …).

Source: Tompson et al. 2015.
"""

import warnings

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.inplace import overwrite
from manual_backprop.kit.public import public
from manual_backprop.regularization.dropout import check_probability


class FeatureDropoutFunction(Function):
    """y = s ⊙ x; also gives s, which is m/(1 − p).

    Backward: m_nc g/(1 − p)
    """

    @staticmethod
    def forward(input: Tensor, p: float) -> tuple[Tensor, Tensor]:
        scale = input.new_empty(*input.shape[:2], *[1] * (input.dim() - 2))
        # PyTorch draws nothing where p is 1.
        scale = scale.bernoulli_(1 - p) / (1 - p) if p < 1 else torch.zeros_like(scale)
        return input * scale, scale

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, scale = output
        ctx.mark_non_differentiable(scale)
        ctx.save_for_backward(scale)

    @staticmethod
    def backward(ctx, grad_output, *_):
        (scale,) = ctx.saved_tensors
        return grad_output * scale, None  # ∂L/∂x = m_nc/(1 − p) ∂L/∂y


def channels_left_out(
    name: str, input: Tensor, p: float, training: bool, inplace: bool, batched: int, single: int
) -> Tensor:
    """What the three functions do to an input of ``batched`` dimensions, or of ``single``."""
    check_probability(name, p)
    if input.dim() not in (batched, single):
        raise ValueError(
            f"{name}: expected input of {single} or {batched} dimensions, got {tuple(input.shape)}"
        )
    if not training or p == 0:
        return input

    def of_channels(x: Tensor) -> Tensor:
        if x.dim() == batched or name == "dropout2d":
            return FeatureDropoutFunction.apply(x, p)[0]
        return FeatureDropoutFunction.apply(x.unsqueeze(0), p)[0].squeeze(0)

    return overwrite(of_channels, input) if inplace else of_channels(input)


@public()
def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """As ``torch.nn.functional.dropout1d``, with the channels that PyTorch leaves out.

    Args:
        input: x, shape (N, C, L) or (C, L).
        p: the probability that a channel is left out.
        training: return the input where this is False.
        inplace: write over the input.

    Raises:
        ValueError: if p is no probability, or for another number of dimensions.
    """
    return channels_left_out("dropout1d", input, p, training, inplace, 3, 2)


@public()
def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """As ``dropout1d``, for (N, C, H, W).

    Three dimensions are taken for (N, C, L), as PyTorch takes them, with a warning.
    """
    if input.dim() == 3:
        warnings.warn(
            "dropout2d: a 3-dimensional input is taken as (N, C, L), not as a single image "
            "(C, H, W): use dropout1d, or unsqueeze(0)",
            stacklevel=3,
        )
    return channels_left_out("dropout2d", input, p, training, inplace, 4, 3)


@public()
def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """As ``dropout1d``, for (N, C, D, H, W) or (C, D, H, W)."""
    return channels_left_out("dropout3d", input, p, training, inplace, 5, 4)


class Dropout1d(torch.nn.Dropout1d):
    """``torch.nn.Dropout1d`` with the backward of ``functional.dropout1d``."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(torch.nn.Dropout2d):
    """``torch.nn.Dropout2d`` with the backward of ``functional.dropout2d``."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(torch.nn.Dropout3d):
    """``torch.nn.Dropout3d`` with the backward of ``functional.dropout3d``."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout3d(input, self.p, self.training, self.inplace)
