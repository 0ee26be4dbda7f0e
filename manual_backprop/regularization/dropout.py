"""Dropout: in training each element is left out with probability p, and the others are scaled.

    y_k = m_k x_k / (1 − p)                    m_k = 1 with probability 1 − p, else 0

    ∂L/∂x_k = m_k/(1 − p) ∂L/∂y_k              elementwise, any shape

The mask m is drawn in the forward and is a constant in the backward. Divided by 1 − p, y has the
expectation of x, so that nothing need be scaled in evaluation, where y = x.

In training p = 0 gives x, and p = 1 nothing but zeros.

Source: Srivastava et al. 2014; the scaling in training, "inverted dropout", is later practice.
"""

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.inplace import overwrite
from manual_backprop.kit.public import public


class DropoutFunction(Function):
    """y = m ⊙ x / (1 − p); also gives the mask m.

    Backward: m ⊙ g/(1 − p)
    """

    @staticmethod
    def forward(input: Tensor, p: float) -> tuple[Tensor, Tensor]:
        if p == 1:  # PyTorch draws nothing then
            return input * 0, torch.zeros((), dtype=torch.bool, device=input.device)
        return torch.native_dropout(input, p, True)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, p = inputs
        _, mask = output
        ctx.scale = 1 / (1 - p) if p < 1 else 0.0
        ctx.mark_non_differentiable(mask)
        ctx.save_for_backward(mask)

    @staticmethod
    def backward(ctx, grad_output, *_):
        (mask,) = ctx.saved_tensors
        return grad_output * mask * ctx.scale, None  # ∂L/∂x = m/(1 − p) ∂L/∂y


def check_probability(name: str, p: float) -> None:
    """Raise ValueError unless p is one."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: expected a probability p between 0 and 1, got {p}")


@public()
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """y = m ⊙ x / (1 − p), as ``torch.nn.functional.dropout``; any shape.

    With a seed of its own PyTorch's generator draws the mask that it draws for PyTorch's dropout.
    Where nothing is left out, the input itself is returned, as by PyTorch.

    Raises:
        ValueError: if p is no probability.
    """
    check_probability("dropout", p)
    if not training or p == 0:
        return input
    if inplace:
        return overwrite(lambda x: DropoutFunction.apply(x, p)[0], input)
    return DropoutFunction.apply(input, p)[0]


class Dropout(torch.nn.Dropout):
    """``torch.nn.Dropout`` with the backward of ``functional.dropout``."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training, self.inplace)
