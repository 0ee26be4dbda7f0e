"""Alpha dropout: dropout that keeps mean 0 and variance 1, for networks of SELU.

    y_k = A (m_k x_k − α′(1 − m_k)) + B        m_k = 1 with probability 1 − p, else 0

    ∂L/∂x_k = A m_k ∂L/∂y_k                    elementwise, any shape

What is left out becomes −α′ = −1.758…, the limit of SELU far on the left. If x has mean 0 and
variance 1, that in the brackets has mean −α′p and variance (1 − p)(1 + p α′²), which A and B undo:

    A = 1/√((1 − p)(1 + p α′²))                B = A α′ p

The mask m is drawn in the forward and is a constant in the backward. In training p = 0 gives x, and
p = 1 nothing but zeros.

Source: Klambauer et al. 2017.
"""

import math

import torch
from torch import Tensor

from manual_backprop.kit.function import Function
from manual_backprop.kit.inplace import overwrite
from manual_backprop.kit.public import public
from manual_backprop.regularization.dropout import check_probability

ALPHA = 1.7580993408473766


class AlphaDropoutFunction(Function):
    """y = A (m x − α′(1 − m)) + B; also gives A m.

    Backward: A m ⊙ g
    """

    @staticmethod
    def forward(input: Tensor, p: float) -> tuple[Tensor, Tensor]:
        if p == 1:  # PyTorch draws nothing then
            zero = input.new_zeros(())
            return input * zero, zero
        A = 1 / math.sqrt((ALPHA * ALPHA * p + 1) * (1 - p))
        mask = torch.empty_like(input).bernoulli_(1 - p)
        left_out = (mask - 1) * (ALPHA * A) + ALPHA * A * p  # −Aα′(1 − m) + B
        scale = mask * A
        return input * scale + left_out, scale

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, scale = output
        ctx.mark_non_differentiable(scale)
        ctx.save_for_backward(scale)

    @staticmethod
    def backward(ctx, grad_output, *_):
        (scale,) = ctx.saved_tensors
        return grad_output * scale, None  # ∂L/∂x = A m ∂L/∂y


@public()
def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """y = A (m x − α′(1 − m)) + B, as ``torch.nn.functional.alpha_dropout``; any shape.

    Args:
        input: x.
        p: the probability that an element is left out.
        training: return the input where this is False.
        inplace: write over the input.

    Raises:
        ValueError: if p is no probability.
    """
    check_probability("alpha_dropout", p)
    if not training or p == 0:
        return input
    if inplace:
        return overwrite(lambda x: AlphaDropoutFunction.apply(x, p)[0], input)
    return AlphaDropoutFunction.apply(input, p)[0]


class AlphaDropout(torch.nn.AlphaDropout):
    """``torch.nn.AlphaDropout`` with the backward of ``functional.alpha_dropout``."""

    def forward(self, input: Tensor) -> Tensor:
        return alpha_dropout(input, self.p, self.training, self.inplace)
